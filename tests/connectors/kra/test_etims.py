"""Tax documents against eTIMS's fake, whose book is the witness."""

import pytest

from connectors.base import Ambiguous, Asked, Refused, TurnedAway
from connectors.breaker import Breaker
from connectors.callbacks import Callback
from connectors.guard import UNSUPPORTED, Guard
from connectors.kra.connector import build
from connectors.kra.fake import FakeKra, Fault
from connectors.kra.fake_etims import NOT_REGISTERED
from tests.connectors.contract import no_sleep
from tests.connectors.kra.documents import STANDARD, credit, encoded, sale


def asked(said) -> Asked:
    return Asked("declare", said["document_id"], encoded(said))


async def declare(kra, said):
    return await kra.perform(asked(said))


def guarded(kra) -> Guard:
    return Guard(kra, Breaker(), sleep=no_sleep)


class TestADeclaration:
    async def test_has_what_belongs_on_paper(self, fake, kra):
        result = await declare(kra, sale())
        [document] = fake.documents["00"]
        assert (document.number, document.kind) == (1, "S")
        assert (document.total, document.tax) == (116_000, 16_000)
        assert (result.outcome, result.provider_reference) == ("succeeded", document.signature)
        assert (result.amount_minor, result.asset) == (116_000, "KES")
        assert result.says["receipt_number"] == "1"
        assert result.says["total_receipt_number"] == "1"
        assert result.says["internal_data"] == document.internal_data
        assert (len(document.signature), len(document.internal_data)) == (16, 26)
        assert result.says["qr"].endswith(f"?Data=P051234567Z00{document.signature}")
        assert result.says["signed_at"].endswith("Z")

    async def test_is_read_when_its_names_have_a_space_at_their_end(self, fake, kra):
        """External notes, 4.2: one published sample has the key "curRcptNo "."""
        fake.spaced = True
        says = (await declare(kra, sale())).says
        assert (says["receipt_number"], says["total_receipt_number"]) == ("1", "1")
        assert says["signature"] == fake.documents["00"][0].signature

    async def test_goes_out_by_nairobis_clock(self, fake, kra):
        await declare(kra, sale(issued_at="2026-03-01T21:30:05Z"))
        [(_, body)] = fake.requests
        assert (body["cfmDt"], body["salesDt"]) == ("20260302003005", "20260302")

    async def test_of_every_treatment_adds_up_at_kra(self, fake, kra):
        lines = [
            STANDARD | {"total": "1000.00", "tax": "137.93"},
            STANDARD | {"total": "0.05", "tax": "0.01"},
            STANDARD | {"total": "50.00", "tax": "0.00", "treatment": "zero"},
            STANDARD | {"total": "60.00", "tax": "0", "treatment": "exempt"},
            STANDARD | {"total": "70.00", "tax": "0", "treatment": "non_vat", "quantity": "3"},
            STANDARD | {"total": "10.00", "tax": "1.38", "quantity": "0.333"},
        ]
        said = sale(lines=lines, total="1190.05", tax="139.32", customer_pin="A012345678Z")
        assert (await declare(kra, said)).outcome == "succeeded"
        [(_, body)] = fake.requests
        assert (body["taxAmtB"], body["totTaxAmt"]) == (body["totTaxAmt"], body["taxAmtB"])
        assert str(body["taxAmtB"]) == "139.32"

    async def test_without_tax_in_its_taxable_amounts_is_a_matter_of_configuration(self, session):
        async with FakeKra(gross=False) as fake:
            net = build(session, {**fake.configuration, "taxable": "net"})
            assert (await declare(net, sale())).outcome == "succeeded"
            gross = build(session, fake.configuration)
            result = await declare(gross, sale(2))
            assert (result.outcome, result.failure) == ("failed", "rejected")
            assert "taxblAmt" in result.detail

    async def test_is_under_the_key_of_its_own_branch(self, fake, kra):
        await declare(kra, sale())
        await declare(kra, sale(branch="01"))
        assert {branch: len(found) for branch, found in fake.documents.items()} == {
            "00": 1,
            "01": 1,
        }

    async def test_of_a_branch_without_a_control_unit_is_refused_unsent(self, fake, kra):
        result = await declare(kra, sale(branch="02"))
        assert (result.outcome, result.failure) == ("failed", "branch_not_configured")
        assert fake.requests == []

    async def test_of_no_branch_is_the_head_offices(self, fake, kra):
        await declare(kra, sale(branch=""))
        assert len(fake.documents["00"]) == 1


