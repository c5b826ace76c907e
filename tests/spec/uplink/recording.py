"""Makes and reads recorded conversations of an older protocol.

A recording is never made anew for a released protocol: it is what units and
centres in the field say. `python -m tests.spec.uplink.recording 1` makes the one
of protocol 1, with both sides held to it.

One JSON object a line: `at_ms`, and either `up`/`down` (the message as it
travels, hexadecimal, and `text` for readers) or `unit`/`centre` (what a host told
its side: [method, arguments]).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink import (
    Append,
    CentreLimits,
    CentreSide,
    Moment,
    PackedFrame,
    SendDown,
    SendUp,
    StoredMark,
    UnitLimits,
    UnitReport,
    UnitSide,
)
from google.protobuf import text_format

FOLDER = Path(__file__).parent / "conversations"
UTC_MS = 1_790_000_000_000
LIMITS = CentreLimits(heartbeat_ms=1_000, window_bytes=300, marks_interval_ms=50)


def moment(at_ms: int) -> Moment:
    """Give the moment of a line."""
    return Moment(at_ms, UTC_MS + at_ms)


def lane(stream: int, journaled: int, stored: int = 0) -> pb.Lane:
    """Give a lane of incarnation 11."""
    return pb.Lane(
        stream_id=stream, incarnation=11, journaled_through=journaled, stored_through=stored
    )


def packed(first_seq: int, count: int) -> PackedFrame:
    """Give a frame whose bytes say what it is; the sides do not look inside."""
    content = f"records {first_seq} to {first_seq + count - 1}".encode().ljust(100)
    return PackedFrame(first_seq, first_seq + count - 1, count, content, 40 * count)


def unit_side(protocol_max: int) -> UnitSide:
    """Give a unit as in the recording."""
    limits = UnitLimits(flight_bytes_begin=300)
    return UnitSide("depot-1", release="0.0.9", protocol_max=protocol_max, limits=limits)


def centre_side(protocol_max: int) -> CentreSide:
    """Give a centre as in the recording."""
    return CentreSide(
        "depot-1", {1, 2}, release="0.0.9", log_id="log", limits=LIMITS, protocol_max=protocol_max
    )


def tell_unit(unit: UnitSide, told: list[Any], at: Moment) -> list[pb.Up]:
    """Do what a host did; gives what the unit sends."""
    method, *values = told
    sent: list[Any] = []
    if method == "lanes":
        unit.lanes([lane(*value) for value in values], at)
    elif method == "connect":
        unit.tell(UnitReport(journal=pb.JournalUsage(used_bytes=4096, quota_bytes=1 << 30)))
        sent = unit.connect(values[0], at)
    elif method == "tick":
        sent = unit.tick(at)
    elif method == "send":
        while (read := unit.next_read(at)) is not None:
            sent.append(unit.frame(read, packed(read.after_seq + 1, values[0]), at))
    return [action.message for action in sent if isinstance(action, SendUp)]


def tell_centre(centre: CentreSide, told: list[Any], at: Moment) -> list[Any]:
    """Do what a host did; gives the actions."""
    method, *values = told
    if method == "stored":
        return centre.stored([StoredMark(*value) for value in values], at)
    if method == "configure":
        return centre.configure(3, "c0ffee", b'{"links": []}')
    if method == "throttle":
        return centre.throttle(*values)
    if method == "not_appended":
        return centre.not_appended(*values, at)
    return getattr(centre, method)(*values, at)


def record(protocol: int) -> list[dict[str, Any]]:
    """Let two sides of one protocol talk; both pipes deliver at once."""
    unit, centre = unit_side(protocol), centre_side(protocol)
    out: list[dict[str, Any]] = []

    def up(messages: list[pb.Up], at_ms: int) -> None:
        for message in messages:
            out.append(_line(at_ms, "up", message))
            down(centre.received(message, moment(at_ms)), at_ms)

    def down(actions: list[Any], at_ms: int) -> None:
        for action in actions:
            if isinstance(action, SendDown):
                out.append(_line(at_ms, "down", action.message))
                unit.received(action.message, moment(at_ms))
            elif isinstance(action, Append):
                numbers.append(action.number)

    numbers: list[int] = []

    def by_unit(at_ms: int, *told: Any) -> None:
        out.append({"at_ms": at_ms, "unit": list(told)})
        up(tell_unit(unit, list(told), moment(at_ms)), at_ms)

    def by_centre(at_ms: int, *told: Any) -> None:
        out.append({"at_ms": at_ms, "centre": list(told)})
        down(tell_centre(centre, list(told), moment(at_ms)), at_ms)

    by_unit(0, "lanes", [1, 40, 0], [2, 15, 5])
    by_unit(0, "connect", 4711)
    by_centre(10, "configure")
    by_unit(20, "tick")
    by_unit(30, "send", 10)  # the window holds three frames
    by_centre(100, "appended", 1)
    by_centre(200, "appended", 2)
    by_unit(210, "send", 10)
    by_centre(300, "not_appended", 3, 500)
    by_unit(310, "send", 5)
    by_centre(400, "appended", 4)
    by_centre(450, "stored", [1, 11, 10, 305419896], [2, 11, 15, None])
    by_unit(460, "lanes", [1, 40, 10], [2, 15, 15])
    by_unit(900, "send", 10)
    by_centre(1_000, "appended", 5)
    by_unit(1_100, "tick")
    by_unit(1_110, "send", 10)
    for number in range(6, len(numbers) + 1):
        by_centre(1_100 + 100 * number, "appended", number)
    by_centre(2_500, "stored", [1, 11, 40, 19088743])
    by_unit(2_510, "lanes", [1, 40, 40], [2, 15, 15])
    by_unit(2_520, "tick")
    return out


def replay(name: str) -> list[dict[str, Any]]:
    """Give the lines of a recording."""
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


def _line(at_ms: int, way: str, message: Any) -> dict[str, Any]:
    text = text_format.MessageToString(message, as_one_line=True)
    return {"at_ms": at_ms, way: message.SerializeToString(deterministic=True).hex(), "text": text}


if __name__ == "__main__":
    protocol = int(sys.argv[1])
    lines = [json.dumps(line) for line in record(protocol)]
    (FOLDER / f"protocol-{protocol}.jsonl").write_text("\n".join(lines) + "\n")
