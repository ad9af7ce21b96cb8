"""The catalogue of errors has every code, and its page leads to each."""

import ast
from pathlib import Path

import pytest

import agents
import web
from web.catalogue import FAMILIES, OF_DECISIONS, OF_THE_API, meaning_of

PLACES = {
    "Refuse": 0,
    "Unfit": 0,
    "Refusal": 0,
    "unavailable": 0,
    "demand": 1,
    "refused": 1,
    "Outcome": 1,
    "Problem": 1,
}
"""Where a call of these has its code."""


def _codes() -> dict[str, str]:
    """Codes that stand in the source, and where."""
    found = {}
    for package in (agents, web):
        for path in Path(package.__file__).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                    continue
                place = PLACES.get(node.func.id)
                if place is None or len(node.args) <= place:
                    continue
                code = node.args[place]
                if isinstance(code, ast.Constant) and code.value:
                    found[code.value] = f"{path.name}:{node.lineno}"
    return found


class TestTheCatalogue:
    def test_has_every_code_in_the_source(self):
        codes = _codes()
        assert len(codes) > 100
        assert {code: place for code, place in codes.items() if meaning_of(code) is None} == {}

    def test_has_families_for_those_that_are_made_of_a_status(self):
        for code in ("payment_expired", "invoice_void", "plan_unknown", "hold_released"):
            assert meaning_of(code)
        assert meaning_of("nothing-of-ours") is None

    @pytest.mark.parametrize("codes", [OF_THE_API, OF_DECISIONS])
    def test_says_each_in_a_sentence(self, codes):
        assert all(told.lstrip("`")[0].isalpha() and told[-1] == "." for told in codes.values())

    async def test_is_a_page_that_problems_lead_to(self, api):
        problem = await api.get("/api/v1/nowhere")
        page, _, anchor = problem.json["type"].partition("#")
        answer = await api.get(page, headers={"Authorization": None})
        text = answer.raw.decode()
        assert f'<dt id="{anchor}">' in text
        assert "<script" not in text
        assert text.count("<dt ") == len(OF_THE_API) + len({**OF_DECISIONS, **FAMILIES})
