"""The types of members that event models share: ids, codes, dates, short texts. Shapes only.

None of them holds a control character. A pattern on each would cost more than all other decoding,
so `refuse_control_characters` looks at the few bodies that could have one.
"""

import re
from typing import Annotated, Any, Final

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""An opaque id of a sister service."""
OptionalId = Annotated[str, msgspec.Meta(max_length=128)]
"""The same, or empty."""
Code = Annotated[str, msgspec.Meta(max_length=12)]
"""A currency or token code, or empty; `exponent_of` knows which there are."""
Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Text = Annotated[str, msgspec.Meta(max_length=200)]
"""A name a person wrote."""
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
"""A date, tenant-local (ISO 8601)."""
Account = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+(:[A-Za-z0-9_. -]+){0,4}$", max_length=160)
]
"""The name of an account."""
Method = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,32}$")]
"""A way to pay."""
Provider = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{0,32}$")]
"""A gateway, or empty."""
Phone = Annotated[str, msgspec.Meta(pattern=r"^(\+?[0-9]{6,15})?$")]
"""A telephone number in international form, or empty."""
Metadata = Annotated[
    dict[
        Annotated[str, msgspec.Meta(min_length=1, max_length=40)],
        Annotated[str, msgspec.Meta(max_length=500)],
    ],
    msgspec.Meta(max_length=50),
]
"""A caller's own words, kept as they are."""

_WORDS: Final = frozenset({Id, OptionalId, Code, Country, Text})
_control = re.compile(r"[\x00-\x1f\x7f]").search


def refuse_control_characters(value: Any) -> None:
    """Raise `msgspec.ValidationError` for a control character in a word of a decoded model."""
    if isinstance(value, list):
        for item in value:
            refuse_control_characters(item)
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            item = getattr(value, field.name)
            if not isinstance(item, str):
                refuse_control_characters(item)
            elif field.type in _WORDS and _control(item):
                raise msgspec.ValidationError(f"a control character - at `$.{field.name}`")
