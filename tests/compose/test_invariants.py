"""What the checks of a running installation call wrong, on an archive that somebody touched."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.audit.invariants import Findings
from agents.roles.explode import explode
from agents.roles.projector import _insert
from compose.apart import Apart
from compose.invariants import (
    Accepted,
    all_decided,
    balances_agree,
    committed_behind,
    decided_once,
    effects_once,
    kafka_events,
    published,
)
from streams.journal import CODEC, Batch
from tables.balances import Balance
from tables.payments import GatewayCall
from tables.row import encode
from tests.agents.core import Core
from tests.agents.roles.archives import Shelf
from tests.databases import Database, migrated
from tests.model.generator import Load, generate
from tests.model.played import play


@dataclass
class Installation:
    """An archive with its read models, and the core and the load it came from."""

    database: Database
    load: Load
    core: Core

    @property
    def pool(self):
        return self.database.archiver

    @property
    def accepted(self) -> Accepted:
        commands = {
            (entry.tenant_id, entry.event_id): 200
            for entry in self.core.entries
            if entry.ingress == "http"
        }
        return Accepted([message.raw for message in self.load.messages], commands)

    @property
    def bodies(self) -> list[bytes]:
        return [event.body for entry in self.core.entries for event in entry.emitted]

    @property
    def served(self) -> dict[tuple[str, str, str], int]:
        rows = self.core.rows(Balance)
        return {(row.tenant_id, row.account, row.asset): row.posted for row in rows}

    @property
    def effects(self) -> dict[str, int]:
        calls = self.core.rows(GatewayCall)
        return {call.call_id: 1 for call in calls if call.outcome == "succeeded"}

    async def touch(self, statement: str, *arguments: object) -> None:
        """Change the archive behind everybody's back."""
        async with self.database.owner.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL row_security = off")
            done = await connection.execute(statement, *arguments)
        assert not done.endswith(" 0"), done


@pytest.fixture(scope="module")
def played() -> tuple[Load, Core]:
    load = generate(21, 400, poison=0.05)
    return load, play(load, load.messages).cores[0]


@pytest_asyncio.fixture
async def installation(database_dsn, played) -> AsyncIterator[Installation]:
    load, core = played
    async with migrated(database_dsn) as database:
        journal = core.journal()
        await Shelf(database).put(*journal)
        batches = [CODEC.decode(data) for data in journal[1:]]
        async with database.archiver.acquire() as connection, connection.transaction():
            await _insert(connection, 0, explode(0, [b for b in batches if isinstance(b, Batch)]))
        yield Installation(database, load, core)


def words(findings: Findings, invariant: str) -> str:
    """The only thing found, which is about this invariant."""
    [violation] = findings.violations
    assert violation.invariant == invariant
    return violation.words


class TestWhatWasAccepted:
    async def found(self, installation, accepted=None) -> Findings:
        findings = Findings()
        await decided_once(findings, installation.pool, accepted or installation.accepted)
        return findings

    async def test_is_all_there(self, installation):
        findings = await self.found(installation)
        assert findings.violations == []
        different = {message.raw for message in installation.load.messages}
        assert findings.checked["I18"] == len(different)
        assert findings.checked["I3"] == len(different) + len(installation.accepted.commands)

    async def test_and_lost_is_named(self, installation):
        accepted = installation.accepted
        accepted.messages.append(b'{"amount": 12.50}')
        assert "12.50" in words(await self.found(installation, accepted), "I3")

    async def test_and_altered_is_named(self, installation):
        accepted = installation.accepted
        accepted.messages[7] = accepted.messages[7].replace(b"2026", b"2027")
        found = await self.found(installation, accepted)
        assert {violation.invariant for violation in found.violations} == {"I3", "I4"}

    async def test_and_applied_twice_is_named(self, installation):
        await installation.touch(
            "UPDATE entries SET status = 'applied' WHERE event_id = "
            "(SELECT event_id FROM entries WHERE status = 'duplicate' AND ingress = 'nats' LIMIT 1)"
        )
        assert words(await self.found(installation), "I3").startswith("applied 2 times")

    async def test_is_all_there_is(self, installation):
        accepted = installation.accepted
        accepted.messages.pop()
        assert "nobody sent" in words(await self.found(installation, accepted), "I4")

    async def test_as_a_command_and_lost_is_named(self, installation):
        accepted = installation.accepted
        accepted.commands["t", "lost"] = 201
        assert "answered 201 and decided 0 times" in words(
            await self.found(installation, accepted), "I3"
        )

    @pytest.mark.parametrize("reason", ["conflict", "parking_full"])
    async def test_as_a_command_whose_retry_was_turned_away_is_fine(self, installation, reason):
        await installation.touch(
            """UPDATE entries SET status = 'rejected', reason = $1
               WHERE status = 'duplicate' AND ingress = 'http'""",
            reason,
        )
        assert (await self.found(installation)).violations == []

    async def test_as_a_command_and_decided_twice_is_named(self, installation):
        await installation.touch(
            "UPDATE entries SET status = 'refused' WHERE status = 'duplicate' AND ingress = 'http'"
        )
        assert "decided 2 times" in (await self.found(installation)).violations[0].words


