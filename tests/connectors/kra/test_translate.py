"""What is sent to eTIMS and read of it, as the specification's samples have it: no IO."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Ambiguous, Refused, Result, TurnedAway
from connectors.http import Answer
from connectors.kra import translate
from connectors.kra.codes import meaning_of
from connectors.kra.config import Config
from connectors.kra.fake_etims import wrong_with
from connectors.kra.words import (
    day_of,
    instant_of,
    pin_of,
    timestamp,
)
from connectors.reading import Unfit, Unreadable
from streams.money import format_minor, plain, tax_inclusive
from tests.connectors.kra.documents import STANDARD, credit, encoded, sale

CONFIG = Config.read(
    {
        "tin": "P051234567Z",
        "cmc_key": "cmc",
        "item_code": "KE3NTU0000001",
        "item_class": "5059690800",
    }
)
# External notes, 4.2: the answer's members, and the sample whose name ends in a space.
SIGNED = (
    b'{"resultCd":"000","resultMsg":"It is succeeded","resultDt":"20260301093005",'
    b'"data":{"curRcptNo ":7,"totRcptNo":"41","intrlData":"EAHSAV6ECUUXSY6PCCJYAUP6MI",'
    b'"rcptSign":"QUII27MATATSHFRB","sdcDateTime":"20260301123006"}}'
)


def document(said=None):
    return translate.read_document(encoded(said or sale()))


def body_of(said=None, config=CONFIG) -> dict:
    """The body as it is on the wire, read back."""
    return msgspec.json.decode(
        msgspec.json.encode(translate.declaration(config, document(said))), type=dict
    )


def raw_of(said=None) -> str:
    return msgspec.json.encode(translate.declaration(CONFIG, document(said))).decode()


def lines_of(*totals_and_taxes) -> dict:
    lines = [STANDARD | {"total": total, "tax": tax} for total, tax in totals_and_taxes]
    return {"lines": lines}


class TestTax:
    def test_of_a_thousand_that_contains_it_is_137_93(self):
        """External notes, 4.2: 1 000.00 → 137.93, and nothing else is taken."""
        said = sale(total="1000.00", tax="137.93", **lines_of(("1000.00", "137.93")))
        assert '"taxAmtB":137.93' in raw_of(said)
        for tax in ("137.92", "137.94", "160.00"):
            wrong = sale(total="1000.00", tax=tax, **lines_of(("1000.00", tax)))
            with pytest.raises(Unfit) as refused:
                body_of(wrong)
            assert refused.value.reason == "tax_of_line_unfit"

    def test_is_rounded_for_each_line_and_the_header_is_their_sum(self):
        """Twice 0.05 has 0.02 of tax; 0.10 at once has 0.01."""
        said = sale(total="0.10", tax="0.02", **lines_of(("0.05", "0.01"), ("0.05", "0.01")))
        assert '"totTaxAmt":0.02' in raw_of(said)
        with pytest.raises(Unfit) as refused:
            body_of(said | {"tax": "0.01"})
        assert refused.value.reason == "tax_differs_from_lines"

    @pytest.mark.parametrize(
        ("treatment", "letter", "tax"),
        [
            ("standard", "B", "160.00"),
            ("zero", "C", "0"),
            ("exempt", "A", "0"),
            ("non_vat", "D", "0"),
        ],
    )
    def test_has_a_letter_for_each_treatment(self, treatment, letter, tax):
        line = STANDARD | {"treatment": treatment, "tax": tax}
        body = body_of(sale(tax=tax, lines=[line]))
        assert body["itemList"][0]["taxTyCd"] == letter
        filled = {each for each in "ABCDE" if body[f"taxblAmt{each}"]}
        assert filled == {letter}
        assert [body[f"taxRt{each}"] for each in "ABCDE"] == [0, 16, 0, 0, 8]

    @pytest.mark.parametrize("treatment", ["zero", "exempt", "non_vat"])
    def test_is_none_where_nothing_is_taxed(self, treatment):
        with pytest.raises(Unfit):
            body_of(sale(lines=[STANDARD | {"treatment": treatment}]))

    @given(
        st.lists(
            st.tuples(
                st.integers(1, 10**9),
                st.sampled_from(["standard", "zero", "exempt", "non_vat"]),
                st.integers(1, 10**7),
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_that_we_compute_is_what_kra_computes(self, rows):
        """Any lines: eTIMS's own recomputation finds nothing wrong."""
        lines, taxes = [], []
        for total, treatment, thousandths in rows:
            rate = 16 if treatment == "standard" else 0
            taxes.append(tax_inclusive(total, (rate, 100))[1])
            lines.append(
                {
                    "description": "Thing",
                    "quantity": format_minor(thousandths, 3),
                    "total": format_minor(total, 2),
                    "tax": format_minor(taxes[-1], 2),
                    "treatment": treatment,
                }
            )
        total = sum(row[0] for row in rows)
        said = sale(lines=lines, total=format_minor(total, 2), tax=format_minor(sum(taxes), 2))
        sent = msgspec.json.encode(translate.declaration(CONFIG, document(said)))
        read = msgspec.json.Decoder(float_hook=Decimal).decode(sent)
        assert wrong_with(read, [], gross=True) == ""


