"""Recovery from what is left: a trimmed log, a wrong changelog, a local folder of long ago."""

import asyncio
import shutil

import pytest

from compose.repair import restore
from compose.topics import create_topics
from streams.kafka import PartitionReader, open_producer
from tables.postgres.archived import last_record
from tables.postgres.pool import open_pool
from tables.store import stored_value
from tests.e2e.cluster import PATIENCE_S, Cluster, seed_of_run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


async def _first_offset(cluster: Cluster, topic: str, partition: int) -> int:
    async with PartitionReader(cluster.settings.kafka, topic, partition) as reader:
        return (await reader.bounds())[0]


async def _archived(cluster: Cluster, seq: int) -> None:
    """Return when every partition is archived to `seq`; events may still be parked."""
    pool = await open_pool(cluster.settings.archiver_dsn, max_size=1)
    try:
        async with asyncio.timeout(PATIENCE_S):
            for partition in range(cluster.settings.partitions):
                while (await last_record(pool, partition)).seq < seq:
                    await asyncio.sleep(0.1)
    finally:
        await pool.close()


class TestATrimmedLog:
    async def test_is_enough_to_recover_from_with_an_empty_folder_or_changelog(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            await cluster.restart({"TREASURY_TRIM_AFTER_S": "1"})
            await cluster.running.ready()
            await cluster.begin(seed, 1_500)
            topics = cluster.settings.topics
            async with asyncio.timeout(PATIENCE_S):
                for partition in range(cluster.settings.partitions):
                    for topic in (topics.journal.name, topics.inbound.name):
                        while await _first_offset(cluster, topic, partition) == 0:
                            await asyncio.sleep(0.5)
            cluster.kill()
            await cluster.lose_local_folder()
            assert "recovery_reads" not in cluster.log()

            supervisor = cluster.running.supervisors[0]
            await supervisor.stop()
            await cluster.delete_topic(topics.changelog.name)
            await create_topics(cluster.settings)
            await supervisor.start()
            await cluster.running.ready()
            assert "recovery_reads_the_archive" in cluster.log()
            await cluster.finish()
            assert await cluster.differences() == []


class TestAWrongChangelog:
    async def test_is_put_right_from_the_archive_once(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            await cluster.begin(seed, 1_000)
            supervisor = cluster.running.supervisors[0]
            await supervisor.stop()
            # As compaction may leave it: a row that was deleted, in a late writer's older version.
            producer = await open_producer(cluster.settings.kafka)
            await producer.send_and_wait(
                cluster.settings.topics.changelog.name,
                stored_value(1, b"\x01\x90"),
                key=b"zz\x00~\x00gone",
                partition=2,
            )
            await producer.stop()
            await supervisor.start()
            await cluster.running.ready()
            assert cluster.log().count("recovery_reads_the_archive") == 1

            await cluster.lose_local_folder()
            assert cluster.log().count("recovery_reads_the_archive") == 1
            await cluster.finish()
            assert await cluster.differences() == []


class TestALocalFolderOfLongAgo:
    async def test_comes_back_after_kafka_was_lost(self, home):
        seed = seed_of_run()
        async with Cluster(home) as cluster:
            load = cluster.generate(seed, 3_000)
            early = len(load.messages) // 20
            await cluster.publish(load.messages[:early])
            await _archived(cluster, 3)
            supervisor = cluster.running.supervisors[0]
            folder, old = cluster.settings.data_dir, home / "long-ago"
            await supervisor.stop()
            shutil.copytree(folder, old)
            await supervisor.start()
            await cluster.running.ready()
            await cluster.publish(load.messages[early:])
            await cluster.pay(load.stories)
            assert await cluster.differences() == []

            await supervisor.stop()
            await cluster.lose_kafka()
            await restore(cluster.settings, print)
            shutil.rmtree(folder)
            shutil.copytree(old, folder)
            await supervisor.start()
            await cluster.running.ready()
            assert "recovery_reads_the_archive" not in cluster.log()
            assert await cluster.differences() == []
