"""Alerts fire when they should: their rules by promtool, their words in the runbook, and no metric
that nobody counts.
"""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics.exposition import generate_latest

from agents.roles.counters import REGISTRY
from compose.telemetry import Gauges
from tests.conftest import PROMTOOL
from tests.web.desk import MemoryDesk
from web.metrics import Metrics

COMPOSE = Path(__file__).parents[2] / "compose"
ALERTS = COMPOSE / "prometheus" / "alerts.yml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
BOARD = json.loads((COMPOSE / "grafana" / "treasury.json").read_text())
_names = re.compile(r"\b(?:treasury_[a-z_]+|process_[a-z_]+)\b").findall


class NoGateways:
    def open_breakers(self):
        return {"mpesa": 0}


def counted() -> set[str]:
    """The names of all samples that a worker shows."""
    metrics = Metrics()
    metrics.registry.register(Gauges(MemoryDesk(), NoGateways()))

    async def shown() -> str:  # one of them counts the tasks of the loop
        return (generate_latest(REGISTRY) + generate_latest(metrics.registry)).decode()

    text = asyncio.run(shown())
    families = re.findall(r"# TYPE (\w+) (\w+)", text)
    of = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
    return {name + end for name, kind in families for end in of.get(kind, ("",))}


@pytest.mark.promtool
class TestTheRules:
    async def run(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            PROMTOOL, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()

    async def test_can_be_read(self):
        await self.run("check", "rules", str(ALERTS))

    async def test_fire_at_what_they_are_for_and_at_nothing_else(self):
        await self.run("test", "rules", str(ALERTS.with_name("alerts_test.yml")))

    async def test_a_rule_that_is_wrong_is_noticed(self, tmp_path):
        for name in ("alerts.yml", "alerts_test.yml"):
            shutil.copy(ALERTS.with_name(name), tmp_path)
        copy = tmp_path / "alerts.yml"
        copy.write_text(copy.read_text().replace("> 0.05", "> 0.5"))
        with pytest.raises(AssertionError, match="FAILED"):
            await self.run("test", "rules", str(tmp_path / "alerts_test.yml"))


class TestEveryAlert:
    def test_has_a_test_of_its_own(self):
        tests = yaml.safe_load(ALERTS.with_name("alerts_test.yml").read_text())["tests"]
        fired = {
            each["alertname"]
            for test in tests
            for each in test["alert_rule_test"]
            if each["exp_alerts"]
        }
        assert fired == {rule["alert"] for rule in RULES}

    def test_leads_to_its_lines_in_the_runbook(self):
        sections = re.findall(r"^## (\w+)$", (COMPOSE / "runbook.md").read_text(), re.MULTILINE)
        assert sections == [rule["alert"] for rule in RULES]
        for rule in RULES:
            anchor = f"compose/runbook.md#{rule['alert'].lower()}"
            assert rule["annotations"]["runbook"] == anchor

    def test_asks_for_what_is_counted(self):
        used = {name for rule in RULES for name in _names(rule["expr"])}
        assert used - counted() == set()


class TestTheDashboard:
    def test_shows_what_is_counted(self):
        expressions = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
        used = {name for expression in expressions for name in _names(expression)}
        assert {name for name in used if name.startswith("treasury_")} - counted() == set()

    def test_has_each_panel_in_a_place_of_its_own(self):
        places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in BOARD["panels"]]
        assert len(set(places)) == len(places) == len({panel["id"] for panel in BOARD["panels"]})

    @pytest.mark.promtool
    async def test_asks_in_words_that_prometheus_reads(self, tmp_path):
        rules = [
            {"record": f"panel:{number}", "expr": target["expr"]}
            for number, target in enumerate(t for p in BOARD["panels"] for t in p["targets"])
        ]
        path = tmp_path / "board.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
        await TestTheRules().run("check", "rules", str(path))
