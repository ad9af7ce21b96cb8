"""Secrets over HTTP: written and masked, by developers and superusers, of one owner each."""

import json

import pytest

from agents.roles.secret_store import SecretStore
from tests.web.conftest import KEYRING
from web import scopes

NAME = "instant.api_key"
CANARY = "canary-1f6a5f0c91"


async def put(api, tenant="alpha", value=CANARY, *, path=None, name=NAME, **options):
    return await api.request(
        "PUT",
        path or f"/api/v1/{tenant}/secrets/{name}",
        headers={"Content-Type": "application/json"},
        data=json.dumps({"value": value}),
        **options,
    )


def superuser(api, **claims):
    return api.token("the-platform", (), roles=["superuser"], subject="root", **claims)


async def resolved(database, tenant) -> dict[str, tuple[str, str]]:
    found = await SecretStore(database.archiver, KEYRING).resolve(tenant, "")
    return {name: (each.value.get_secret_value(), each.owner) for name, each in found.items()}


class TestASecret:
    async def test_is_written_and_never_shown(self, listed, database):
        written = await put(listed)
        assert written.status == 200
        assert written.json["state"] == "set"
        assert (written.json["version"], written.json["written_by"]) == (1, "local")
        again = await listed.get(f"/api/v1/alpha/secrets/{NAME}")
        assert again.json == written.json
        everything = await listed.get("/api/v1/alpha/secrets")
        listed_as = {row["name"]: row for row in everything.json["data"]}
        assert listed_as.pop(NAME) == written.json
        assert {row["state"] for row in listed_as.values()} == {"unset"}
        log = await listed.get("/api/v1/alpha/audit-log")
        for answer in (written, again, everything, log):
            assert CANARY.encode() not in answer.raw
        assert await resolved(database, "alpha") == {NAME: (CANARY, "alpha")}

    async def test_is_recognised_by_its_fingerprint(self, listed):
        first = (await put(listed)).json
        second = (await put(listed)).json
        other = (await put(listed, value="another")).json
        assert first["fingerprint"] == second["fingerprint"] != other["fingerprint"]
        assert [each["version"] for each in (first, second, other)] == [1, 2, 3]

    async def test_is_forgotten_and_then_unset(self, listed, database):
        await put(listed)
        for _ in range(2):
            gone = await listed.request("DELETE", f"/api/v1/alpha/secrets/{NAME}")
            assert (gone.status, gone.json) == (200, {"name": NAME, "state": "unset"})
        assert await resolved(database, "alpha") == {}
        lines = (await listed.get("/api/v1/alpha/audit-log")).json["data"]
        assert [line["action"] for line in lines] == ["secret.remove", "secret.put"]

    async def test_of_an_unknown_name_is_not_found(self, listed):
        for method in ("GET", "DELETE"):
            assert (await listed.request(method, "/api/v1/alpha/secrets/nothing")).status == 404
        assert (await put(listed, name="mpesa")).status == 404

    @pytest.mark.parametrize("value", ["", 7, None, "x" * 16_385, "ä" * 10_000])
    async def test_that_cannot_be_one_is_refused_without_repeating_it(self, listed, value):
        refused = await put(listed, value=value)
        assert (refused.status, refused.code) == (422, "malformed")
        assert b"xxx" not in refused.raw

    async def test_cannot_be_written_while_postgres_is_away(self, api):
        answer = await put(api)
        assert (answer.status, answer.code) == (503, "configuration-unavailable")


class TestWhoMay:
    async def test_write_needs_the_scope_of_developers(self, listed):
        everything_else = set(scopes.ALL) - {scopes.SECRETS_WRITE}
        refused = await put(listed, token=listed.token(scope=everything_else))
        assert (refused.status, refused.code) == (403, "scope-missing")

    async def test_another_tenants_developer_may_not(self, listed, database):
        refused = await put(listed, "beta")
        assert (refused.status, refused.code) == (403, "wrong-tenant")
        assert await resolved(database, "beta") == {}

    async def test_a_superuser_may_for_any_tenant_and_the_log_says_so(self, listed, database):
        assert (await put(listed, "beta", token=superuser(listed))).status == 200
        assert await resolved(database, "beta") == {NAME: (CANARY, "beta")}
        [line] = (await listed.get("/api/v1/beta/audit-log", token=listed.token("beta"))).json[
            "data"
        ]
        assert (line["actor"], line["action"], line["resource"]) == ("root", "secret.put", NAME)

    async def test_a_superuser_may_nothing_else_there(self, listed):
        for path in ("/api/v1/beta/balances", "/api/v1/beta/audit-log", "/api/v1/beta/api-keys"):
            assert (await listed.get(path, token=superuser(listed))).code == "wrong-tenant"

    async def test_nobody_else_may_set_the_platforms(self, listed, database):
        path = f"/api/v1/platform/secrets/{NAME}"
        refused = await put(listed, path=path)
        assert (refused.status, refused.code) == (403, "superuser-only")
        refused = await put(listed, path=path, token=listed.token("platform"))
        assert (refused.status, refused.code) == (403, "superuser-only")
        assert (await put(listed, path=path, token=superuser(listed))).status == 200
        assert await resolved(database, "beta") == {NAME: (CANARY, "*")}

    async def test_a_role_that_is_no_list_of_words_is_no_token(self, listed):
        token = listed.token("alpha", (), roles="superuser")
        refused = await put(listed, token=token)
        assert (refused.status, refused.code) == (401, "invalid-token")
