"""The specifications say what is served: drift, references, examples, and a page to read."""

import json
import re
from pathlib import Path

import pytest

import agents.services
import web
from agents.accounting.settings import told
from agents.audit.steps import STEPS
from agents.outbound import OUTBOUND
from agents.registry import HANDLED
from tables.tenants import Tenant
from tests.agents.accounting.test_random_stories import World
from tests.browser import browsing
from tests.guide.guide import PUBLISHED
from tests.web.schema import SPEC, violations
from web.answers import TENANT_SETTINGS
from web.examples import example_of
from web.routes import ROUTES
from web.schemas import component_of
from web.shown_examples import row_statuses
from web.specs import asyncapi_text, openapi_text

HERE = Path(web.__file__).parent
WITH_BODY = [route for route in ROUTES if route.model is not None]
OPERATIONS = [op for methods in SPEC["paths"].values() for op in methods.values()]


class TestOpenapi:
    def test_the_committed_copy_is_what_is_served(self):
        same = (HERE / "openapi.json").read_text() == openapi_text()
        assert same, "run: treasury specs"

    def test_has_every_route_under_a_name_of_its_own(self):
        known = {(method, path) for path, methods in SPEC["paths"].items() for method in methods}
        assert known == {(route.method.lower(), route.path) for route in ROUTES}
        names = [operation["operationId"] for operation in OPERATIONS]
        assert len(set(names)) == len(names)
        assert all(operation["summary"] for operation in OPERATIONS)

    def test_every_reference_leads_somewhere(self):
        for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', openapi_text())):
            found = SPEC
            for part in reference.split("/"):
                found = found[part]
            assert found

    def test_says_currency_and_provider_and_never_our_own_words_for_them(self):
        ours = re.compile("asset|gateway$|minor")
        schemas = SPEC["components"]["schemas"]
        told = {
            f"{name}.{member}" for name in schemas for member in schemas[name].get("properties", ())
        }
        assert {"Conversion.from_currency", "Payment.quoted_currency"} <= told
        assert [name for name in told if ours.search(name)] == []

    @pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
    def test_every_example_is_a_body_that_is_taken(self, route):
        body = example_of(route)
        route.model.model_validate(body)
        schema = SPEC["components"]["schemas"][route.model.__name__]
        assert violations(body, schema) == []

    def test_tells_of_every_choice_of_a_tenant(self):
        shown, schema = told(Tenant("alpha", "Alpha")), TENANT_SETTINGS["properties"]
        assert set(shown) == set(schema)
        assert set(shown["settings"]) == set(schema["settings"]["properties"])

    def test_every_answer_in_json_has_an_example_that_its_own_schema_takes(self):
        shown = 0
        for operation in OPERATIONS:
            content = operation["responses"]["200"].get("content", {}).get("application/json")
            if content is not None:
                found = violations(content["example"], content["schema"])
                assert found == [], operation["operationId"]
                shown += 1
        assert shown > 150

    def test_every_body_and_stream_has_an_example(self):
        bodies = [
            operation["requestBody"]["content"]
            for operation in OPERATIONS
            if "requestBody" in operation
        ]
        assert len(bodies) > 60
        assert all("example" in each for content in bodies for each in content.values())
        live = SPEC["paths"]["/api/v1/{tenant}/balances/live"]["get"]["responses"]["200"]
        stream = live["content"]["text/event-stream"]["example"]
        [balance] = re.findall(r"event: balance\ndata: (.*)", stream)
        assert violations(json.loads(balance), SPEC["components"]["schemas"]["BalanceShown"]) == []

    def test_a_row_in_an_example_has_a_status_of_its_kind(self):
        kinds = {component_of(kind): steps for kind, steps in STEPS.items()}
        assert set(row_statuses()) == set(kinds)
        assert {
            name for name, status in row_statuses().items() if status not in kinds[name]
        } == set()
        row = SPEC["paths"]["/api/v1/{tenant}/invoices/{invoice_id}"]["get"]["responses"]["200"]
        assert row["content"]["application/json"]["example"]["status"] == "open"

    async def test_every_command_answers_its_own_example(self, listed):
        for number, route in enumerate(r for r in WITH_BODY if r.method == "POST"):
            path = re.sub(r"\{(\w+)\}", lambda m: "alpha" if m[1] == "tenant" else "x", route.path)
            answer = await listed.command(
                path.removeprefix("/api/v1"), example_of(route), key=f"example-{number}"
            )
            # 404 where the path names nothing; never a body that cannot be read.
            assert answer.status < 500, route.name
            if "{" not in route.path.replace("{tenant}", ""):
                assert answer.status != 404 or answer.code != "not-found", route.name
            if answer.status == 422:
                assert answer.code != "malformed", (route.name, answer.raw)


