"""Secrets of tenants and of the platform: written, resolved, given new keys; opened only for use.

Whose is it: the tenant's own, else the platform's default. What would lose a secret: a value sealed
by a key nobody has (`require_keys` at start), two writers of one version (the later is refused), a
resealing that overwrites a newer value (it counts only if nothing changed meanwhile).
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import asyncpg
import structlog
from pydantic import SecretStr

from agents.roles.counters import KEY_AGE
from agents.roles.lease import Lease, Owner, Progress, run_leased
from connectors.envelope import Keyring, Place, Sealed
from streams.errors import Misconfigured, Unreadable
from streams.signals import crash_here
from tables.postgres import secrets as rows
from tables.postgres.secrets import PLATFORM, SecretRow

ROLE = "keys"
KEY_AGE_MAX = timedelta(days=90)
LOOK_EVERY_S = 3_600.0
_AT_ONCE = 100

log = structlog.get_logger(__name__)


def now_utc() -> datetime:
    """The clock of keys' ages; not of any decision."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A secret to use now: its value, whose it is (a tenant's id or `PLATFORM`), its version."""

    value: SecretStr
    owner: str
    version: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many secrets got a new data key, or only another master key around theirs, or do not
    open and stay as they are.
    """

    resealed: int = 0
    rewrapped: int = 0
    unreadable: int = 0


async def put_secret(
    connection: asyncpg.Connection,
    keyring: Keyring,
    tenant_id: str,
    name: str,
    value: str,
    *,
    by: str,
    now: datetime,
) -> SecretRow | None:
    """Store the next value of a name, in the caller's transaction; None if somebody was quicker.

    Raises ValueError for a value that is empty or too long.
    """
    before = await rows.read_secret(connection, tenant_id, name, lock=True)
    version = 1 if before is None else before.version + 1
    place = Place(tenant_id, name, version)
    row = _row(
        place,
        keyring.seal(place, value),
        fingerprint=keyring.fingerprint(place, value),
        keyed_at=now,
        written_at=now,
        written_by=by,
    )
    return row if await rows.write_secret(connection, row) else None


async def remove_secret(
    connection: asyncpg.Connection, tenant_id: str, name: str, *, by: str, now: datetime
) -> bool:
    """Forget the value of a name, in the caller's transaction; False if there was none."""
    before = await rows.read_secret(connection, tenant_id, name, lock=True)
    if before is None or before.box is None:
        return False
    gone = dataclasses.replace(
        before,
        version=before.version + 1,
        fingerprint="",
        keyed_at=now,
        written_at=now,
        written_by=by,
        master_id=None,
        wrapped_key=None,
        box=None,
    )
    return await rows.write_secret(connection, gone)


async def require_keys(connection: asyncpg.Connection, keyring: Keyring) -> None:
    """Raise `Misconfigured` unless this keyring is this database's; then note its current key."""
    known, used = await rows.master_ids(connection)
    missing = used - keyring.ids
    if missing:
        raise Misconfigured(
            f"secrets are sealed under master keys that are not here: {', '.join(sorted(missing))};"
            " name them in TREASURY_OLD_MASTER_KEYS"
        )
    if known and not known & keyring.ids:
        raise Misconfigured(
            "the master key is not one this database knows; to introduce a new one, name the old"
            " one in TREASURY_OLD_MASTER_KEYS"
        )
    await rows.register_master(connection, keyring.current_id)


