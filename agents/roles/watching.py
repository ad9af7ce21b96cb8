"""Who waits for rows of a tenant to change: told once the change is committed.

A record's keys are sorted by tenant once, however many wait; nothing is done while nobody does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tables.row import SEPARATOR

_END = SEPARATOR.encode()


class Watch:
    """Keys that changed since they were last taken; `over` once the rows went elsewhere."""

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.over = False
        self._keys: set[bytes] = set()
        self._news = asyncio.Event()

    def tell(self, keys: Collection[bytes]) -> None:
        """These rows of the tenant have changed."""
        mine = [key for key in keys if key.startswith(self.prefix)]
        if mine:
            self._keys.update(mine)
            self._news.set()

    def end(self) -> None:
        """There will be no more news."""
        self.over = True
        self._news.set()

    async def changed(self, timeout_s: float) -> set[bytes]:
        """The keys that changed, as soon as there are some; none after the timeout, or if over."""
        try:
            await asyncio.wait_for(self._news.wait(), timeout_s)
        except TimeoutError:
            return set()
        self._news.clear()
        keys, self._keys = self._keys, set()
        return keys


class Watching:
    """The watches of one partition, by kind of row and tenant."""

    def __init__(self) -> None:
        self._watches: defaultdict[bytes, set[Watch]] = defaultdict(set)

    @property
    def any(self) -> bool:
        """Whether anybody waits."""
        return bool(self._watches)

    @contextmanager
    def watch(self, prefix: bytes) -> Iterator[Watch]:
        """A watch over rows of one kind and tenant, which `prefix` begins with."""
        watch, head = Watch(prefix), _head(prefix)
        self._watches[head].add(watch)
        try:
            yield watch
        finally:
            self._watches[head].discard(watch)
            if not self._watches[head]:
                del self._watches[head]

    def tell(self, keys: Collection[bytes]) -> None:
        """Rows under these keys have changed, and it is committed."""
        by_head: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for key in keys:
            by_head[_head(key)].append(key)
        for head, watches in self._watches.items():
            found = by_head.get(head)
            if found:
                for watch in watches:
                    watch.tell(found)

    def end(self) -> None:
        """The rows go elsewhere, or may have."""
        for watches in self._watches.values():
            for watch in watches:
                watch.end()


def _head(key: bytes) -> bytes:
    """Kind and tenant of a key, with the separator after each."""
    kind, _, rest = key.partition(_END)
    tenant = rest.partition(_END)[0]
    return kind + _END + tenant + _END
