"""No word of a model holds a control character, wherever in the model it stands."""

import json

import msgspec
import pytest

import agents.services  # noqa: F401  fills the registry
from agents.registry import HANDLED

SALE = {"order_id": "o-1", "total_amount": "10.00"}


def _read(event_type: str, data: object) -> object:
    return HANDLED[event_type].decode(json.dumps(data, ensure_ascii=False).encode())


class TestAWord:
    @pytest.mark.parametrize("character", ["\x01", "\n", "\x1f", "\x7f"])
    @pytest.mark.parametrize("member", ["order_id", "customer_id", "currency"])
    def test_with_a_control_character_is_refused_by_its_name(self, member, character):
        with pytest.raises(msgspec.ValidationError, match=member):
            _read("pos.order.completed", {**SALE, member: f"a{character}"})

    def test_is_looked_at_inside_of_lists(self):
        tender = {"method": "mpesa", "amount": "10.00", "reference": "R\n1"}
        with pytest.raises(msgspec.ValidationError, match="reference"):
            _read("pos.order.completed", {**SALE, "tenders": [tender]})

    def test_may_hold_any_other_escape_and_what_no_model_reads_anything(self):
        sale = {**SALE, "order_id": 'a"\\b', "note": "two\nlines"}
        assert _read("pos.order.completed", sale).order_id == 'a"\\b'

    def test_is_no_text_of_a_provider(self):
        answer = {"call_id": "c", "nonce": "n", "outcome": "failed", "detail": "two\nlines"}
        assert _read("treasury.call.completed", answer).detail == "two\nlines"
