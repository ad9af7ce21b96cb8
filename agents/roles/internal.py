"""Events that we say ourselves: grants, results of calls, look-up answers, clock ticks.

They enter by the inbound log like every other fact, signed, under ids derived from what they
say: appending one again makes a duplicate, never a second fact.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.inbound import Signer, Stamp, pack
from streams.timestamps import format_ms
from streams.topics import Topics

ACK_WITHIN_S = 30.0
INTERNAL = Stamp("internal")

_to_json = msgspec.json.Encoder().encode


async def append_internal(
    producer: AIOKafkaProducer,
    signer: Signer,
    topics: Topics,
    partition: int,
    *,
    tenant_id: str,
    event_type: str,
    event_id: str,
    data: Mapping[str, Any],
) -> int:
    """Append one event of our own to `partition`; returns its offset once Kafka has it.

    `data` must say the same, member by member, whenever the id is the same. Raises `Unavailable`
    when the fate of the append is not known: append again, by a new producer.
    """
    envelope = _to_json(
        {
            "event_id": event_id,
            "event_type": event_type,
            "tenant_id": tenant_id,
            "timestamp": format_ms(time.time_ns() // 1_000_000),
            "data": data,
        }
    )
    return await append(producer, signer, topics, partition, stamp=INTERNAL, value=pack([envelope]))


async def append(
    producer: AIOKafkaProducer,
    signer: Signer,
    topics: Topics,
    partition: int,
    *,
    stamp: Stamp,
    value: bytes,
) -> int:
    """Append one signed inbound record; returns its offset. Raises `Unavailable` as above."""
    headers = list(signer.headers(stamp, partition, value))
    try:
        async with asyncio.timeout(ACK_WITHIN_S):
            sent = await producer.send(
                topics.inbound.name, value, partition=partition, headers=headers
            )
            metadata = await sent
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"inbound[{partition}]: no ack ({type(error).__name__})") from error
    if metadata.offset < 0:
        # The broker knew the batch as a repeat but no longer where it stands.
        raise Unavailable(f"inbound[{partition}]: acknowledged without an offset")
    return int(metadata.offset)
