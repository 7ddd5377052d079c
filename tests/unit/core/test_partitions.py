"""Where a key goes: to the partition that every other Kafka client would choose."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from orderbridge.kafka import partition_of


@given(st.binary(max_size=80), st.integers(min_value=1, max_value=200))
def test_a_key_goes_where_kafkas_default_partitioner_puts_it(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize(("key", "murmur"), [(b"21", -973932308), (b"foobar", -790332482), (b"abc", 479470107)])
def test_it_is_the_hash_of_the_java_client(key: bytes, murmur: int) -> None:
    """Figures of the Java client's own test of ``Utils.murmur2``."""
    assert partition_of(key, 2**31) == murmur & 0x7FFFFFFF
