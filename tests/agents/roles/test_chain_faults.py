"""A tenant's own node may answer anything: what is wrong with it is that tenant's alone."""

import asyncio

import pytest

from agents.roles.chains import AT_ONCE, AT_ONCE_A_TENANT, Chains, _event
from agents.roles.lease import Owner
from connectors.chain.following import Credited, Transfer
from streams.errors import Unavailable
from tables.postgres.chains import Batch


class Watch(Chains):
    """Rounds that end as they are told to, or never."""

    def __init__(self) -> None:
        super().__init__(None, None, None, owner=Owner("w"), partitions=1)
        self.under_way: list[Batch] = []
        self.raises: dict[str, Exception] = {}

    async def _round(self, batch: Batch) -> str:
        if batch.tenant_id in self.raises:
            raise self.raises[batch.tenant_id]
        self.under_way.append(batch)
        if batch.tenant_id == "hangs":
            await asyncio.Event().wait()
        return "followed"


def batch(tenant_id: str, number: int = 1) -> Batch:
    return Batch("polygon", tenant_id, number, 0, (f"0x{number:040x}",))


class TestAFaultInOneRound:
    @pytest.mark.parametrize(
        "error", [RecursionError("deep"), OverflowError("wide"), KeyError("polygon")]
    )
    async def test_ends_no_other(self, error):
        watch = Watch()
        watch.raises["odd"] = error
        await watch.round(batch("odd"))
        await watch.round(batch("well"))
        assert [each.tenant_id for each in watch.under_way] == ["well"]

    async def test_is_raised_if_it_is_an_outage(self):
        watch = Watch()
        watch.raises["odd"] = Unavailable("postgres")
        with pytest.raises(Unavailable):
            await watch.round(batch("odd"))


class TestANodeThatHangs:
    async def test_never_has_the_places_of_all(self):
        watch = Watch()
        hanging = [
            asyncio.create_task(watch.round(batch("hangs", number)))
            for number in range(2 * AT_ONCE)
        ]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await watch.round(batch("well"))
        assert len(watch.under_way) == AT_ONCE_A_TENANT + 1
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


def test_what_is_told_can_always_be_kept():
    """The widest numbers that are read of a node are numbers that an event can hold."""
    wide = 2**43 - 1
    seen = Transfer(137, "0x1", wide, wide, "0x2", wide, "0x3", "0x4", "USDC", 2**255)
    assert _event(batch("t"), Credited(seen), 0).data["block_ms"] < 2**53