class TestADocument:
    def test_has_every_member_of_the_specification(self):
        """External notes, 4.2: the members of saveTrnsSalesOsdc, less those of the headers."""
        wanted = (
            "trdInvcNo invcNo orgInvcNo custTin custNm salesTyCd rcptTyCd pmtTyCd salesSttsCd "
            "cfmDt salesDt stockRlsDt cnclReqDt cnclDt rfdDt rfdRsnCd totItemCnt "
            "taxblAmtA taxblAmtB taxblAmtC taxblAmtD taxblAmtE taxRtA taxRtB taxRtC taxRtD taxRtE "
            "taxAmtA taxAmtB taxAmtC taxAmtD taxAmtE totTaxblAmt totTaxAmt totAmt prchrAcptcYn "
            "remark regrId regrNm modrId modrNm receipt itemList"
        )
        items = (
            "itemSeq itemCd itemClsCd itemNm bcd pkgUnitCd pkg qtyUnitCd qty prc splyAmt dcRt "
            "dcAmt isrccCd isrccNm isrcRt isrcAmt taxTyCd taxblAmt taxAmt totAmt"
        )
        receipt = "custTin custMblNo rcptPbctDt trdeNm adrs topMsg btmMsg prchrAcptcYn"
        body = body_of()
        assert set(body) == set(wanted.split())
        assert set(body["itemList"][0]) == set(items.split())
        assert set(body["receipt"]) == set(receipt.split())

    def test_is_the_same_bytes_each_time(self):
        assert raw_of() == raw_of()

    def test_has_exact_numbers_and_no_text_for_them(self):
        raw = raw_of()
        assert '"totAmt":1160.00' in raw
        assert '"qty":2.00,"prc":580.00' in raw
        assert '"invcNo":1,"orgInvcNo":0' in raw

    @pytest.mark.parametrize(
        ("payment", "code"),
        [("cash", "01"), ("credit", "02"), ("mixed", "03"), ("card", "05"),
         ("mobile_money", "06"), ("other", "07")],
    )  # fmt: skip
    def test_says_how_it_was_paid(self, payment, code):
        assert body_of(sale(payment=payment))["pmtTyCd"] == code

    def test_names_its_customer_where_one_is_known(self):
        body = body_of(sale(customer_pin=" p051234567z ", customer_name="X" * 99))
        assert (body["custTin"], body["receipt"]["custTin"]) == ("P051234567Z", "P051234567Z")
        assert len(body["custNm"]) == 60
        nobody = body_of()
        assert (nobody["custTin"], nobody["custNm"]) == (None, None)

    def test_has_a_name_of_the_trader_that_fits(self):
        assert body_of(sale(trader_name="N" * 40))["receipt"]["trdeNm"] == "N" * 20

    def test_that_credits_says_what_and_why(self):
        body = body_of(credit(5, 3))
        assert (body["rcptTyCd"], body["invcNo"], body["orgInvcNo"]) == ("R", 5, 3)
        assert (body["rfdDt"], body["rfdRsnCd"]) == ("20260301123005", "06")
        assert body["remark"] == "came back"
        sold = body_of()
        assert (sold["rcptTyCd"], sold["rfdDt"], sold["rfdRsnCd"]) == ("S", None, None)

    @pytest.mark.parametrize(
        ("quantity", "total", "sent"),
        [
            ("2", "1160.00", ("Lunch", 2, 580)),
            ("0.5", "1160.00", ("Lunch", 0.5, 2320)),
            ("3", "1160.00", ("3 × Lunch", 1, 1160)),
            ("0.333", "1160.00", ("0.333 × Lunch", 1, 1160)),
            ("1.000", "1160.00", ("Lunch", 1, 1160)),
        ],
    )
    def test_whose_price_has_more_than_two_decimals_is_one_thing(self, quantity, total, sent):
        [item] = body_of(sale(lines=[STANDARD | {"quantity": quantity, "total": total}]))[
            "itemList"
        ]
        assert (item["itemNm"], item["qty"], item["prc"]) == sent
        assert item["pkg"] == item["qty"]
        assert item["splyAmt"] == 1160

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"currency": "USD"}, "currency_unsupported"),
            ({"number": 0}, "number_unfit"),
            ({"number": -3}, "number_unfit"),
            ({"original_number": 1}, "original_unfit"),
            ({"kind": "credit_note"}, "original_unfit"),
            ({"kind": "credit_note", "original_number": 1}, "original_unfit"),
            ({"customer_pin": "B012345678Z"}, "pin_unfit"),
            ({"customer_pin": "A01234567Z"}, "pin_unfit"),
            ({"document_id": ""}, "document_id_unfit"),
            ({"document_id": "d" * 51}, "document_id_unfit"),
            ({"total": "1160.01"}, "total_differs_from_lines"),
            ({"tax": "160.01"}, "tax_differs_from_lines"),
            ({"total": "1160.001"}, "amount_too_many_decimals"),
            ({"total": "1,160.00"}, "amount_not_a_number"),
            ({"total": "0.00", "tax": "0.00", "lines": [STANDARD | {"total": "0", "tax": "0"}]},
             "amount_not_positive"),
            ({"lines": []}, "no_lines"),
            ({"lines": [STANDARD | {"total": "-1160.00"}]}, "amount_not_positive"),
            ({"lines": [STANDARD | {"quantity": "0"}]}, "quantity_unfit"),
            ({"lines": [STANDARD | {"quantity": "-1"}]}, "quantity_unfit"),
            ({"lines": [STANDARD | {"quantity": "two"}]}, "quantity_unfit"),
            ({"lines": [STANDARD | {"description": " "}]}, "description_unfit"),
        ],
        ids=str,
    )  # fmt: skip
    def test_that_cannot_be_declared_is_refused_by_name(self, changes, reason):
        with pytest.raises(Unfit) as refused:
            body_of(sale(**changes))
        assert refused.value.reason == reason

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": "quote"},
            {"payment": "cheque"},
            {"issued_at": "2026-03-01T09:30:05"},
            {"issued_at": "yesterday"},
            {"number": "1"},
            {"total": 1160.0},
            {"lines": [STANDARD | {"treatment": "reduced"}]},
        ],
        ids=str,
    )
    def test_of_another_form_is_not_read(self, changes):
        with pytest.raises(ValueError, match=r"Invalid|Expected"):
            document(sale(**changes))


