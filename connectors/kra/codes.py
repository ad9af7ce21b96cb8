"""What eTIMS means by its result codes (OSCU specification, "Result Code").

A code that nobody here knows is no answer: the document is declared again until there is one.
"""

from collections.abc import Mapping
from typing import Literal

Meaning = Literal[
    "done", "recorded", "rejected", "not_now", "not_configured", "busy", "unclear", "unknown"
]
"""`rejected`: this document, and each time it is sent. `not_now`: it was not taken, this time."""

_MEANINGS: Mapping[str, Meaning] = {
    "000": "done",
    "921": "recorded",  # already declared
    "994": "recorded",  # duplicate
    "910": "rejected",  # a parameter
    "913": "rejected",  # the value of a code; seen, not documented
    "891": "not_now",
    "892": "not_now",
    "893": "not_now",
    "894": "unclear",  # between the control unit and KRA
    "895": "not_now",
    "896": "unclear",  # a status that the control unit did not expect
    "899": "unclear",  # seen for a document that was recorded already
    "900": "not_configured",  # header
    "901": "not_configured",  # device unknown
    "902": "not_configured",  # device installed
    "903": "not_configured",  # device of another type
    "905": "not_configured",  # device of another type
    "911": "not_now",
    "912": "not_now",
    "922": "not_now",  # another number is the next one
    "990": "busy",
    "991": "not_now",
    "992": "not_now",
    "993": "not_now",
    "995": "not_now",
    "999": "unclear",
}
EMPTY = "001"
"""No rows: a list without any, and no error."""
OF_DEVICES: Mapping[str, str] = {
    "901": "device_unknown",
    "902": "device_already_installed",
    "903": "device_of_another_kind",
    "905": "device_of_another_kind",
}
"""Why a device is not given a key."""


def meaning_of(code: str) -> Meaning:
    """What a result code says of a request."""
    return _MEANINGS.get(code, "unknown")
