"""The peer: what a plain, well-tuned Faust application does with the same events.

Per event: deduplicate by event id in a table, change two balances in a table, send one outbound
event. Nothing else: no journal, no tax, no invoice, no archive, no proof; at-least-once as Faust
has it.

Tuned in good faith, each of these measured to be the quicker way on this load:

- values stay raw bytes and msgspec decodes them in the loop: Faust's own JSON codec is slower;
- keys and values of the tables are raw bytes as well, so that no codec runs on a changelog record;
- the outbound event is handed to the producer and its ack is not awaited;
- a linger of 100 ms and large batches: half of the cost was producing small requests;
- logging below warnings is off, else Faust makes records of debug lines that nobody sees;
- uvloop and the Cython stream; acks=all, as everybody here;
- `stream_buffer_maxsize` and RocksDB at Faust's defaults: others made no difference;
- no standbys, commits every second, web pages off.
"""

import logging
import os
from collections.abc import Mapping
from typing import Any

import faust
import msgspec
import uvloop

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError)
decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


def create_app(environment: Mapping[str, str]) -> faust.App:
    """An application without agents. BENCH_GROUP names it, its changelogs and its group."""
    return faust.App(
        environment["BENCH_GROUP"],
        broker=f"kafka://{environment['BENCH_KAFKA']}",
        datadir=environment["BENCH_DATA"],
        store="rocksdb://",
        topic_partitions=int(environment["BENCH_PARTITIONS"]),
        table_standby_replicas=0,
        web_enabled=False,
        broker_commit_interval=1.0,
        producer_linger=0.1,
        producer_max_batch_size=512 * 1024,
        producer_acks=-1,
        consumer_max_fetch_size=8 * 1024 * 1024,
    )


def raw_table(app: faust.App, name: str) -> Any:
    """A table of bytes by bytes."""
    return app.Table(name, key_type=bytes, value_type=bytes)


def raw_topic(app: faust.App, name: str) -> Any:
    """A topic of bytes by bytes."""
    return app.topic(
        name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )


def read(raw: bytes) -> tuple[str, str, int] | None:
    """(tenant, event id, amount in cents) of an event; None for poison."""
    try:
        event = decode(raw)
        amount = event["data"].get("total_amount", 0)
        return event["tenant_id"], event["event_id"], round(amount * 100)
    except (*DECODE_ERRORS, KeyError, TypeError, AttributeError):
        return None


def outbound(tenant: str, event_id: str, amount: int) -> bytes:
    """The event that tells others."""
    return encode({"event_id": event_id, "tenant_id": tenant, "amount": amount})


def run(app: faust.App) -> None:
    """Run one worker until SIGTERM."""
    uvloop.install()
    logging.disable(logging.INFO)
    faust.Worker(app, loglevel="WARN").execute_from_commandline()


def main() -> None:
    """Consume BENCH_INPUT, send to BENCH_OUTPUT."""
    app = create_app(os.environ)
    seen, balances = raw_table(app, "seen"), raw_table(app, "balances")
    incoming = raw_topic(app, os.environ["BENCH_INPUT"])
    outgoing = raw_topic(app, os.environ["BENCH_OUTPUT"])

    def add(key: str, amount: int) -> None:
        name = key.encode()
        balances[name] = b"%d" % (int(balances.get(name) or 0) + amount)

    async def post(stream: Any) -> None:
        async for raw in stream:
            found = read(raw)
            if found is None:
                continue
            tenant, event_id, amount = found
            name = f"{tenant}\x00{event_id}".encode()
            if name in seen:
                continue
            seen[name] = b"1"
            add(f"{tenant}\x00receivable", amount)
            add(f"{tenant}\x00revenue", -amount)
            await outgoing.send(key=tenant.encode(), value=outbound(tenant, event_id, amount))

    app.agent(incoming, name="post")(post)
    run(app)


if __name__ == "__main__":
    main()
