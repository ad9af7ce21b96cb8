"""What is sent to KCB and what its messages say, from bytes written by hand."""

from datetime import UTC, datetime

import msgspec
import pytest

from connectors.buni import translate
from connectors.buni.config import Config
from connectors.buni.fake import FakeBuni
from connectors.buni.translate import (
    Payee,
    Wish,
)
from connectors.reading import Unfit, Unreadable
from streams.money import BadAmount
from tests.connectors.buni.wire import ENDED, NOT_TAKEN, NOTICE, TAKEN

CONFIGURATION = {**FakeBuni().configuration, "base_url": "https://uat.buni.kcbgroup.com"}
CONFIG = Config.read(CONFIGURATION)
WISH = Wish("26.50", "KES", "bank:1279287799", "earnings of May", "Jane O. Doe")


class TestATransfer:
    def test_is_what_the_documentation_has_with_an_exact_amount(self):
        """KCB documentation, "Funds transfer", request."""
        sent = msgspec.json.encode(translate.transfer(CONFIG, WISH, "call-1"))
        assert sent == (
            b'{"companyCode":"KE0010001","transactionType":"IF","debitAccountNumber":"1279258233",'
            b'"creditAccountNumber":"1279287799","debitAmount":26.50,'
            b'"paymentDetails":"earnings of May","transactionReference":"call-1",'
            b'"currency":"KES","beneficiaryDetails":"Jane O Doe","beneficiaryBankCode":"01"}'
        )

    def test_without_words_has_some_all_the_same(self):
        body = translate.transfer(CONFIG, Wish("1", destination="bank:68/0123456789"), "call-1")
        assert (body["paymentDetails"], body["beneficiaryDetails"]) == ("payout", "0123456789")

    @pytest.mark.parametrize(
        ("change", "failure"),
        [
            ({"currency": "USD"}, "currency_unsupported"),
            ({"amount": "0"}, "amount_out_of_bounds"),
            ({"amount": "-5"}, "amount_out_of_bounds"),
            ({"destination": ""}, "destination_unfit"),
            ({"destination": "+254712345678"}, "destination_unfit"),
            ({"destination": "till:70011"}, "destination_unfit"),
            ({"destination": "bank:"}, "destination_unfit"),
            ({"destination": "bank:1/1234567"}, "destination_unfit"),
            ({"destination": "bank:01/12 34567"}, "destination_unfit"),
        ],
    )
    def test_that_cannot_be_asked_is_refused_by_name(self, change, failure):
        with pytest.raises(Unfit) as unfit:
            translate.transfer(CONFIG, msgspec.structs.replace(WISH, **change), "call-1")
        assert unfit.value.reason == failure

    def test_of_parts_of_a_cent_is_never_rounded(self):
        with pytest.raises(BadAmount):
            translate.transfer(CONFIG, msgspec.structs.replace(WISH, amount="1.001"), "call-1")


@pytest.mark.parametrize(
    ("destination", "way", "payee"),
    [
        ("bank:1279287799", "PL", Payee("IF", "01", "1279287799")),
        ("bank:01/1279287799", "PL", Payee("IF", "01", "1279287799")),
        ("bank:68/0123456789", "PL", Payee("PL", "68", "0123456789")),
        ("bank:68/0123456789", "RT", Payee("RT", "68", "0123456789")),
        ("bank:68/0123456789", "EF", Payee("EF", "68", "0123456789")),
    ],
)
def test_an_account_at_kcb_is_paid_within_it_and_another_by_the_way_that_was_set(
    destination, way, payee
):
    assert translate.payee_of(destination, way) == payee


class TestAnAnswer:
    def test_says_whether_it_was_taken_and_under_which_name(self):
        assert translate.ack_of(TAKEN) == ("0", "1d2b13f8", "Request received for processing")
        assert translate.ack_of(NOT_TAKEN) == ("1", "", "Validation failed: limit rule")
        assert translate.ack_of(TAKEN.replace(b'"0"', b"0"))[0] == "0"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"statusCode":null}', TAKEN[:-9]])
    def test_that_says_neither_is_none(self, body):
        with pytest.raises(Unreadable):
            translate.ack_of(body)


