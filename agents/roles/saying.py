"""Say something to a partition and hear from the archive what became of it.

What was said and not heard again is repeated: under the same id it is a duplicate, and a log that
lost it (a restored cluster) hears it after all.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from agents.roles.inlet import Inlet
from streams.journal import Entry

REPEAT_S, REPEAT_LONGEST_S = 60.0, 3_600.0


class Saying:
    """Internal events on their way; `hear` must be called with every entry of the archive."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._awaited: dict[str, asyncio.Future[Entry]] = {}

    def hear(self, entry: Entry) -> None:
        """An archived entry: wakes whoever said its event."""
        awaited = self._awaited.get(entry.event_id)
        if awaited is not None and not awaited.done() and entry.ingress == "internal":
            awaited.set_result(entry)

    async def say(
        self,
        partition: int,
        *,
        tenant_id: str,
        event_type: str,
        event_id: str,
        data: Mapping[str, Any],
        appended: Callable[[], None] = lambda: None,
    ) -> Entry:
        """Append the event and return its entry, however long both take.

        `appended` is called when the log has the event for the first time.
        """
        heard: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._awaited[event_id] = heard
        wait_s = REPEAT_S
        try:
            while True:
                await self._inlet.say(
                    partition,
                    tenant_id=tenant_id,
                    event_type=event_type,
                    event_id=event_id,
                    data=data,
                )
                appended()
                await asyncio.wait([heard], timeout=wait_s)
                if heard.done():
                    return heard.result()
                wait_s = min(2 * wait_s, REPEAT_LONGEST_S)
        finally:
            if self._awaited.get(event_id) is heard:
                del self._awaited[event_id]
