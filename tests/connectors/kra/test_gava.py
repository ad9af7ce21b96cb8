"""GavaConnect against its fake: tokens of products, refusals with status 200, what was filed."""

import asyncio

import msgspec
import pytest

from connectors.base import Ambiguous, NotSent, Refused, TurnedAway
from connectors.breaker import Breaker
from connectors.guard import Guard
from connectors.http import Answer
from connectors.kra import desk
from connectors.kra.client import Gava
from connectors.kra.config import PRODUCTS, Config
from connectors.kra.connector import build
from connectors.kra.fake import FakeKra, Fault
from connectors.kra.fake_gava import PATHS
from connectors.reading import Unfit

PIN, PERSON = "P051234567Z", "A012345678Z"
WITHHELD = {
    "pin": PERSON,
    "invoice": "INV-7",
    "invoice_day": "2026-02-03",
    "paid_day": "2026-02-20",
    "gross": "1000.50",
    "rate": "2",
    "tax": "20.01",
}
VALUES = {
    "pin": {"pin": PIN},
    "pin_by_id": {"kind": "KE", "id": "12345678"},
    "compliance": {"pin": PIN, "certificate": "KRATCC0001"},
    "compliance_application": {"pin": PIN, "reason": "Tender"},
    "obligations": {"pin": PIN},
    "nil_return": {"pin": PIN, "obligation": "9", "year": "2026", "month": "2"},
    "turnover_tax": {"pin": PIN, "year": "2026", "month": "02", "turnover": "150000.50"},
    "withholding_prn": {
        "pin": PIN,
        "reference": "wht-1",
        "from": "2026-02-01",
        "to": "2026-02-28",
        "lines": msgspec.json.encode([WITHHELD, WITHHELD]).decode(),
    },
    "invoice_check": {"number": "INV-7", "day": "2026-02-03"},
}


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


async def refusal(kra, action, values) -> Refused:
    with pytest.raises(Refused) as refused:
        await kra.act(action, "", values)
    return refused.value


class TestWhatIsTold:
    async def test_of_a_pin(self, kra):
        says = (await kra.act("pin", "", {"pin": " p051234567z "})).says
        assert says == {
            "pin": PIN,
            "name": "Demo Cafe Limited",
            "kind": "COMP",
            "state": "Active",
        }

    async def test_of_who_has_an_id(self, kra):
        says = (await kra.act("pin_by_id", "", VALUES["pin_by_id"])).says
        assert says == {"pin": PERSON, "name": "Wanjiru Mwangi"}

    async def test_of_a_certificate(self, kra):
        says = (await kra.act("compliance", "", VALUES["compliance"])).says
        assert says["detail"] == "Valid TCC"
        assert says["told"]["TCCNumber"] == "KRATCC0001"

    async def test_of_obligations(self, kra):
        says = (await kra.act("obligations", "", VALUES["obligations"])).says
        assert says["obligations"] == [
            {"id": "4", "name": "Income Tax - Company", "kind": "Monthly"},
            {"id": "9", "name": "Value Added Tax (VAT)", "kind": "Monthly"},
        ]

    async def test_of_a_nil_return(self, fake, kra):
        says = (await kra.act("nil_return", "", VALUES["nil_return"])).says
        assert says == {"acknowledgement": "ACK00000001", "detail": "Filed"}
        assert fake.gava.filed == [("nil_return", PIN, "9", "2026-02")]

    async def test_of_turnover_tax(self, fake, kra):
        says = (await kra.act("turnover_tax", "", VALUES["turnover_tax"])).says
        assert (says["detail"], says["told"]["acknumber"]) == ("Filed", "ACK00000001")
        assert fake.gava.filed == [("turnover_tax", PIN, "2026-02", "150000.50")]

    async def test_of_tax_that_was_withheld(self, fake, kra):
        says = (await kra.act("withholding_prn", "", VALUES["withholding_prn"])).says
        assert says == {
            "prn": "PRN00000001",
            "day": "2026-03-01",
            "amount": "40.02",
            "currency": "KES",
        }
        assert fake.gava.filed == [("withholding_prn", PIN, "wht-1")]

    async def test_of_an_application(self, fake, kra):
        says = (await kra.act("compliance_application", "", VALUES["compliance_application"])).says
        assert says["detail"] == "Filed"
        assert fake.gava.filed == [("compliance_application", PIN, "Tender")]

    async def test_of_an_invoice(self, fake, kra):
        fake.gava.invoices.add(("INV-7", "2026-02-03"))
        says = (await kra.act("invoice_check", "", VALUES["invoice_check"])).says
        assert (says["detail"], says["told"]["salesDate"]) == ("Found", "2026-02-03")

    @pytest.mark.parametrize("action", sorted(VALUES))
    async def test_can_be_written_as_json(self, fake, kra, action):
        fake.gava.invoices.add(("INV-7", "2026-02-03"))
        assert msgspec.json.encode((await kra.act(action, "", VALUES[action])).says)

    def test_every_product_has_its_task_and_values(self):
        assert set(desk.TASKS) == set(PRODUCTS) == set(VALUES)
        assert {task.path: action for action, task in desk.TASKS.items()} == PATHS