class TestAnswers:
    def result(self, body: bytes, status: int = 200) -> Result:
        return translate.result_of(CONFIG, document(), Answer(status, body))

    def said(self, code, words="Words", data=None) -> bytes:
        return msgspec.json.encode({"resultCd": code, "resultMsg": words, "data": data})

    def test_names_with_a_space_and_numbers_as_text_or_numbers_are_read(self):
        result = self.result(SIGNED)
        assert result == Result(
            "succeeded",
            "QUII27MATATSHFRB",
            116_000,
            "KES",
            says={
                "receipt_number": "7",
                "total_receipt_number": "41",
                "internal_data": "EAHSAV6ECUUXSY6PCCJYAUP6MI",
                "signature": "QUII27MATATSHFRB",
                "signed_at": "2026-03-01T09:30:06Z",
                "qr": "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData"
                "?Data=P051234567Z00QUII27MATATSHFRB",
            },
        )

    def test_a_code_that_is_a_number_has_lost_its_noughts(self):
        assert self.result(SIGNED.replace(b'"000"', b"0")).outcome == "succeeded"
        assert self.result(self.said(1)).detail.startswith("001: ")

    @pytest.mark.parametrize("code", ["921", "994", 921, 994, " 994 "])
    def test_recorded_already_is_success_with_what_there_is(self, code):
        result = self.result(self.said(code))
        assert (result.outcome, result.detail, result.says) == ("succeeded", "recorded", {})
        assert (result.amount_minor, result.asset) == (116_000, "KES")
        told = self.result(self.said(code, data={"curRcptNo": 7}))
        assert told.says == {"receipt_number": "7"}

    def test_success_without_a_signature_is_pending(self):
        assert self.result(self.said("000", data={"curRcptNo": 1})).outcome == "pending"
        assert self.result(self.said("000")).outcome == "pending"

    @pytest.mark.parametrize("code", ["910", "913", 910])
    def test_a_rejection_is_a_failure_with_code_and_words(self, code):
        """A39."""
        result = self.result(self.said(code, "Customer PIN not registered on eTIMS"))
        assert (result.outcome, result.failure) == ("failed", "rejected")
        assert result.detail == f"{code}: Customer PIN not registered on eTIMS"

    @pytest.mark.parametrize(
        "code", ["891", "892", "893", "895", "911", "912", "922", "991", "992", "993", "995"]
    )
    def test_what_was_not_taken_this_time_is_refused(self, code):
        with pytest.raises(Refused) as refused:
            self.result(self.said(code))
        assert (refused.value.failure, refused.value.reason) == ("not_now", f"{code}: Words")

    @pytest.mark.parametrize("code", ["999", "894", "896", "899"])
    def test_what_is_unclear_is_ambiguous(self, code):
        with pytest.raises(Ambiguous):
            self.result(self.said(code))

    def test_too_many_requests_are_turned_away(self):
        with pytest.raises(TurnedAway):
            self.result(self.said("990"))

    @pytest.mark.parametrize("code", ["001", "777", "0", "00", "E04", "OK"])
    def test_a_code_that_is_not_known_here_is_pending(self, code):
        assert meaning_of(code) == "unknown"
        assert self.result(self.said(code)).outcome == "pending"

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", SIGNED[:60]])
    def test_one_that_cannot_be_read_is_ambiguous(self, body):
        with pytest.raises(Ambiguous):
            self.result(body)

    @pytest.mark.parametrize(
        ("status", "failure"), [(401, "not_configured"), (403, "not_configured"), (404, "refused")]
    )
    def test_a_refusal_of_the_gateway_is_one(self, status, failure):
        with pytest.raises(Refused) as refused:
            self.result(b"<html>", status)
        assert refused.value.failure == failure

    def test_words_for_people_are_bounded(self):
        assert len(self.result(self.said("910", "x" * 999)).detail) == 200

    @given(st.binary(max_size=200))
    def test_of_any_bytes_are_no_success(self, body):
        with pytest.raises((Ambiguous, Refused)):
            self.result(body)

    @pytest.mark.parametrize(
        "body", [b'{"resultCd":true}', b'{"resultCd":null}', b'{"resultCd":" "}']
    )
    def test_without_a_code_are_unreadable(self, body):
        with pytest.raises(Unreadable):
            translate.said_in(body)

    @pytest.mark.parametrize("name", ["sdcId", "sdicId"])
    def test_of_a_device_name_its_control_unit_either_way(self, name):
        """External notes, 4.2: `sdcId|sdicId`; a key longer than other words is kept whole."""
        key = "k" * 255
        data = {"info": {"cmcKey ": key, name: "KRACU1", "dvcId": 9}}
        says = translate.device_of(CONFIG, "00", Answer(200, self.said("000", data=data)))
        assert (says["cmc_key"], says["control_unit"], says["device"]) == (key, "KRACU1", "9")


