"""Failpoints do what the environment says, where it says, and nothing without it."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
from streams.signals import crash_here
for number in range(3):
    crash_here("S7")
    crash_here("S8")
    print(number, flush=True)
"""


def started(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestCrashAt:
    @pytest.mark.parametrize(
        ("where", "printed"), [("S7", ""), ("S7:1", ""), ("S8:2", "0\n"), ("S7:3", "0\n1\n")]
    )
    def test_kills_at_the_seam_the_time_it_names_and_says_so(self, where, printed):
        process = started(TREASURY_CRASH_AT=where)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (-signal.SIGKILL, printed)
        assert err == f"failpoint {where.partition(':')[0]} SIGKILL\n"

    def test_is_passed_by_when_its_count_is_not_reached(self):
        process = started(TREASURY_CRASH_AT="S7:4")
        assert process.communicate(timeout=30) == ("0\n1\n2\n", "")
        assert process.returncode == 0

    def test_that_names_no_seam_is_refused(self):
        process = started(TREASURY_CRASH_AT="S99")
        assert "names no seam" in process.communicate(timeout=30)[1]
        assert process.returncode == 1


class TestStopAt:
    def test_freezes_until_it_is_woken_and_then_goes_on(self):
        process = started(TREASURY_STOP_AT="S8:2")
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "0\n1\n2\n", "failpoint S8 SIGSTOP\n")

    def test_and_a_crash_may_be_asked_for_together(self):
        process = started(TREASURY_STOP_AT="S7:1", TREASURY_CRASH_AT="S8:2")
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0] == "0\n"
        assert process.returncode == -signal.SIGKILL


class TestUnset:
    def test_nothing_happens(self):
        process = started()
        assert process.communicate(timeout=30) == ("0\n1\n2\n", "")
        assert process.returncode == 0