class TestWhatWasEmitted:
    async def found(self, installation, bodies, **how) -> Findings:
        findings = Findings()
        await published(findings, installation.pool, "there", bodies, **how)
        return findings

    async def test_is_published_once_or_more(self, installation):
        bodies = installation.bodies
        findings = await self.found(installation, bodies + bodies[:5])
        assert findings.violations == []
        assert findings.checked["I6"] == len(bodies)

    async def test_and_not_published_is_named(self, installation):
        bodies = installation.bodies[1:]
        assert "is not in there" in words(await self.found(installation, bodies), "I6")
        assert (await self.found(installation, bodies, complete=False)).violations == []

    async def test_and_published_with_other_bytes_is_named(self, installation):
        first, *rest = installation.bodies
        other = first.replace(b'"amount":', b'"amount": ')
        assert other != first
        found = await self.found(installation, [first, other, *rest])
        assert words(found, "I6").endswith("in there with other bytes")

    async def test_is_all_that_was_published(self, installation):
        found = await self.found(installation, [*installation.bodies, b'{"event_id":"forged"}'])
        assert words(found, "I6") == "forged is in there and was never emitted"


class TestBalances:
    async def found(self, installation, served=None) -> Findings:
        findings = Findings()
        await balances_agree(findings, installation.pool, served or installation.served)
        return findings

    async def test_agree(self, installation):
        findings = await self.found(installation)
        assert findings.violations == []
        assert findings.checked["I5"] == len(installation.served)

    async def test_served_otherwise_are_named(self, installation):
        served = installation.served
        account = next(account for account, minor in served.items() if minor)
        served[account] += 1
        assert words(await self.found(installation, served), "I5").startswith(str(account))
        del served[account]
        assert words(await self.found(installation, served), "I5").startswith(str(account))

    async def test_posted_otherwise_are_named(self, installation):
        await installation.touch(
            "UPDATE postings SET minor = minor + 1 WHERE ctid = (SELECT min(ctid) FROM postings)"
        )
        assert "posted, archived and served" in words(await self.found(installation), "I5")

    async def test_kept_otherwise_are_named(self, installation):
        row = installation.core.rows(Balance)[0]
        forged = encode(row.replaced(debits=row.debits + 1))
        await installation.touch("UPDATE images SET bytes = $2 WHERE slot = $1", row.key, forged)
        assert row.account in words(await self.found(installation), "I5")