class TestCreditNotes:
    async def test_name_what_they_credit(self, fake, kra):
        await declare(kra, sale())
        assert (await declare(kra, credit(2, 1))).outcome == "succeeded"
        note = fake.documents["00"][1]
        assert (note.kind, note.original, note.receipt) == ("R", 1, 1)

    async def test_come_to_no_more_than_their_sale(self, kra):
        await declare(kra, sale())
        await declare(kra, credit(2, 1))
        again = await declare(kra, credit(3, 1))
        assert (again.outcome, again.failure) == ("failed", "rejected")
        assert again.detail == "910: orgInvcNo"


class TestWhatIsRefused:
    @pytest.mark.parametrize("guard", [lambda kra: kra, guarded])
    async def test_a_tax_rejection_has_code_and_words(self, fake, kra, guard):
        """A39: what eTIMS refuses is not hidden: its code and its words come out."""
        said = sale(customer_pin=NOT_REGISTERED)
        if guard is guarded:
            result = await guarded(kra).perform("declare", "key", encoded(said))
        else:
            result = await declare(kra, said)
        assert (result.outcome, result.failure) == ("failed", "rejected")
        assert result.detail == "910: Customer PIN not registered on eTIMS"
        assert fake.documents["00"] == []

    async def test_a_number_that_leaves_a_gap_is_not_taken_and_may_come_later(self, fake, kra):
        result = await guarded(kra).perform("declare", "key", encoded(sale(2)))
        assert (result.outcome, result.failure) == ("failed", "not_now")
        assert result.detail.startswith("922: ")
        await declare(kra, sale(1))
        assert (await declare(kra, sale(2))).outcome == "succeeded"
        assert [each.number for each in fake.documents["00"]] == [1, 2]

    @pytest.mark.parametrize("change", [{"cmc_key": "wrong"}, {"tin": "P000000001Z"}])
    async def test_an_unknown_control_unit_is_an_error_of_configuration(
        self, fake, session, change
    ):
        kra = build(session, {**fake.configuration, **change})
        result = await guarded(kra).perform("declare", "key", encoded(sale()))
        assert (result.outcome, result.failure) == ("failed", "not_configured")
        assert "wrong" not in result.detail

    @pytest.mark.parametrize("code", ["900", "901", "902", "903", "905"])
    async def test_codes_of_devices_are_errors_of_configuration(self, fake, kra, code):
        fake.faults.append(Fault(result=code))
        with pytest.raises(Refused) as refused:
            await declare(kra, sale())
        assert refused.value.failure == "not_configured"


