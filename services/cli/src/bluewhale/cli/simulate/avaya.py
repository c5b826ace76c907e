"""What an Avaya Communication Manager prints for a simulated call.

A customised layout with date and seconds (profile custom-97); trunk calls are
split when a party drops, so a transfer prints one record per station. The time
printed is the minute in which the record's part of the call ended.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bluewhale.cli.simulate.printed import Printed, Span, line
from bluewhale.cli.simulate.world import Kind, SimCall
from bluewhale.dialects.avaya_cm import writer

OPTIONS: dict[str, Any] = {"layout": "custom-97", "splitting": True}
ACCESS_CODE_USED = "*799"
PIECE_S = 10 * 3600


def print_call(call: SimCall) -> Printed:
    """Print one call. A reader computes the start as printed end minus duration."""
    if call.kind is Kind.LONG:
        return _long(call)
    if call.kind is Kind.TRANSFER:
        return _transfer(call)
    talk = call.talk_s[0]
    end_s = call.start_s + call.ring_s + talk
    if call.kind is Kind.INBOUND:
        fields = {
            "cond-code": "9", "calling-num": call.dialled, "dialed-num": call.extension,
            "in-trk-code": "*701", "in-crt-id": f"{call.trunk_member:03}",
        }  # fmt: skip
        direction = "inbound"
    elif call.kind is Kind.INTERNAL:
        fields = {"cond-code": "0", "calling-num": call.extension, "dialed-num": call.colleague}
        direction = "internal"
    else:
        fields = {"cond-code": "7", "calling-num": call.extension, **_outside(call)}
        direction = "outbound"
    printed = [line(end_s, _record(call, end_s, talk, fields), call.number)]
    return Printed(
        printed, 1, [Span(direction, call.extension, _start_ms(end_s, talk), talk * 1000, True)]
    )


def _outside(call: SimCall) -> dict[str, str]:
    return {
        "dialed-num": call.dialled,
        "code-used": ACCESS_CODE_USED,
        "out-crt-id": f"{call.trunk_member:03}",
    }


def _record(call: SimCall, end_s: int, talk_s: int, fields: dict[str, str]) -> bytes:
    local = datetime.fromtimestamp(end_s, UTC).astimezone(ZoneInfo(call.pbx.place.zone))
    clock = {
        "date": local.strftime("%m%d%y"),
        "time": local.strftime("%H%M"),
        "sec-dur": f"{talk_s:05}",
    }
    return writer.record({**clock, **fields}, OPTIONS)


def _start_ms(end_s: int, talk_s: int) -> int:
    """Give the answer time that the print implies: the minute of the end, minus the duration."""
    return (end_s // 60 * 60 - talk_s) * 1000


def _transfer(call: SimCall) -> Printed:
    first, second = call.talk_s
    handed_s = call.start_s + call.ring_s + first
    end_s = handed_s + second
    outside = _outside(call)
    lines = [
        line(
            handed_s,
            _record(
                call, handed_s, first, {"cond-code": "7", "calling-num": call.extension, **outside}
            ),
            call.number,
        ),
        line(
            end_s,
            _record(
                call, end_s, second, {"cond-code": "7", "calling-num": call.colleague, **outside}
            ),
            call.number,
        ),
    ]
    total_ms = (first + second) * 1000
    return Printed(
        lines, 2, [Span("outbound", call.extension, _start_ms(handed_s, first), total_ms, True)]
    )


def _long(call: SimCall) -> Printed:
    """Every ten hours a piece with condition 4; the rest with the code of the call."""
    talk = call.talk_s[0]
    begin_s = call.start_s + call.ring_s
    fields = {"calling-num": call.extension, **_outside(call)}
    lines = []
    done = 0
    while talk - done > PIECE_S:
        done += PIECE_S
        end_s = begin_s + done
        lines.append(
            line(end_s, _record(call, end_s, PIECE_S, {"cond-code": "4", **fields}), call.number)
        )
    end_s = begin_s + talk
    lines.append(
        line(end_s, _record(call, end_s, talk - done, {"cond-code": "7", **fields}), call.number)
    )
    start_ms = _start_ms(begin_s + PIECE_S, PIECE_S)
    return Printed(
        lines, len(lines), [Span("outbound", call.extension, start_ms, talk * 1000, True)]
    )