class TestAsyncapi:
    def test_the_committed_copy_is_what_is_served(self):
        same = (HERE / "asyncapi.json").read_text() == asyncapi_text()
        assert same, "run: treasury specs"

    def test_has_every_event_in_its_direction(self):
        told = json.loads(asyncapi_text())["operations"]
        inbound = {name for name, each in HANDLED.items() if "nats" in each.ingress}
        assert {n for n, op in told.items() if op["action"] == "receive"} == inbound
        assert {n for n, op in told.items() if op["action"] == "send"} == set(OUTBOUND)
        assert set(PUBLISHED) <= set(OUTBOUND)

    def test_outbound_members_are_those_that_are_emitted(self):
        seen = set()
        for seed in range(12):
            world = World(seed)
            world.run()
            for entry in world.books.core.entries:
                for item in entry.emitted:
                    seen.add(item.event_type)
                    said = list(json.loads(item.body)["data"])
                    members = OUTBOUND[item.event_type].members.split()
                    if item.event_type == "treasury.reconciliation.exception":
                        assert said[0] == "kind"  # each kind tells of its own subject
                    else:
                        assert said == members, item.event_type
        assert len(seen) >= 15

    def test_no_event_is_emitted_that_is_not_told_of(self):
        root = Path(agents.services.__file__).parent
        source = "".join(path.read_text() for path in root.rglob("*.py"))
        emitted = set(re.findall(r'Emit\(\s*"(treasury\.[a-z_.]+)"', source))
        assert emitted == set(OUTBOUND)


class TestTheService:
    async def test_serves_both_and_a_page_that_needs_nothing_from_elsewhere(self, api):
        for path, text in (("/openapi.json", openapi_text()), ("/asyncapi.json", asyncapi_text())):
            answer = await api.get(path, headers={"Authorization": None})
            assert (answer.status, answer.raw.decode()) == (200, text)
        page = await api.get("/docs", headers={"Authorization": None})
        assert page.status == 200
        assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
        text = page.raw.decode()
        elsewhere = r"(?i)(src|href|action)\s*=\s*[\"']?\s*(https?:|//)|url\(|@import|<script"
        assert not re.search(elsewhere, text)
        for route in ROUTES:
            assert route.path in text


@pytest.mark.browser
class TestInABrowser:
    """Chromium, the size of a small telephone."""

    async def test_pages_need_nothing_from_elsewhere_and_complain_of_nothing(self, api):
        async with browsing() as page:
            for path in ("/docs", "/docs/errors", "/docs/connectors"):
                await page.go(api.url + path)
                await page.until(f"location.pathname === '{path}'")
                styled = "getComputedStyle(document.body).maxWidth"
                assert await page.evaluate(styled) == "960px", "its style is not taken"
            assert page.errors == []
            paths = [url.removeprefix(api.url) for url in page.requests]
            assert set(paths) <= {"/docs", "/docs/errors", "/docs/connectors", "/favicon.ico"}

    async def test_every_route_unfolds_to_a_line_that_can_be_copied(self, api):
        async with browsing() as page:
            await page.go(f"{api.url}/docs")
            assert "Idempotency-Key: …" not in await page.text()
            await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            text = await page.text()
            for route in ROUTES:
                assert f"$URL{route.path.replace('{tenant}', '$TENANT')}" in text, route.name
            wide = "document.documentElement.scrollWidth <= innerWidth"
            assert await page.evaluate(wide), "wider than the telephone"

    async def test_an_error_is_found_by_the_address_that_its_problem_names(self, api):
        problem = (await api.get("/api/v1/nowhere")).json
        async with browsing() as page:
            await page.go(api.url + problem["type"])
            target = "document.querySelector(':target').innerText"
            assert await page.evaluate(target) == problem["code"]
            assert page.errors == []