class TestWithoutAnAnswer:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(drop=True, after=True),
            Fault(status=500, after=True),
            Fault(cut=True, after=True),
            Fault(result="999", after=True),
            Fault(result="899", after=True),
            Fault(delay_s=1.0, after=True),
        ],
        ids=["dropped", "status 500", "cut off", "999", "899", "too late"],
    )
    @pytest.mark.parametrize("number", [1, 2])
    async def test_the_same_number_once_more_says_that_it_is_recorded(
        self, fake, kra, fault, number
    ):
        """994 of an odd number, 921 of an even one: both are yes, and there is one document."""
        for before in range(1, number):
            await declare(kra, sale(before))
        fake.faults.append(fault)
        with pytest.raises(Ambiguous):
            await declare(kra, sale(number))
        result = await kra.query(asked(sale(number)))
        assert (result.outcome, result.detail) == ("succeeded", "recorded")
        assert (result.amount_minor, result.provider_reference) == (116_000, "")
        assert result.says == {}
        assert len(fake.documents["00"]) == number

    async def test_what_a_repeat_tells_is_kept(self, fake, kra):
        fake.tells_again = True
        first = await declare(kra, sale())
        again = await kra.end(asked(sale()))
        assert again.detail == "recorded"
        assert again.says["signature"] == first.says["signature"]
        assert again.provider_reference == first.provider_reference

    async def test_a_fault_before_the_work_leaves_nothing_behind(self, fake, kra):
        fake.faults.append(Fault(status=503))
        with pytest.raises(Ambiguous):
            await declare(kra, sale())
        assert fake.documents["00"] == []
        result = await kra.query(asked(sale()))
        assert (result.outcome, bool(result.says["signature"])) == ("succeeded", True)

    async def test_json_under_another_content_type_is_read(self, fake, kra):
        fake.faults.append(Fault(content_type="text/html"))
        assert (await declare(kra, sale())).outcome == "succeeded"

    @pytest.mark.parametrize(
        ("fault", "patience_s"),
        [(Fault(status=429, retry_after="7"), 7), (Fault(result="990"), 0)],
    )
    async def test_too_many_requests_are_patience_and_no_document(
        self, fake, kra, fault, patience_s
    ):
        fake.faults.append(fault)
        with pytest.raises(TurnedAway) as turned:
            await declare(kra, sale())
        assert turned.value.retry_after_s == patience_s
        assert fake.documents["00"] == []

    async def test_a_code_that_nobody_knows_is_pending(self, fake, kra):
        fake.faults.append(Fault(result="777"))
        result = await declare(kra, sale())
        assert (result.outcome, result.detail) == ("pending", "777: Unknown")


class TestTheKeyOfAControlUnit:
    async def test_is_told_once_as_the_secret_to_be_sealed(self, session):
        async with FakeKra(installed=False, serials={"00": "dvc-00"}) as fake:
            kra = build(session, fake.configuration)
            assert kra.operations == frozenset()
            acted = await kra.act("device", "", {})
            assert acted.sealed == {"cmc_key": fake.keys["00"]}
            assert acted.says["control_unit"] == "KRACU00000100"
            assert fake.keys["00"] not in str(acted.says)
            able = build(session, {**fake.configuration, **acted.sealed})
            assert (await declare(able, sale())).outcome == "succeeded"

    async def test_of_another_branch_is_beside_those_that_are_there(self, session):
        async with FakeKra(installed=False) as fake:
            first = (await build(session, fake.configuration).act("device", "", {})).sealed
            given = {**fake.configuration, **first}
            second = (await build(session, given).act("device", "", {"branch": "01"})).sealed
            able = build(session, {**given, **second})
            for branch in ("00", "01"):
                assert (await declare(able, sale(branch=branch))).outcome == "succeeded"

    @pytest.mark.parametrize(
        ("fault", "failure"),
        [
            (None, "device_already_installed"),
            ("901", "device_unknown"),
            ("903", "device_of_another_kind"),
            ("905", "device_of_another_kind"),
            ("910", "rejected"),
        ],
    )
    async def test_is_refused_by_name(self, fake, kra, fault, failure):
        if fault:
            fake.faults.append(Fault(result=fault))
        with pytest.raises(Refused) as refused:
            await kra.act("device", "", {})
        assert refused.value.failure == failure

    @pytest.mark.parametrize("branch", ["7", "02", "0x"])
    async def test_is_not_asked_for_a_branch_without_a_device(self, fake, kra, branch):
        with pytest.raises(Refused) as refused:
            await kra.act("device", "", {"branch": branch})
        assert refused.value.failure in {"branch_unfit", "branch_not_configured"}
        assert fake.requests == []

    async def test_that_is_lost_on_its_way_is_not_invented(self, fake, kra):
        fake.faults.append(Fault(result="000"))
        with pytest.raises(Ambiguous):
            await kra.act("device", "", {})

    async def test_does_not_show(self, kra):
        assert "cmc-1-00" not in repr(kra._config)


