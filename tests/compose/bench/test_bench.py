"""What `treasury bench` prints, and what it says when something is wrong."""

import json

import pytest
from typer.testing import CliRunner

from compose.bench import BENCHES, Options, run_bench
from compose.bench.engine import Measured, report_of
from compose.bench.journal import Decided
from compose.bench.memory import slope
from compose.bench.report import BenchFailed, percentile
from compose.cli import app
from streams.errors import Misconfigured

MEMBERS = [
    "bench",
    "broker",
    "machine",
    "events",
    "events_per_s",
    "peer",
    "peer_events_per_s",
    "ratio",
    "p50_ms",
    "p99_ms",
    "rss_mib",
]


def _printed(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


class TestBench:
    def test_prints_one_object_of_fixed_members(self):
        (printed,) = _printed("fold", "--events", "400")
        assert list(printed) == MEMBERS
        assert printed["bench"] == "fold"
        assert printed["events"] == 400
        assert printed["events_per_s"] > 0
        assert printed["peer"] is None

    def test_lists_each_with_what_it_shows_and_its_gate(self):
        listed = {each["bench"]: each for each in _printed("list")}
        assert listed.keys() == BENCHES.keys()
        assert all(each["what"] for each in listed.values())
        assert listed["engine"]["gate"] == "10 × plain Faust and 30,000 events/s"

    def test_knows_its_names(self):
        with pytest.raises(Misconfigured, match="no bench warp"):
            run_bench("warp", Options(), print)


class TestFigures:
    def test_a_rate_is_of_the_events_after_the_first_record(self):
        decided = Decided(spans=[(3_000, 500), (1_000, 100), (2_000, 300)])
        assert decided.events_per_s() == 400

    def test_one_moment_tells_no_rate(self):
        with pytest.raises(BenchFailed):
            Decided(spans=[(1_000, 100)]).events_per_s()

    def test_the_ratio_is_ours_by_theirs(self):
        ours = Measured(Decided(spans=[(0, 1), (1_000, 900)]), 12.5)
        report = report_of("engine", "a broker", ours, ("plain_faust", 300.0))
        assert (report.events_per_s, report.peer_events_per_s, report.ratio) == (900, 300, 3.0)

    def test_a_peer_that_did_not_finish_has_no_ratio(self):
        ours = Measured(Decided(spans=[(0, 1), (1_000, 900)]), None)
        assert report_of("engine", "a broker", ours, ("plain_faust", None)).ratio is None

    @pytest.mark.parametrize(
        ("count", "share", "wanted"), [(1, 0.5, 1), (2, 0.5, 1), (100, 0.99, 99), (101, 0.99, 100)]
    )
    def test_a_percentile_is_a_value_that_was_measured(self, count, share, wanted):
        assert percentile(list(range(1, count + 1)), share) == wanted


class TestSlope:
    def test_is_that_of_the_line(self):
        assert slope([(0.0, 10.0), (1.0, 12.0), (2.0, 14.0)]) == 2.0

    def test_of_one_point_is_none(self):
        assert slope([(1.0, 5.0)]) == 0.0
