"""What the journal answers with. Owns no rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bluewhale.capture import CaptureLoss


class Appended(NamedTuple):
    """The capture keys that an append was given, after its commit.

    An append of notes alone has last_seq = first_seq - 1.
    """

    incarnation: int
    first_seq: int
    last_seq: int

    @property
    def seqs(self) -> range:
        """The sequence numbers, in the order of the records."""
        return range(self.first_seq, self.last_seq + 1)


class Acknowledged(NamedTuple):
    """What an acknowledgement did.

    `deleted` counts records deleted. `moved_to` is the new incarnation of the
    records of this one, if the mark named another record than ours.
    """

    deleted: int
    moved_to: int | None = None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """The marks of one (stream, incarnation) that the journal knows.

    Records deleted_through+1 .. journaled_through are here (or named as lost).
    """

    stream_id: int
    incarnation: int
    journaled_through: int
    stored_through: int
    deleted_through: int
    current: bool

    @property
    def waiting(self) -> int:
        """Count of records that the main database has not acknowledged."""
        return self.journaled_through - self.stored_through


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one stream and one UTC day of receipt (days since 1970-01-01)."""

    stream_id: int
    day: int
    heard: int
    journaled: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """How full the journal is.

    `alarm` is raised early (by default at 80 % of the quota); `full` says that
    the latest append was refused.
    """

    used_bytes: int
    quota_bytes: int
    file_bytes: int
    alarm: bool
    full: bool


@dataclass(slots=True)
class Salvage:
    """What opening a damaged journal found.

    `losses` names, per (stream_id, incarnation), the ranges that are gone.
    `tables_lost` names side tables (notes, tallies ...) that were not readable whole.
    """

    damaged_path: Path
    complaint: str
    records_kept: int = 0
    losses: dict[tuple[int, int], list[CaptureLoss]] = field(default_factory=dict)
    tables_lost: list[str] = field(default_factory=list)
