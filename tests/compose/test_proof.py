"""`treasury verify` over an archive of two partitions, in this process and in several."""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from compose.proof import PROVED, verify_all
from compose.provers import WORTH_A_PROCESS_BYTES, ProverFailed, prove, useful_processes
from compose.serve import migrate_database
from compose.settings import Settings, new_master_key
from tests.agents.roles.archives import Shelf
from tests.databases import Database, migrated
from tests.model.generator import generate
from tests.model.played import play

PARTITIONS = 2


@pytest_asyncio.fixture
async def database(database_dsn) -> AsyncIterator[Database]:
    async with migrated(database_dsn) as database:
        yield database


@pytest_asyncio.fixture
async def settings(database) -> Settings:
    """Settings of an installation whose archive holds a small load."""
    load = generate(11, 300)
    for core in play(load, load.messages, partitions=PARTITIONS).cores:
        await Shelf(database, core.partition).put(*core.journal())
    settings = Settings(
        postgres_dsn=database.dsn, master_key=new_master_key(), partitions=PARTITIONS
    )
    await migrate_database(settings)
    return settings


@asynccontextmanager
async def stuck(database: Database) -> AsyncIterator[None]:
    """Nobody can read the archive's rows meanwhile, so that no verification comes to its end."""
    async with database.owner.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting(database: Database, count: int) -> None:
    """Return when so many connections wait for a lock."""
    async with asyncio.timeout(60):
        while count != await database.owner.fetchval(
            """SELECT count(*) FROM pg_stat_activity
               WHERE wait_event_type = 'Lock' AND datname = current_database()"""
        ):
            await asyncio.sleep(0.05)


def living(group: int) -> list[str]:
    """What runs in this process group and has not ended, from /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we looked
            name, _, rest = path.read_text().rpartition(") ")
            state, _parent, its_group = rest.split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found


async def command(settings: Settings, *arguments: str) -> asyncio.subprocess.Process:
    """The command line, run as its users do, in a process group of its own."""
    here = {
        "TREASURY_POSTGRES_DSN": settings.owner_dsn,
        "TREASURY_MASTER_KEY": settings.master_key.get_secret_value(),
        "TREASURY_PARTITIONS": str(PARTITIONS),
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from compose.cli import main; main()", "verify", *arguments),
        env=os.environ | here,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        # Where a shell runs the tests in the background, they inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


class TestProof:
    async def test_is_the_same_from_one_process_and_from_several(self, settings):
        proofs = [await verify_all(settings, processes=processes) for processes in (1, 2)]
        for proof in proofs:
            assert proof.sound
            assert [each.partition for each in proof.partitions] == [0, 1]
            assert [each.invariant for each in proof.invariants] == list(PROVED)
            assert all(each.checked for each in proof.invariants)
            proof.seconds = proof.events_per_s = proof.processes = 0
        assert proofs[0] == proofs[1]

    async def test_may_be_of_one_partition_only(self, settings):
        [partition] = (await verify_all(settings, 1)).partitions
        assert partition.partition == 1

    async def test_is_none_when_a_process_dies(self, settings, database):
        def kill(_report):
            for child in multiprocessing.active_children():
                child.kill()

        async with stuck(database):
            with pytest.raises(ProverFailed, match="code -9"):
                await prove(settings.archiver_dsn, range(2), PARTITIONS, 2, kill)
        assert multiprocessing.active_children() == []

    async def test_goes_on_when_only_its_processes_are_interrupted(self, settings, database):
        async with stuck(database):
            proof = asyncio.create_task(verify_all(settings, processes=2))
            await waiting(database, 2)
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGINT)
        assert (await proof).sound

    async def test_is_none_when_the_database_cannot_be_read(self, settings, database):
        await database.owner.execute("REVOKE SELECT ON images FROM treasury_archiver")
        with pytest.raises(ProverFailed, match="InsufficientPrivilege"):
            await verify_all(settings, processes=2)

    def test_takes_a_process_per_core_where_there_is_enough_to_do(self, monkeypatch):
        monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
        enough = 10 * WORTH_A_PROCESS_BYTES
        assert [useful_processes(n, enough) for n in (1, 3, 64)] == [1, 3, 4]
        assert [useful_processes(64, size) for size in (0, WORTH_A_PROCESS_BYTES)] == [1, 2]


class TestTheCommand:
    async def test_says_what_it_checked_and_tells_a_difference_by_its_exit_code(
        self, settings, database
    ):
        process = await command(settings, "--json")
        said, _ = await process.communicate()
        assert process.returncode == 0
        proof = msgspec.json.decode(said)
        assert proof["sound"]
        assert {each["invariant"] for each in proof["invariants"] if each["checked"]} == set(PROVED)

        await database.owner.execute("DELETE FROM images WHERE slot >= 'ba' AND slot < 'bb'")
        process = await command(settings)
        said, _ = await process.communicate()
        assert process.returncode == 1
        assert b"broken I5: the archive does not keep the row ba/" in said
        assert said.rstrip().endswith(b"not sound")

    async def test_ends_cleanly_when_interrupted(self, settings, database):
        async with stuck(database):
            process = await command(settings, "--processes", "2")
            await waiting(database, 2)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of its group
            _, said = await asyncio.wait_for(process.communicate(), 30)
            async with asyncio.timeout(30):  # multiprocessing's own tracker ends after us
                while living(process.pid):
                    await asyncio.sleep(0.01)
        assert process.returncode == 130
        assert b"Traceback" not in said