class TestTenants:
    """One tenant's canary is put where another's things are."""

    @pytest.fixture
    def canaries(self, installation) -> tuple[str, str]:
        """(the first tenant, an outlet of the second)."""
        first, second, *_ = installation.load.tenants
        return first.tenant_id, second.outlets[0]

    async def found(self, installation) -> Findings:
        findings = Findings()
        await Apart(findings, installation.load.canaries).look_at_tables(installation.pool)
        return findings

    async def test_are_apart(self, installation):
        findings = await self.found(installation)
        assert findings.violations == []
        assert findings.checked["I11"] > 2 * len(installation.core.entries)

    @pytest.mark.parametrize(
        ("table", "change"),
        [
            ("entries", "raw = raw || convert_to($2, 'UTF8')"),
            ("entries", "reason = $2"),
            ("emitted", "body = body || convert_to($2, 'UTF8')"),
            ("postings", "account = 'cash:drawer:' || $2"),
            ("postings", "dimensions = jsonb_build_object('outlet', $2::text)"),
            ("resources", "order_id = $2"),
            ("resources", "body = jsonb_build_object('x', $2::text)"),
            ("dead_letters", "raw = raw || convert_to($2, 'UTF8')"),
        ],
    )
    async def test_that_show_in_anothers_rows_are_named(
        self, installation, canaries, table, change
    ):
        await installation.touch(
            f"UPDATE {table} SET {change} WHERE ctid = "
            f"(SELECT min(ctid) FROM {table} WHERE tenant_id = $1)",
            *canaries,
        )
        assert f"a row of {table} shows" in words(await self.found(installation), "I11")

    async def test_that_show_in_anothers_kept_rows_are_named(self, installation, canaries):
        tenant_id, outlet = canaries
        await installation.touch(
            """UPDATE images SET bytes = bytes || convert_to($2, 'UTF8') WHERE slot =
               (SELECT slot FROM images WHERE position(convert_to($1, 'UTF8') IN slot) > 0
                LIMIT 1)""",
            tenant_id,
            outlet,
        )
        assert tenant_id in words(await self.found(installation), "I11")

    def test_that_show_in_one_line_of_a_log_are_named(self, installation, canaries, tmp_path):
        log = tmp_path / "server.log"
        log.write_text("\n".join(["nothing", *canaries, " ".join(canaries)]))
        findings = Findings()
        Apart(findings, installation.load.canaries).look_at_log(Path(log))
        assert "a line of server.log" in words(findings, "I11")
        assert findings.checked["I11"] == 4


class TestEffects:
    async def found(self, installation, **effects: int) -> Findings:
        findings = Findings()
        done = {key: times for key, times in {**installation.effects, **effects}.items() if times}
        await effects_once(findings, installation.pool, "instant", done)
        return findings

    async def test_are_the_calls_that_succeeded(self, installation):
        findings = await self.found(installation)
        assert findings.violations == []
        assert findings.checked["I15"] == len(installation.effects) > 0

    async def test_that_happened_twice_or_never_are_named(self, installation):
        key = next(iter(installation.effects))
        twice, never = (
            await self.found(installation, **{key: 2}),
            await self.found(installation, **{key: 0}),
        )
        assert words(twice, "I15") == f"call {key} was carried out 2 times"
        assert words(never, "I15") == f"call {key} succeeded, and instant did nothing"

    async def test_that_nobody_called_for_are_named(self, installation):
        assert "no call of ours" in words(await self.found(installation, forged=1), "I15")

    async def test_of_a_call_that_failed_are_named(self, installation):
        calls = installation.core.rows(GatewayCall)
        failed = next(call.call_id for call in calls if call.outcome == "failed")
        found = await self.found(installation, **{failed: 1})
        assert words(found, "I15").endswith("which ended as failed")


class TestTheLog:
    @pytest_asyncio.fixture
    async def topic(self, topic, producer) -> str:
        for number in range(3):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
        return topic

    @pytest.mark.parametrize(("decided", "broken"), [(3, None), (2, "I3"), (4, "I10")])
    async def test_is_decided_to_its_end(self, stack, installation, topic, decided, broken):
        await installation.touch(
            "UPDATE progress SET next_offset = $1 WHERE role = 'archive'", decided
        )
        findings = Findings()
        await all_decided(findings, installation.pool, stack.kafka.bootstrap, topic, within_s=0.3)
        assert [violation.invariant for violation in findings.violations] == (
            [broken] if broken else []
        )

    @pytest.mark.parametrize(("committed", "broken"), [(3, []), (4, ["I10"])])
    async def test_is_committed_to_the_group_only_as_far_as_it_is_decided(
        self, stack, installation, topic, committed, broken
    ):
        await installation.touch("UPDATE progress SET next_offset = 3 WHERE role = 'archive'")
        group = f"group-{uuid4().hex}"
        consumer = AIOKafkaConsumer(
            bootstrap_servers=stack.kafka.bootstrap, group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.commit({place: committed})
        await consumer.stop()
        findings = Findings()
        await committed_behind(findings, installation.pool, stack.kafka.bootstrap, topic, group)
        assert [violation.invariant for violation in findings.violations] == broken
        assert findings.checked["I10"] == 1

    async def test_of_events_is_read_whole(self, stack, topic):
        assert await kafka_events(stack.kafka.bootstrap, topic, 1) == [b"0", b"1", b"2"]
