"""A worker with a fault: the handler of the event that TREASURY_TEST_NEVER_ENDS names never ends.

python -m tests.e2e.never_ending worker
"""

import os
import time
from typing import Any

import msgspec

import agents.services  # noqa: F401  fills the registry
from agents import registry
from agents.registry import Event, Handled, View
from compose.cli import main


def never_ending(handled: Handled, event_id: str) -> Handled:
    """The same, but for this event."""

    def computes_for_ever(event: Event[Any], view: View) -> Any:
        while event.event_id == event_id:
            time.sleep(0.01)
        return handled.handler(event, view)

    return msgspec.structs.replace(handled, handler=computes_for_ever)


if __name__ == "__main__":
    for name, handled in list(registry._handled.items()):
        registry._handled[name] = never_ending(handled, os.environ["TREASURY_TEST_NEVER_ENDS"])
    main()
