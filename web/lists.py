"""What all lists share: query parameters, pages, cursors, the database read for one tenant."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import asyncpg
import msgspec
from aiohttp import web

from streams.partitioner import partition_of
from streams.timestamps import parse_ms
from tables.postgres.lists import EntryKey, microseconds_of, moment
from tables.postgres.lookups import projected_seq
from tables.postgres.pool import tenant_transaction
from web.answers import columns_of
from web.call import Call
from web.cursors import Cursors
from web.problems import Problem, unavailable
from web.tables import csv_response

LIMIT_DEFAULT, LIMIT_MAX = 25, 100
OF_LISTS = ("limit", "cursor", "format", "min_position")
"""What every list takes beside its filters."""
FRESH_POLL_S = 0.03
FILTER_CHARS_MAX = 256
POSITION_CHARS_MAX = 30
_AWAY = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@dataclass(frozen=True)
class Page:
    """Which rows of a list are wanted: at most `limit`, behind the sort key `after`."""

    filters: Mapping[str, str]
    limit: int
    after: list[int | str] | None
    place: str
    format: str = "json"

    @property
    def time_and_id(self) -> tuple[int, str] | None:
        """The sort key (µs, id) to continue behind."""
        return None if self.after is None else (int(self.after[0]), str(self.after[1]))

    @property
    def behind(self) -> tuple[datetime, str] | None:
        """The same with its moment."""
        key = self.time_and_id
        return None if key is None else (moment(key[0]), key[1])

    @property
    def entry_key(self) -> EntryKey | None:
        """The sort key (partition, seq, ordinal) to continue behind."""
        if self.after is None:
            return None
        partition, seq, ordinal = map(int, self.after)
        return partition, seq, ordinal

    def text(self, name: str) -> str:
        """A filter's text, or empty."""
        return self.filters.get(name, "")

    def flag(self, name: str) -> bool:
        """A filter that is `true`, or not there. Raises `Problem` 400."""
        text = self.filters.get(name)
        if text not in {None, "true"}:
            raise bad_parameter(name, "true, or not there")
        return text is not None

    def moment(self, name: str, *, end: bool = False) -> datetime | None:
        """A filter as a moment: RFC 3339, or a date (UTC), at whose `end` it is midnight."""
        text = self.filters.get(name)
        return None if text is None else moment_of(name, text, end=end)

    def day(self, name: str) -> str:
        """A filter as an ISO date, or empty."""
        text = self.filters.get(name, "")
        return _day(name, text).isoformat() if text else ""


def read_page(call: Call) -> Page:
    """The query of a list. Raises `Problem` 400: a filter misspelt must not show everything."""
    given = parameters(call)
    filters = {name: given[name] for name in call.route.filters if name in given}
    parts = [call.tenant_id, call.route.name, *(f"{k}={v}" for k, v in sorted(filters.items()))]
    place = msgspec.json.encode(parts).decode()
    limit = given.get("limit", str(LIMIT_DEFAULT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:4]) <= LIMIT_MAX):
        raise bad_parameter("limit", f"a number from 1 to {LIMIT_MAX}")
    after = None
    if "cursor" in given:
        after = cursors_of(call).read(place, given["cursor"])
    return Page(filters, int(limit), after, place, format_of(given))


def parameters(call: Call) -> dict[str, str]:
    """The query's parameters, each known to the route and given once. Raises `Problem` 400."""
    known = {*call.route.filters, *(OF_LISTS if call.route.paged else ())}
    given: dict[str, str] = {}
    for name, value in call.request.query.items():
        if name not in known:
            raise Problem(400, "unknown-parameter", f"Known here: {', '.join(sorted(known))}.")
        if name in given:
            raise bad_parameter(name, "given once")
        if not value.isprintable() or (len(value) > FILTER_CHARS_MAX and name != "cursor"):
            raise bad_parameter(name, "printable and short")
        given[name] = value
    return given


def format_of(given: Mapping[str, str]) -> str:
    """What is asked for: json or csv. Raises `Problem` 400."""
    wanted = given.get("format", "json")
    if wanted not in {"json", "csv"}:
        raise bad_parameter("format", "json or csv")
    return wanted


