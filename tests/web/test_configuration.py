"""Tier 2 over HTTP: settings that are events, and plain values that are rows."""

import json

import pytest

from tables.postgres.chains import read_batches
from tests.web.desk import project
from web import scopes
from web.tier_two import VALUES

TAX = {"pin": "P051234567Z"}
BANK = {"account": "kcb", "bank": "KCB", "number": "1234567890"}


async def put(api, name, value, tenant="alpha", **options):
    return await api.request(
        "PUT",
        f"/api/v1/{tenant}/configuration/{name}",
        headers={"Content-Type": "application/json"},
        data=json.dumps({"value": value}),
        **options,
    )


class TestSettings:
    async def test_are_shown_as_they_are_written(self, listed, desk):
        before = (await listed.get("/api/v1/alpha/settings")).json
        assert (before["currency"], before["mode"], before["status"]) == ("KES", "live", "active")
        assert before["settings"]["payout_limit"] is None
        said = {
            "payout_limit": "1500.50",
            "refund_limit": "0.00",
            "service_charge_percent": "2.50",
            "cut_off": "02:05",
            "dunning_days": [-1, 5],
            "taxes": [],
            "tax_registered": True,
            "payment_terms_days": 14,
        }
        after = await listed.command("/alpha/settings", {"settings": said})
        assert after.status == 200
        assert after.json["version"] == before["version"] + 1
        assert {**after.json["settings"], **said} == after.json["settings"]
        assert (await listed.get("/api/v1/alpha/settings")).json == after.json

    async def test_count_for_what_is_decided_next(self, listed):
        await listed.command("/alpha/settings", {"settings": {"journal_limit": "10"}})
        legs = [
            {"account": "bank:kcb", "side": "debit", "amount": "10.01"},
            {"account": "opening", "side": "credit", "amount": "10.01"},
        ]
        answer = await listed.command("/alpha/journals", {"legs": legs}, key="journal")
        assert (answer.status, answer.json["status"]) == (202, "held")

    async def test_that_cannot_be_are_refused_and_change_nothing(self, listed):
        before = (await listed.get("/api/v1/alpha/settings")).json
        for number, (said, code) in enumerate(
            (
                ({"cut_off": "25:00"}, "bad_cut_off"),
                ({"service_charge_percent": "101"}, "percent_out_of_bounds"),
                ({"taxes": ["window_tax"]}, "unknown_tax"),
                ({"payout_limit": "0.001"}, "bad_amount"),
                ({"payment_terms_days": -1}, "payment_terms_out_of_bounds"),
            )
        ):
            answer = await listed.command("/alpha/settings", {"settings": said}, key=f"k{number}")
            assert (answer.status, answer.code) == (422, code)
        assert (await listed.get("/api/v1/alpha/settings")).json == before

    async def test_are_audited_with_who_asked(self, listed, desk, database):
        token = listed.token(subject="ann")
        said = {"settings": {"payout_limit": "5"}}
        await listed.command("/alpha/settings", said, token=token)
        await project(desk, database)
        [line] = (await listed.get("/api/v1/alpha/audit-log?actor=ann")).json["data"]
        assert line["action"] == "settings.change"

    async def test_need_their_scopes(self, listed):
        token = listed.token(scope=[scopes.SETTINGS_READ])
        assert (await listed.get("/api/v1/alpha/settings", token=token)).status == 200
        refused = await listed.command("/alpha/settings", {"settings": {}}, token=token)
        assert refused.code == "scope-missing"