class TestTheEndOfATransfer:
    def test_is_a_success_with_kcbs_reference_and_amount(self):
        ended = translate.ended_of(ENDED)
        result = ended.result
        assert (ended.call_id, ended.handle) == ("call-1", "1d2b13f8")
        assert (result.outcome, result.provider_reference) == ("succeeded", "FT22060GXZGY")
        assert (result.amount_minor, result.asset) == (10_000, "KES")

    @pytest.mark.parametrize(
        ("before", "after", "outcome"),
        [
            (b"SUCCESS", b"FAILED", "failed"),
            (b"SUCCESS", b"Success", "succeeded"),
            (b"SUCCESS", b"PENDING", "pending"),
            (b"SUCCESS", b"REVERSED", "pending"),
            (b"SUCCESS", b"", "pending"),
            (b'"SUCCESS"', b"null", "pending"),
            (b'"SUCCESS"', b"0", "pending"),
            (b'"FT22060GXZGY"', b'" "', "pending"),
            (b'"100"', b"null", "pending"),
            (b'"100"', b'"0"', "pending"),
            (b'"100"', b'"1,000"', "pending"),
            (b'"100"', b"100.0", "succeeded"),
        ],
    )
    def test_is_final_only_with_an_explicit_word(self, before, after, outcome):
        assert translate.ended_of(ENDED.replace(before, after)).result.outcome == outcome

    def test_that_names_no_call_is_none(self):
        for name in (b'""', b"null", b'"a call"', b'"/../"'):
            with pytest.raises(Unreadable):
                translate.ended_of(ENDED.replace(b'"call-1"', name))


class TestANotice:
    def test_is_money_with_the_bill_that_its_payer_named(self):
        notice = translate.notice_of(NOTICE)
        assert (notice.receipt, notice.biller, notice.minor, notice.asset) == (
            *("FT25139M3RM6", "522533"),
            *(100_050, "KES"),
        )
        assert (notice.reference, notice.payer, notice.is_debit) == ("INV-7", "A PAYER", False)
        assert notice.paid_at == datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)

    @pytest.mark.parametrize("amount", [b"1000.5", b'"1000.50"', b'" 1000.500"'])
    def test_has_an_amount_in_text_or_as_a_number(self, amount):
        assert translate.notice_of(NOTICE.replace(b'"1000.50"', amount)).minor == 100_050

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (b'"1000.50"', b'"1,000.50"'),
            (b'"1000.50"', b'"0"'),
            (b'"1000.50"', b'"-1"'),
            (b'"1000.50"', b"1e3"),
            (b'"1000.50"', b"true"),
            (b'"KES"', b'"XYZ"'),
            (b'"KES"', b"null"),
            (b'"FT25139M3RM6"', b'""'),
            (b"notificationData", b"other"),
            (b'"additionalData":{', b'"additionalData":7,"x":{'),
        ],
    )
    def test_that_leaves_money_open_is_none(self, before, after):
        assert before in NOTICE
        with pytest.raises(Unreadable):
            translate.notice_of(NOTICE.replace(before, after))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20260301093005", datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)),
        ("2026-03-01 09:30:05", datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)),
        ("2026-03-01T09:30:05", datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)),
        ("Sun Mar 01 09:30:05 EAT 2026", datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)),
        ("20260301", None),
        ("", None),
    ],
)
def test_times_are_of_east_africas_clock_and_a_day_is_no_time(text, at):
    assert translate.moment_of(text) == at


class TestAReply:
    def test_has_the_ids_of_the_message_and_the_code_0(self):
        """KCB documentation, "Instant payment notification", response."""
        assert msgspec.json.decode(translate.reply(NOTICE), type=dict) == {
            "header": {
                "messageID": "m-1",
                "originatorConversationID": "TEJ6CQQPBQ",
                "statusCode": "0",
                "statusMessage": "Notification received",
            },
            "responsePayload": {"transactionInfo": {"transactionId": "FT25139M3RM6"}},
        }

    def test_says_nothing_of_ids_that_are_none(self):
        said = translate.reply(b'{"header":{"messageID":["x"]},"requestPayload":5}')
        assert b'"messageID":""' in said
        assert b'"transactionId":""' in said


class TestConfig:
    @pytest.mark.parametrize(
        "changes",
        [
            {"base_url": ""},
            {"consumer_key": ""},
            {"consumer_secret": ""},
            {"account": "1"},
            {"public_key": "canary"},
            {"other_banks": "IF"},
        ],
    )
    def test_that_lacks_something_says_what(self, changes):
        [name] = changes
        with pytest.raises(ValueError, match=name):
            Config.read({**CONFIGURATION, **changes})

    def test_shows_no_secret(self):
        secrets = dict.fromkeys(("consumer_key", "consumer_secret"), "canary")
        assert "canary" not in repr(Config.read({**CONFIGURATION, **secrets}))
