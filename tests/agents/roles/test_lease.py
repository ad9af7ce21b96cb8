import asyncio
from asyncio import CancelledError

import pytest

from agents.roles.lease import Lease, Owner, Progress, run_leased
from streams.errors import Fenced, JournalBroken, Unavailable
from streams.journal import Position


def lease(database, owner: str, **settings) -> Lease:
    return Lease(database.archiver, "archive", 3, Owner(owner), **settings)


async def run_out(database) -> None:
    await database.owner.execute("UPDATE progress SET lease_until = now() - interval '1 s'")


async def advance(lease: Lease, database, old: int, new: int, **settings) -> None:
    async with database.archiver.acquire() as connection, connection.transaction():
        await lease.advance(connection, old, new, **settings)


class TestLease:
    async def test_only_one_worker_gets_it(self, database):
        taken = await asyncio.gather(*(lease(database, f"w{n}").acquire() for n in range(8)))
        assert [progress for progress in taken if progress] == [Progress(-1, -1, Position(0, 0))]

    async def test_roles_and_partitions_are_apart(self, database):
        assert await lease(database, "a").acquire()
        assert await Lease(database.archiver, "archive", 4, Owner("b")).acquire()
        assert await Lease(database.archiver, "relay", 3, Owner("b")).acquire()

    async def test_a_restarted_worker_of_the_same_name_is_another(self, database):
        assert await lease(database, "a").acquire()
        assert await lease(database, "a").acquire() is None

    async def test_passes_on_when_it_ran_out_or_was_released(self, database):
        first, second, third = (lease(database, name) for name in "abc")
        await first.acquire()
        await run_out(database)
        assert await second.acquire()
        with pytest.raises(Fenced):
            await first.renew()
        assert not first.held
        await second.release()
        assert await third.acquire()

    async def test_who_is_not_near_takes_only_what_was_free_for_a_while(self, database):
        far = Lease(database.archiver, "archive", 3, Owner("far", lambda _partition: False))
        assert await far.acquire() is None
        first = lease(database, "a")
        assert await first.acquire()
        await run_out(database)
        assert await far.acquire() is None
        await first.release()
        assert await far.acquire() is None
        await database.owner.execute("UPDATE progress SET lease_until = now() - interval '1 m'")
        assert await far.acquire()
        assert await first.acquire() is None

    async def test_progress_is_where_the_last_owner_left_it(self, database):
        first = lease(database, "a")
        await first.acquire()
        await advance(first, database, -1, 7, journal_offset=9, next_position=Position(1, 20, 3))
        await first.release()
        assert await lease(database, "b").acquire() == Progress(7, 9, Position(1, 20, 3))

    async def test_a_worker_that_lost_it_cannot_advance(self, database):
        first, second = lease(database, "a"), lease(database, "b")
        await first.acquire()
        await run_out(database)
        await second.acquire()
        with pytest.raises(Fenced):
            await advance(first, database, -1, 0)
        await advance(second, database, -1, 0)

    async def test_advances_from_where_it_is_only(self, database):
        holder = lease(database, "a")
        await holder.acquire()
        await advance(holder, database, -1, 4)
        with pytest.raises(Fenced):
            await advance(holder, database, -1, 4)

    async def test_an_advance_that_is_rolled_back_did_not_happen(self, database):
        holder = lease(database, "a")
        await holder.acquire()
        async with database.archiver.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await holder.advance(connection, -1, 4)
            await transaction.rollback()
        await advance(holder, database, -1, 1)


class TestRunLeased:
    async def test_another_worker_goes_on_when_the_first_is_cancelled(self, database):
        began = [asyncio.Event(), asyncio.Event()]

        async def work(event: asyncio.Event) -> None:
            event.set()
            await asyncio.Event().wait()

        runs = [
            asyncio.create_task(
                run_leased(lease(database, str(n), ttl_s=0.5), lambda _p, n=n: work(began[n]))
            )
            for n in range(2)
        ]
        await asyncio.wait(
            [asyncio.ensure_future(event.wait()) for event in began], return_when="FIRST_COMPLETED"
        )
        winner = 0 if began[0].is_set() else 1
        await asyncio.sleep(1.5)  # three times to live: renewals keep the other one out
        assert not began[1 - winner].is_set()
        runs[winner].cancel()
        await asyncio.wait_for(began[1 - winner].wait(), 30)
        runs[1 - winner].cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    async def test_work_is_stopped_when_the_lease_is_lost(self, database):
        began, stopped = asyncio.Event(), asyncio.Event()

        async def work(_progress: Progress) -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        run = asyncio.create_task(run_leased(lease(database, "a", ttl_s=1.0), work))
        await began.wait()
        await database.owner.execute("UPDATE progress SET lease_owner = 'thief'")
        await asyncio.wait_for(stopped.wait(), 30)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    async def test_passes_to_who_is_near_now(self, database):
        where, began = ["a"], asyncio.Queue[str]()

        async def work(name: str) -> None:
            began.put_nowait(name)
            await asyncio.Event().wait()

        def run(name: str) -> asyncio.Task:
            owner = Owner(name, lambda _partition: where == [name])
            held = Lease(database.archiver, "archive", 3, owner, ttl_s=0.6)
            return asyncio.create_task(run_leased(held, lambda _progress: work(name)))

        runs = [run("b"), run("a")]
        assert await asyncio.wait_for(began.get(), 30) == "a"
        where[0] = "b"
        assert await asyncio.wait_for(began.get(), 30) == "b"
        for each in runs:
            each.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    async def test_an_outage_starts_the_work_again_from_the_stored_progress(self, database):
        seen: list[int] = []
        holder = lease(database, "a")

        async def work(progress: Progress) -> None:
            seen.append(progress.seq)
            if len(seen) == 5:
                raise JournalBroken("enough")
            await advance(holder, database, progress.seq, progress.seq + 1)
            raise [Unavailable(), ConnectionResetError(), TimeoutError(), CancelledError()][
                len(seen) - 1
            ]

        with pytest.raises(JournalBroken):
            await run_leased(holder, work)
        assert seen == [-1, 0, 1, 2, 3]

    async def test_a_fault_of_ours_is_raised_and_the_lease_released(self, database):
        async def work(_progress: Progress) -> None:
            raise KeyError("bug")

        with pytest.raises(KeyError):
            await run_leased(lease(database, "a"), work)
        assert await lease(database, "b").acquire()