class TestWords:
    @pytest.mark.parametrize("pin", ["A012345678Z", "P051234567Z", " p051234567z"])
    def test_a_pin_is_a_letter_nine_digits_and_a_letter(self, pin):
        assert pin_of(pin) == pin.strip().upper()

    @pytest.mark.parametrize(
        "pin",
        [
            "",
            "A01234567Z",
            "A0123456789Z",
            "B012345678Z",
            "A012345678",
            "A01234567٣Z",
            "A012345678Z\nX",
        ],
    )
    def test_anything_else_is_none(self, pin):
        with pytest.raises(Unfit, match="pin_unfit"):
            pin_of(pin)

    @given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001  a naive strategy
    def test_an_instant_is_told_as_it_was_said(self, at):
        at = at.replace(microsecond=0, tzinfo=UTC)
        assert instant_of(timestamp(at)) == at.strftime("%Y-%m-%dT%H:%M:%SZ")
        digits = (at + timedelta(hours=3)).strftime("%Y%m%d%H%M%S")
        assert timestamp(at) == digits

    @pytest.mark.parametrize("digits", ["", "20260301", "20261301000000", "2026-03-01T0930"])
    def test_digits_that_are_no_instant_are_none(self, digits):
        assert instant_of(digits) == ""

    @pytest.mark.parametrize("day", ["", "20260301", "2026-02-30", "01/03/2026", "2026-3-1"])
    def test_a_day_that_is_none_is_refused(self, day):
        with pytest.raises(Unfit, match="day_unfit"):
            day_of(day)