class SecretStore:
    """Resolves secrets and gives them new keys; `pool` logs in as treasury_archiver."""

    def __init__(self, pool: asyncpg.Pool, keyring: Keyring) -> None:
        self._pool, self._keyring = pool, keyring

    async def resolve(self, tenant_id: str, prefix: str) -> Mapping[str, Resolved]:
        """Secrets whose names begin so, by name: the tenant's own before the platform's.

        Raises `Unreadable` when one does not open: no default stands in for a broken secret.
        """
        async with self._pool.acquire() as connection:
            found = await rows.read_secrets(connection, (PLATFORM, tenant_id), prefix)
        found.sort(key=lambda row: row.tenant_id != PLATFORM)
        return {row.name: self._opened(row) for row in found}

    async def rotate(self, keyed_before: datetime, now: datetime) -> Rotated:
        """New data keys for those older than that moment, the current master key around all.

        Each secret by itself: killed half-way, the rest is done the next time, and all open.
        """
        done: Counter[str] = Counter()
        after = ("", "")
        async with self._pool.acquire() as connection:
            while due := await rows.due_secrets(
                connection, self._keyring.current_id, keyed_before, after, _AT_ONCE
            ):
                for row in due:
                    done[await self._rekey(connection, row, keyed_before, now)] += 1
                    crash_here("S16")
                after = (due[-1].tenant_id, due[-1].name)
            await rows.retire_masters(connection, self._keyring.current_id)
        return Rotated(done["resealed"], done["rewrapped"], done["unreadable"])

    async def oldest_key(self) -> datetime | None:
        """When the oldest data key in use was made."""
        async with self._pool.acquire() as connection:
            return await rows.oldest_key(connection)

    async def _rekey(
        self, connection: asyncpg.Connection, row: SecretRow, keyed_before: datetime, now: datetime
    ) -> str:
        """What was done, by its name in `Rotated`; empty where somebody else was quicker."""
        place, sealed = _parts(row)
        try:
            value = self._keyring.open(place, sealed).get_secret_value()
        except Unreadable:
            log.critical("secret does not open", tenant_id=row.tenant_id, name=row.name)
            return "unreadable"
        fingerprint = self._keyring.fingerprint(place, value)
        if row.keyed_at < keyed_before:
            after, keyed_at, done = self._keyring.seal(place, value), now, "resealed"
        else:
            after, keyed_at = self._keyring.rewrap(place, sealed), row.keyed_at
            done = "rewrapped"
        changed = _row(
            place,
            after,
            fingerprint=fingerprint,
            keyed_at=keyed_at,
            written_at=row.written_at,
            written_by=row.written_by,
        )
        return done if await rows.reseal(connection, row, changed) else ""

    def _opened(self, row: SecretRow) -> Resolved:
        return Resolved(opened(self._keyring, row), row.tenant_id, row.version)


class KeyKeeper:
    """Gives secrets new data keys when theirs are too old; one worker at a time does it."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        store: SecretStore,
        owner: Owner,
        *,
        key_age_max: timedelta = KEY_AGE_MAX,
        look_every_s: float = LOOK_EVERY_S,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._lease = Lease(pool, ROLE, 0, owner)
        self._store = store
        self._key_age_max, self._look_every_s, self._now = key_age_max, look_every_s, now

    async def run(self) -> NoReturn:
        """Look after the keys whenever the lease is ours, for ever."""
        await run_leased(self._lease, self._keep)

    async def _keep(self, _progress: Progress) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._look_every_s)

    async def look(self) -> Rotated:
        """Replace what is due now. A secret that does not open is an alarm, and stays as it is."""
        now = self._now()
        done = await self._store.rotate(now - self._key_age_max, now)
        oldest = await self._store.oldest_key()
        KEY_AGE.set(0 if oldest is None else (now - oldest).total_seconds())
        if done != Rotated():
            log.info("keys rotated", **dataclasses.asdict(done))
        return done


def opened(keyring: Keyring, row: SecretRow) -> SecretStr:
    """The value of a row. Raises `Unreadable`."""
    return keyring.open(*_parts(row))


def _parts(row: SecretRow) -> tuple[Place, Sealed]:
    if row.master_id is None or row.wrapped_key is None or row.box is None:
        raise Unreadable("the secret was removed")
    return Place(row.tenant_id, row.name, row.version), Sealed(
        row.master_id, row.wrapped_key, row.box
    )


def _row(
    place: Place,
    sealed: Sealed,
    *,
    fingerprint: str,
    keyed_at: datetime,
    written_at: datetime,
    written_by: str,
) -> SecretRow:
    return SecretRow(
        place.tenant_id,
        place.name,
        place.version,
        fingerprint,
        keyed_at,
        written_at,
        written_by,
        sealed.master_id,
        sealed.wrapped_key,
        sealed.box,
    )
