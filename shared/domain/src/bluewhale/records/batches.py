"""The two shapes that stages pass: raw records in, an outcome out.

Owns no rule. `stage(batch, context) -> Outcome(accepted, rejected)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa
    from bluewhale.records.directory import Site
    from bluewhale.records.findings import Finding


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage returns: accepted + rejected = input, for row-preserving stages.

    `accepted` has the schema that the stage names; `rejected` has
    `SUSPENSE_SCHEMA`. Rows keep the order of the input.
    """

    accepted: pa.Table
    rejected: pa.Table


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Raw records of one link, as columns over one buffer.

    `data` holds the bytes of all records; record i is `data[starts[i]:ends[i]]`,
    as framed (noise stripped, separator not included). All arrays have one
    entry per record. `context_row` indexes `contexts`; -1 = no context was
    known. A context is the latest context lines of the stream joined by LF.
    `checksums` False leaves `record_crc` null: records of a file are named by the
    file's content hash, only journaled ones are acknowledged by their CRC.
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    incarnation: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64]
    connection: npt.NDArray[np.int64]
    n: npt.NDArray[np.int32]
    received_at_ms: npt.NDArray[np.int64]
    context_row: npt.NDArray[np.int32]
    contexts: tuple[bytes, ...] = ()
    ingested_at_ms: int = 0
    checksums: bool = True

    def __len__(self) -> int:
        """Count of records."""
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """What parsing must know about one link; made from the configuration.

    `options` are the dialect's settings (layout, date order, encoding ...), each
    documented and checked by the dialect.
    """

    link_uid: str
    stream_id: int
    pbx_uid: str
    site: Site
    dialect_id: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposals:
    """What billing proposes to the database: whole calls with whole charges.

    `calls`: CALL_SCHEMA, version 1, one row per proposed call. `charges`:
    CHARGE_SCHEMA, joined by `call_id`. `members`: columns call_row int32,
    cdr_id, stream_id, incarnation, seq, one row per leg of each call.
    `rerates` names the (call_id, version) that a re-rating read, per call row;
    None for ordinary proposals. `findings`: what rules mind about these calls, or
    about others: what is about none that is stored tells nobody.
    """

    calls: pa.Table
    charges: pa.Table
    members: pa.Table
    rerates: tuple[tuple[bytes, int], ...] | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamLoss:
    """A range of capture keys that will never come, with its reason."""

    stream_id: int
    incarnation: int
    first_seq: int
    last_seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class StreamTally:
    """What the edge counted for one stream on one UTC day (days since 1970-01-01)."""

    stream_id: int
    day: int
    heard: int
    journaled: int
