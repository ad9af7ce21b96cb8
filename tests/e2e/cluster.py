"""A local installation on Apache Kafka whose parts a test may kill; held against the model."""

import asyncio
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient

from agents.audit.invariants import Findings
from compose import seeing
from compose.judgement import judge
from compose.local.processes import Command
from compose.messaging import nats_client
from compose.sending import Payers, publish
from compose.topics import create_topics
from compose.up import Local, Running
from tables.postgres.pool import open_pool
from tests.e2e.watch import ProgressWatch, nothing_held, settled, stopped_in_time
from tests.model.generator import Load, Message, Story, generate
from tests.model.ledger import expected

PATIENCE_S = 180.0
LEASED_ROLES = 5  # archive, projector, relay, dispatch, webhooks
_AT_WORK = """
    SELECT count(*) FROM progress
    WHERE role <> 'keys' AND lease_owner IS NOT NULL AND lease_until > now()
"""


def seed_of_run() -> int:
    """The seed of this run, printed; TREASURY_SEED repeats one."""
    seed = int(os.environ.get("TREASURY_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"seed {seed}: TREASURY_SEED={seed} repeats it")
    return seed


class Altered(Running):
    """An installation whose workers have more environment than usual."""

    def __init__(self, local: Local, environment: Mapping[str, str]) -> None:
        super().__init__(local, print)
        self._environment = environment

    def command(self, number: int) -> Command:
        """How to start the n-th worker."""
        plain = super().command(number)
        return replace(plain, environment={**plain.environment, **self._environment})


class Cluster:
    """Workers under supervisors, and everything that was sent to them so far."""

    installation = Altered

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 1,
        partitions: int = 4,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        local = Local(home, "apache", partitions=partitions, workers=workers, port=0)
        self.running = self.installation(local, environment or {})
        self.load: Load | None = None
        self._sent: list[Message] = []
        self._late: list[Message] = []
        self._forged: list[Message] = []
        self._played: list[Story] = []
        self._answered: dict[tuple[str, str], int] = {}
        self._kafka_complete = True
        self._watch: ProgressWatch | None = None
        self._fresh: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        await self.running.__aenter__()
        try:
            await self.running.ready()
            await self._all_at_work()
            self._fresh = await settled(self.running.urls)
        except BaseException:
            await self.running.__aexit__()
            raise
        self._watch = ProgressWatch(self.settings.archiver_dsn)
        self._watch.start()
        return self

    async def __aexit__(self, failed: object, *_: object) -> None:
        assert self._watch is not None
        await self._watch.stop()
        await self.running.__aexit__()
        findings = Findings()
        stopped_in_time(findings, self.running.supervisors)
        assert failed or not findings.violations, findings.violations

    @property
    def settings(self):
        return self.running.settings()

    def generate(self, seed: int, events: int, **shape: float) -> Load:
        """A load of today; `shape` as `generate` takes it."""
        self.load = generate(seed, events, start_ms=time.time_ns() // 1_000_000, **shape)
        return self.load

    # -- what is sent -----------------------------------------------------------------------------

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish and remember; what contradicts an earlier message waits for `differences`."""
        now = [message for message in messages if message.after is None]
        await publish(self.running.endpoints.nats, now)
        self.remember(now)
        self._late += [message for message in messages if message.after is not None]

    def remember(self, messages: Sequence[Message], *, over_nats: bool = True) -> None:
        """These were sent in some other way than by `publish`: as the bridge would, or not."""
        if over_nats:
            self._sent += messages
        else:
            self._forged += messages

    async def pay(self, stories: Sequence[Story], url: str | None = None) -> None:
        """Play stories once what was sent is decided: an order has to have its invoice."""
        await self.settled()
        async with aiohttp.ClientSession() as session:
            payers = self._payers(session, url or self.running.urls[0])
            await payers.play(stories, within_s=PATIENCE_S, first=len(self._played))
        self._played += stories

    async def begin_payment(self, story: Story, key: str) -> tuple[str, str]:
        """Start a payment and do not wait for its end; (tenant, payment)."""
        wish = {"amount": "100", "currency": story.currency}
        async with aiohttp.ClientSession() as session:
            payers = self._payers(session, self.running.urls[0])
            _, _, intent = await payers.post(story.tenant_id, "intents", f"{key}-intent", wish)
            confirm = {"payment_id": intent["payment_id"], "method": "instant"}
            await payers.post(story.tenant_id, "confirm", f"{key}-confirm", confirm)
        return story.tenant_id, intent["payment_id"]

    async def status_of(self, payment: tuple[str, str]) -> str:
        """A payment's status now."""
        tenant_id, payment_id = payment
        async with aiohttp.ClientSession() as session:
            payers = self._payers(session, self.running.urls[0])
            return (await payers.get(tenant_id, f"payments/intents/{payment_id}"))["status"]

    async def begin(self, seed: int, events: int, **shape: float) -> Load:
        """Publish the first half of a generated load and wait until it is decided."""
        load = self.generate(seed, events, **shape)
        await self.publish(load.messages[: len(load.messages) // 2])
        await self.settled()
        return load

    async def finish(self) -> None:
        """Publish the second half of the load and play the stories that were not played yet."""
        assert self.load is not None
        await self.publish(self.load.messages[len(self.load.messages) // 2 :])
        await self.pay(self.load.stories[len(self._played) :])

    # -- what is done to them ---------------------------------------------------------------------

    def kill(self, worker: int = 0) -> None:
        """SIGKILL a worker; its supervisor starts it again."""
        os.kill(self.pid(worker), signal.SIGKILL)

    def pid(self, worker: int = 0) -> int:
        pid = self.running.supervisors[worker].pid
        assert pid is not None
        return pid

    async def died(self, worker: int, since: int) -> None:
        """Return when the worker has ended by itself once more than `since` times."""
        async with asyncio.timeout(PATIENCE_S):
            while self.running.supervisors[worker].restarts <= since:
                await asyncio.sleep(0.05)

    async def end_leases(self, worker: int = 0) -> None:
        """Let the leases of a dead worker run out now; nobody else would take them for seconds."""
        pool = await open_pool(self.settings.archiver_dsn, max_size=1)
        try:
            await pool.execute(
                "UPDATE progress SET lease_until = now() WHERE lease_owner LIKE $1",
                f"{self.running.settings(worker).worker}/%",
            )
        finally:
            await pool.close()

    async def _all_at_work(self) -> None:
        """Return when every role of every partition is some worker's."""
        pool = await open_pool(self.settings.archiver_dsn, max_size=1)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await pool.fetchval(_AT_WORK) < LEASED_ROLES * self.settings.partitions:
                    await asyncio.sleep(0.05)
        finally:
            await pool.close()

    async def restart(self, environment: Mapping[str, str] | None = None, worker: int = 0) -> None:
        """Stop a worker in good order and start it again, with more environment."""
        supervisor = self.running.supervisors[worker]
        await supervisor.stop()
        self.use(environment or {}, worker)
        await supervisor.start()

    def use(self, environment: Mapping[str, str], worker: int = 0) -> None:
        """The environment of the worker's next start."""
        plain = self.running.command(worker)
        self.running.supervisors[worker].command = replace(
            plain, environment={**plain.environment, **environment}
        )

    async def release(self, faults: Mapping[str, str]) -> None:
        """Run a release with these faults (tests/e2e/faulty.py) until `use` or `restart`."""
        supervisor = self.running.supervisors[0]
        await supervisor.stop()
        self.use(faults)
        arguments = [sys.executable, "-m", "tests.e2e.faulty", "worker"]
        supervisor.command = replace(supervisor.command, arguments=arguments)
        await supervisor.start()

    async def lose_local_folder(self) -> None:
        """Start the first worker again with nothing on its own disk; return when it serves."""
        supervisor = self.running.supervisors[0]
        await supervisor.stop()
        shutil.rmtree(self.settings.data_dir)
        await supervisor.start()
        await self.running.ready()

    async def lose_kafka(self) -> None:
        """A new and empty Kafka in place of the old one; workers are stopped already."""
        kafka = self.running.stack.kafka
        self.kafka_lost()
        await kafka.stop()
        shutil.rmtree(kafka.data_dir)
        await kafka.start()
        await create_topics(self.settings)

    def kafka_lost(self) -> None:
        """Kafka no longer holds all that was ever decided."""
        self._kafka_complete = False

    async def delete_topic(self, name: str) -> None:
        """Return when Kafka has forgotten it."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka)
        await admin.start()
        try:
            await admin.delete_topics([name])
            async with asyncio.timeout(30):
                while name in await admin.list_topics():
                    await asyncio.sleep(0.2)
        finally:
            await admin.close()

    # -- what it shows ----------------------------------------------------------------------------

    def log(self, worker: int = 0) -> str:
        """All that the worker has logged, over its restarts."""
        return self.running.command(worker).log_path.read_text()

    def last_words(self, worker: int = 0) -> list[str]:
        """Why the worker's processes ended, as each said itself."""
        return [line for line in self.log(worker).splitlines() if "process_ends" in line]

    async def settled(self) -> None:
        """Return when all that was sent is decided and read by everybody."""
        await self._with_pool(seeing.decided)

    async def differences(self) -> list[str]:
        """Everything in which the installation differs from the model, or breaks an invariant."""
        assert self.load is not None
        await self.running.ready()
        await self.settled()
        late, self._late = self._late, []
        await publish(self.running.endpoints.nats, late)
        self._sent += late
        await self.settled()
        async with (
            nats_client(self.running.endpoints.nats) as client,
            await open_pool(self.settings.archiver_dsn, max_size=2) as pool,
            aiohttp.ClientSession() as session,
        ):
            judgement = await judge(
                self.running,
                (client, pool),
                self._payers(session, self.running.urls[-1]),
                load=self.load,
                sent=[message.raw for message in self._sent],
                books=expected([*self._sent, *self._forged], self._played),
                within_s=PATIENCE_S,
                kafka_complete=self._kafka_complete,
            )
        found = [*judgement.differences, *map(str, (await self._over_time()).violations)]
        print(*found, sep="\n")
        return found

    async def _over_time(self) -> Findings:
        """What shows in the installation's behaviour so far."""
        assert self._watch is not None
        findings = Findings()
        findings.add(self._watch.findings)
        stopped_in_time(findings, self.running.supervisors)
        await nothing_held(findings, self.running.urls, self._fresh)
        return findings

    def _payers(self, session: aiohttp.ClientSession, url: str) -> Payers:
        return Payers(session, url, self.running.token, self._answered)

    async def _with_pool(self, wait) -> None:
        async with (
            nats_client(self.running.endpoints.nats) as client,
            await open_pool(self.settings.archiver_dsn, max_size=2) as pool,
        ):
            await wait(client, pool, within_s=PATIENCE_S)


async def both(*work: Awaitable[None]) -> None:
    """Run together; the first failure ends the others."""
    async with asyncio.TaskGroup() as tasks:
        for each in work:
            tasks.create_task(_one(each))


async def _one(work: Awaitable[None]) -> None:
    await work
