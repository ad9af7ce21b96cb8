import asyncio
import base64
import hashlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from agents.roles import lanes
from agents.roles.bridge import MAX_ENVELOPE_BYTES, judge, kept
from compose.local.kafka import ApacheKafka
from compose.local.nats import NatsServer
from streams.errors import LogBetrayed
from streams.inbound import MAX_RECORD_BYTES, Stamp
from tests.agents.roles.bridging import Place, Safe, bridging, connected

WITHIN_S = 60
PARTITIONS = 4
ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture
async def place(stack) -> Place:
    place = Place(stack.kafka.bootstrap, stack.nats.url, PARTITIONS)
    await stack.create_topics({place.topics.inbound.name: PARTITIONS})
    return place


async def until(condition, what: str, *watched: asyncio.Task) -> None:
    """Wait for an async condition; what ended a watched task is raised."""
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await condition():
                for task in watched:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


async def drained(place: Place, client) -> bool:
    """Whether NATS has neither undelivered nor unacknowledged messages."""
    info = await client.jetstream().consumer_info(place.name, place.name)
    return not info.num_pending and not info.num_ack_pending


async def unacknowledged(place: Place, client) -> int:
    info = await client.jetstream().consumer_info(place.name, place.name)
    return info.num_ack_pending


class TestJudge:
    place = Place("", "", PARTITIONS, "shop")

    def test_good_message_goes_to_the_partition_of_its_tenant(self):
        raw = self.place.envelope(1, tenant="21")  # a vector of Kafka's own partitioner
        assert judge(self.place.event_type, raw, 1000) == (-973932308 % 2**31 % 1000, "")

    def test_subject_must_be_the_event_type(self):
        raw = self.place.envelope(1)
        partition, _ = judge(self.place.event_type, raw, PARTITIONS)
        assert judge("auth.tenant.created", raw, PARTITIONS) == (partition, "subject_mismatch")

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [(b"", "not_json"), (b"{", "not_json"), (b"[]", "bad_member"), (b"{}", "missing_member")],
    )
    def test_unreadable_bytes_carry_the_reason(self, raw, reason):
        partition, refused = judge(self.place.event_type, raw, PARTITIONS)
        assert refused.startswith(reason)
        assert judge("another.subject", raw, PARTITIONS)[0] == partition

    def test_reason_fits_a_header_whatever_the_bytes_say(self):
        for raw in ('{"event_id": {"é": "ü"}}'.encode(), b"\xff\xfe", '{"é": 1e}'.encode()):
            _, refused = judge(self.place.event_type, raw, PARTITIONS)
            assert refused.isascii()
            assert len(refused) <= 200

    def test_largest_message_is_taken_and_one_byte_more_is_not(self):
        empty = self.place.envelope(1, padding="")
        padding = "x" * (MAX_ENVELOPE_BYTES - len(empty))
        assert judge(self.place.event_type, self.place.envelope(1, padding=padding), 1) == (0, "")
        larger = self.place.envelope(1, padding=padding + "x")
        assert judge(self.place.event_type, larger, 1) == (0, "too_large")


class TestKept:
    def test_bytes_that_fit_are_kept_as_they_are(self):
        raw = b"\xff" * MAX_ENVELOPE_BYTES
        assert kept(raw) == raw

    def test_larger_ones_leave_a_description(self):
        raw = os.urandom(MAX_ENVELOPE_BYTES + 1)
        described = msgspec.json.decode(kept(raw))
        assert described["truncated"] is True
        assert described["size_bytes"] == len(raw)
        assert described["sha256"] == hashlib.sha256(raw).hexdigest()
        assert base64.b64decode(described["begins_with"]) == raw[: 64 * 1024]