class TestRefusals:
    @pytest.mark.parametrize(
        ("action", "change", "failure", "words"),
        [
            ("pin", {"pin": "P000000001Z"}, "pin_refused", "23001: Invalid PIN"),
            ("pin_by_id", {"id": "1"}, "taxpayer_unknown", "30002: Taxpayer not found"),
            ("compliance", {"certificate": "X"}, "compliance_refused", "24001: Invalid TCC"),
            ("obligations", {"pin": PERSON}, "obligations_refused", "20001: No obligations found"),
            ("invoice_check", {"number": "X"}, "invoice_unknown", "40001: Invoice not found"),
            ("nil_return", {"pin": "P000000001Z"}, "return_invalid", "82002: Validation failed"),
        ],
    )
    async def test_with_status_200_are_refusals_with_kras_own_words(
        self, kra, action, change, failure, words
    ):
        refused = await refusal(kra, action, VALUES[action] | change)
        assert refused.failure == failure
        assert refused.reason.startswith(words)

    @pytest.mark.parametrize("action", sorted(desk._FILING))
    async def test_of_what_was_filed_before_leave_one(self, fake, kra, action):
        await kra.act(action, "", VALUES[action])
        refused = await refusal(kra, action, VALUES[action])
        assert refused.failure in {"return_invalid", "withholding_prn_refused"}
        assert len(fake.gava.filed) == 1

    @pytest.mark.parametrize(
        "body",
        [
            b'{"requestId":"1","errorCode":"400.002.02","errorMessage":"Bad"}',
            b'{"RequestId":"1","ErrorCode":"400.002.02","ErrorMessage":"Bad"}',
        ],
        ids=["small letters", "capitals"],
    )
    @pytest.mark.parametrize("status", [200, 400])
    @pytest.mark.parametrize("action", ["pin", "nil_return"])
    def test_in_both_casings_are_read(self, body, status, action):
        """External notes, 4.1: errors come in two casings."""
        with pytest.raises(Refused) as refused:
            desk.said_of(action, Answer(status, body))
        assert refused.value.failure == f"{action}_refused"
        assert refused.value.reason == "400.002.02: Bad"

    @pytest.mark.parametrize(
        ("action", "body"),
        [
            ("pin", b'{"Status":"NOK","PINDATA":{"KRAPIN":"P051234567Z"}}'),
            ("nil_return", b'{"RESPONSE":{"ResponseCode":"99999","Status":"NOK"}}'),
            ("turnover_tax", b'{"RESPONSE":{"Status":"nok","AckNumber":"A1"}}'),
        ],
    )
    def test_are_whatever_is_not_ok_even_beside_what_was_asked_for(self, action, body):
        with pytest.raises(Refused) as refused:
            desk.said_of(action, Answer(200, body))
        assert refused.value.failure == f"{action}_refused"

    @pytest.mark.parametrize("code", ["40005", "50000"])
    def test_of_a_moment_are_patience(self, code):
        with pytest.raises(TurnedAway):
            desk.said_of("invoice_check", Answer(200, b'{"responseCode":"%s"}' % code.encode()))

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
    def test_that_cannot_be_read_are_refusals_only_by_their_status(self, body):
        with pytest.raises(Ambiguous):
            desk.said_of("nil_return", Answer(200, body))
        with pytest.raises(Refused):
            desk.said_of("nil_return", Answer(404, body))

    @pytest.mark.parametrize("action", sorted(VALUES))
    @pytest.mark.parametrize("body", [b"{}", b'{"Message":"Fine"}', b'{"Status":"Fine"}'])
    def test_silence_is_never_success(self, action, body):
        with pytest.raises((Ambiguous, Refused)):
            desk.said_of(action, Answer(200, body))

    @pytest.mark.parametrize("action", ["nil_return", "withholding_prn"])
    def test_ok_without_what_was_filed_is_not_known(self, action):
        with pytest.raises(Ambiguous):
            desk.said_of(action, Answer(200, b'{"Status":"OK","ResponseCode":"1"}'))


