"""A worker ends in time although something in it never does: a handler, its own shutdown."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from compose.serve import EXIT_STOP_TOOK_TOO_LONG

WITHIN_S = 30
ROOT = Path(__file__).parents[2]
LOOPS = ["uvloop", "asyncio"]

WORKER = """
import asyncio, sys, time
if sys.argv[1] == "asyncio":
    sys.modules["uvloop"] = None  # as on a platform that has none
from compose import serve
from compose.settings import Settings, new_master_key
from compose.watchdog import end_if_blocked

class Worker:
    url = ""

    def __init__(self, settings, credentials): ...

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(end_if_blocked(float(sys.argv[3])))
        loop.call_later(0.1, blocked_handler if sys.argv[2] == "blocks" else ready)
        return self

    async def __aexit__(self, *_):
        if sys.argv[2] == "never ends":
            await asyncio.Event().wait()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

def ready():
    print("ready", flush=True)

def blocked_handler():
    ready()
    time.sleep(3_600)

serve.Worker, serve.STOP_WITHIN_S = Worker, 2.0
sys.exit(serve.serve(Settings(master_key=new_master_key())))
"""


async def ended(loop: str, what: str, *, told: bool, stall_s: float = 60) -> tuple[int, str]:
    """Exit code and standard error of a worker that does this; `told`: SIGTERM once it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, loop, what, str(stall_s)),
        cwd=ROOT,
        env={**os.environ, "TREASURY_LOG_LEVEL": "warning"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            if told:
                process.send_signal(signal.SIGTERM)
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, errors.decode()


@pytest.mark.parametrize("loop", LOOPS)
class TestToldToStop:
    async def test_a_worker_that_can_ends_well(self, loop):
        code, errors = await ended(loop, "ends", told=True)
        assert (code, errors) == (0, "")

    @pytest.mark.parametrize("what", ["blocks", "never ends"])
    async def test_one_that_cannot_ends_in_time_all_the_same(self, loop, what):
        code, _ = await ended(loop, what, told=True)
        assert code == EXIT_STOP_TOOK_TOO_LONG


class TestABlockedLoop:
    @pytest.mark.parametrize("loop", LOOPS)
    async def test_ends_the_process_and_shows_where_it_stood(self, loop):
        code, errors = await ended(loop, "blocks", told=False, stall_s=1)
        assert code == 1
        assert "in blocked_handler" in errors
