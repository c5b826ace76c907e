"""Names of CUCM files: what a name says, and which files are not finished yet.

Owns the naming rule: `tag_cluster_node_yyyymmddhhmm_sequence`, tag `cdr` or
`cmr`, time in UTC. The cluster may contain anything, also underscores. A name
that begins with `_` is still being written: leave it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_NAME = re.compile(r"(cdr|cmr)_(.+)_(\d{1,3})_(\d{12})_(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileName:
    """What a finished file's name says."""

    quality: bool
    cluster: str
    node: int
    written_at: datetime
    sequence: int


def is_open(name: str) -> bool:
    """Tell whether the cluster is still writing this file."""
    return name.startswith("_")


def read_file_name(name: str) -> FileName | None:
    """Read a file name; None = not a finished CDR or CMR file of CUCM.

    >>> read_file_name("cdr_Cluster1_01_200404021658_1").cluster
    'Cluster1'
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    tag, cluster, node, stamp, sequence = found.groups()
    try:
        written_at = datetime.strptime(stamp, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return FileName(tag.lower() == "cmr", cluster, int(node), written_at, int(sequence))
