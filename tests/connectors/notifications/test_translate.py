"""Which event says what to whom: templates, amounts, addresses, and one key for one message."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.accounting.dunning import _said
from agents.outbound import OUTBOUND
from connectors.notifications.translate import (
    CHANNELS,
    TOLD,
    Contact,
    encoded,
    for_people,
    key_of,
    messages_of,
)
from connectors.reading import Unreadable
from streams.money import exponent_of, format_minor, json_number
from tables.invoices import Invoice
from tests.connectors.notifications.events import DUE, FAILED, INVOICED, PAID

WANJIRU = Contact("wanjiru@example.com", "254712345678", ("email", "sms"))
OTIENO = Contact("otieno@example.com", "+254110000001", ("whatsapp", "push"))


def due(**changes):
    event = msgspec.json.decode(DUE, type=dict[str, msgspec.Raw])
    data = msgspec.json.decode(event["data"], type=dict[str, msgspec.Raw])
    data |= {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changes.items()}
    kept = {name: raw for name, raw in data.items() if bytes(raw) != b"null"}
    return msgspec.json.encode({**event, "data": kept})


class TestAnEvent:
    @pytest.mark.parametrize(
        ("event", "template", "about"),
        [
            (INVOICED, "invoice_created", ("invoice", "invoice-uuid")),
            (DUE, "dunning", ("invoice", "invoice-uuid")),
            (PAID, "payment_receipt", ("payment", "payment-uuid")),
            (FAILED, "payment_failed", ("payment", "payment-uuid")),
        ],
    )
    def test_has_its_template_and_names_its_document(self, event, template, about):
        [message] = messages_of(event, [Contact("a@example.com")])
        assert (message.template, message.tenant_id) == (template, "tenant-uuid")
        assert message.metadata == {
            "source_service": "treasury",
            "reference_type": about[0],
            "reference_id": about[1],
        }

    def test_that_nobody_is_told_of_makes_no_message(self):
        other = PAID.replace(b"treasury.payment.success", b"treasury.payout.completed")
        assert messages_of(other, [WANJIRU]) == ()

    def test_of_every_kind_that_people_are_told_of_is_one_of_ours(self):
        assert set(OUTBOUND) >= TOLD

    @pytest.mark.parametrize(
        "event",
        [
            b"",
            b"{}",
            PAID.replace(b'"event_id"', b'"other"'),
            PAID.replace(b'"payment_id"', b'"other"'),
            PAID.replace(b'"payment-uuid"', b'""'),
            PAID.replace(b"1500.00", b'"much"'),
            PAID.replace(b"1500.00", b"1500.005"),
            PAID.replace(b"1500.00", b"1E3"),
            PAID.replace(b"1500.00", b"null"),
            PAID.replace(b'"KES"', b'"XXX"'),
            PAID.replace(b'"currency"', b'"other"'),
            DUE.replace(b'"step_days"', b'"other"'),
            DUE.replace(b'"step_days": 3', b'"step_days": "soon"'),
        ],
    )
    def test_that_lacks_what_must_be_told_is_an_error_and_no_message(self, event):
        with pytest.raises(Unreadable):
            messages_of(event, [WANJIRU])

    def test_is_told_whatever_else_it_has_or_lacks(self):
        bare = b"""{"id": "e-1", "event_type": "treasury.payment.success", "tenant_id": "t",
            "timestamp": "2024-12-05T10:30:00Z",
            "payload": {"payment_id": "p", "amount": 7, "currency": "UGX", "new": {"a": 1.5}}}"""
        [message] = messages_of(bare, [Contact("a@example.com")])
        assert (message.data["amount"], message.data["amount_text"]) == ("7", "UGX 7")


class TestAReminder:
    @pytest.mark.parametrize(
        ("step", "template"),
        [(-3, "payment_reminder"), (0, "payment_reminder"), (3, "dunning"), (30, "dunning")],
    )
    def test_is_dunning_once_the_due_date_is_over(self, step, template):
        [message] = messages_of(due(step_days=step), [Contact("a@example.com")])
        assert (message.template, message.data["step_days"]) == (template, step)

    def test_says_that_it_is_the_last(self):
        [message] = messages_of(due(step_days=30, final=True), [Contact("a@example.com")])
        assert (message.data["final"], message.data["overdue"]) == (True, True)

    def test_is_read_from_what_our_dunning_says(self):
        """Held against the rule itself, not only against the table of members."""
        invoice = Invoice("t", "iv", "o", "c", "cafe", "KES", 150_000, 0, due_date="2024-12-10")
        event = {
            "event_id": "e",
            "event_type": "treasury.invoice.due",
            "tenant_id": "t",
            "timestamp": "2024-12-10T06:00:00Z",
            "data": {**_said(invoice), "step_days": 0, "final": False},
        }
        [message] = messages_of(msgspec.json.encode(event), [Contact("a@example.com")])
        assert message.data["amount_text"] == "KES 1,500.00"
        assert message.data["due_date"] == "2024-12-10"


class TestAmounts:
    def test_are_decimal_text_for_programs_and_formatted_for_people(self):
        [message] = messages_of(DUE, [Contact("a@example.com")])
        told = {name: message.data[name] for name in ("amount", "amount_text", "currency")}
        assert told == {
            "amount": "1234567.05",
            "amount_text": "KES 1,234,567.05",
            "currency": "KES",
        }

    def test_of_tax_are_told_the_same_way(self):
        [message] = messages_of(INVOICED, [Contact("a@example.com")])
        assert message.data["tax_amount"] == "689.66"
        assert message.data["tax_amount_text"] == "KES 689.66"

    @pytest.mark.parametrize(
        ("amount", "currency", "text"),
        [
            ("0.00", "KES", "KES 0.00"),
            ("999.99", "KES", "KES 999.99"),
            ("1000", "UGX", "UGX 1,000"),
            ("-1000.50", "USD", "USD -1,000.50"),
            ("1.500000", "USDC", "USDC 1.500000"),
        ],
    )
    def test_are_grouped_and_keep_their_decimals(self, amount, currency, text):
        assert for_people(amount, currency) == text

    @given(
        minor=st.integers(min_value=0, max_value=10**30),
        currency=st.sampled_from(["KES", "UGX", "KWD", "ETH"]),
    )
    def test_are_never_changed_by_a_digit(self, minor, currency):
        event = msgspec.json.encode(
            {
                "event_id": "e",
                "event_type": "treasury.payment.success",
                "tenant_id": "t",
                "timestamp": "2024-12-05T10:30:00Z",
                "data": {
                    "payment_id": "p",
                    "amount": json_number(minor, currency),
                    "currency": currency,
                },
            }
        )
        [message] = messages_of(event, [Contact("a@example.com")])
        exact = format_minor(minor, exponent_of(currency))
        assert message.data["amount"] == exact
        assert message.data["amount_text"] == f"{currency} " + f"{int(exact.split('.')[0]):,}" + (
            f".{exact.split('.')[1]}" if "." in exact else ""
        )


class TestReceivers:
    def test_are_written_to_by_the_channels_they_want_and_no_other(self):
        found = {message.channel: message.to for message in messages_of(PAID, [WANJIRU, OTIENO])}
        assert found == {
            "email": ("wanjiru@example.com",),
            "sms": ("+254712345678",),
            "whatsapp": ("+254110000001",),
        }

    def test_who_share_an_address_are_written_to_once(self):
        [message] = messages_of(PAID, [Contact("a@example.com"), Contact("a@example.com")])
        assert message.to == ("a@example.com",)

    @pytest.mark.parametrize(
        "contacts",
        [
            [],
            [Contact()],
            [Contact("a@example.com", channels=("sms",))],
            [Contact("a@example.com", channels=())],
            [Contact("a@example.com", "254712345678", ("push",))],
        ],
    )
    def test_that_cannot_be_reached_get_no_message(self, contacts):
        assert messages_of(PAID, contacts) == ()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"email": "nobody"},
            {"email": "a@b@c"},
            {"email": "a@b.example, c@d.example"},
            {"email": "a@b.example\nBcc: c@d.example"},
            {"email": "a\x00@b.example"},
            {"email": f"{'a' * 64}@{'b' * 190}"},
            {"phone": "0712345678"},
            {"phone": "+0712345678"},
            {"phone": "+254 712"},
            {"phone": "٢٥٤٧١٢٣٤٥٦٧٨"},
            {"phone": "1" * 16},
            {"channels": ("pigeon",)},
        ],
    )
    def test_with_an_address_that_is_none_are_refused_without_repeating_it(self, wrong):
        with pytest.raises(ValueError, match="contact: ") as refused:
            Contact(**wrong)
        assert not any(str(value) in str(refused.value) for value in wrong.values())

    def test_are_not_shown_in_logs(self):
        [message] = messages_of(PAID, [Contact("wanjiru@example.com")])
        assert "wanjiru" not in repr(message) + repr(WANJIRU)
        assert "2547" not in repr(WANJIRU)


class TestTheKey:
    def test_is_the_events_id_and_the_channel(self):
        keys = [message.key for message in messages_of(PAID, [WANJIRU])]
        event_id = "0b6c1f0e-6f0e-4a53-9a3f-1f0a4f3f7a01"
        assert keys == [f"{event_id}.email", f"{event_id}.sms"]

    def test_is_the_same_whoever_is_written_to(self):
        first, second = messages_of(PAID, [WANJIRU]), messages_of(PAID, [WANJIRU, OTIENO])
        assert {m.key for m in first} < {m.key for m in second}

    @given(
        st.tuples(st.from_regex(r"[a-z.@:_-]{1,20}", fullmatch=True), st.sampled_from(CHANNELS)),
        st.tuples(st.from_regex(r"[a-z.@:_-]{1,20}", fullmatch=True), st.sampled_from(CHANNELS)),
    )
    def test_differs_between_events_and_between_channels(self, one, other):
        assert (key_of(*one) == key_of(*other)) == (one == other)


class TestTheBody:
    def test_has_the_members_of_the_services_contract(self):
        """API contract of the notifications service, "POST notifications/messages"."""
        [message] = messages_of(PAID, [Contact("a@example.com")], {"brand_name": "Café Wanjiru"})
        assert msgspec.json.decode(encoded(message), type=dict) == {
            "channel": "email",
            "tenant": "tenant-uuid",
            "template": "payment_receipt",
            "to": ["a@example.com"],
            "data": {
                "brand_name": "Café Wanjiru",
                "payment_id": "payment-uuid",
                "order_id": "order-uuid",
                "provider": "mpesa",
                "amount": "1500.00",
                "amount_text": "KES 1,500.00",
                "currency": "KES",
                "provider_reference": "mpesa-ref-123",
                "invoice_id": "invoice-uuid",
                "late": False,
            },
            "metadata": {
                "source_service": "treasury",
                "reference_type": "payment",
                "reference_id": "payment-uuid",
            },
        }

    def test_lets_no_words_of_others_stand_for_the_events_own(self):
        [message] = messages_of(PAID, [Contact("a@example.com")], {"amount": "1.00"})
        assert message.data["amount"] == "1500.00"
