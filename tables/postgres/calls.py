"""Gateway calls as dispatch remembers them: what was asked for under which nonce, what was told,
and the answer.

requested in the journal → asked (its nonce is here before anybody hears of it) → answered → done;
done → asked again when the provider tells otherwise. The first answer stays until then; nothing
here decides whether a call may be sent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg


class CallRow(NamedTuple):
    """A journaled call: `seq` is its record's, `nonce` the one that we ask a grant for.

    `gateways` may take it, in order; none if only `gateway` may. `handle` is the provider's name of
    it, as far as one is known.
    """

    call_id: str
    tenant_id: str
    partition: int
    seq: int
    gateway: str
    operation: str
    request: bytes
    deadline_ms: int
    nonce: str
    gateways: tuple[str, ...] = ()
    handle: str = ""


class Kept(NamedTuple):
    """A call as it is kept: `asked_ago_s` by the database's clock, `answer` if there is one.

    `told` is what the provider told and no answer has taken into account.
    """

    row: CallRow
    answer: bytes | None
    told: bytes | None
    asked_ago_s: float
    is_done: bool


class Report(NamedTuple):
    """What a provider told of a call; one that is no `proof` is a reason to ask."""

    call_id: str
    handle: str
    told: bytes
    proof: bool


_KEPT = """call_id, tenant_id, partition, seq, gateway, operation, request, deadline_ms, nonce,
           gateways, handle, answer, told,
           extract(epoch FROM clock_timestamp() - updated_at)::float8, state = 'done'"""


def _kept(row: asyncpg.Record) -> Kept:
    gateways = tuple(row[9].split(",")) if row[9] else ()
    return Kept(CallRow(*row[:9])._replace(gateways=gateways, handle=row[10]), *row[11:])


async def insert_calls(connection: asyncpg.Connection, rows: Sequence[CallRow]) -> set[str]:
    """Note calls as asked for and return their ids, without those that were known already.

    A question to the archive may be asked again by a later record; a gateway call may not. No id
    may be twice among the rows.
    """
    if not rows:
        return set()
    columns = zip(*((*row[:9], ",".join(row.gateways)) for row in rows), strict=True)
    added = await connection.fetch(
        """INSERT INTO calls (call_id, tenant_id, partition, seq, gateway, operation, request,
                              deadline_ms, nonce, gateways, state)
           SELECT *, 'asked' FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[],
                                         $5::text[], $6::text[], $7::bytea[], $8::bigint[],
                                         $9::text[], $10::text[])
           ON CONFLICT (call_id) DO UPDATE
           SET seq = excluded.seq, request = excluded.request, state = 'asked'
           WHERE calls.gateway = 'archive' AND calls.seq < excluded.seq
           RETURNING call_id""",
        *(list(column) for column in columns),
    )
    return {row[0] for row in added}


async def unfinished_calls(pool: asyncpg.Pool, partition: int) -> list[Kept]:
    """Every call of the partition that is not done, in the order of the journal."""
    rows = await pool.fetch(
        f"""SELECT {_KEPT} FROM calls
            WHERE partition = $1 AND state <> 'done' ORDER BY seq, call_id""",  # noqa: S608
        partition,
    )
    return [_kept(row) for row in rows]


async def note_reports(
    connection: asyncpg.Connection, reports: Sequence[Report]
) -> dict[str, Kept]:
    """Keep what was told of calls, the proofs before all others; the calls, by id."""
    found: dict[str, Kept] = {}
    for report in reports:
        row = await connection.fetchrow(
            f"""UPDATE calls
                SET told = CASE WHEN $3 OR told IS NULL THEN $2 ELSE told END,
                    handle = CASE handle WHEN '' THEN $4 ELSE handle END
                WHERE call_id = $1 RETURNING {_KEPT}""",  # noqa: S608
            *(report.call_id, report.told, report.proof, report.handle),
        )
        if row is not None:
            found[report.call_id] = _kept(row)
    return found


async def choose_gateway(pool: asyncpg.Pool, call_id: str, gateway: str) -> None:
    """The gateway that the grant is asked for: kept before anybody hears of it."""
    await pool.execute("UPDATE calls SET gateway = $2 WHERE call_id = $1", call_id, gateway)


async def keep_handle(pool: asyncpg.Pool, call_id: str, handle: str) -> None:
    """The provider's name of a call, once it has one; the first stays."""
    await pool.execute(
        "UPDATE calls SET handle = $2 WHERE call_id = $1 AND handle = ''", call_id, handle
    )


async def store_answer(
    pool: asyncpg.Pool, call_id: str, answer: bytes, *, told: bytes | None = None
) -> bytes:
    """Keep the answer unless there is one already; returns the one that is kept.

    `told` is what it takes into account.
    """
    kept: bytes = await pool.fetchval(
        """UPDATE calls SET answer = coalesce(answer, $2), updated_at = clock_timestamp(),
                  state = CASE state WHEN 'done' THEN 'done' ELSE 'answered' END,
                  told = CASE WHEN told = $3 THEN NULL ELSE told END
           WHERE call_id = $1 RETURNING answer""",
        call_id,
        answer,
        told,
    )
    return kept


async def finish_call(pool: asyncpg.Pool, call_id: str, seq: int) -> Kept | None:
    """Nothing is left to do for this call as record `seq` asked for it; the call, if it is so.

    What was told since its answer is still to be looked at.
    """
    row = await pool.fetchrow(
        f"""UPDATE calls SET state = 'done', updated_at = clock_timestamp()
            WHERE call_id = $1 AND seq = $2 RETURNING {_KEPT}""",  # noqa: S608
        call_id,
        seq,
    )
    return None if row is None else _kept(row)


async def ask_again(pool: asyncpg.Pool, call_id: str) -> Kept:
    """A call that was over is not: its answer is forgotten, and it is asked about anew."""
    row = await pool.fetchrow(
        f"""UPDATE calls SET state = 'asked', answer = NULL, updated_at = clock_timestamp()
            WHERE call_id = $1 RETURNING {_KEPT}""",  # noqa: S608
        call_id,
    )
    return _kept(row)


async def forget_told(pool: asyncpg.Pool, call_id: str, told: bytes) -> None:
    """What was told changes nothing about the call."""
    await pool.execute(
        "UPDATE calls SET told = NULL WHERE call_id = $1 AND told = $2", call_id, told
    )
