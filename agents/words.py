"""The types of members that event models share: ids, codes, dates, short texts. Shapes only."""

from typing import Annotated

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""An opaque id of a sister service."""
OptionalId = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""The same, or empty."""
Code = Annotated[str, msgspec.Meta(max_length=12, pattern=r"^[A-Z0-9]*$")]
"""A currency or token code, or empty."""
Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A name a person wrote."""
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
"""A date, tenant-local (ISO 8601)."""
