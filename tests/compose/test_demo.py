"""The demo is the whole product held against the model; a small one runs here."""

import json

import pytest

from compose.demo import run_demo
from tests.model import compare


class TestDemo:
    @pytest.mark.timeout(600)
    async def test_a_small_load_ends_as_the_model_says(self, capsys):
        seed = 17
        print(f"seed {seed}")
        capsys.readouterr()
        equal = await run_demo(events=400, seed=seed, json_output=True, partitions=2)
        report = json.loads(capsys.readouterr().out)
        assert report["differences"] == []
        assert equal
        assert len(report["month"]["tenants"]) == 5
        assert all(each["trial_balance_ties"] for each in report["month"]["tenants"].values())
        closed = report["month"]["closed"]
        assert [each["differences"] for each in closed.values()] == [[]] * 5
        assert {name for name, each in closed.items() if each["proof"]} == {
            *("java-corner", "duka-mbili", "boda-express", "mshauri")
        }
        assert all(each["matched"] > each["exceptions"] > 1 for each in closed.values())
        assert closed["duka-mbili"]["documents"] == 248
        assert report["actual"]["events applied"] == report["expected"]["events applied"] > 300

    @pytest.mark.timeout(240)
    async def test_one_unit_too_much_is_a_difference(self, capsys, monkeypatch):
        def off_by_one(books, shown):
            key = next(iter(books.balances))
            books.balances[key] += 1
            return compare.differences(books, shown)

        monkeypatch.setattr("compose.judgement.differences", off_by_one)
        assert not await run_demo(
            events=64, seed=18, json_output=True, partitions=1, with_month=False
        )
        [line] = json.loads(capsys.readouterr().out)["differences"]
        assert line.startswith("balance")
