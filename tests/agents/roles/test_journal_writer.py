"""Owning a journal: what of others is harmless between our appends, and what ends the process."""

import pytest
from aiokafka import AIOKafkaProducer

from agents.roles import journal_writer as role
from agents.roles.journal_writer import JournalWriter
from streams.errors import Fenced, OutcomeUnknown
from streams.journal import Chain
from tests.agents.roles.producers import lose_count, silence
from tests.journals import Journal, entry

pytestmark = pytest.mark.kafka


class Owner:
    """A writer that has claimed a journal, and the records it would append."""

    def __init__(self, writer: JournalWriter, records: Journal, chain: Chain) -> None:
        self.writer, self.records, self.chain = writer, records, chain

    async def commit(self) -> int:
        batch = self.records.batch([entry(self.records.seq)])
        offset = await self.writer.commit(batch, self.chain)
        self.chain = Chain.after(batch)
        return offset


@pytest.fixture
def journal(stack, producer, journal_topic) -> JournalWriter:
    return JournalWriter(producer, stack.kafka.bootstrap, journal_topic, 0)


@pytest.fixture
async def owner(journal, append_journal) -> Owner:
    records = Journal()
    chain = Chain()
    genesis = records.genesis()
    chain.accept(genesis)
    await append_journal(genesis)
    await journal.claim("me", 1)
    records.claim_id = chain.claim_id = journal.claim_id
    return Owner(journal, records, chain)


class TestAClaim:
    async def test_tells_whether_anybody_wrote_since(self, owner, append_journal):
        await owner.commit()
        assert await owner.writer.claim("me", 2)
        await append_journal(Journal().claim("other"))
        assert not await owner.writer.claim("me", 3)

    async def test_of_a_journal_not_seen_before_is_never_undisturbed(self, journal):
        assert not await journal.claim("me", 1)


class TestACommit:
    async def test_is_the_ack_at_the_expected_offset(self, owner):
        assert [await owner.commit() for _ in range(3)] == [2, 3, 4]

    async def test_counts_beside_a_late_writer_who_does_not(self, owner, append_journal):
        late = Journal(claim_id=b"before us", seq=7)
        await append_journal(late.batch([entry(7)]))
        assert await owner.commit() == 3

    async def test_beside_a_newer_claim_does_not_count(self, owner, append_journal):
        await append_journal(Journal().claim("other"))
        with pytest.raises(Fenced, match="newer owner"):
            await owner.commit()

    async def test_beside_a_record_of_our_own_that_we_know_nothing_of_does_not_either(
        self, owner, append_journal
    ):
        await append_journal(owner.records.batch([entry(8)]))
        with pytest.raises(Fenced):
            await owner.commit()

    async def test_in_a_journal_that_was_replaced_does_not_either(self, owner):
        owner.writer.end += 10
        with pytest.raises(Fenced, match="another log"):
            await owner.commit()


class TestAnUnknownOutcome:
    """It is raised, and so ends the process: the next owner reads what the journal has."""

    async def test_is_no_ack_in_time(self, owner, producer, monkeypatch):
        monkeypatch.setattr(role, "ACK_TIMEOUT_S", 0.05)
        silence(producer, monkeypatch)
        with pytest.raises(OutcomeUnknown, match="no ack"):
            await owner.commit()

    async def test_is_a_producer_whose_numbers_the_broker_refuses(
        self, owner, producer: AIOKafkaProducer, journal_topic, needs_apache
    ):
        lose_count(producer, journal_topic)
        with pytest.raises(OutcomeUnknown, match="no ack"):
            await owner.commit()

    async def test_is_an_ack_without_an_offset(self, owner, monkeypatch):
        class Repeated:
            offset = -1  # as after DuplicateSequenceNumber

        async def repeated() -> Repeated:
            return Repeated()

        async def send(*_, **__):
            return repeated()

        monkeypatch.setattr(owner.writer._producer, "send", send)
        with pytest.raises(OutcomeUnknown, match="without an offset"):
            await owner.commit()
