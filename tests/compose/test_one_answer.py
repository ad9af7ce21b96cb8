"""What many requests of one idempotency key are answered, held against each other."""

import asyncio
import json

import pytest

from compose.sending import SAME_KEY, one_answer


class Answering:
    """A worker that answers as a test says."""

    def __init__(self, *answers: tuple[int, dict[str, str]]) -> None:
        self.answers = list(answers)
        self.answered: dict[tuple[str, str], int] = {}
        self.keys: set[str] = set()

    async def post(self, _tenant_id, _name, key, _body):
        self.keys.add(key)
        await asyncio.sleep(0)
        status, body = self.answers.pop()
        return status, {}, body


CREATED, BUSY = (201, {"payment_id": "p"}), (409, {"code": "busy"})


class TestOneKey:
    @pytest.mark.parametrize(
        ("other", "fine"), [(CREATED, True), (BUSY, True), ((201, {"payment_id": "q"}), False)]
    )
    async def test_has_one_answer(self, other, fine):
        half = SAME_KEY // 2
        workers = [Answering(*[CREATED] * half), Answering(other, *[CREATED] * (half - 1))]
        found = await one_answer(workers, "t")
        assert (found == []) == fine
        assert len(workers[0].keys | workers[1].keys) == 1

    async def test_that_never_gets_one_is_named(self):
        [line] = await one_answer([Answering(*[BUSY] * SAME_KEY)], "t")
        assert json.dumps("busy") in line.replace("'", '"')
