"""What counts as a stall, by a clock of the test's own."""

from agents.roles.desk import PartitionStatus
from compose.watchdog import Progress


def status(*, seq: int = 5, lag: int = 3, state: str = "serving", throttled: bool = False):
    return PartitionStatus(0, state, seq, lag, 0.0, throttled=throttled)


def progress() -> Progress:
    return Progress(stall_s=60, takeover_s=600)


class TestProgress:
    def test_lag_without_progress_for_the_whole_time_is_a_stall(self):
        watched = progress()
        assert watched.observe(status(), 0) is None
        assert watched.observe(status(), 59) is None
        assert watched.observe(status(), 60) == (
            "partition 0: 3 records behind and no progress for 60 s"
        )

    def test_any_progress_begins_the_time_anew(self):
        watched = progress()
        watched.observe(status(seq=5), 0)
        assert watched.observe(status(seq=6), 59) is None
        assert watched.observe(status(seq=6), 118) is None
        assert watched.observe(status(seq=6), 119) is not None

    def test_nothing_to_do_is_no_stall(self):
        watched = progress()
        watched.observe(status(lag=0), 0)
        assert watched.observe(status(lag=0), 1_000) is None
        assert watched.observe(status(lag=1), 1_001) is None

    def test_waiting_for_the_archive_is_no_stall(self):
        watched = progress()
        watched.observe(status(throttled=True), 0)
        assert watched.observe(status(throttled=True), 1_000) is None

    def test_assigned_and_never_served_is_a_stall_after_its_own_time(self):
        watched = progress()
        assert watched.observe(status(state="recovering"), 0) is None
        assert watched.observe(status(state="recovering"), 599) is None
        assert watched.observe(status(state="recovering"), 600) == (
            "partition 0: assigned but not served and no progress for 600 s"
        )