class TestWhatIsNotAsked:
    @pytest.mark.parametrize(
        ("action", "change", "failure"),
        [
            ("pin", {"pin": "P05123456Z"}, "pin_unfit"),
            ("pin_by_id", {"kind": "ANY"}, "kind_unfit"),
            ("pin_by_id", {"id": " "}, "id_unfit"),
            ("compliance", {"certificate": ""}, "certificate_unfit"),
            ("compliance", {"certificate": "a\nb"}, "certificate_unfit"),
            ("compliance_application", {"reason": ""}, "reason_unfit"),
            ("obligations", {"pin": ""}, "pin_unfit"),
            ("nil_return", {"obligation": "VAT"}, "obligation_unfit"),
            ("nil_return", {"month": "13"}, "month_unfit"),
            ("nil_return", {"month": "²"}, "month_unfit"),
            ("nil_return", {"year": "26"}, "year_unfit"),
            ("turnover_tax", {"turnover": "1e5"}, "turnover_unfit"),
            ("turnover_tax", {"turnover": "-1"}, "turnover_unfit"),
            ("turnover_tax", {"turnover": "1.005"}, "turnover_unfit"),
            ("withholding_prn", {"from": "2026-03-01"}, "period_unfit"),
            ("withholding_prn", {"reference": ""}, "reference_unfit"),
            ("withholding_prn", {"lines": "[]"}, "lines_unfit"),
            ("withholding_prn", {"lines": "{"}, "lines_unfit"),
            ("invoice_check", {"day": "03/02/2026"}, "day_unfit"),
            ("invoice_check", {"number": ""}, "number_unfit"),
        ],
    )
    async def test_is_refused_by_name_and_unsent(self, fake, kra, action, change, failure):
        refused = await refusal(kra, action, VALUES[action] | change)
        assert refused.failure == failure
        assert fake.requests == []
        assert fake.tokens == {}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"pin": "P1"}, "pin_unfit"),
            ({"tax": "0"}, "amount_unfit"),
            ({"tax": "1000.51"}, "amount_unfit"),
            ({"gross": "ten"}, "amount_unfit"),
            ({"rate": "two"}, "rate_unfit"),
            ({"paid_day": "soon"}, "day_unfit"),
            ({"invoice": ""}, "invoice_unfit"),
        ],
    )
    def test_of_a_line_is_refused_by_name(self, change, reason):
        lines = msgspec.json.encode([WITHHELD | change]).decode()
        with pytest.raises(Unfit) as refused:
            desk.TASKS["withholding_prn"].body(VALUES["withholding_prn"] | {"lines": lines})
        assert refused.value.reason == reason

    async def test_without_credentials_of_its_product(self, fake, session):
        nobody = dict.fromkeys(
            (name for name in fake.configuration if "consumer" in name and "nil" not in name), ""
        )
        kra = build(session, fake.configuration | nobody)
        assert kra.actions == {"device", "notices", "nil_return"}
        assert (await refusal(kra, "pin", VALUES["pin"])).failure == "action_unknown"