def position_of(text: str) -> tuple[int, int]:
    """(partition, seq) of a position as `Treasury-Position` tells it. Raises `Problem` 400."""
    partition, dot, seq = text.partition(".")
    if not (dot and all(part.isascii() and part.isdigit() for part in (partition, seq))):
        raise bad_parameter("min_position", "a position as Treasury-Position tells it, like 3.1024")
    if len(text) > POSITION_CHARS_MAX:
        raise bad_parameter("min_position", "a position that can be")
    return int(partition), int(seq)


def bad_parameter(name: str, wanted: str) -> Problem:
    """400 for a query parameter that is not what it must be."""
    return Problem(400, "bad-parameter", f"The query parameter {name} must be {wanted}.")


def cursors_of(call: Call) -> Cursors:
    """The cursors of this cluster."""
    return Cursors(call.context.settings.cursor_key)


def page_response(
    call: Call, page: Page, shown: Sequence[Any], last: Sequence[int | str] | None
) -> web.Response:
    """A page of rows, in JSON or as a table; `last` is the last one's sort key if more follow."""
    cursor = None if last is None else cursors_of(call).write(page.place, last)
    headers = {}
    if cursor is not None:
        kept = {"format": page.format} if page.format != "json" else {}
        query = urlencode({**page.filters, **kept, "limit": page.limit, "cursor": cursor})
        headers["Link"] = f'<{call.request.rel_url.raw_path}?{query}>; rel="next"'
    if page.format == "csv":
        return csv_response(columns_of(call.route), shown, headers)
    body = {"data": shown, "has_more": cursor is not None, "next_cursor": cursor}
    return json_response(body, headers=headers)


def keyset_response(
    call: Call,
    page: Page,
    rows: Sequence[asyncpg.Record],
    key: tuple[str, str],
    show: Callable[[asyncpg.Record], Any],
) -> web.Response:
    """A page of rows in the order of `key`, their columns of time and id.

    One row more than asked for says that more follow.
    """
    some = rows[: page.limit]
    at, row_id = key
    last = None
    if len(rows) > page.limit:
        last = [microseconds_of(some[-1][at]), some[-1][row_id]]
    return page_response(call, page, [show(row) for row in some], last)


def json_response(
    body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON response; members are plain values and `msgspec.Raw`, never floats."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers=headers,
    )


@asynccontextmanager
async def reading(call: Call) -> AsyncIterator[asyncpg.Connection]:
    """The read models as this tenant sees them, not before `min_position` if that is given.

    Raises `Problem` 503 when Postgres is away.
    """
    try:
        await _until_fresh(call)
        async with tenant_transaction(call.context.pool, call.tenant_id, readonly=True) as found:
            yield found
    except (*_AWAY, asyncpg.PostgresError) as error:
        if isinstance(error, asyncpg.DataError | asyncpg.SyntaxOrAccessError):
            raise
        raise unavailable("lists-unavailable", "Lists cannot be read now.") from error


async def _until_fresh(call: Call) -> None:
    """Wait until the read models hold what the caller has seen; a read's deadline ends it."""
    text = call.request.query.get("min_position")
    if text is None:
        return
    partition, seq = position_of(text)
    if partition != partition_of(call.tenant_id, call.context.desk.partitions):
        raise bad_parameter("min_position", "a position of this tenant")
    while await projected_seq(call.context.pool, partition) < seq:  # noqa: ASYNC110  no signal
        await asyncio.sleep(FRESH_POLL_S)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise bad_parameter(name, "a date like 2026-01-31") from None


def moment_of(name: str, text: str, *, end: bool = False) -> datetime:
    """A parameter as a moment: RFC 3339, or a date (UTC), at whose `end` it is midnight.

    Raises `Problem` 400.
    """
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        return moment(parse_ms(text) * 1000)
    except (ValueError, OverflowError):
        raise bad_parameter(name, "a date, or a moment like 2026-01-31T08:00:00Z") from None
