"""API keys of services: shown once, hashed, limited to their maker's scopes, rotated, revoked."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.web.conftest import NOW
from web import scopes
from web.api_keys import ApiKey, ApiKeys

BALANCES = "/api/v1/alpha/balances"


async def make(api, *, tenant="alpha", token=None, **members):
    body = {"name": "pos", "scopes": [scopes.BALANCES_READ], **members}
    return await api.command(f"/{tenant}/api-keys", body, token=token)


async def act(api, key_id, verb="rotate", **members):
    return await api.command(f"/alpha/api-keys/{key_id}/{verb}", members)


class TestAKey:
    async def test_opens_what_its_scopes_say_and_no_more(self, listed):
        made = await make(listed)
        assert made.status == 200
        key = made.json["key"]
        assert key.startswith("trs_live_")
        assert (await listed.get(BALANCES, token=key)).status == 200
        refused = await listed.get("/api/v1/alpha/entries", token=key)
        assert (refused.status, refused.code) == (403, "scope-missing")
        refused = await listed.get("/api/v1/beta/balances", token=key)
        assert (refused.status, refused.code) == (403, "wrong-tenant")

    async def test_is_shown_once_and_stored_as_a_hash(self, listed, database):
        made = (await make(listed)).json
        secret = made.pop("key").rpartition(".")[2]
        one = await listed.get(f"/api/v1/alpha/api-keys/{made['key_id']}")
        assert one.json == made
        everything = await listed.get("/api/v1/alpha/api-keys")
        assert everything.json["data"] == [made]
        log = await listed.get("/api/v1/alpha/audit-log")
        assert all(secret.encode() not in each.raw for each in (one, everything, log))
        stored = await database.owner.fetch("SELECT k::text FROM api_keys k")
        assert secret not in str(stored)

    async def test_may_do_no_more_than_its_maker(self, listed):
        token = listed.token(scope=[scopes.API_KEYS_WRITE, scopes.BALANCES_READ])
        assert (await make(listed, token=token)).status == 200
        refused = await make(listed, token=token, scopes=["balances:read", "payouts:approve"])
        assert (refused.status, refused.code) == (403, "scope-missing")
        assert "payouts:approve" in refused.json["detail"]

    @pytest.mark.parametrize("scope", sorted(scopes.OF_PEOPLE))
    async def test_is_never_the_second_of_two_people(self, listed, scope):
        refused = await make(listed, scopes=["balances:read", scope])
        assert (refused.status, refused.code) == (422, "people-only")

    async def test_is_named_in_the_audit_log_as_an_actor(self, listed):
        key = (await make(listed, scopes=[scopes.API_KEYS_WRITE])).json
        other = await make(listed, token=key["key"], scopes=[scopes.API_KEYS_WRITE])
        assert other.json["created_by"] == f"key:{key['key_id']}"
        lines = (await listed.get("/api/v1/alpha/audit-log")).json["data"]
        assert [line["actor"] for line in lines] == [f"key:{key['key_id']}", "local"]

    @pytest.mark.parametrize(
        "members",
        [
            {"name": ""},
            {"name": "a\nb"},
            {"scopes": []},
            {"mode": "both"},
            {"expires_in_days": 0},
            {"secret": "chosen"},
        ],
    )
    async def test_that_cannot_be_one_is_refused(self, listed, members):
        assert (await make(listed, **members)).status == 422

    async def test_of_another_tenant_is_not_found(self, listed):
        made = (await make(listed, tenant="beta", token=listed.token("beta"))).json
        path = f"/api/v1/alpha/api-keys/{made['key_id']}"
        unknown = await listed.get("/api/v1/alpha/api-keys/0123456789abcdef")
        foreign = await listed.get(path)
        assert foreign.status == unknown.status == 404
        gone = {"request_id"}
        assert {k: v for k, v in foreign.json.items() if k not in gone} == {
            k: v for k, v in unknown.json.items() if k not in gone
        }
        assert (await listed.request("DELETE", path)).status == 404
        assert (await act(listed, made["key_id"])).status == 404
        assert (await listed.get("/api/v1/beta/balances", token=made["key"])).status == 200


class TestRotation:
    async def test_leaves_the_secret_before_good_for_a_while(self, listed):
        made = (await make(listed)).json
        rotated = await act(listed, made["key_id"], overlap_s=3_600)
        assert rotated.status == 200
        assert rotated.json["key_id"] == made["key_id"]
        for key in (made["key"], rotated.json["key"]):
            assert (await listed.get(BALANCES, token=key)).status == 200

    async def test_leaves_two_secrets_good_and_not_three(self, listed):
        keys = [(await make(listed)).json]
        keys += [(await act(listed, keys[0]["key_id"])).json for _ in range(2)]
        statuses = [(await listed.get(BALANCES, token=each["key"])).status for each in keys]
        assert statuses == [401, 200, 200]

    async def test_ends_the_secret_before_when_the_overlap_is_over(self, listed, database):
        made = (await make(listed)).json
        rotated = (await act(listed, made["key_id"], overlap_s=60)).json
        later = ApiKeys(database.app, known_for_s=0, now=lambda: NOW + timedelta(days=1))
        assert (await later.verify(rotated["key"])).tenant_id == "alpha"
        with pytest.raises(Exception, match="invalid-token"):
            await later.verify(made["key"])

    async def test_at_once_leaves_one(self, listed):
        made = (await make(listed)).json
        rotated = (await act(listed, made["key_id"], overlap_s=0)).json
        assert (await listed.get(BALANCES, token=made["key"])).status == 401
        assert (await listed.get(BALANCES, token=rotated["key"])).status == 200

    async def test_of_a_revoked_key_is_refused(self, listed):
        made = (await make(listed)).json
        path = f"/api/v1/alpha/api-keys/{made['key_id']}"
        for _ in range(2):
            gone = await listed.request("DELETE", path)
            assert gone.json["revoked_at"] is not None
        refused = await act(listed, made["key_id"])
        assert (refused.status, refused.code) == (409, "key-revoked")
        assert (await listed.get(BALANCES, token=made["key"])).status == 401


class TestVerifying:
    async def test_tells_nothing_of_why_a_key_is_bad(self, listed):
        good = ApiKey.read((await make(listed)).json["key"])
        bad = [
            replace(good, secret="A" * 43),
            replace(good, key_id="0" * 16),
            replace(good, tenant_id="beta"),
            replace(good, mode="test"),
        ]
        texts = [each.text for each in bad]
        texts += [
            "trs_live_",
            "trs_live_x.y.z",
            good.text + "A",
            good.text[:-1],
            "trs_" + "x" * 4000,
        ]
        answers = [await listed.get(BALANCES, token=text) for text in texts]
        assert {answer.status for answer in answers} == {401}
        assert {(answer.code, answer.json["detail"]) for answer in answers} == {
            ("invalid-token", "The API key is not valid here.")
        }

    async def test_of_a_tenant_are_of_its_own_mode(self, listed, desk):
        await desk.hear("auth.tenant.created", "sand", name="Sand", mode="sandbox")
        for tenant, other in (("alpha", "test"), ("sand", "live")):
            refused = await make(listed, tenant=tenant, token=listed.token(tenant), mode=other)
            assert (refused.status, refused.code) == (422, "mode-differs")
        unknown = await make(listed, tenant="new", token=listed.token("new"))
        assert (unknown.status, unknown.code) == (404, "tenant-unknown")

    async def test_refuses_keys_of_the_other_mode(self, listed, serve, context, database, desk):
        await desk.hear("auth.tenant.created", "sand", name="Sand", mode="sandbox")
        sand = await make(listed, tenant="sand", token=listed.token("sand"))
        keys = {"live": (await make(listed)).json["key"], "test": sand.json["key"]}
        assert keys["test"].startswith("trs_test_")
        for mode, other in (("live", "test"), ("test", "live")):
            host = await serve(
                replace(
                    context,
                    pool=database.app,
                    api_keys=ApiKeys(database.app, mode=mode, now=lambda: NOW),
                )
            )
            paths = {"live": BALANCES, "test": BALANCES.replace("alpha", "sand")}
            assert (await host.get(paths[mode], token=keys[mode])).status == 200
            refused = await host.get(paths[other], token=keys[other])
            assert (refused.status, refused.code) == (401, "wrong-mode")

    async def test_ends_with_the_keys_days(self, listed, database):
        made = (await make(listed, expires_in_days=30)).json
        for days, good in ((29, True), (31, False)):
            later = ApiKeys(database.app, now=lambda days=days: NOW + timedelta(days=days))
            if good:
                assert (await later.verify(made["key"])).scopes == {scopes.BALANCES_READ}
            else:
                with pytest.raises(Exception, match="invalid-token"):
                    await later.verify(made["key"])

    async def test_believes_a_key_for_some_seconds_without_looking(self, listed, database):
        made = (await make(listed)).json
        now_s = [0.0]
        keys = ApiKeys(database.app, known_for_s=5, monotonic_s=lambda: now_s[0], now=lambda: NOW)
        await keys.verify(made["key"])
        await listed.request("DELETE", f"/api/v1/alpha/api-keys/{made['key_id']}")
        now_s[0] = 4.9
        await keys.verify(made["key"])
        now_s[0] = 5.0
        with pytest.raises(Exception, match="invalid-token"):
            await keys.verify(made["key"])

    async def test_waits_for_postgres_and_says_so(self, api):
        key = ApiKey.new("alpha", "live")
        answer = await api.get(BALANCES, token=key.text)
        assert (answer.status, answer.code) == (503, "keys-unavailable")

    async def test_of_many_at_once_is_one_answer_each(self, listed):
        made = (await make(listed)).json
        answers = await asyncio.gather(
            *(listed.get(BALANCES, token=made["key"]) for _ in range(20))
        )
        assert {answer.status for answer in answers} == {200}
