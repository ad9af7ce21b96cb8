"""Instants as integer milliseconds since 1970 in UTC, and the calendar day they fall on.

Text without an offset is no instant and is refused. No clock is read here, and time zones come
from the installed tzdata package alone, because a day decides which period a posting falls in.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MAX_MS: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND - 1
_MS_OF_SECONDS: Final = {f"{second:02d}Z": second * 1000 for second in range(60)}
_TEXT_OF_SECONDS: Final = [f"{second:02d}" for second in range(60)]
_to_the_minute = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:"
).fullmatch
_to_the_millisecond = re.compile(r"\.[0-9]{3}").fullmatch
_from_the_second = re.compile(
    r"([0-5][0-9]|60)(?:\.([0-9]{1,9}))?(?:([Zz])|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?"
).fullmatch


class BadTimestamp(ValueError):
    """Text that is no instant we take; `reason` is a stable code.

    not_rfc3339, without_offset, no_such_day, not_a_leap_second, out_of_bounds.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownTimeZone(LookupError):
    """A name that is not in the IANA time zone database."""


def parse_ms(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 timestamp. Raises BadTimestamp.

    The year as written is 1970 to 2200. Up to nine decimals are taken and cut to milliseconds.
    A leap second, which only the last minute of a UTC month can have, is read as the last
    millisecond of that minute: it stays on the day it was reported for.
    """
    seconds_ms = _MS_OF_SECONDS.get(text[17:])
    if seconds_ms is not None:
        return _minute_ms(text[:17]) + seconds_ms
    seconds_ms = _MS_OF_SECONDS.get(text[17:19] + text[23:])
    if seconds_ms is not None and _to_the_millisecond(text[19:23]):
        return _minute_ms(text[:17]) + seconds_ms + int(text[20:23])
    return _parse_any(text)


@lru_cache(maxsize=4096)
def _minute_ms(text: str) -> int:
    if _to_the_minute(text) is None:
        raise BadTimestamp("not_rfc3339")
    if not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        raise BadTimestamp("out_of_bounds")
    try:
        minute = datetime.fromisoformat(text[:16] + "+00:00")
    except ValueError:
        raise BadTimestamp("no_such_day") from None
    return (minute - _EPOCH) // _MILLISECOND


def _parse_any(text: str) -> int:
    minute_ms = _minute_ms(text[:17])
    match = _from_the_second(text[17:])
    if match is None:
        raise BadTimestamp("not_rfc3339")
    seconds, fraction, zulu, sign, hours, minutes = match.groups()
    if sign:
        offset_ms = (int(hours) * 60 + int(minutes)) * 60_000
        minute_ms += offset_ms if sign == "-" else -offset_ms
    elif not zulu:
        raise BadTimestamp("without_offset")
    ms = int(fraction[:3].ljust(3, "0")) if fraction else 0
    if seconds == "60":
        if not _may_have_leap_second(minute_ms):
            raise BadTimestamp("not_a_leap_second")
        return minute_ms + 59_999
    ms += minute_ms + int(seconds) * 1000
    if not 0 <= ms <= _MAX_MS:
        raise BadTimestamp("out_of_bounds")
    return ms


def _may_have_leap_second(minute_ms: int) -> bool:
    if not 0 <= minute_ms <= _MAX_MS:
        return False
    after = _EPOCH + timedelta(milliseconds=minute_ms + 60_000)
    return (after.day, after.hour, after.minute) == (1, 0, 0)


@lru_cache(maxsize=1024)
def format_ms(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds unless they are zero: `2024-12-05T10:30:00Z`."""
    seconds, rest_ms = divmod(ms, 1000)
    minute, second = divmod(seconds, 60)
    if rest_ms:
        return f"{_minute_text(minute)}{_TEXT_OF_SECONDS[second]}.{rest_ms:03d}Z"
    return f"{_minute_text(minute)}{_TEXT_OF_SECONDS[second]}Z"


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:")


def local_date(ms: int, tz_name: str) -> date:
    """The calendar day of the instant in a time zone such as `Africa/Nairobi`.

    Raises UnknownTimeZone.
    """
    # Offsets change on whole seconds, so every instant of a second is on one day.
    return _day_of_second(ms // 1000, tz_name)


_days: dict[str, tuple[int, int, str]] = {}


def local_day(ms: int, tz_name: str) -> str:
    """As `local_date`, as ISO text, and quick for an instant of the day that was asked for last.

    Raises UnknownTimeZone.
    """
    known = _days.get(tz_name)
    if known is not None and known[0] <= ms < known[1]:
        return known[2]
    day = local_date(ms, tz_name)
    text = day.isoformat()
    _days[tz_name] = (instant_of(day, tz_name), instant_of(day + timedelta(days=1), tz_name), text)
    return text


@lru_cache(maxsize=8192)
def instant_of(day: date, tz_name: str, minutes: int = 0) -> int:
    """Milliseconds since 1970 of the moment so many minutes after a day begins in a time zone.

    A day that begins with a gap (clocks go forward at midnight) begins where the gap ends. Raises
    UnknownTimeZone.
    """
    zone = _zone(tz_name)
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    begins = midnight.astimezone(UTC)
    if begins.astimezone(zone).replace(tzinfo=None) != midnight.replace(tzinfo=None):
        # In a gap the offset from before it is used, which is as long after its end as midnight
        # lies in it: step back to the end of the gap.
        begins = _first_of_day(day, begins, zone)
    return (begins - _EPOCH) // _MILLISECOND + minutes * 60_000


def _first_of_day(day: date, begins: datetime, zone: ZoneInfo) -> datetime:
    while (begins - timedelta(minutes=1)).astimezone(zone).date() >= day:
        begins -= timedelta(minutes=1)
    while begins.astimezone(zone).date() < day:
        begins += timedelta(minutes=1)
    return begins


@lru_cache(maxsize=1024)
def next_day(text: str) -> str:
    """The day after one like 2026-01-31."""
    return (date.fromisoformat(text) + timedelta(days=1)).isoformat()


def months_later(day: str, months: int) -> str:
    """The same day so many months later; the last day of a month that has no such day (ISO)."""
    first = date.fromisoformat(day)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(first.day, last)).isoformat()


def parse_day(text: str) -> date:
    """A day like 2026-01-31, of the years 1970 to 2200: what is reckoned from it is a day as well.

    Raises BadTimestamp for one that no calendar has, or of another year.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadTimestamp("no_such_day") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadTimestamp("out_of_bounds")
    return day


@lru_cache(maxsize=8192)
def _day_of_second(second: int, tz_name: str) -> date:
    return datetime.fromtimestamp(second, _zone(tz_name)).date()


@cache
def _zone_names() -> frozenset[str]:
    return frozenset((resources.files("tzdata") / "zones").read_text("ascii").split())


@cache
def _zone(name: str) -> ZoneInfo:
    # Checked against the list first: a name from outside never becomes a path by itself.
    if name not in _zone_names():
        raise UnknownTimeZone(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
