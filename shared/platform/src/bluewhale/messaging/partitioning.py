"""Which partition a merge domain goes to. Owns that one rule, stable for ever.

The algorithm is `blake2b-64-mod`: BLAKE2b with an 8-byte digest over the UTF-8
bytes of the domain, read big-endian, modulo the count of partitions. Producers
compute it (the broker's own partitioner is not asked), so that partition i of
one topic feeds partition i of the next. Test vectors: tests/unit/messaging.
"""

from __future__ import annotations

import hashlib

ALGORITHM = "blake2b-64-mod"


def partition_of(domain: str, partitions: int) -> int:
    """Give the partition, 0..partitions-1, of a merge domain (the PBX by default).

    domain: not empty; partitions: >= 1, fixed when the installation was made.
    """
    assert domain, "a merge domain has a name"
    assert partitions > 0
    digest = hashlib.blake2b(domain.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions
