"""What a Cisco CUCM cluster prints for a simulated call.

Source of the shapes: Cisco CDR guide R14, "CDR examples" (normal, abandoned,
blind transfer by the calling party, ad hoc conference).
"""

from __future__ import annotations

from typing import Any

from bluewhale.cli.simulate.printed import Printed, Span, line
from bluewhale.cli.simulate.world import Kind, SimCall
from bluewhale.dialects.cisco_cucm import writer

SPLIT = 393216  # cause: the leg ended by a feature
CONSULT_S = 2  # shorter than any call, so that it begins after the answer


def header() -> bytes:
    """Give the two lines that open a file."""
    return writer.header_line() + b"\n" + writer.type_line() + b"\n"


def print_call(call: SimCall) -> Printed:
    """Print one call; times are epoch seconds, so nothing is lost in print."""
    shapes = {
        Kind.TRANSFER: _transfer,
        Kind.CONFERENCE: _conference,
    }
    rows, span = shapes.get(call.kind, _single)(call)
    lines = [
        line(call.end_s, writer.cdr_line({**_common(call, i), **row}) + b"\n", call.number)
        for i, row in enumerate(rows)
    ]
    return Printed(lines, legs=len(rows), spans=[span])


def _phone(extension: str) -> str:
    return f"SEP{int(extension):012X}"


def _trunk(call: SimCall) -> str:
    return f"SIP-Trunk-{call.pbx.place.key}"


def _common(call: SimCall, index: int) -> dict[str, Any]:
    return {
        "cdrRecordType": 1,
        "globalCallID_callManagerId": 1,
        "globalCallID_callId": call.number,
        "globalCallId_ClusterID": call.pbx.pbx_uid,
        "origNodeId": 1,
        "destNodeId": 1,
        "pkid": f"{call.number:08x}-0000-4000-8000-{index:012x}",
    }


def _leg(call: SimCall, k: int) -> int:
    return call.number * 10 + k


def _times(start_s: int, ring_s: int, talk_s: int, *, answered: bool = True) -> dict[str, Any]:
    connect = start_s + ring_s
    return {
        "dateTimeOrigination": start_s,
        "dateTimeConnect": connect if answered else 0,
        "dateTimeDisconnect": connect + talk_s,
        "duration": talk_s if answered else 0,
    }


def _out(call: SimCall) -> str:
    return (
        call.pbx.place.access_code + call.dialled
        if call.call_class != "emergency"
        else call.dialled
    )


def _single(call: SimCall) -> tuple[list[dict[str, Any]], Span]:
    talk = call.talk_s[0]
    answered = call.kind not in {Kind.UNANSWERED, Kind.MISSED}
    inbound = call.kind in {Kind.INBOUND, Kind.MISSED}
    internal = call.kind is Kind.INTERNAL
    calling = call.dialled if inbound else call.extension
    called = call.extension if inbound else call.colleague if internal else _out(call)
    row = {
        "origLegCallIdentifier": _leg(call, 1),
        "destLegIdentifier": _leg(call, 2),
        "callingPartyNumber": calling,
        "originalCalledPartyNumber": called,
        "finalCalledPartyNumber": called,
        "lastRedirectDn": called,
        "origDeviceName": _trunk(call) if inbound else _phone(call.extension),
        "destDeviceName": _phone(call.extension)
        if inbound
        else _phone(call.colleague)
        if internal
        else _trunk(call),
        "origCause_value": 16,
        "destCause_value": 0,
        **_times(call.start_s, call.ring_s, talk, answered=answered),
    }
    direction = "inbound" if inbound else "internal" if internal else "outbound"
    start_s = call.start_s + call.ring_s if answered else call.start_s
    return [row], Span(direction, call.extension, start_s * 1000, talk * 1000, answered)


