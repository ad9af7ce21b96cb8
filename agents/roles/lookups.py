"""Questions that decisions wait for and no gateway answers: was an event decided before, and who
is this tenant. What is found enters the log as an event of our own.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import asyncpg
import msgspec
import structlog

from agents.roles.outages import Backoff, through_outages
from agents.roles.saying import Saying
from connectors.auth.client import Outlet
from streams.errors import Misconfigured, Unavailable
from streams.ids import derive
from streams.journal import Call
from tables.postgres.calls import CallRow, finish_call
from tables.postgres.lookups import decided_before, projected_seq

ARCHIVE, SEEN = "archive", "seen"
AUTH, TENANT = "auth", "tenant"
CONCURRENT = 16

log = structlog.get_logger(__name__)


class Tenants(Protocol):
    """Who knows tenants (connectors/auth/client.py)."""

    async def tenant(self, tenant_id: str) -> Mapping[str, str] | None:
        """What is said of a tenant; None if there is none. Raises Unavailable, Misconfigured.

        Its `slug` is what its outlets are found by.
        """

    async def outlets(self, tenant_id: str, *, slug: str = "") -> Sequence[Outlet] | None:
        """Its outlets; None if there is no such tenant. Raises as `tenant`."""


class _Question(msgspec.Struct, frozen=True):
    """A question about an event, and where in its record the question stands.

    Of a re-driven event it is only asked whether it was carried out: that it was rejected is known.
    """

    event_id: str
    ordinal: int = 0
    redriven: bool = False


def is_lookup(gateway: str) -> bool:
    """Whether calls to it are questions, and no money."""
    return gateway in {ARCHIVE, AUTH}


def request_of(call: Call, ordinal: int) -> bytes:
    """A question as it is kept; the `ordinal`-th entry of its record asks it."""
    if call.gateway != ARCHIVE:
        return call.request
    asked = msgspec.json.decode(call.request, type=_Question)
    return msgspec.json.encode(_Question(asked.event_id, ordinal, asked.redriven))


class Lookups:
    """Answers questions; without `tenants` nobody can say who a tenant is."""

    def __init__(self, pool: asyncpg.Pool, saying: Saying, tenants: Tenants | None = None) -> None:
        self._pool, self._saying, self._tenants = pool, saying, tenants
        self._slots = asyncio.Semaphore(CONCURRENT)

    def can_answer(self, call: Call) -> bool:
        """Whether there is anybody to ask."""
        if call.gateway == AUTH:
            return call.operation == TENANT and self._tenants is not None
        return call.operation == SEEN

    async def answer(self, row: CallRow) -> None:
        """Find it out, say it, and be done with it. The same answer if it is asked again."""
        if row.gateway == AUTH:
            await self._tenant(row)
        else:
            await self._seen(row)
        await through_outages(partial(finish_call, self._pool, row.call_id, row.seq))

    # -- was it decided before ----------------------------------------------------------------

    async def _seen(self, row: CallRow) -> None:
        question = msgspec.json.decode(row.request, type=_Question)
        async with self._slots:
            seen = await through_outages(partial(self._decided_before, row, question))
        await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type="treasury.lookup.answered",
            event_id=derive(row.tenant_id, row.call_id, "answered", row.seq),
            data={"event_id": question.event_id, "seen": seen, "redriven": question.redriven},
        )

    async def _decided_before(self, row: CallRow, question: _Question) -> bool:
        waiting = Backoff(first_s=0.02, longest_s=1.0)
        while await projected_seq(self._pool, row.partition) < row.seq:
            await waiting.pause()
        return await decided_before(
            self._pool,
            row.partition,
            (row.seq, question.ordinal),
            tenant_id=row.tenant_id,
            event_id=question.event_id,
            redriven=question.redriven,
        )

    # -- who is this tenant -------------------------------------------------------------------

    async def _tenant(self, row: CallRow) -> None:
        found = await self._asked(row)
        if found is None:
            return
        said = {name: text for name, text in found.items() if name != "slug"}
        await self._found(row, "treasury.tenant.found", said)
        for outlet in await self._outlets(row.tenant_id, found.get("slug", row.tenant_id)):
            told = {"outlet_id": outlet.outlet_id, "name": outlet.name, "status": outlet.status}
            await self._found(row, "treasury.outlet.found", told)

    async def _found(self, row: CallRow, event_type: str, data: Mapping[str, str]) -> None:
        """Say it, under an id that is another's once something else is found."""
        said = msgspec.json.encode(data, order="deterministic")
        await self._saying.say(
            row.partition,
            tenant_id=row.tenant_id,
            event_type=event_type,
            event_id=derive(row.tenant_id, row.call_id, f"found.{said.decode()}", row.seq),
            data=data,
        )

    async def _outlets(self, tenant_id: str, slug: str) -> Sequence[Outlet]:
        """What the auth service lists, if it can be asked now: its own events may tell later."""
        assert self._tenants is not None
        try:
            async with self._slots:
                return await self._tenants.outlets(tenant_id, slug=slug) or ()
        except (Unavailable, Misconfigured) as error:
            log.warning("outlets_not_looked_up", tenant_id=tenant_id, error=str(error))
            return ()

    async def _asked(self, row: CallRow) -> Mapping[str, str] | None:
        """What the auth service says, waited for until nobody waits for the tenant any more."""
        if self._tenants is None:
            return None
        waiting = Backoff(first_s=0.5, longest_s=60.0)
        while time.time_ns() // 1_000_000 <= row.deadline_ms:
            try:
                async with self._slots:
                    found = await self._tenants.tenant(row.tenant_id)
            except Unavailable as error:
                log.warning("tenant_not_looked_up", tenant_id=row.tenant_id, error=str(error))
                await waiting.pause()
            except Misconfigured as error:
                log.error("tenant_not_looked_up", tenant_id=row.tenant_id, error=str(error))  # noqa: TRY400  no trace: it is the other side's
                return None
            else:
                log.info("tenant_looked_up", tenant_id=row.tenant_id, found=found is not None)
                return found
        return None
