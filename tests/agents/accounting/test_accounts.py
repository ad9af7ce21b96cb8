"""Accounts by hand: money that is set aside, and accounts that may not be overdrawn."""

from streams.timestamps import parse_ms
from tables.balances import Balance, Hold
from tests.agents.accounting.test_books import legs

FUNDS = legs(("bank:kcb", 100), ("opening", -100))


def bank(books) -> Balance:
    return books.row(Balance, "bank:kcb", "KES")


class TestHolds:
    def test_count_against_what_is_available(self, books):
        books.done("journal.post", legs=FUNDS)
        hold = books.done("hold.create", account="bank:kcb", amount="60")
        assert (hold["amount"], hold["status"]) == ("60.00", "held")
        assert bank(books).pending_credits == 6_000
        refused = books.refused("hold.create", account="bank:kcb", amount="40.01")
        assert refused == "more_than_available"

    def test_are_captured_in_part_and_the_rest_is_free(self, books):
        books.done("journal.post", legs=FUNDS)
        hold_id = books.done("hold.create", account="bank:kcb", amount="60")["hold_id"]
        said = {"hold_id": hold_id, "to_account": "expense:rent"}
        assert books.refused("hold.capture", amount="60.01", **said) == "more_than_held"
        books.done("hold.capture", amount="25", **said)
        assert (bank(books).posted, bank(books).pending_credits) == (7_500, 0)
        assert books.balances["expense:rent"] == 2_500
        assert books.refused("hold.release", hold_id=hold_id) == "hold_captured"

    def test_are_released_by_a_person_or_by_the_clock(self, books):
        books.done("journal.post", legs=FUNDS)
        first = books.done("hold.create", account="bank:kcb", amount="10")["hold_id"]
        books.done("hold.release", hold_id=first)
        second = books.done("hold.create", account="bank:kcb", amount="100")["hold_id"]
        books.until("2026-03-09T06:00:00Z")
        assert books.row(Hold, second).status == "expired"
        assert bank(books).pending_credits == 0

    def test_of_what_people_are_owed_are_debits(self, books):
        earned = {"payee_id": "r", "period": "w", "gross_amount": 50}
        books.applied("logistics.earnings.calculated", **earned)
        books.done("hold.create", account="earnings:r", amount="20")
        assert books.row(Balance, "earnings:r", "KES").pending_debits == 2_000
        said = {"target": "earnings", "subject_id": "r", "amount": "31"}
        assert books.refused("payout.create", **said) == "more_than_is_owed"

    def test_that_cannot_be_are_refused(self, books):
        books.done("journal.post", legs=FUNDS)
        said = {"account": "bank:kcb", "amount": "1"}
        assert parse_ms("2026-03-01T00:00:00Z") < books.core.now_ms
        for expires_at in ("2026-03-01T00:00:00Z", "2026-07-01T00:00:00Z"):
            refused = books.refused("hold.create", expires_at=expires_at, **said)
            assert refused == "expiry_out_of_bounds"
        assert books.refused("hold.create", account="receivable", amount="1") == "control_account"
        hold_id = books.done("hold.create", **said)["hold_id"]
        for to, reason in (("payable", "control_account"), ("bank:kcb", "same_account")):
            assert books.refused("hold.capture", hold_id=hold_id, to_account=to) == reason
        assert books.refused("hold.release", hold_id="nobody") == "hold_unknown"


class TestOverdraft:
    def test_is_refused_to_commands_where_it_is_not_allowed(self, books):
        books.done("journal.post", legs=FUNDS)
        books.done("account.set", account="bank:kcb", overdraft=False)
        much = legs(("expense:rent", 101), ("bank:kcb", -101))
        assert books.refused("journal.post", legs=much) == "overdraft"
        bill = {"supplier_id": "s", "number": "1", "category": "rent", "amount": "150"}
        bill_id = books.done("bill.create", **bill)["bill_id"]
        said = {"bill_id": bill_id, "account": "bank:kcb"}
        assert books.refused("bill.pay", **said) == "overdraft"
        books.done("hold.create", account="bank:kcb", amount="60")
        assert books.refused("bill.pay", amount="41", **said) == "overdraft"
        books.done("bill.pay", amount="40", **said)
        books.done("account.set", account="bank:kcb", overdraft=True)
        books.done("bill.pay", **said)

    def test_is_refused_to_a_capture_into_the_account(self, books):
        books.done("account.set", account="bank:kcb", overdraft=False)
        books.done("journal.post", legs=legs(("bank:other", 500), ("tips", -500)))
        said = {"hold_id": books.done("hold.create", account="tips", amount="500")["hold_id"]}
        assert books.refused("hold.capture", to_account="bank:kcb", **said) == "overdraft"
        books.done("hold.capture", to_account="bank:other", **said)

    def test_is_refused_to_a_conversion_whose_money_is_gone(self, books):
        books.done("journal.post", legs=FUNDS)
        books.done("account.set", account="bank:kcb", overdraft=False)
        sold = {"from_account": "bank:kcb", "from_currency": "KES", "from_amount": "100"}
        bought = {"to_account": "bank:usd", "to_currency": "USD", "to_amount": "1"}
        first, second = (
            books.done("conversion.create", **sold, **bought)["conversion_id"] for _ in range(2)
        )
        books.done("conversion.complete", conversion_id=first, to_amount="1")
        said = {"conversion_id": second, "to_amount": "1"}
        assert books.refused("conversion.complete", **said) == "overdraft"

    def test_is_refused_to_expenses_that_were_paid_at_once(self, books):
        books.done("account.set", account="bank:card", overdraft=False)
        said = {"category": "fuel", "paid_by": "card"}
        assert books.refused("expense.create", amount="900", **said) == "overdraft"
        waits = books.done("expense.create", amount="1001", **said)["expense_id"]
        assert books.refused("expense.approve", expense_id=waits) == "overdraft"
        books.done("journal.post", legs=legs(("bank:card", 1001), ("opening", -1001)))
        books.done("expense.approve", expense_id=waits)

    def test_is_refused_to_refunds_out_of_a_drawer(self, books):
        payment_id = books.intent(amount="100")
        books.done("payment.confirm", payment_id=payment_id, method="cash")
        books.done("account.set", account="cash:drawer:main", overdraft=False)
        books.done("journal.post", legs=legs(("bank:kcb", 60), ("cash:drawer:main", -60)))
        said = {"payment_id": payment_id}
        assert books.refused("payment.refund", **said) == "overdraft"
        books.done("payment.refund", amount="40", **said)

    def test_never_stands_against_a_fact(self, books):
        books.done("account.set", account="bank:card", overdraft=False)
        fuel = {"expense_id": "e", "amount": 10, "category": "fuel", "paid_by": "card"}
        books.applied("logistics.expense.created", **fuel)
        assert books.balances["bank:card"] == -1_000
