"""A worker of a bad release: what its environment says of the handlers of orders is true.

TREASURY_TEST_NEVER_ENDS names an event whose handler never ends; TREASURY_TEST_RAISES_FOR a tenant,
or `*` for all of them, whose handlers raise. python -m tests.e2e.faulty worker
"""

import os
import time
from typing import Any

import msgspec

import agents.services  # noqa: F401  fills the registry
from agents import registry
from agents.registry import Event, Handled, View
from compose.cli import main
from tests.model.hostile import ORDERS


class BadRelease(Exception):
    """What a handler of it raises."""


def faulty(handled: Handled, never_ends: str, raises_for: str) -> Handled:
    """The same, but for these events."""

    def handler(event: Event[Any], view: View) -> Any:
        if raises_for in ("*", event.tenant_id):
            raise BadRelease
        while event.event_id == never_ends:
            time.sleep(0.01)
        return handled.handler(event, view)

    return msgspec.structs.replace(handled, handler=handler)


if __name__ == "__main__":
    faults = (
        os.environ.get("TREASURY_TEST_NEVER_ENDS", ""),
        os.environ.get("TREASURY_TEST_RAISES_FOR", ""),
    )
    for name in ORDERS:
        registry._handled[name] = faulty(registry._handled[name], *faults)
    main()