class TestCarrying:
    async def test_every_event_enters_the_log_once_in_order_and_packed(self, place):
        async with connected(place) as client:
            await place.publish(client, *(place.envelope(number) for number in range(3_000)))
            async with bridging(place) as task:
                await until(lambda: drained(place, client), "all acknowledged", task)
        records = await place.records()
        assert {stamp for _, _, stamp in records} == {Stamp("nats")}
        assert len(records) < 300
        assert all(len(record.value) <= MAX_RECORD_BYTES for _, record, _ in records)
        assert sorted(await place.numbers()) == list(range(3_000))
        by_tenant: dict[int, list[int]] = {}
        for number in await place.numbers():
            by_tenant.setdefault(number % 10, []).append(number)
        assert all(numbers == sorted(numbers) for numbers in by_tenant.values())

    async def test_nothing_is_fetched_while_it_is_told_to_stop(self, place):
        asked = []
        pressed = True

        def told() -> bool:
            asked.append(pressed)
            return pressed

        async with connected(place) as client:
            await place.publish(client, *(place.envelope(number) for number in range(10)))
            async with bridging(place, pressed=told) as task:

                async def asked_twice() -> bool:
                    return len(asked) > 1

                await until(asked_twice, "asked whether to go on", task)
                info = await client.jetstream().consumer_info(place.name, place.name)
                assert (info.num_pending, info.num_ack_pending) == (10, 0)
                pressed = False
                await until(lambda: drained(place, client), "all acknowledged", task)
        assert sorted(await place.numbers()) == list(range(10))

    async def test_large_events_are_split_into_records_that_fit(self, place):
        async with connected(place) as client, bridging(place) as task:
            large = [place.envelope(n, tenant="one", padding="x" * 400_000) for n in range(7)]
            await place.publish(client, *large)
            await until(lambda: drained(place, client), "all acknowledged", task)
        assert await place.numbers() == list(range(7))
        assert all(len(record.value) <= MAX_RECORD_BYTES for _, record, _ in await place.records())

    async def test_refused_messages_stand_alone_with_their_bytes(self, place):
        oversize = place.envelope(5, padding="x" * 950_000)
        async with connected(place) as client, bridging(place) as task:
            await place.publish(client, place.envelope(0), b"{broken", b"\x00\xff", oversize)
            await place.publish(client, place.envelope(1), subject=f"{place.name}.other.type")
            await place.publish(client, place.envelope(2))
            await until(lambda: drained(place, client), "all acknowledged", task)
        refused = {
            record.value: stamp.refused
            for _, record, stamp in await place.records()
            if stamp.refused
        }
        assert refused[b"{broken"].startswith("not_json")
        assert refused[place.envelope(1)] == "subject_mismatch"
        assert refused[kept(oversize)] == "too_large"
        assert len(refused) == 4
        assert sorted(await place.numbers()) == [0, 2]

    async def test_journal_or_archive_alike_is_asked_before_nats_is_told(self, place):
        safe = Safe(place)
        safe.open.clear()
        async with connected(place) as client, bridging(place, safe) as task:
            await place.publish(client, *(place.envelope(number) for number in range(20)))

            async def all_appended() -> bool:
                return len(await place.numbers()) == 20

            await until(all_appended, "all appended", task)
            assert await unacknowledged(place, client) == 20
            safe.open.set()
            await until(lambda: drained(place, client), "all acknowledged", task)

    async def test_in_flight_is_bounded(self, place):
        safe = Safe(place)
        safe.open.clear()
        async with connected(place) as client, bridging(place, safe, max_messages=50) as task:
            await place.publish(client, *(place.envelope(number) for number in range(200)))

            async def full() -> bool:
                return len(await place.numbers()) == 50

            await until(full, "fifty appended", task)
            await asyncio.sleep(0.5)
            assert len(await place.numbers()) == 50
            assert await unacknowledged(place, client) == 50
            safe.open.set()
            await until(lambda: drained(place, client), "all acknowledged", task)
        assert sorted(await place.numbers()) == list(range(200))

    async def test_bytes_in_flight_are_bounded_too(self, place):
        safe = Safe(place)
        safe.open.clear()
        limit = 3_000_000
        async with connected(place) as client, bridging(place, safe, max_bytes=limit) as task:
            large = [place.envelope(number, padding="x" * 400_000) for number in range(20)]
            await place.publish(client, *large)

            async def some() -> bool:
                return len(await place.numbers()) >= 3

            await until(some, "three appended", task)
            await asyncio.sleep(0.5)
            assert await unacknowledged(place, client) <= limit // 400_000
            safe.open.set()
            await until(lambda: drained(place, client), "all acknowledged", task)
        assert sorted(await place.numbers()) == list(range(20))

    async def test_waiting_messages_are_not_delivered_again(self, place):
        place.ack_wait_s = 1.0
        safe = Safe(place)
        safe.open.clear()
        async with connected(place) as client, bridging(place, safe) as task:
            await place.publish(client, *(place.envelope(number) for number in range(20)))
            await asyncio.sleep(4 * place.ack_wait_s)
            info = await client.jetstream().consumer_info(place.name, place.name)
            assert info.num_redelivered == 0
            safe.open.set()
            await until(lambda: drained(place, client), "all acknowledged", task)
        assert sorted(await place.numbers()) == list(range(20))


