"""What was told of a call, weighed: pure."""

import asyncio

import msgspec
import pytest

from agents.roles.reports import Ear, agreed, changes, handle_in, proof_in
from connectors.base import NOT_APPROVED, Result

PAID = {
    "outcome": "succeeded",
    "provider_reference": "R1",
    "handle": "H1",
    "amount": "10.50",
    "currency": "KES",
}


def told(**changed: object) -> bytes:
    return msgspec.json.encode(PAID | changed)


class TestProof:
    def test_is_an_outcome_of_the_call_that_we_know(self):
        assert proof_in(told(), "H1") == Result("succeeded", "R1", 1_050, "KES")
        assert proof_in(told(), "") is not None
        assert proof_in(told(handle=""), "H1") is not None
        assert handle_in(told()) == "H1"

    @pytest.mark.parametrize(
        "said",
        [None, told(ask="old"), told(outcome="pending"), told(handle="H2")],
        ids=["nothing", "a reason to ask", "no end", "of another"],
    )
    def test_is_nothing_else(self, said):
        assert proof_in(said, "H1") is None

    @pytest.mark.parametrize("changed", [{"amount": "10.505"}, {"amount": None}, {"currency": "?"}])
    def test_has_no_amount_where_none_can_be_read(self, changed):
        proof = proof_in(told(**changed), "H1")
        assert proof is not None
        assert (proof.amount_minor, proof.asset) == (None, "")


class TestAgreement:
    DONE = Result("succeeded", "R1", 1_050, "KES")

    @pytest.mark.parametrize(
        ("queried", "said", "believed"),
        [
            (Result("succeeded"), None, Result("succeeded")),
            (Result("succeeded"), DONE, DONE),
            (Result("succeeded"), Result("succeeded", "R1", 1, "KES"), Result("succeeded")),
            (Result("succeeded"), Result("succeeded", "R1"), Result("succeeded", "R1")),
            (Result("failed", failure="a"), DONE, Result("failed", failure="a")),
            (Result("failed"), Result("failed", failure="b"), Result("failed", failure="b")),
            (Result("succeeded"), Result("failed"), Result("succeeded")),
            (Result("pending"), DONE, Result("pending")),
        ],
    )
    def test_is_the_querys_outcome_and_the_messages_receipt(self, queried, said, believed):
        assert agreed(queried, said, "10.50") == believed


class TestWhatMayChangeAnAnswer:
    @staticmethod
    def answer(outcome: str, reference: str = "", failure: str = "") -> bytes:
        return msgspec.json.encode(
            {"outcome": outcome, "provider_reference": reference, "failure": failure}
        )

    @pytest.mark.parametrize(
        ("answered", "said", "operation", "may"),
        [
            (("unknown", ""), told(), "collect", True),
            (("unknown", ""), told(outcome="pending", ask="old"), "collect", True),
            (("failed", ""), told(), "payout", True),
            (("failed", ""), told(outcome="failed"), "payout", False),
            (("failed", ""), told(outcome="pending", ask="old"), "payout", True),
            (("failed", "", NOT_APPROVED), told(outcome="pending", ask="late"), "collect", False),
            (("failed", "", NOT_APPROVED), told(), "collect", True),
            (("succeeded", "R1"), told(), "collect", False),
            (("succeeded", ""), told(), "collect", True),
            (("succeeded", ""), told(provider_reference=""), "collect", False),
            (("succeeded", "R1"), told(outcome="failed"), "payout", True),
            (("succeeded", "R1"), told(outcome="failed", ask="not_final"), "refund", True),
            (("succeeded", "R1"), told(outcome="failed"), "collect", False),
            (("succeeded", "R1"), told(outcome="pending", ask="old"), "payout", False),
        ],
    )
    def test_is_told_apart_from_what_does_not(self, answered, said, operation, may):
        assert changes(self.answer(*answered), said, operation) is may


class TestAnEar:
    async def test_ends_a_wait_and_keeps_the_last_word(self):
        ear = Ear()
        assert await ear.wait(0.01) is False
        waiting = asyncio.create_task(ear.wait(30))
        await asyncio.sleep(0)
        ear.hear(b"1")
        assert await waiting is True
        assert ear.told == b"1"
        assert await ear.wait(0.01) is False

    async def test_hears_what_was_told_before_anybody_waited(self):
        ear = Ear()
        ear.hear(b"1")
        assert await ear.wait(0) is True or await ear.wait(0.01) is True