class TestTokens:
    async def test_are_one_for_each_app_whoever_asks_at_once(self, fake, kra):
        await asyncio.gather(*(kra.act("pin", "", VALUES["pin"]) for _ in range(10)))
        await kra.act("obligations", "", VALUES["obligations"])
        assert fake.tokens == {"key": 1}
        await kra.act("nil_return", "", VALUES["nil_return"])
        assert fake.tokens == {"key": 1, "nil-key": 1}

    @pytest.mark.parametrize("lives", ["3599", 3599])
    async def test_are_renewed_a_minute_before_their_end(self, session, lives):
        """External notes, 4.1: `expires_in` is text in the wild."""
        async with FakeKra(token_lives=lives) as fake:
            clock = Clock()
            gava = Gava(session, Config.read(fake.configuration), monotonic_s=clock)
            path, body = desk.TASKS["pin"].path, desk.TASKS["pin"].body(VALUES["pin"])
            for later_s, asked in ((0, 1), (3_538, 1), (2, 2)):
                clock.now_s += later_s
                assert (await gava.post("pin", path, body)).status == 200
                assert fake.tokens == {"key": asked}

    async def test_that_ended_early_are_renewed_once(self, fake, kra):
        await kra.act("pin", "", VALUES["pin"])
        fake.tokens["key"] += 1  # somebody else asked for one
        await kra.act("pin", "", VALUES["pin"])
        assert fake.tokens == {"key": 3}

    async def test_of_another_product_are_an_error_of_configuration(self, fake, session):
        """The app is known, and has not this product: one more token, and that is all."""
        other = {"nil_return_consumer_key": "key", "nil_return_consumer_secret": "secret"}
        kra = build(session, fake.configuration | other)
        refused = await refusal(kra, "nil_return", VALUES["nil_return"])
        assert (refused.failure, refused.reason) == (
            "not_configured",
            "nil_return: our token is refused here",
        )
        assert fake.tokens == {"key": 2}
        assert fake.gava.filed == []

    async def test_are_asked_for_where_configuration_says(self, fake, session):
        """External notes, 12.9: some collections have another path."""
        other = build(session, {**fake.configuration, "token_path": "/oauth/v1/generate"})
        assert (await other.act("pin", "", VALUES["pin"])).says["pin"] == PIN
        nowhere = build(session, {**fake.configuration, "token_path": "/nowhere"})
        assert (await refusal(nowhere, "pin", VALUES["pin"])).failure == "not_configured"

    async def test_are_not_given_for_wrong_credentials(self, fake, session):
        kra = build(session, {**fake.configuration, "consumer_secret": "canary"})
        refused = await refusal(kra, "pin", VALUES["pin"])
        assert refused.failure == "not_configured"
        assert "canary" not in refused.reason

    async def test_lie_on_a_shelf_under_a_name_of_their_app(self, fake, session):
        class Shelf:
            names: list[str] = []

            async def take(self, name, _refused, ask):
                self.names.append(name)
                token, lives_s = await ask()
                return token, lives_s

        shelf = Shelf()
        kra = build(session, fake.configuration, shelf)
        for action in ("pin", "nil_return"):
            await kra.act(action, "", VALUES[action])
        assert len(set(shelf.names)) == 2
        assert not any("key" in name for name in shelf.names)
        assert all(name.startswith("kra.") for name in shelf.names)


class TestWithoutAnAnswer:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(drop=True, after=True),
            Fault(status=503, after=True),
            Fault(cut=True, after=True),
            Fault(delay_s=1.0, after=True),
        ],
        ids=["dropped", "status 503", "cut off", "too late"],
    )
    async def test_a_return_may_be_filed(self, fake, kra, fault):
        fake.faults.append(fault)
        with pytest.raises(Ambiguous):
            await kra.act("nil_return", "", VALUES["nil_return"])
        assert len(fake.gava.filed) == 1

    async def test_too_many_requests_are_patience(self, fake, kra):
        fake.faults.append(Fault(status=429, retry_after="9"))
        with pytest.raises(TurnedAway) as turned:
            await kra.act("pin", "", VALUES["pin"])
        assert turned.value.retry_after_s == 9

    async def test_a_closed_port_is_not_sent(self, fake, kra):
        await fake.stop()
        with pytest.raises(NotSent):
            await kra.act("pin", "", VALUES["pin"])

    async def test_a_guard_lets_refusals_through_by_name(self, kra):
        guard = Guard(kra, Breaker())
        with pytest.raises(Refused) as refused:
            await guard.act("pin", "", {"pin": "P000000001Z"})
        assert refused.value.failure == "pin_refused"
        assert guard.breaker == "closed"