class TestGivingBack:
    async def test_cancelled_bridge_gives_back_what_is_not_safe(self, place):
        held = Safe(place)
        held.open.clear()
        async with connected(place) as client:
            await place.publish(client, *(place.envelope(number) for number in range(20)))
            async with bridging(place, held) as task:

                async def all_appended() -> bool:
                    return len(await place.numbers()) == 20

                await until(all_appended, "all appended", task)
            # Long before ack_wait: the second bridge need not wait for it.
            async with asyncio.timeout(place.ack_wait_s / 2), bridging(place) as task:
                await until(lambda: drained(place, client), "all acknowledged", task)
        assert Counter(await place.numbers()) == dict.fromkeys(range(20), 2)

    async def test_messages_of_a_replaced_log_are_carried_again(self, place):
        safe = Safe(place)
        safe.open.clear()
        async with connected(place) as client, bridging(place, safe) as task:
            await place.publish(client, place.envelope(0))

            async def appended() -> bool:
                return bool(await place.numbers())

            await until(appended, "appended", task)
            safe.log += 1
            safe.open.set()
            await until(lambda: drained(place, client), "all acknowledged", task)
        assert await place.numbers() == [0, 0]

    async def test_log_shorter_than_what_was_decided_ends_the_bridge(self, place, monkeypatch):
        monkeypatch.setattr(lanes, "REPLACED_WITHIN_S", 0.5)
        monkeypatch.setattr(lanes, "WAIT_S", 0.1)
        safe = Safe(place)
        safe._ends = dict.fromkeys(range(PARTITIONS), 1_000)
        async with connected(place) as client, bridging(place, safe) as task:
            await place.publish(client, place.envelope(0))
            await asyncio.wait([task], timeout=WITHIN_S)
            assert await unacknowledged(place, client) >= 0
            with pytest.raises(LogBetrayed):
                task.result()


class TestAccidents:
    async def test_deleted_consumer_is_made_again(self, place):
        async with connected(place) as client, bridging(place) as task:
            await place.publish(client, place.envelope(0))
            await until(lambda: drained(place, client), "the first acknowledged", task)
            await client.jetstream().delete_consumer(place.name, place.name)
            await place.publish(client, place.envelope(1))

            async def both() -> bool:
                return set(await place.numbers()) == {0, 1}

            await until(both, "the second appended", task)

    async def test_killed_nats_server_loses_nothing(self, place, tmp_path):
        server = NatsServer(tmp_path / "nats")
        place.ack_wait_s = 3.0  # what was under way to a dead connection comes again after it
        place.nats = await server.start()
        async with connected(place) as client, bridging(place) as task:
            for round_number in range(4):
                first = 200 * round_number
                numbers = range(first, first + 200)
                await place.publish(client, *(place.envelope(number) for number in numbers))
                await server.kill()
                await asyncio.sleep(0.2)
                await server.start()
            await until(lambda: drained(place, client), "all acknowledged", task)
        assert set(await place.numbers()) == set(range(800))
        await server.stop()

    async def test_absent_kafka_is_waited_for(self, needs_apache, place, tmp_path):
        broker = ApacheKafka(tmp_path / "kafka")
        place.kafka = await broker.start()
        await broker.create_topics({place.topics.inbound.name: PARTITIONS})
        async with connected(place) as client, bridging(place) as task:
            await place.publish(client, *(place.envelope(number) for number in range(50)))
            await until(lambda: drained(place, client), "the first acknowledged", task)
            await broker.kill()
            await place.publish(client, *(place.envelope(number) for number in range(50, 100)))
            await asyncio.sleep(3)
            assert await unacknowledged(place, client) == 50
            await broker.start()
            await until(lambda: drained(place, client), "all acknowledged", task)
            info = await client.jetstream().consumer_info(place.name, place.name)
            assert info.delivered.consumer_seq == 100
        assert set(await place.numbers()) == set(range(100))
        await broker.stop()

    @pytest.mark.parametrize("seam", ["S1:1", "S1:2", "S2:1", "S2:3", "S3:1", "S3:4"])
    async def test_crashed_bridge_loses_nothing(self, place, seam):
        place.ack_wait_s = 2.0
        async with connected(place) as client:
            arguments = [sys.executable, "-m", "tests.agents.roles.bridging"]
            arguments += [place.kafka, place.nats, place.name, str(PARTITIONS)]
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=ROOT,
                env={**os.environ, "TREASURY_CRASH_AT": seam},
                stderr=asyncio.subprocess.PIPE,
            )
            published = 0
            try:
                async with asyncio.timeout(WITHIN_S):
                    ended = asyncio.create_task(process.communicate())
                    while not ended.done():
                        await place.publish(client, place.envelope(published))
                        published += 1
            finally:
                if process.returncode is None:
                    process.kill()
            _, errors = await ended
            assert process.returncode == -signal.SIGKILL, errors.decode()
            async with bridging(place) as task:
                await until(lambda: drained(place, client), "all acknowledged", task)
        assert set(await place.numbers()) == set(range(published))
