"""Events that cannot be decided yet: they wait on the key of a row, in order and within bounds.

When that row is written they are released; some per event, so that nothing else starves. At
their deadline they are refused. Nothing here decides business.
"""

from collections.abc import Iterable

from agents.effects import Park
from tables.memory import SYSTEM, Due, Parked, Release, TenantLoad
from tables.row import Row
from tables.tenants import Tenant
from tables.working_set import WorkingSet

DEADLINE_MS = 24 * 3600 * 1000
ASK_AGAIN_MS = 10 * 60 * 1000
"""A tenant that nobody knew may be known a while later, if its events still come."""
MAX_BYTES_PER_TENANT = 10 * 1024 * 1024


def wait_key(key: bytes) -> str:
    """The name under which events wait for the row with this key."""
    return key.decode().replace("\x00", "/")


class Parking:
    """The waiting events of one partition, as rows of `working`."""

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

    def burdened(self, tenant_id: str) -> bool:
        """Whether events of this tenant wait, or its handlers raised lately."""
        return tenant_id in self._loads

    def ahead_of(self, tenant_id: str) -> bool:
        """Whether earlier events of the tenant still wait for the tenant itself."""
        if tenant_id not in self._loads:
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
    ) -> bool:
        """Let an event wait; False when the tenant's waiting room is full."""
        load = self._load(tenant_id)
        if load.size_bytes + len(raw) > MAX_BYTES_PER_TENANT:
            return False
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
        self._put(row)
        self._put(Due(deadline_ms, "parked", tenant_id, subject))
        self._keep(load)
        return True

    def may_ask(self, tenant_id: str, now_ms: int) -> bool:
        """Whether to ask (again) who a tenant is that events wait for; noted as asked now."""
        load = self._load(tenant_id)
        if load.asked_ms and now_ms - load.asked_ms < ASK_AGAIN_MS:
            return False
        self._keep(load.replaced(asked_ms=now_ms))
        return True

    def wake(self, tenant_id: str, keys: Iterable[bytes], order: str) -> None:
        """Release what waited for any of these rows."""
        for key in keys:
            name = wait_key(key)
            if self._oldest(Parked.prefix_of(tenant_id, name)) is not None:
                self._put(Release(order, tenant_id, name))
                self.releasing = True

    def next_released(self) -> Parked | None:
        """Take the next released event from its place.

        None when a release has nothing left to let go, or there is none: then `releasing` is False.
        """
        release = self._oldest(Release.prefix_of(SYSTEM))
        if release is None:
            self.releasing = False
            return None
        assert isinstance(release, Release)
        row = self._first_of(release)
        if row is None:
            self._working.put(release.key, None)
        else:
            self._remove(row)
        return row

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

    def take(self, tenant_id: str, subject: str) -> Parked | None:
        """Take one event from its place, by the subject of its deadline."""
        name, _, order = subject.partition("\x00")
        row = self._working.get(Parked.key_of(tenant_id, name, order))
        return self._remove(row) if isinstance(row, Parked) else None

    def take_event(self, tenant_id: str, event_id: str) -> Parked | None:
        """Take the event of this id, unless it waits for its tenant: there, all keep their order.

        Looks at everything of the tenant that waits.
        """
        for row in self._working.scan(Parked.prefix_of(tenant_id), 1 << 30):
            assert isinstance(row, Parked)
            if row.event_id == event_id and row.wait_key != f"tn/{tenant_id}":
                return self._remove(row)
        return None

    def count_failure(self, tenant_id: str) -> int:
        """A handler raised for this tenant; returns how often in a row."""
        load = self._load(tenant_id)
        load = load.replaced(failures=load.failures + 1)
        self._keep(load)
        return load.failures

    def forget_failures(self, tenant_id: str) -> None:
        """A handler succeeded for this tenant."""
        load = self._load(tenant_id)
        if load.failures:
            self._keep(load.replaced(failures=0))

    def _remove(self, row: Parked) -> Parked:
        load = self._load(row.tenant_id)
        events, size = load.events - 1, load.size_bytes - len(row.raw)
        subject = f"{row.wait_key}\x00{row.arrival}"
        due = Due(row.deadline_ms, "parked", row.tenant_id, subject)
        self._working.put(row.key, None)
        self._working.put(due.key, None)
        self._keep(load.replaced(events=events, size_bytes=size))
        return row

    def _load(self, tenant_id: str) -> TenantLoad:
        return self._loads.get(tenant_id) or TenantLoad(tenant_id)

    def _keep(self, load: TenantLoad) -> None:
        """Only tenants that burden the partition have a row."""
        if load.events or load.failures:
            self._loads[load.tenant_id] = load
            self._working.put(load.key, load)
        else:
            self._loads.pop(load.tenant_id, None)
            self._working.put(load.key, None)

    def _put(self, row: Row) -> None:
        self._working.put(row.key, row)
