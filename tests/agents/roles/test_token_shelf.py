"""Workers share one token: at Daraja a new one ends the one before it."""

import asyncio

import pytest

from agents.roles.token_shelf import TokenShelf
from connectors.base import NotSent
from connectors.envelope import Keyring
from connectors.http import open_session
from connectors.mpesa.client import STK_QUERY, Client
from connectors.mpesa.config import Config
from connectors.mpesa.fake import FakeDaraja

KEYRING = Keyring(b"k" * 32)


class TestTheShelf:
    async def test_two_workers_use_one_token_and_neither_is_refused(self, database):
        async with FakeDaraja() as fake, open_session() as session:
            config = Config.read(fake.configuration)
            workers = [
                Client(session, config, shelf=TokenShelf(database.archiver, KEYRING))
                for _ in range(2)
            ]
            await asyncio.gather(*(worker.post(STK_QUERY, {}) for worker in workers * 10))
            assert fake.tokens == 1
            assert len(fake.requests) == 20

    async def test_one_that_was_ended_from_outside_is_replaced_once_for_all(self, database):
        async with FakeDaraja() as fake, open_session() as session:
            config = Config.read(fake.configuration)
            workers = [
                Client(session, config, shelf=TokenShelf(database.archiver, KEYRING))
                for _ in range(2)
            ]
            for worker in workers:
                await worker.post(STK_QUERY, {})
            fake.tokens += 1  # somebody else has fetched one
            await asyncio.gather(*(worker.post(STK_QUERY, {}) for worker in workers * 5))
            assert fake.tokens == 3

    async def test_it_lies_there_sealed_and_outlives_a_key_that_is_gone(self, database):
        shelf = TokenShelf(database.archiver, KEYRING)

        async def ask():
            return "a token that nobody sees", 3_600

        token, good_s = await shelf.take("mpesa.app", "", ask)
        assert (token, round(good_s)) == ("a token that nobody sees", 3_540)
        kept = await database.owner.fetchrow("SELECT * FROM provider_tokens")
        assert b"nobody sees" not in kept["box"]

        async def ask_again():
            return "another", 3_600

        other = TokenShelf(database.archiver, Keyring(b"o" * 32))
        assert (await other.take("mpesa.app", "", ask_again))[0] == "another"
        assert (await shelf.take("mpesa.app", "", ask))[0] == "a token that nobody sees"

    async def test_what_cannot_be_had_leaves_the_one_that_is_there(self, database):
        shelf = TokenShelf(database.archiver, KEYRING)

        async def ask():
            return "good", 3_600

        async def fails():
            raise NotSent("no token: timeout")

        await shelf.take("mpesa.app", "", ask)
        with pytest.raises(NotSent):
            await shelf.take("mpesa.app", "good", fails)
        assert (await shelf.take("mpesa.app", "", fails))[0] == "good"

    async def test_while_postgres_is_away_nothing_was_sent(self, database):
        shelf = TokenShelf(database.archiver, KEYRING)
        await database.archiver.close()

        async def ask():
            raise AssertionError("nobody asks")

        with pytest.raises(NotSent, match="no token"):
            await shelf.take("mpesa.app", "", ask)