class TestConfig:
    VALUES = {
        "tin": "P051234567Z",
        "cmc_key": "canary-1",
        "consumer_key": "k",
        "consumer_secret": "canary-2",
    }

    def test_shows_no_secret(self):
        assert "canary" not in repr(Config.read(self.VALUES))

    def test_is_of_the_live_hosts_unless_told_otherwise(self):
        live = Config.read(self.VALUES)
        assert live.base_url == "https://etims-api.kra.go.ke/etims-api"
        assert (live.qr_url, live.gava_url) == ("https://etims.kra.go.ke", "https://api.kra.go.ke")
        sandbox = Config.read(
            {**self.VALUES, "base_url": "https://etims-api-sbx.kra.go.ke/etims-api/"}
        )
        assert sandbox.qr_url == "https://etims-sbx.kra.go.ke"
        assert sandbox.gava_url == "https://sbx.kra.go.ke"

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"tin": ""}, "tin"),
            ({"tin": "051234567"}, "tin"),
            ({"branch": "1"}, "branch"),
            ({"base_url": "etims.kra.go.ke"}, "base_url"),
            ({"gava_url": "ftp://x"}, "gava_url"),
            ({"qr_url": "x"}, "qr_url"),
            ({"taxable": "both"}, "taxable"),
            ({"cmc_key": "a\nb"}, "cmc_key"),
            ({"cmc_key": '{"00": 1}'}, "cmc_key"),
            ({"cmc_key": '{"main": "k"}'}, "cmc_key"),
            ({"device_serial": "{"}, "device_serial"),
            ({"user": "u" * 21}, "user"),
            ({"consumer_secret": ""}, "consumer_key"),
            ({"pin_consumer_key": "k"}, "pin_consumer_key"),
        ],
    )
    def test_that_cannot_be_says_what(self, changes, words):
        with pytest.raises(ValueError, match=words) as refused:
            Config.read({**self.VALUES, **changes})
        assert "canary" not in str(refused.value)

    def test_a_key_alone_is_the_default_branchs(self):
        config = Config.read({**self.VALUES, "branch": "03"})
        assert config.cmc_keys == {"03": "canary-1"}
        assert config.with_key("03", "new") == "new"
        assert plain(config.with_key("04", "new").encode()) == {"03": "canary-1", "04": "new"}

    def test_a_product_has_its_own_app_or_the_default_one(self):
        own = {"pin_consumer_key": "p", "pin_consumer_secret": "s"}
        config = Config.read({**self.VALUES, **own})
        assert config.apps["pin"].key == "p"
        assert config.apps["compliance"].key == "k"
        only = Config.read({"tin": "P051234567Z", **own})
        assert set(only.apps) == {"pin"}
