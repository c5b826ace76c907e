"""What really happened, as rows that can be compared with a store.

Owns the truth table and its Parquet file. The key of a row is what a person
would compare: PBX, direction, payer, outside number, answer time, connected
time, legs, department, prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.cli.simulate.prices import TARIFFS, price
from bluewhale.cli.simulate.printed import Printed
from bluewhale.cli.simulate.world import Kind, SimCall

if TYPE_CHECKING:
    import pyarrow as pa

# what of a call is compared; `number` and `kind` only name it in messages
COMPARED = (
    "pbx_uid", "direction", "extension", "outside_e164", "start_at_ms", "talk_ms", "answered", "legs",
    "department", "carrier_nanos", "internal_nanos",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrueCall:
    """One call as it must be found in the store."""

    number: int
    kind: str
    pbx_uid: str
    direction: str
    extension: str
    outside_e164: int | None
    start_at_ms: int
    talk_ms: int
    answered: bool
    legs: int
    department: str
    carrier_nanos: int | None
    internal_nanos: int | None

    def key(self) -> tuple[object, ...]:
        """Give the compared fields."""
        return tuple(getattr(self, name) for name in COMPARED)


def true_call(call: SimCall, printed: Printed) -> TrueCall:
    """State the truth of a call as its PBX printed it."""
    span = printed.spans[0]
    e164 = call.e164 if call.kind is not Kind.INTERNAL else ""
    carrier, internal = (price(t, span, e164) for t in TARIFFS)
    return TrueCall(
        number=call.number,
        kind=str(call.kind),
        pbx_uid=call.pbx.pbx_uid,
        direction=span.direction,
        extension=span.payer,
        outside_e164=int(e164) if e164 else None,
        start_at_ms=span.start_at_ms,
        talk_ms=span.quantity_ms,
        answered=span.answered,
        legs=printed.legs,
        department=call.pbx.department_of(span.payer),
        carrier_nanos=carrier,
        internal_nanos=internal,
    )


def truth_table(calls: Iterable[TrueCall]) -> pa.Table:
    """Give the truth as an Arrow table."""
    import pyarrow as pa

    kinds = {
        "number": pa.int64(), "kind": pa.string(), "pbx_uid": pa.string(), "direction": pa.string(),
        "extension": pa.string(), "outside_e164": pa.int64(), "start_at_ms": pa.int64(), "talk_ms": pa.int64(),
        "answered": pa.bool_(), "legs": pa.int32(), "department": pa.string(), "carrier_nanos": pa.int64(),
        "internal_nanos": pa.int64(),
    }  # fmt: skip
    return pa.Table.from_pylist([asdict(c) for c in calls], schema=pa.schema(list(kinds.items())))


def write_truth(calls: Iterable[TrueCall], path: Path) -> None:
    """Write the truth as Parquet."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(truth_table(calls), path, compression="zstd")


def read_truth(path: Path) -> list[TrueCall]:
    """Read a truth file written by `write_truth`."""
    import pyarrow.parquet as pq

    return [TrueCall(**row) for row in pq.read_table(path).to_pylist()]
