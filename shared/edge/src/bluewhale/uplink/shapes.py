"""What the two sides of the uplink are told and answer with. Owns no rule.

Messages are the generated classes of `bluewhale.api.uplink.v1`; everything else
that crosses the border of a side is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bluewhale.api.uplink.v1 import uplink_pb2 as pb

PROTOCOL_MIN = 1
PROTOCOL_MAX = 2


class Moment(NamedTuple):
    """Now: `steady_ms` never jumps and orders time-outs, `clock_ms` is UTC and may be wrong."""

    steady_ms: int
    clock_ms: int


class LaneKey(NamedTuple):
    """One stream of one incarnation."""

    stream_id: int
    incarnation: int


# ---- what a side asks its host to do ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendUp:
    """Send this message to the centre."""

    message: pb.Up


@dataclass(frozen=True, slots=True)
class SendDown:
    """Send this message to the unit."""

    message: pb.Down


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell the journal what the main database has; then tell `UnitSide.lanes` anew."""

    stream_id: int
    incarnation: int
    stored_through: int
    record_crc: int | None


@dataclass(frozen=True, slots=True)
class Configure:
    """Try this document: candidate, check, effective or rolled back; report it."""

    version: int
    hash: str
    document: bytes


@dataclass(frozen=True, slots=True)
class SetLogLevel:
    """Log from this level on."""

    level: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the connection (of the unit: then connect anew after `retry_after_ms`, plus back-off).

    `code` is one of: protocol_version, not_welcome, silent, drain, unit_mismatch,
    not_hello, malformed, replaced.
    """

    code: str
    message: str
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Append:
    """Put this frame into the log; answer with `appended` or `not_appended`."""

    number: int
    frame: pb.FrameUp
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The unit said who it is and was welcomed."""

    hello: pb.Hello
    protocol: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A heartbeat came: tallies, links, journal, the state of the configuration."""

    heartbeat: pb.Heartbeat


UnitAction = SendUp | Acknowledge | Configure | SetLogLevel | Disconnect
CentreAction = SendDown | Append | Opened | Reported | Disconnect


# ---- what a host tells ------------------------------------------------------------------------


class ReadWanted(NamedTuple):
    """The unit should read the frame behind `after_seq`, of at most `records_max` records."""

    stream_id: int
    incarnation: int
    after_seq: int
    records_max: int


class PackedFrame(NamedTuple):
    """A frame of the journal, ready to travel. `packed` = zstd of `pack_frame`."""

    first_seq: int
    last_seq: int
    records: int
    packed: bytes
    raw_bytes: int
    traceparent: str = ""


class StoredMark(NamedTuple):
    """What the main database has of a lane, and the CRC of its record at the mark."""

    stream_id: int
    incarnation: int
    stored_through: int
    record_crc: int | None


@dataclass(frozen=True, slots=True)
class CentreLimits:
    """What the centre allows and promises. Times in milliseconds."""

    heartbeat_ms: int = 10_000
    silence_ms: int = 60_000  # without any message the connection is given up
    window_bytes: int = 4 << 20
    resend_after_ms: int = 60_000
    marks_interval_ms: int = 100
    packed_bytes_max: int = 512 << 10
    raw_bytes_max: int = 512 << 10
    streams_max: int = 4_096


@dataclass(frozen=True, slots=True)
class UnitLimits:
    """How the unit paces itself. Times in milliseconds."""

    welcome_ms: int = 60_000  # wait for the Welcome; a slow link needs it
    silence_beats: int = 6  # heartbeats without an answer until the connection is given up
    flight_bytes_min: int = 2 << 10
    flight_bytes_begin: int = 64 << 10
    queued_ms_low: int = 700  # added delay under which more may be under way
    queued_ms_high: int = 3_000  # and over which less
    resend_ms_max: int = 3_600_000
