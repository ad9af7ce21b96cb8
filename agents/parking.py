"""Events that cannot be decided yet: they wait on the key of a row, in order and within bounds.

When that row is written they are released; some per event, so that nothing else starves. At
their deadline they are refused. Nothing here decides business.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.effects import Park
from tables.memory import SYSTEM, Due, Parked, Release, TenantLoad
from tables.row import Row
from tables.tenants import Tenant
from tables.working_set import WorkingSet

DEADLINE_MS = 24 * 3600 * 1000
MAX_BYTES_PER_TENANT = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """A parked event that left its place (or none, only bookkeeping), and the keys it changed."""

    row: Parked | None
    changes: list[bytes]


def wait_key(key: bytes) -> str:
    """The name under which events wait for the row with this key."""
    return key.decode().replace("\x00", "/")


class Parking:
    """The waiting events of one partition; changes rows in `working` and tells which."""

    def __init__(self, working: WorkingSet) -> None:
        self._working = working
        loads = working.scan(TenantLoad.prefix_of(), 1 << 30)
        self._loads = {row.tenant_id: row for row in loads if isinstance(row, TenantLoad)}
        self._passed: dict[bytes, bytes] = {}  # by prefix: nothing is left before this key
        self.more_due = False
        self.releasing = bool(working.scan(Release.prefix_of(SYSTEM), 1))

    @property
    def more_to_do(self) -> bool:
        """Whether work is left that no new event will bring up soon enough."""
        return self.releasing or self.more_due

    def waits(self, tenant_id: str) -> bool:
        """Whether any event of this tenant waits."""
        load = self._loads.get(tenant_id)
        return load is not None and load.events > 0

    def ahead_of(self, tenant_id: str) -> bool:
        """Whether earlier events of the tenant still wait for the tenant itself."""
        if not self.waits(tenant_id):
            return False
        return self._oldest(Parked.prefix_of(tenant_id, f"tn/{tenant_id}")) is not None

    def park(
        self,
        park: Park,
        *,
        tenant_id: str,
        event_id: str,
        order: str,
        ingress: str,
        received_ms: int,
        now_ms: int,
        raw: bytes,
        redriven: bool = False,
    ) -> list[bytes] | None:
        """Let an event wait; None when the tenant's waiting room is full."""
        load = self._load(tenant_id)
        if load.size_bytes + len(raw) > MAX_BYTES_PER_TENANT:
            return None
        deadline_ms = now_ms + DEADLINE_MS
        row = Parked(
            tenant_id,
            wait_key(park.key),
            order,
            event_id,
            ingress,
            received_ms,
            deadline_ms,
            raw,
            redriven,
        )
        subject = f"{row.wait_key}\x00{order}"
        load = load.replaced(events=load.events + 1, size_bytes=load.size_bytes + len(raw))
        due = Due(deadline_ms, "parked", tenant_id, subject)
        return [*self._put(row, due), self._keep(load)]

    def wake(self, tenant_id: str, keys: Iterable[bytes], order: str) -> list[bytes]:
        """Release what waited for any of these rows."""
        changed: list[bytes] = []
        for key in keys:
            name = wait_key(key)
            if self._oldest(Parked.prefix_of(tenant_id, name)) is not None:
                changed += self._put(Release(order, tenant_id, name))
                self.releasing = True
        return changed

    def next_released(self) -> Taken | None:
        """Take the next released event from its place; None when there is none."""
        release = self._oldest(Release.prefix_of(SYSTEM))
        if release is None:
            self.releasing = False
            return None
        assert isinstance(release, Release)
        row = self._first_of(release)
        if row is not None:
            return Taken(row, self._remove(row))
        self._working.put(release.key, None)
        return Taken(None, [release.key])

    def _first_of(self, release: Release) -> Parked | None:
        """The oldest event this release lets go, if any is left.

        What arrives after the release waits for the next write; but events that queued behind
        their tenant all go, as long as the tenant stays active.
        """
        row = self._oldest(Parked.prefix_of(release.tenant_id, release.wait_key))
        if not isinstance(row, Parked):
            return None
        if release.wait_key == f"tn/{row.tenant_id}":
            tenant = self._working.get(Tenant.key_of(row.tenant_id))
            return row if isinstance(tenant, Tenant) and tenant.status == "active" else None
        return row if row.arrival < release.arrival else None

    def _oldest(self, prefix: bytes) -> Row | None:
        """The first row with this prefix.

        Rows are added in the order of their keys, so what is gone need not be passed again.
        """
        found = self._working.scan(prefix, 1, self._passed.get(prefix, b""))
        if not found:
            self._passed.pop(prefix, None)
            return None
        self._passed[prefix] = found[0].key
        return found[0]

    def take(self, tenant_id: str, subject: str) -> Taken | None:
        """Take one event from its place, by the subject of its deadline."""
        name, _, order = subject.partition("\x00")
        row = self._working.get(Parked.key_of(tenant_id, name, order))
        return Taken(row, self._remove(row)) if isinstance(row, Parked) else None

    def take_event(self, tenant_id: str, event_id: str) -> Taken | None:
        """Take the event of this id, unless it waits for its tenant: there, all keep their order.

        Looks at everything of the tenant that waits.
        """
        for row in self._working.scan(Parked.prefix_of(tenant_id), 1 << 30):
            assert isinstance(row, Parked)
            if row.event_id == event_id and row.wait_key != f"tn/{tenant_id}":
                return Taken(row, self._remove(row))
        return None

    def count_failure(self, tenant_id: str) -> tuple[list[bytes], int]:
        """A handler raised for this tenant: the changed keys, and how often in a row."""
        load = self._load(tenant_id)
        load = load.replaced(failures=load.failures + 1)
        return [self._keep(load)], load.failures

    def forget_failures(self, tenant_id: str) -> list[bytes]:
        """A handler succeeded for this tenant: the changed keys."""
        load = self._loads.get(tenant_id)
        return [self._keep(load.replaced(failures=0))] if load and load.failures else []

    def _remove(self, row: Parked) -> list[bytes]:
        load = self._load(row.tenant_id)
        events, size = load.events - 1, load.size_bytes - len(row.raw)
        subject = f"{row.wait_key}\x00{row.arrival}"
        due = Due(row.deadline_ms, "parked", row.tenant_id, subject)
        self._working.put(row.key, None)
        self._working.put(due.key, None)
        return [row.key, due.key, self._keep(load.replaced(events=events, size_bytes=size))]

    def _load(self, tenant_id: str) -> TenantLoad:
        return self._loads.get(tenant_id) or TenantLoad(tenant_id)

    def _keep(self, load: TenantLoad) -> bytes:
        """Only tenants that burden the partition have a row; returns its key."""
        if load.events or load.failures:
            self._loads[load.tenant_id] = load
            self._working.put(load.key, load)
        else:
            self._loads.pop(load.tenant_id, None)
            self._working.put(load.key, None)
        return load.key

    def _put(self, *rows: Row) -> list[bytes]:
        for row in rows:
            self._working.put(row.key, row)
        return [row.key for row in rows]
