"""Which parts of Faust are used at all, and that what is unsafe in the others is switched off."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.app import AppSettings, create_app, inbound_topic
from streams.topics import Topics
from tables.store import StateTable, add_table

ROOT = Path(__file__).parents[2]
USERS = ["agents/roles/writers.py", "streams/app.py", "tables/store.py"]
# Batches and regrouping that swallow errors, windows that never close, tables that are read where
# they are not written, timers and exchanges whose errors end the wrong thing, records sent in a
# buffer that nobody waits for, cooperating readers that commit past one another.
UNSAFE = {
    *("take", "take_with_timestamp", "noack_take", "group_by", "through", "echo", "join"),
    *("GlobalTable", "SetTable", "SetGlobalTable", "Record"),
    *("tumbling", "hopping", "relative_to_now", "on_window_close"),
    *("timer", "crontab", "task", "page", "table_route", "topic_route", "command"),
    *("send", "send_soon", "cast", "ask", "send_changelog", "producer"),
    *("isolated_partitions", "sink", "add_sink", "on_leader"),
}
TABLES = {"table", "_table"}


@pytest.fixture
def app(tmp_path):
    topics = Topics()
    return create_app(AppSettings("127.0.0.1:1", topics, 4, tmp_path, "http://127.0.0.1:1"))


def product() -> Iterator[tuple[str, ast.Module]]:
    for package in ("streams", "agents", "tables", "connectors", "web", "compose"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imports(tree: ast.Module) -> set[str]:
    """The top-level packages a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def names(tree: ast.Module) -> set[str]:
    """Every attribute and keyword a module uses."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return found


class TestWhatIsUsedOfFaust:
    def test_is_known_to_three_files(self):
        found = [path for path, tree in product() if {"faust", "mode"} & imports(tree)]
        assert sorted(found) == USERS

    @pytest.mark.parametrize("path", USERS)
    def test_is_nothing_that_loses_or_swallows(self, path):
        assert names(ast.parse((ROOT / path).read_text())) & UNSAFE == set()

    def test_is_one_agent_that_reads_one_record_after_the_other(self):
        text = (ROOT / "agents/roles/writers.py").read_text()
        assert text.count("app.agent(") == 1
        assert 'app.agent(topic, name="writer", concurrency=1)' in text
        assert "stream.noack().events()" in text

    def test_is_no_reading_or_writing_of_its_table(self):
        for path, tree in product():
            for node in ast.walk(tree):
                if isinstance(node, ast.Subscript):
                    assert ast.unparse(node.value).rpartition(".")[2] not in TABLES, path


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("processing_guarantee", "AT_LEAST_ONCE"),
            ("stream_wait_empty", False),
            ("stream_buffer_maxsize", 16),
            ("producer_request_timeout", 30.0),
            ("broker_session_timeout", 10.0),
            ("broker_heartbeat_interval", 2.0),
            ("broker_max_poll_interval", 1_800.0),
            ("table_standby_replicas", 0),
            ("topic_allow_declare", False),
            ("topic_disable_leader", True),
            ("topic_partitions", 4),
            ("consumer_auto_offset_reset", "earliest"),
            ("web_enabled", False),
            ("web_tables_enabled", False),
            ("web_router_enabled", False),
            ("debug", False),
        ],
    )
    def test_are_the_safe_ones(self, app, name, value):
        found = getattr(app.conf, name)
        assert getattr(found, "name", found) == value

    def test_leave_reading_of_bytes_to_us(self, app):
        topic = inbound_topic(app, Topics(), 4)
        assert (topic.key_serializer, topic.value_serializer) == ("raw", "raw")

    def test_give_the_table_no_default_that_could_be_changed_in_place(self, app):
        table = add_table(app, Topics(), 4, recover, die)
        assert isinstance(table, StateTable)
        assert table.default is None
        assert not table.is_global


async def recover(_partitions: set[int]) -> None: ...


def die(error: BaseException):
    raise error
