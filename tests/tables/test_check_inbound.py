"""Whether the inbound log is the one that was decided on."""

import pytest

from streams.errors import LogBetrayed
from streams.journal import NO_HASH, Chain, Position, hash_of
from tables.recovery import check_inbound
from tests.tables.logs import Log


def decided(offset: int, index: int, last: bytes | None) -> Chain:
    return Chain(
        next=Position(1, offset, index), inbound_hash=NO_HASH if last is None else hash_of(last)
    )


@pytest.mark.parametrize(
    ("chain", "log"),
    [
        (decided(0, 0, None), Log()),
        (decided(0, 0, None), Log(b"new")),
        (decided(2, 0, None), Log(b"old", b"old")),
        (decided(2, 0, b"b"), Log(b"a", b"b")),
        (decided(1, 3, b"b"), Log(b"a", b"b", b"c")),
        (decided(9, 0, b"a"), Log(b"a", b"b", first=8)),
    ],
)
async def test_is_the_one(chain, log):
    await check_inbound(chain, log)


@pytest.mark.parametrize(
    ("chain", "log"),
    [
        (decided(2, 0, None), Log(b"other")),
        (decided(2, 0, b"b"), Log(b"a")),
        (decided(2, 0, b"b"), Log(b"a", b"other", b"c")),
        (decided(1, 3, b"b"), Log(b"a")),
        (decided(8, 0, b"a"), Log(b"b", first=8)),
    ],
)
async def test_is_another(chain, log):
    with pytest.raises(LogBetrayed, match="treasury rebase"):
        await check_inbound(chain, log)