def _transfer(call: SimCall) -> tuple[list[dict[str, Any]], Span]:
    first, second = call.talk_s
    out = _out(call)
    begin = call.start_s + call.ring_s
    handed = begin + first
    split = {"origCause_value": SPLIT, "destCause_value": SPLIT, "origCallTerminationOnBehalfOf": 10,
             "destCallTerminationOnBehalfOf": 10}  # fmt: skip
    rows = [
        {
            "origLegCallIdentifier": _leg(call, 1), "destLegIdentifier": _leg(call, 2),
            "callingPartyNumber": call.extension, "originalCalledPartyNumber": out,
            "finalCalledPartyNumber": out, "lastRedirectDn": out,
            "origDeviceName": _phone(call.extension), "destDeviceName": _trunk(call),
            **split, **_times(call.start_s, call.ring_s, first),
        },
        {
            "origLegCallIdentifier": _leg(call, 3), "destLegIdentifier": _leg(call, 4),
            "callingPartyNumber": call.extension, "originalCalledPartyNumber": call.colleague,
            "finalCalledPartyNumber": call.colleague, "lastRedirectDn": call.colleague,
            "origDeviceName": _phone(call.extension), "destDeviceName": _phone(call.colleague),
            **split, **_times(handed - 1, 1, 0),
        },
        {
            "origLegCallIdentifier": _leg(call, 2), "destLegIdentifier": _leg(call, 4),
            "callingPartyNumber": out, "originalCalledPartyNumber": call.colleague,
            "finalCalledPartyNumber": call.colleague, "lastRedirectDn": call.extension,
            "origDeviceName": _trunk(call), "destDeviceName": _phone(call.colleague),
            "origCause_value": 16, "joinOnBehalfOf": 10, "lastRedirectRedirectOnBehalfOf": 10,
            "lastRedirectRedirectReason": 4,
            **_times(handed, 0, second),
        },
    ]  # fmt: skip
    return rows, Span("outbound", call.extension, begin * 1000, (first + second) * 1000, True)


def _conference(call: SimCall) -> tuple[list[dict[str, Any]], Span]:
    first, second = call.talk_s
    out = _out(call)
    begin = call.start_s + call.ring_s
    joined = begin + first
    bridge = f"b{call.number:011d}"
    comment = f"ConfControllerDn={call.extension};ConfControllerDeviceName={_phone(call.extension)}"
    members = [
        (call.extension, _phone(call.extension), _leg(call, 1), _leg(call, 5)),
        (out, _trunk(call), _leg(call, 2), _leg(call, 6)),
        (call.colleague, _phone(call.colleague), _leg(call, 4), _leg(call, 7)),
    ]
    rows = [
        {
            "origLegCallIdentifier": _leg(call, 1), "destLegIdentifier": _leg(call, 2),
            "callingPartyNumber": call.extension, "originalCalledPartyNumber": out, "finalCalledPartyNumber": out,
            "lastRedirectDn": call.extension, "origDeviceName": _phone(call.extension), "destDeviceName": _trunk(call),
            "origCause_value": SPLIT, "destCause_value": SPLIT, "origCallTerminationOnBehalfOf": 4,
            "destCallTerminationOnBehalfOf": 4, **_times(call.start_s, call.ring_s, first),
        },
        {
            "origLegCallIdentifier": _leg(call, 3), "destLegIdentifier": _leg(call, 4),
            "callingPartyNumber": call.extension, "originalCalledPartyNumber": call.colleague,
            "finalCalledPartyNumber": call.colleague, "lastRedirectDn": call.colleague,
            "origDeviceName": _phone(call.extension), "destDeviceName": _phone(call.colleague),
            "origCallTerminationOnBehalfOf": 4, "destCallTerminationOnBehalfOf": 4, "comment": comment,
            **_times(joined - CONSULT_S - 1, 1, CONSULT_S),
        },
        *(
            {
                "origLegCallIdentifier": orig, "destLegIdentifier": dest, "callingPartyNumber": party,
                "originalCalledPartyNumber": bridge, "finalCalledPartyNumber": bridge, "lastRedirectDn": bridge,
                "origDeviceName": device, "destDeviceName": "CFB_1", "origCause_value": 16,
                "destCause_value": SPLIT, "origCalledPartyRedirectOnBehalfOf": 4,
                "lastRedirectRedirectOnBehalfOf": 4, "joinOnBehalfOf": 4, "destConversationId": call.number,
                "origCalledPartyRedirectReason": 98, "lastRedirectRedirectReason": 98, "comment": comment,
                **_times(joined, 0, second),
            }
            for party, device, orig, dest in members
        ),
    ]  # fmt: skip
    return rows, Span("outbound", call.extension, begin * 1000, (first + second) * 1000, True)
