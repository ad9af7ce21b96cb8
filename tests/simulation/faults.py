"""What can go wrong in the simulated world, at moments that the dice choose."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.simulation.shelf import Shelf
from tests.simulation.worker import TOPICS, Worker

PAUSE_S = (0.5, 4.0)
RESTART_S = (0.1, 2.0)
MISSED_AFTER_S = (0.5, 5.0)
SLEEP_S = (0.0, 20.0)
STRAY_KEY = b"zz\x00~\x00gone"


class Keeper:
    """Sees that there is always one worker that may decide; the others may not know it yet."""

    def __init__(self, new_worker: Callable[[str, Shelf], Worker], dice: random.Random) -> None:
        self._new_worker, self._dice = new_worker, dice
        self._shelves = [Shelf(), Shelf()]
        self._used: dict[int, Worker] = {}  # by shelf: the last worker on it
        self._generation = 0
        self._missed = asyncio.Event()
        self.current: Worker | None = None

    async def keep(self) -> None:
        """Start the next one whenever the last is over or missed, for ever."""
        while True:
            self._missed.clear()
            self._generation += 1
            self.current = worker = self._begin()
            await _either(worker.over, self._missed)
            if not self._missed.is_set():
                await asyncio.sleep(self._dice.uniform(*RESTART_S))

    def _begin(self) -> Worker:
        number = self._dice.randrange(len(self._shelves))
        user = self._used.get(number)
        if user is not None and not user.over.is_set():
            number = 1 - number  # its folder is locked by the process that hangs
            user = self._used.get(number)
            if user is not None and not user.over.is_set():
                user.kill()
        worker = self._new_worker(f"worker {self._generation}", self._shelves[number])
        self._used[number] = worker
        worker.start(self._generation)
        return worker

    @property
    def alone(self) -> bool:
        """Whether all workers but the present one are over."""
        users = [user for user in self._used.values() if user is not self.current]
        return all(user.over.is_set() for user in users)

    # -- faults -------------------------------------------------------------------------------

    async def kill(self) -> None:
        """The worker dies."""
        assert self.current is not None
        self.current.kill()

    async def hang(self) -> None:
        """The worker falls asleep, is replaced, and wakes when it is nobody any more."""
        worker, dice = self.current, self._dice
        assert worker is not None
        worker.link.hang()
        await asyncio.sleep(dice.uniform(*MISSED_AFTER_S))
        self._missed.set()
        await asyncio.sleep(dice.uniform(*SLEEP_S))
        worker.link.wake()

    async def lose_a_folder(self) -> None:
        """The worker dies, and its machine with it."""
        assert self.current is not None
        self.current.kill()
        self.forget_folders()

    def forget_folders(self) -> None:
        """Who starts next has nothing on its own disk."""
        for number, user in self._used.items():
            if user.over.is_set():
                self._shelves[number].wipe()

    async def lose_the_changelog(self) -> None:
        """Somebody deletes the topic, and makes it again."""
        assert self.current is not None
        self.current.link.broker.recreate(TOPICS.changelog.name)

    async def stray_row(self) -> None:
        """As compaction may leave it: a deleted row in the older version of a late writer."""
        assert self.current is not None
        value = (1).to_bytes(8, "big") + b"\x01\x90"
        self.current.link.broker.append(TOPICS.changelog.name, STRAY_KEY, value)

    def menu(self, *, harm_changelog: bool) -> list[Callable[[], Awaitable[None]]]:
        """The faults of one world."""
        harm = [self.lose_the_changelog, self.stray_row] if harm_changelog else []
        return [self.kill, self.kill, self.hang, self.hang, self.lose_a_folder, *harm]


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
