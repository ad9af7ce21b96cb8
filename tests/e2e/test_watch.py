"""What the watchers of an installation call wrong. They need no installation for that."""

import signal
from collections import Counter
from types import SimpleNamespace

import pytest

from agents.audit.invariants import Findings
from agents.roles.process import EXIT_FENCED
from compose.local.supervisor import STOP_WITHIN_S, Stop
from compose.serve import EXIT_STOP_TOOK_TOO_LONG
from tests.e2e import watch
from tests.e2e.watch import FILES, MORE_TASKS, TASKS, ProgressWatch, nothing_held, stopped_in_time

ARCHIVE, RELAY = ("archive", 0, 7, 1, 70, 0), ("relay", 0, 5, 0, 0, 0)


class TestProgress:
    @pytest.mark.parametrize(
        "after",
        [
            [ARCHIVE, RELAY],
            [("archive", 0, 8, 1, 70, 3), ("relay", 0, 8, 0, 0, 0)],
            [("archive", 0, 8, 2, 0, 0), RELAY],  # a log that begins anew
        ],
    )
    def test_that_stays_or_goes_on_is_fine(self, after):
        seen = ProgressWatch("")
        seen.see([ARCHIVE, RELAY])
        seen.see(after)
        assert seen.findings.violations == []
        assert seen.findings.checked["I10"] == 4

    @pytest.mark.parametrize(
        ("after", "words"),
        [
            ([("archive", 0, 6, 1, 70, 0)], "archive went from"),
            ([("archive", 0, 8, 1, 69, 9)], "archive went from"),
            ([ARCHIVE, ("relay", 0, 4, 0, 0, 0)], "relay went from"),
            ([ARCHIVE, ("relay", 0, 8, 0, 0, 0)], "relay is at 8, the archive at 7"),
        ],
    )
    def test_that_goes_back_or_passes_the_archive_is_named(self, after, words):
        seen = ProgressWatch("")
        seen.see([ARCHIVE, RELAY])
        seen.see(after)
        [violation] = seen.findings.violations
        assert (violation.invariant, violation.partition) == ("I10", 0)
        assert violation.words.startswith(words)

    def test_may_go_back_with_a_database_that_crashed_if_it_did_not_wait_for_its_disk(self):
        seen, projector = ProgressWatch(""), ("projector", 0, 5, 0, 0, 0)
        seen.see([ARCHIVE, RELAY, projector])
        seen.reconnected()
        seen.see([ARCHIVE, ("relay", 0, 4, 0, 0, 0), ("projector", 0, 4, 0, 0, 0)])
        [violation] = seen.findings.violations
        assert violation.words.startswith("relay went from")


class TestStops:
    @pytest.mark.parametrize(
        ("stop", "orderly"),
        [
            (Stop(3.0, 0), True),
            (Stop(0.0, EXIT_FENCED), True),
            (Stop(0.0, -signal.SIGKILL), True),
            (Stop(STOP_WITHIN_S + 0.1, -signal.SIGKILL), False),
            (Stop(20.0, EXIT_STOP_TOOK_TOO_LONG), False),
            (Stop(31.0, 0), False),
            (Stop(1.0, 70), False),
        ],
    )
    def test_that_were_late_or_none_of_the_workers_doing_are_named(self, stop, orderly):
        supervisor = SimpleNamespace(stops=[stop], command=SimpleNamespace(name="worker 0"))
        findings = Findings()
        stopped_in_time(findings, [supervisor])
        assert (findings.violations == []) == orderly
        assert findings.checked["I16"] == 1


class TestWhatIsHeld:
    @pytest.mark.parametrize(("more", "fine"), [(MORE_TASKS, True), (MORE_TASKS + 1, False)])
    async def test_is_named_when_it_does_not_come_back(self, monkeypatch, more, fine):
        fresh = Counter({TASKS: 100, FILES: 50})

        async def held(_urls):
            return fresh + Counter({TASKS: more})

        monkeypatch.setattr(watch, "held", held)
        monkeypatch.setattr(watch, "QUIET_WITHIN_S", 0.0)
        findings = Findings()
        await nothing_held(findings, ["http://one"], fresh)
        assert (findings.violations == []) == fine
