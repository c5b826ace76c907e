"""Which partition a merge domain goes to never changes."""

from __future__ import annotations

import pytest
from bluewhale.messaging import partition_of

# computed once with BLAKE2b of 8 bytes, big-endian; a change here splits calls of running installations
VECTORS = [
    ("hq", 4, 0),
    ("hq", 12, 4),
    ("pbx-01", 4, 3),
    ("pbx-02", 4, 3),
    ("Zürich", 16, 8),
    ("a", 1, 0),
    ("site-1.cucm", 1000, 476),
]


@pytest.mark.parametrize(("domain", "partitions", "partition"), VECTORS)
def test_a_domain_keeps_its_partition_for_ever(domain: str, partitions: int, partition: int):
    """The published vectors of `blake2b-64-mod` hold."""
    assert partition_of(domain, partitions) == partition


def test_many_domains_spread_over_all_partitions():
    """A thousand PBXs over eight partitions: each gets between 90 and 160 of them."""
    counts = [0] * 8
    for i in range(1000):
        counts[partition_of(f"pbx-{i}", 8)] += 1
    assert min(counts) > 90
    assert max(counts) < 160
