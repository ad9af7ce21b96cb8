"""Which partition a tenant lives on: the choice Kafka's default partitioner makes for a key.

Any Kafka producer with key = tenant id finds the same partition. Must never change.
"""

from functools import lru_cache
from typing import Final

_MASK: Final = 0xFFFFFFFF
_MULTIPLIER: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits with Kafka's seed, unsigned."""
    length = len(data)
    value = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        value = value * _MULTIPLIER & _MASK ^ word
    if whole != length:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15


@lru_cache(maxsize=65_536)
def partition_of(tenant_id: str, partitions: int) -> int:
    """The partition of a tenant among `partitions`, 0-based."""
    return (murmur2(tenant_id.encode()) & 0x7FFFFFFF) % partitions
