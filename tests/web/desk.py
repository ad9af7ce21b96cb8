"""A desk in memory: the real fold over a dictionary, answers by the real `Answers`, no Kafka."""

import asyncio
import json
from contextlib import asynccontextmanager

from agents import services  # noqa: F401  fills the registry
from agents.decide import Arrival, Fold
from agents.registry import View
from agents.roles.answers import Answers
from agents.roles.desk import AnswerUnknown, Elsewhere, NotServing, PartitionStatus
from agents.roles.explode import explode
from agents.roles.watching import Watching
from streams.journal import NO_HASH, Batch, Position
from streams.timestamps import format_ms
from tables.postgres.read_models import insert_entries, upsert_resources
from tables.seen import Seen
from tables.working_set import WorkingSet

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class DictStore:
    def get(self, key):
        return None

    def scan(self, prefix, start):
        return iter(())


class MemoryDesk:
    """One partition; `owner_url`, `recovering`, `silent`, `stuck` make it behave as workers may."""

    def __init__(self):
        self.partitions = 1
        self.working = WorkingSet(DictStore())
        self.fold = Fold(self.working, Seen(self.working.get), partition=0, partitions=1)
        self.answers = Answers()
        self.watching = Watching()
        self.batches = []
        self.owner_url = ""
        self.recovering = False
        self.silent = False
        self.stuck = False
        self.now_ms = NOW_MS
        self._mail = []
        self._offset = 0

    # -- as a Desk ----------------------------------------------------------------------------

    def statuses(self):
        state = "recovering" if self.recovering else "serving"
        return [PartitionStatus(0, state, len(self.batches), len(self._mail), 0.25)]

    async def decide(self, tenant_id, event_id, envelope, *, timeout_s, ingress="http"):
        self._must_serve()
        with self.answers.expect(tenant_id, event_id) as answer:
            self._append(envelope, ingress)
            if self.silent:
                raise AnswerUnknown("no answer in time")
            async with asyncio.timeout(timeout_s):
                return await answer

    def watch(self, tenant_id, prefix):
        self._must_serve()
        return self.watching.watch(prefix)

    @asynccontextmanager
    async def view(self, tenant_id):
        self._must_serve()
        yield View(self.working)
        if self.stuck:  # what was read is not committed, and nobody knows when it will be
            await asyncio.get_running_loop().create_future()

    def _must_serve(self):
        if self.owner_url:
            raise Elsewhere(self.owner_url)
        if self.recovering:
            raise NotServing("recovering")

    # -- as the world -------------------------------------------------------------------------

    async def hear(self, event_type, tenant_id="alpha", *, event_id="", ingress="nats", **data):
        """An event of a sister service, decided before this returns; its entry."""
        envelope = {
            "event_id": event_id or f"event-{self._offset}",
            "event_type": event_type,
            "tenant_id": tenant_id,
            "timestamp": format_ms(self.now_ms),
            "data": data,
        }
        self._append(json.dumps(envelope).encode(), ingress)
        self._pump()
        return self.batches[-1].entries[-1]

    def _append(self, raw, ingress):
        if not self._mail:
            asyncio.get_running_loop().call_soon(self._pump)
        self._mail.append((raw, ingress))

    def _pump(self):
        """Decide the mail as one journal record and answer who waits."""
        mail, self._mail = self._mail, []
        if not mail:
            return
        seq, first = len(self.batches) + 1, Position(1, self._offset)
        self.fold.begin(seq)
        for raw, ingress in mail:
            self.now_ms += 1000
            self.fold.decide(Arrival(1, self._offset, 0, ingress, self.now_ms, raw))
            self._offset += 1
        entries, images = self.fold.close()
        after = Position(1, self._offset)
        members = (NO_HASH, NO_HASH, 1, self.now_ms, list(entries), images, bytes(16))
        self.batches.append(Batch(b"claim", seq, first, after, *members))
        self.answers.give(0, seq, entries)
        self.watching.tell([image.key for image in images])


async def project(desk, database):
    """Bring the read models up to the desk's journal, as the projector does."""
    done = await database.owner.fetchval("SELECT coalesce(max(seq), 0) FROM entries")
    found = explode(0, desk.batches[done:])
    assert not found.unreadable
    async with database.archiver.acquire() as connection, connection.transaction():
        await insert_entries(connection, found.entries)
        await upsert_resources(connection, [row for row, _source in found.resources])
        await connection.execute(
            """INSERT INTO progress (role, partition, seq) VALUES ('projector', 0, $1)
               ON CONFLICT (role, partition) DO UPDATE SET seq = excluded.seq""",
            desk.batches[-1].seq if desk.batches else -1,
        )
