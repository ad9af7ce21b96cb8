"""The partition of a tenant is the one that Kafka's own producers choose for the key."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.partitioner import murmur2, partition_of


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


class TestMurmur2:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (b"21", -973932308),
            (b"foobar", -790332482),
            (b"a-little-bit-long-string", -985981536),
            (b"a-little-bit-longer-string", -1486304829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            (b"abc", 479470107),
        ],
    )
    def test_gives_the_values_of_the_java_client(self, key, value):
        assert signed(murmur2(key)) == value

    @given(st.binary(max_size=200))
    def test_agrees_with_aiokafka(self, key):
        assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF


class TestPartitionOf:
    @given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from([1, 3, 8, 64, 4096]))
    def test_is_the_choice_of_the_default_partitioner(self, tenant_id, partitions):
        everything = list(range(partitions))
        chosen = DefaultPartitioner()(tenant_id.encode(), everything, everything)
        assert partition_of(tenant_id, partitions) == chosen

    def test_spreads_tenants(self):
        counts = [0] * 8
        for number in range(8000):
            counts[partition_of(f"tenant-{number}", 8)] += 1
        assert min(counts) > 850
