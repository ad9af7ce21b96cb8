"""Producers that are broken in the ways they break in production."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition


def lose_count(producer: AIOKafkaProducer, topic: str, partition: int = 0) -> None:
    """From now on the broker refuses this idempotent producer: its numbers skip some."""
    producer._txn_manager.increment_sequence_number(TopicPartition(topic, partition), 5)


def silence(producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """It takes records, and nothing is ever heard of them; returns what it took and takes."""
    taken: list[Any] = []

    async def send(_topic: str, value: bytes, **_: Any) -> "asyncio.Future[Any]":
        taken.append(value)
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(producer, "send", send)
    return taken
