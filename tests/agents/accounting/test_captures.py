"""Money that is held first: captured in part or whole, let go, or lapsed; never counted early."""

import pytest

from tables.invoices import Invoice
from tables.payments import GatewayCall, Payment
from tests.agents.accounting.books import Books

GATEWAY = "gateway:instant:collection"


@pytest.fixture
def held(books: Books) -> str:
    """A payment of 1,160 shillings for a café order, which the payer's bank holds; its id."""
    books.applied("cafe.order.created", order_id="o", customer_id="c", total_amount=1160)
    payment_id = books.intent(order_id="o", capture_method="manual")
    books.done("payment.confirm", payment_id=payment_id, method="instant")
    books.gateway(books.call_of(payment_id), provider_reference="auth-1")
    return payment_id


def call_of(books: Books, payment_id: str) -> str:
    """The call that the payment waits for."""
    return books.row(Payment, payment_id).call_id


def of(books: Books, payment_id: str) -> tuple[str, int, int]:
    """Its status, what is held for it, and what came."""
    row = books.row(Payment, payment_id)
    return row.status, row.authorized, row.received


class TestAuthorized:
    def test_it_is_no_money_yet(self, books, held):
        assert of(books, held) == ("requires_capture", 116_000, 0)
        assert GATEWAY not in books.balances
        [said] = books.emitted("payment.authorized")
        assert (said["amount"], said["provider_reference"]) == (1160, "auth-1")
        assert books.emitted("payment.success") == []

    def test_the_gateway_was_asked_to_hold_and_not_to_take(self, books, held):
        assert [row.operation for row in books.rows(GatewayCall)] == ["authorize"]

    def test_one_that_is_declined_can_be_tried_again(self, books):
        payment_id = books.intent(amount="500", capture_method="manual")
        books.done("payment.confirm", payment_id=payment_id, method="instant")
        books.gateway(books.call_of(payment_id), "failed", failure="declined")
        assert of(books, payment_id) == ("requires_action", 0, 0)

    @pytest.mark.parametrize("method", ["cash"])
    def test_what_cannot_be_held_is_refused(self, books, method):
        payment_id = books.intent(amount="500", capture_method="manual")
        refused = books.refused("payment.confirm", payment_id=payment_id, method=method)
        assert refused == "capture_unsupported"

    def test_of_another_currency_it_is_let_go(self, books):
        payment_id = books.intent(amount="500", capture_method="manual")
        books.done("payment.confirm", payment_id=payment_id, method="instant")
        books.gateway(books.call_of(payment_id), amount="500", currency="USD")
        assert of(books, payment_id) == ("requires_action", 0, 0)
        assert [row.operation for row in books.rows(GatewayCall)].count("void") == 1

    def test_that_nobody_waits_for_any_more_is_let_go(self, books):
        payment_id = books.intent(amount="500", capture_method="manual")
        books.done("payment.confirm", payment_id=payment_id, method="instant")
        first = books.call_of(payment_id)
        books.gateway(first, "failed")
        books.done("payment.cancel", payment_id=payment_id)
        books.answer(first, provider_reference="auth-late")
        assert of(books, payment_id) == ("cancelled", 0, 0)
        [void] = [row for row in books.rows(GatewayCall) if row.operation == "void"]
        books.gateway(void.call_id)
        assert of(books, payment_id) == ("cancelled", 0, 0)


class TestCapture:
    def test_all_of_it_pays_the_invoice(self, books, held):
        assert books.done("payment.capture", payment_id=held)["status"] == "processing"
        assert GATEWAY not in books.balances
        books.gateway(call_of(books, held), provider_reference="cap-1")
        assert of(books, held) == ("succeeded", 116_000, 116_000)
        [invoice] = books.rows(Invoice)
        assert invoice.status == "paid"
        assert books.balances[GATEWAY] == 116_000

    def test_a_part_pays_a_part(self, books, held):
        books.done("payment.capture", payment_id=held, amount="160")
        books.gateway(call_of(books, held))
        assert of(books, held) == ("succeeded", 116_000, 16_000)
        [invoice] = books.rows(Invoice)
        assert (invoice.status, invoice.paid) == ("partially_paid", 16_000)

    @pytest.mark.parametrize(
        ("amount", "reason"), [("1160.01", "more_than_authorized"), ("0", "amount_not_positive")]
    )
    def test_never_more_than_is_held(self, books, held, amount, reason):
        assert books.refused("payment.capture", payment_id=held, amount=amount) == reason

    def test_that_fails_leaves_what_is_held(self, books, held):
        books.done("payment.capture", payment_id=held)
        first = call_of(books, held)
        books.gateway(first, "failed", failure="declined")
        assert of(books, held) == ("requires_capture", 116_000, 0)
        books.done("payment.capture", payment_id=held, amount="100")
        second = call_of(books, held)
        books.gateway(second)
        assert of(books, held) == ("succeeded", 116_000, 10_000)
        assert books.row(GatewayCall, first).failure == "declined"

    def test_whose_success_comes_after_its_failure_counts(self, books, held):
        books.done("payment.capture", payment_id=held)
        books.gateway(call_of(books, held), "failed")
        books.answer(call_of(books, held))
        assert of(books, held) == ("succeeded", 116_000, 116_000)

    def test_is_for_what_is_held_only(self, books):
        payment_id = books.intent(amount="500")
        refused = books.refused("payment.capture", payment_id=payment_id)
        assert refused == "payment_requires_action"

    def test_can_be_given_back(self, books, held):
        books.done("payment.capture", payment_id=held, amount="160")
        books.gateway(call_of(books, held))
        books.done("payment.refund", payment_id=held)
        assert books.balances["refund:pending"] == -16_000


class TestLetGo:
    def test_cancelled_once_the_gateway_says_so(self, books, held):
        assert books.done("payment.cancel", payment_id=held)["status"] == "processing"
        books.gateway(call_of(books, held))
        assert of(books, held)[0] == "cancelled"
        [said] = books.emitted("payment.ended")
        assert (said["status"], said["failure"]) == ("cancelled", "")
        assert books.refused("payment.capture", payment_id=held) == "payment_cancelled"

    def test_still_held_if_the_gateway_would_not(self, books, held):
        books.done("payment.cancel", payment_id=held)
        void = call_of(books, held)
        books.gateway(void, "failed")
        assert of(books, held)[0] == "requires_capture"
        books.answer(void)
        assert of(books, held)[0] == "cancelled"

    def test_in_time_when_nobody_captures(self, books, held):
        books.until("2026-03-09T06:00:01Z")
        void = call_of(books, held)
        assert books.row(GatewayCall, void).operation == "void"
        assert of(books, held)[0] == "processing"
        books.gateway(void)
        assert of(books, held)[0] == "expired"
        assert books.intent(order_id="o")

    def test_also_when_a_capture_fails_after_its_time(self, books, held):
        books.done("payment.capture", payment_id=held)
        capture = call_of(books, held)
        grant = {"call_id": capture, "nonce": f"n-{capture}", "valid_for_ms": 5_000}
        books.told("treasury.call.granted", grant)
        books.until("2026-03-09T07:00:00Z")
        books.answer(capture, "failed")
        [said] = books.emitted("payment.failed")
        assert said["final"] is True
        operations = [row.operation for row in books.rows(GatewayCall)]
        assert operations.count("void") == 1
        [void] = [row for row in books.rows(GatewayCall) if row.operation == "void"]
        books.gateway(void.call_id, "failed")
        assert of(books, held)[0] == "expired"