class TestValues:
    async def test_are_kept_listed_and_forgotten(self, listed):
        written = await put(listed, "tax", TAX)
        assert written.status == 200
        assert written.json["value"] == {
            **TAX,
            **dict.fromkeys(("registered_name", "item_code", "item_class"), ""),
        }
        assert (await put(listed, "tax", TAX)).json["version"] == 2
        rows = (await listed.get("/api/v1/alpha/configuration")).json["data"]
        assert [row["name"] for row in rows] == sorted(VALUES)
        assert [row["name"] for row in rows if row["state"] == "set"] == ["tax"]
        for _ in range(2):
            gone = await listed.request("DELETE", "/api/v1/alpha/configuration/tax")
            assert gone.json == {"name": "tax", "state": "unset"}
        assert (await listed.get("/api/v1/alpha/configuration/tax")).json["state"] == "unset"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("mpesa", {"short_code": "174379", "kind": "till"}),
            ("bank_accounts", {"accounts": [BANK, {**BANK, "account": "eq", "bank": "Equity"}]}),
            ("payments", {"methods": ["mpesa", "card"]}),
        ],
    )
    async def test_of_every_kind_are_taken(self, listed, name, value):
        answer = await put(listed, name, value)
        assert answer.status == 200
        assert answer.json == (await listed.get(f"/api/v1/alpha/configuration/{name}")).json

    @pytest.mark.parametrize(
        ("name", "value", "pointer"),
        [
            ("mpesa", {"short_code": "12"}, "/short_code"),
            ("mpesa", {"short_code": "١٢٣٤٥٦"}, "/short_code"),
            ("mpesa", {}, "/short_code"),
            ("tax", {"pin": "P05123456Z"}, "/pin"),
            ("tax", {"pin": "P051234567Z", "more": 1}, "/more"),
            ("tax", {"pin": 7}, "/pin"),
            ("payments", {"methods": ["mpesa", "mpesa"]}, "/methods"),
            ("payments", {"methods": []}, "/methods"),
            ("bank_accounts", {"accounts": [BANK, BANK]}, "/accounts"),
            ("bank_accounts", {"accounts": [{**BANK, "bic": "KCB"}]}, "/accounts/0/bic"),
            ("bank_accounts", {"accounts": [{**BANK, "bank": "a\nb"}]}, "/accounts/0/bank"),
        ],
    )
    async def test_that_cannot_be_are_refused_by_member(self, listed, name, value, pointer):
        answer = await put(listed, name, value)
        assert (answer.status, answer.code) == (422, "malformed")
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]

    async def test_of_no_such_name_are_not_found(self, listed):
        assert (await put(listed, "colour", {})).status == 404
        assert (await listed.get("/api/v1/alpha/configuration/colour")).status == 404

    async def test_are_each_tenants_own(self, listed):
        await put(listed, "tax", TAX)
        theirs = await listed.get("/api/v1/beta/configuration/tax", token=listed.token("beta"))
        assert theirs.json == {"name": "tax", "state": "unset"}

    async def test_are_audited_with_what_was_said(self, listed):
        await put(listed, "tax", TAX)
        [line] = (await listed.get("/api/v1/alpha/audit-log")).json["data"]
        assert (line["action"], line["resource"]) == ("configuration.put", "tax")
        assert line["detail"]["value"]["pin"] == TAX["pin"]

    async def test_wait_for_postgres_and_say_so(self, api):
        answer = await put(api, "tax", TAX)
        assert (answer.status, answer.code) == (503, "configuration-unavailable")


WALLET, OTHER = f"0x{'5a' * 20}", f"0x{'6b' * 20}"
MIXED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's own example


class TestWallets:
    async def test_are_kept_in_lower_case_whatever_case_they_came_in(self, listed):
        answer = await put(listed, "polygon", {"wallets": [MIXED, WALLET]})
        assert answer.json["value"] == {"wallets": [MIXED.lower(), WALLET]}

    @pytest.mark.parametrize(
        "wallets",
        [
            [],
            ["0x1"],
            [MIXED.replace("aA", "aa", 1)],
            [WALLET, WALLET.upper().replace("X", "x")],
            [f"0x{'00' * 20}"],
            [f"0x{number:040x}" for number in range(1, 22)],
        ],
    )
    async def test_that_are_none_are_refused(self, listed, wallets):
        answer = await put(listed, "polygon", {"wallets": wallets})
        assert (answer.status, answer.code) == (422, "malformed")

    async def test_are_one_tenants_on_each_chain_and_nothing_stays_of_a_refusal(self, listed):
        assert (await put(listed, "polygon", {"wallets": [WALLET]})).status == 200
        token = listed.token("beta")
        both = {"wallets": [OTHER, WALLET]}
        answer = await put(listed, "polygon", both, tenant="beta", token=token)
        assert (answer.status, answer.code) == (409, "wallet-taken")
        shown = await listed.get("/api/v1/beta/configuration/polygon", token=token)
        assert shown.json["state"] == "unset"
        assert (await put(listed, "polygon", {"wallets": [OTHER]})).status == 200
        assert (
            await put(listed, "ethereum", {"wallets": [WALLET]}, tenant="beta", token=token)
        ).status == 200

    async def test_are_watched_also_when_they_are_not_shown_any_more(self, listed, database):
        await put(listed, "polygon", {"wallets": [WALLET]})
        await put(listed, "polygon", {"wallets": [OTHER]})
        await listed.request("DELETE", "/api/v1/alpha/configuration/polygon")
        batches = await read_batches(database.archiver)
        assert {each.addresses for each in batches} == {(WALLET,), (OTHER,)}
