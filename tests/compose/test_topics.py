"""Topics that could lose money are refused at start, on Apache Kafka."""

import asyncpg
import pytest

from compose.container import Worker
from compose.serve import migrate_database
from compose.settings import Settings, new_master_key
from compose.topics import create_topics, prepare_topics
from streams.errors import Misconfigured
from streams.topics import Topics

pytestmark = pytest.mark.kafka


def settings(endpoints, prefix: str, **others: object) -> Settings:
    return Settings(
        kafka=endpoints.kafka, master_key=new_master_key(), prefix=prefix, partitions=2, **others
    )


class TestCreateTopics:
    async def test_creates_them_once(self, endpoints, needs_apache):
        wanted = settings(endpoints, "topicsone")
        assert len(await create_topics(wanted)) == 4
        assert await create_topics(wanted) == []

    async def test_refuses_another_number_of_partitions(self, endpoints, needs_apache):
        await create_topics(settings(endpoints, "topicstwo"))
        other = settings(endpoints, "topicstwo").model_copy(update={"partitions": 3})
        with pytest.raises(Misconfigured, match="2 partitions, not 3"):
            await create_topics(other)

    async def test_refuses_a_log_that_forgets(self, stack, endpoints, needs_apache):
        name = Topics("topicsthree").journal.name
        await stack.kafka.create_topics({name: 2}, {"retention.ms": "1000"})
        with pytest.raises(Misconfigured, match=r"retention\.ms is 1000, not -1"):
            await create_topics(settings(endpoints, "topicsthree"))


class TestAWorkerAtItsStart:
    async def test_refuses_topics_or_an_archive_of_another_number_of_partitions(
        self, endpoints, database_dsn, needs_apache
    ):
        made = settings(endpoints, "topicsfour", postgres_dsn=database_dsn)
        await migrate_database(made)
        with pytest.raises(Misconfigured, match="run `treasury topics`"):
            await Worker(made).__aenter__()
        await prepare_topics(made)
        other = made.model_copy(update={"partitions": 3})
        with pytest.raises(Misconfigured, match="archive is of 2 partitions, not 3"):
            await Worker(other).__aenter__()
        owner = await asyncpg.connect(database_dsn)
        await owner.execute("UPDATE cluster SET partitions = 3")
        await owner.close()
        with pytest.raises(Misconfigured, match="inbound has 2 partitions, not 3"):
            await Worker(other).__aenter__()
