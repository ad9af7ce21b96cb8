"""Gateway calls as dispatch remembers them: what was asked for under which nonce, and the answer.

requested in the journal → asked (its nonce is here before anybody hears of it) → answered → done.
The first answer stays; nothing here decides whether a call may be sent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg


class CallRow(NamedTuple):
    """A journaled call: `seq` is its record's, `nonce` the one that we ask a grant for."""

    call_id: str
    tenant_id: str
    partition: int
    seq: int
    gateway: str
    operation: str
    request: bytes
    deadline_ms: int
    nonce: str


class Unfinished(NamedTuple):
    """A call that is not done: `asked_ago_s` by the database's clock, `answer` if there is one."""

    row: CallRow
    answer: bytes | None
    asked_ago_s: float


async def insert_calls(connection: asyncpg.Connection, rows: Sequence[CallRow]) -> set[str]:
    """Note calls as asked for and return their ids, without those that were known already.

    A question to the archive may be asked again by a later record; a gateway call may not. No id
    may be twice among the rows.
    """
    if not rows:
        return set()
    added = await connection.fetch(
        """INSERT INTO calls (call_id, tenant_id, partition, seq, gateway, operation, request,
                              deadline_ms, nonce, state)
           SELECT *, 'asked' FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[],
                                         $5::text[], $6::text[], $7::bytea[], $8::bigint[],
                                         $9::text[])
           ON CONFLICT (call_id) DO UPDATE
           SET seq = excluded.seq, request = excluded.request, state = 'asked'
           WHERE calls.gateway = 'archive' AND calls.seq < excluded.seq
           RETURNING call_id""",
        *(list(column) for column in zip(*rows, strict=True)),
    )
    return {row[0] for row in added}


async def unfinished_calls(pool: asyncpg.Pool, partition: int) -> list[Unfinished]:
    """Every call of the partition that is not done, in the order of the journal."""
    rows = await pool.fetch(
        """SELECT call_id, tenant_id, partition, seq, gateway, operation, request, deadline_ms,
                  nonce, answer, extract(epoch FROM clock_timestamp() - updated_at)::float8
           FROM calls WHERE partition = $1 AND state <> 'done' ORDER BY seq, call_id""",
        partition,
    )
    return [Unfinished(CallRow(*row[:9]), row[9], row[10]) for row in rows]


async def store_answer(pool: asyncpg.Pool, call_id: str, answer: bytes) -> bytes:
    """Keep the answer unless there is one already; returns the one that is kept."""
    kept: bytes = await pool.fetchval(
        """UPDATE calls SET answer = coalesce(answer, $2), updated_at = clock_timestamp(),
                  state = CASE state WHEN 'done' THEN 'done' ELSE 'answered' END
           WHERE call_id = $1 RETURNING answer""",
        call_id,
        answer,
    )
    return kept


async def finish_call(pool: asyncpg.Pool, call_id: str, seq: int) -> None:
    """Nothing is left to do for this call as record `seq` asked for it."""
    await pool.execute(
        """UPDATE calls SET state = 'done', updated_at = clock_timestamp()
           WHERE call_id = $1 AND seq = $2""",
        call_id,
        seq,
    )
