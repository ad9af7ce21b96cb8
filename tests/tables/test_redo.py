"""What a worker makes of a checkpoint that lies beyond the claim it has just appended."""

import pytest

from streams.errors import Fenced, LogBetrayed
from streams.journal import Chain
from tables.checkpoint import CODEC, checkpoint_of
from tables.recovery import ChangelogLost, redo
from tables.store import CHECKPOINT_KEY, PartitionStore, stored_value
from tests.journals import Journal, entry
from tests.tables.logs import Log
from tests.tables.stores import open_table


@pytest.fixture
def written() -> list[bytes]:
    """A journal: its genesis, our claim, the next owner's claim and batch."""
    journal = Journal()
    return [journal.genesis(), journal.claim("us"), journal.claim("next"), journal.batch([entry()])]


@pytest.fixture
def store(tmp_path, written) -> PartitionStore:
    """Rows with a checkpoint at the batch."""
    store = PartitionStore(open_table(tmp_path), 0)
    checkpoint = checkpoint_of(Chain.after(written[3]), 3)
    store.write({CHECKPOINT_KEY: stored_value(checkpoint.seq, CODEC.encode(checkpoint))}, 0)
    return store


async def test_a_newer_owner_wrote_it_if_the_journal_has_its_record(store, written):
    with pytest.raises(Fenced):
        await redo(store, Log(*written), claim_offset=1)


async def test_the_journal_was_cut_if_it_has_not(store, written):
    # Said at once: one claim a start would reach the lost place after thousands of them.
    with pytest.raises(LogBetrayed, match="treasury restore"):
        await redo(store, Log(*written[:2]), claim_offset=1)


async def test_a_journal_that_begins_with_our_claim_is_a_new_one(tmp_path):
    # Its older records are gone: the archive may know them, and says what to run.
    with pytest.raises(ChangelogLost, match="treasury restore"):
        await redo(
            PartitionStore(open_table(tmp_path), 0), Log(Journal().claim("us")), claim_offset=0
        )
