"""A caller's own words on what it makes: shown with it, kept, and a filter of its list."""

import pytest

from tests.web.desk import project

LEGS = [
    {"account": "bank:kcb", "side": "debit", "amount": "1000"},
    {"account": "opening", "side": "credit", "amount": "1000"},
]
PAYOUT = {"target": "advance", "subject_id": "rider", "amount": "5"}
BILL = {"supplier_id": "s", "number": "7", "amount": "116", "category": "rent"}
MADE = {
    "invoices": {"customer_id": "c", "amount": "100"},
    "journals": {"legs": LEGS},
    "bills": BILL,
    "expenses": {"expense_id": "x", "category": "fuel", "amount": "50", "party_id": "p"},
    "plans": {"name": "Lunch", "price": "10", "meters": []},
    "subscriptions": {"plan_id": "plan", "customer_id": "c"},
    "payouts": PAYOUT,
}
NOTE = {"till": "7", "note": "red"}


@pytest.fixture
async def funded(listed):
    """A tenant with money at its gateway, and a plan."""
    legs = [{**LEGS[0], "account": "gateway:instant:collection"}, LEGS[1]]
    assert (await listed.command("/alpha/journals", {"legs": legs}, key="0")).status == 201
    plan = {"plan_id": "plan", "name": "Lunch", "price": "10", "meters": []}
    assert (await listed.command("/alpha/plans", plan, key="1")).status == 201
    return listed


@pytest.mark.parametrize("path", MADE)
async def test_is_shown_and_found_by(funded, desk, database, path):
    made = await funded.command(f"/alpha/{path}", {**MADE[path], "metadata": NOTE}, key="a")
    assert made.status in {201, 202}, made.raw
    assert made.json["metadata"] == NOTE
    await project(desk, database)
    for words, found in (("till:7", [NOTE]), ("note:red", [NOTE]), ("till:8", [])):
        rows = (await funded.get(f"/api/v1/alpha/{path}?metadata={words}")).json["data"]
        assert [row["metadata"] for row in rows] == found


async def test_of_a_refund_and_of_each_journal_of_a_batch(funded, desk, database):
    intent = await funded.command("/payments/intents", {"amount": "9"}, key="b")
    payment_id = intent.json["payment_id"]
    paid = {"payment_id": payment_id, "method": "cash"}
    await funded.command("/payments/confirm", paid, key="c")
    path = f"/alpha/payments/intents/{payment_id}/refunds"
    refund = await funded.command(path, {"amount": "2", "metadata": NOTE}, key="d")
    assert refund.json["metadata"] == NOTE
    journals = [{"legs": LEGS, "metadata": {"n": str(number)}} for number in range(2)]
    batch = await funded.command("/alpha/journals:batch", {"journals": journals}, key="e")
    assert [row["metadata"] for row in batch.json["journals"]] == [{"n": "0"}, {"n": "1"}]
    await project(desk, database)
    rows = (await funded.get("/api/v1/alpha/refunds?metadata=till:7")).json["data"]
    assert [row["refund_id"] for row in rows] == [refund.json["refund_id"]]


@pytest.mark.parametrize(
    "said",
    [{"": "x"}, {"k" * 41: "x"}, {"k": "v" * 501}, {"k": 7}, {str(n): "" for n in range(51)}],
)
async def test_that_is_too_much_is_refused(funded, said):
    for number, path in enumerate(MADE):
        key = f"f{number}"
        answer = await funded.command(f"/alpha/{path}", {**MADE[path], "metadata": said}, key=key)
        assert answer.status == 422, path
