"""What an Asterisk writes into Master.csv for a simulated call.

Source of the shapes: the Asterisk 12+ CDR specification (one record per A-B
path; transfers share the linkedid).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bluewhale.cli.simulate.printed import Printed, Span, line
from bluewhale.cli.simulate.world import Kind, SimCall
from bluewhale.dialects.asterisk import writer


def print_call(call: SimCall) -> Printed:
    """Print one call; whole seconds of local time."""
    rows, span = _transfer(call) if call.kind is Kind.TRANSFER else _single(call)
    lines = [
        line(call.end_s, writer.record_line({**_common(call, i), **row}) + b"\n", call.number)
        for i, row in enumerate(rows)
    ]
    return Printed(lines, legs=len(rows), spans=[span])


def _local(call: SimCall, at_s: int) -> str:
    zone = ZoneInfo(call.pbx.place.zone)
    return datetime.fromtimestamp(at_s, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _phone(call: SimCall, extension: str, k: int) -> str:
    return f"PJSIP/{extension}-{call.number * 4 + k:08x}"


def _trunk(call: SimCall) -> str:
    return f"PJSIP/trunk-{call.pbx.place.key}-{call.number * 4 + 3:08x}"


def _common(call: SimCall, index: int) -> dict[str, Any]:
    return {
        "accountcode": "",
        "dcontext": "from-internal",
        "lastapp": "Dial",
        "amaflags": "DOCUMENTATION",
        "uniqueid": f"{call.start_s}.{call.number * 4 + index}",
        "linkedid": f"{call.start_s}.{call.number * 4}",
        "sequence": call.number * 4 + index,
    }


def _row(
    call: SimCall, source: str, target: str, channel: str, other: str,
    start_s: int, ring_s: int, talk_s: int, disposition: str,
) -> dict[str, Any]:  # fmt: skip
    answered = disposition == "ANSWERED"
    end = start_s + ring_s + talk_s
    return {
        "src": source,
        "dst": target,
        "clid": f'"{source}" <{source}>',
        "channel": channel,
        "dstchannel": other,
        "lastdata": f"{other.rsplit('-', 1)[0]},60",
        "start": _local(call, start_s),
        "answer": _local(call, start_s + ring_s) if answered else "",
        "end": _local(call, end),
        "duration": ring_s + talk_s,
        "billsec": talk_s if answered else 0,
        "disposition": disposition,
    }


def _out(call: SimCall) -> str:
    return (
        call.pbx.place.access_code + call.dialled
        if call.call_class != "emergency"
        else call.dialled
    )


def _single(call: SimCall) -> tuple[list[dict[str, Any]], Span]:
    answered = call.kind not in {Kind.UNANSWERED, Kind.MISSED}
    disposition = "ANSWERED" if answered else "NO ANSWER"
    talk = call.talk_s[0]
    if call.kind in {Kind.INBOUND, Kind.MISSED}:
        direction, source, target = "inbound", call.dialled, call.extension
        channel, other = _trunk(call), _phone(call, call.extension, 1)
    elif call.kind is Kind.INTERNAL:
        direction, source, target = "internal", call.extension, call.colleague
        channel, other = _phone(call, call.extension, 0), _phone(call, call.colleague, 1)
    else:
        direction, source, target = "outbound", call.extension, _out(call)
        channel, other = _phone(call, call.extension, 0), _trunk(call)
    row = _row(call, source, target, channel, other, call.start_s, call.ring_s, talk, disposition)
    start_s = call.start_s + call.ring_s if answered else call.start_s
    return [row], Span(direction, call.extension, start_s * 1000, talk * 1000, answered)


def _transfer(call: SimCall) -> tuple[list[dict[str, Any]], Span]:
    """A blind transfer by the caller: the trunk channel stays up, a second path begins."""
    first, second = call.talk_s
    begin = call.start_s + call.ring_s
    rows = [
        _row(call, call.extension, _out(call), _phone(call, call.extension, 0), _trunk(call),
             call.start_s, call.ring_s, first, "ANSWERED"),
        _row(call, _out(call), call.colleague, _trunk(call), _phone(call, call.colleague, 1),
             begin + first, 0, second, "ANSWERED"),
    ]  # fmt: skip
    return rows, Span("outbound", call.extension, begin * 1000, (first + second) * 1000, True)
