"""The owner's integration guide, read: the events it names, its own JSON, and its paths.

integration-guide.txt is the owner's text byte for byte; the tests follow it, not a copy in code.
"""

import json
import re
from pathlib import Path
from typing import Any

TEXT = (Path(__file__).with_name("integration-guide.txt")).read_text()
EXAMPLES = Path(__file__).parents[2] / "agents" / "examples"

_event = re.compile(r"^- `([a-z]+(?:\.[a-z_]+)+)`", re.MULTILINE)
_json = re.compile(r"\*\*([a-z._]+)\*\*\n```json\n(.*?)\n```", re.DOTALL)
_path = re.compile(r"`(?:(GET|POST) )?(/[^`]+)`")


def _under(title: str) -> list[str]:
    """The lists of all places under a bold title such as Events Consumed."""
    blocks = re.findall(rf"\*\*{title}\*\*:\n((?:- .*\n)+)", TEXT)
    return [name for block in blocks for name in _event.findall(block)]


CONSUMED = tuple(dict.fromkeys(_under("Events Consumed")))
"""Every inbound event that the guide names, in its order."""
PUBLISHED = tuple(dict.fromkeys(_under("Events Published")))
"""Every outbound event that the guide names, in its order."""
SHOWN: dict[str, str] = dict(_json.findall(TEXT))
"""The JSON that the guide shows, as it is written, by event type."""
PATHS = tuple(dict.fromkeys(_path.findall(TEXT)))
"""(method or empty, path): every path that the guide names, ours and the providers'."""


def message_of(event_type: str) -> bytes:
    """The event as the guide shows it; where it shows none, the committed example."""
    if event_type in SHOWN:
        return SHOWN[event_type].encode()
    return (EXAMPLES / f"{event_type}.json").read_bytes()


def members_of(event_type: str) -> dict[str, Any]:
    """The members of `data` that the guide shows of an event."""
    data: dict[str, Any] = json.loads(SHOWN[event_type])["data"]
    return data