class TestNotices:
    async def test_none_are_an_empty_list(self, kra):
        """001 is no error."""
        assert (await kra.act("notices", "", {"since": "2026-03-01"})).says == {"notices": []}

    async def test_are_told_as_they_are(self, fake, kra):
        fake.notices += [{"noticeNo": 7, "title": "Rates", "regDt": "20260302080000", "x": None}]
        says = (await kra.act("notices", "", {"since": "2026-03-01"})).says
        assert says["notices"] == [{"noticeNo": "7", "title": "Rates", "regDt": "20260302080000"}]

    async def test_of_no_day_are_not_asked_for(self, fake, kra):
        with pytest.raises(Refused) as refused:
            await kra.act("notices", "", {"since": "yesterday"})
        assert refused.value.failure == "day_unfit"
        assert fake.requests == []


class TestClaims:
    @pytest.mark.parametrize("missing", ["cmc_key", "item_code", "item_class"])
    async def test_without_what_a_document_needs_nothing_is_declared(self, fake, session, missing):
        kra = build(session, {**fake.configuration, missing: ""})
        result = await guarded(kra).perform("declare", "key", encoded(sale()))
        assert result == UNSUPPORTED
        assert kra.capabilities == {"declare"}

    async def test_shillings_only(self, kra):
        assert kra.takes("KES")
        assert not kra.takes("USD")

    async def test_a_repeat_is_the_same_document_for_a_year(self, kra):
        assert kra.key_lifetime_s(asked(sale())) == 365 * 86_400

    async def test_kra_calls_nobody_back(self, kra):
        callback = Callback("any", {}, b"{}", None)
        assert await kra.hear(callback) is None

    async def test_an_action_that_is_none_is_refused(self, kra):
        with pytest.raises(Refused) as refused:
            await kra.act("dance", "", {})
        assert refused.value.failure == "action_unknown"


class TestTheFakeBites:
    """eTIMS's own recomputation: whatever is changed on the way is refused with 910."""

    @pytest.mark.parametrize(
        "change",
        [
            {"totTaxAmt": 161},
            {"totAmt": 1},
            {"taxAmtB": 1},
            {"taxblAmtB": 1},
            {"taxRtB": 8},
            {"taxRtE": 0},
            {"totItemCnt": 2},
            {"salesDt": "20260228"},
            {"custTin": "B012345678Z"},
            {"invcNo": "1"},
            {"orgInvcNo": 1},
            {"itemList": []},
            {"receipt": None},
            {"pmtTyCd": "08"},
            {"trdInvcNo": ""},
        ],
        ids=str,
    )
    async def test_when_a_member_is_another(self, fake, kra, change):
        await self.refused(fake, kra, change)

    @pytest.mark.parametrize(
        "change",
        [
            {"taxAmt": 1},
            {"totAmt": 1},
            {"splyAmt": 1},
            {"prc": 1},
            {"qty": 3},
            {"taxblAmt": 1},
            {"itemSeq": 2},
            {"itemCd": "LUNCH"},
            {"taxTyCd": "A"},
        ],
        ids=str,
    )
    async def test_when_a_member_of_a_line_is_another(self, fake, kra, change):
        await declare(kra, sale())
        [(_, body)] = fake.requests
        [item] = body["itemList"]
        await self.refused(fake, kra, {"itemList": [item | change]}, body)

    async def refused(self, fake, kra, change, body=None):
        if body is None:
            await declare(kra, sale())
            [(_, body)] = fake.requests
        fake.documents.clear()
        said = fake._declared("00", body | change)
        assert said["resultCd"] == "910"
        assert fake.documents["00"] == []
        assert fake._declared("00", body)["resultCd"] == "000"
