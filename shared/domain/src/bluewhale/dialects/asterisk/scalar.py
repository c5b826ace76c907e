"""One Asterisk record to one leg, plainly: the rules in words and the twin of the columns.

Owns the meaning of a record. `columnar` does the same by columns; a property
test holds them equal.

Source: Asterisk cdr_csv, cdr.conf; CDR specification of Asterisk 12 and later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bluewhale.dialects.asterisk.layout import (
    AUTO,
    COUNTS,
    EXTENSION,
    FIRST_YEAR,
    INTEGERS,
    LOCAL,
    TEXTS,
    TRUNK,
    Channel,
    channel_of,
    layout_for,
    stable_part,
)
from bluewhale.dialects.engine.delimited import ScanFault, fault_reject, scan_one
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.records import ids, times
from bluewhale.records.batches import LinkProfile
from bluewhale.records.enums import Direction, Disposition, Flag, LegRole, RejectReason

JOIN_KIND: Final = "asterisk"
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
TOLERANCE_MS: Final = 2_000  # printed times and counted seconds are both cut to seconds
AHEAD_LIMIT_MS: Final = 26 * 3_600_000
SECONDS_MAX: Final = 2**32 - 1
DISPOSITIONS: Final = {
    "ANSWERED": Disposition.ANSWERED,
    "NO ANSWER": Disposition.NO_ANSWER,
    "BUSY": Disposition.BUSY,
    "FAILED": Disposition.FAILED,
    "CONGESTION": Disposition.FAILED,
}
ROLES: Final = {
    "queue": LegRole.QUEUE,
    "confbridge": LegRole.CONFERENCE,
    "meetme": LegRole.CONFERENCE,
    "conference": LegRole.CONFERENCE,
    "park": LegRole.PARK,
    "parkedcall": LegRole.PARK,
    "parkandannounce": LegRole.PARK,
    "pickup": LegRole.PICKUP,
    "pickupchan": LegRole.PICKUP,
    "transferred call": LegRole.TRANSFER_TO,
    "blindtransfer": LegRole.TRANSFER_TO,
    "attendedtransfer": LegRole.TRANSFER_TO,
}
_MOMENT: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_UNIQUE: Final = re.compile(rb"(?:.*-)?[0-9]+\.[0-9]+", re.DOTALL)

Values = Mapping[str, Any]


def options_of(profile: LinkProfile) -> tuple[str, bool, tuple[str, ...]]:
    """Give the options: shape of the file, printed in UTC, trunk patterns."""
    options = profile.options
    trunks = options.get("trunks", ())
    assert isinstance(trunks, list | tuple), "options are checked before parsing"
    return (
        str(options.get("columns", AUTO)),
        bool(options.get("usegmtime", False)),
        tuple(str(pattern) for pattern in trunks),
    )


def parse_one(
    record: bytes, context: bytes | None, profile: LinkProfile, received_at_ms: int
) -> dict[str, Any] | Reject:
    """Read one record; instants are UTC milliseconds, a value not known is None."""
    shape, in_utc, trunks = options_of(profile)
    layout = layout_for(shape)
    found = scan_one(record, layout)
    if isinstance(found, ScanFault):
        return fault_reject(found, layout)
    if shape == AUTO and found.count not in COUNTS:
        return Reject(
            RejectReason.NOT_THIS_FORMAT, "", "", f"16, 17, 18 or 21 columns, found {found.count}"
        )
    raw: dict[str, bytes | None] = dict.fromkeys(TEXTS)
    raw.update(zip(TEXTS, found.texts, strict=False))
    if found.count == 17 and shape == AUTO and not _UNIQUE.fullmatch(raw["uniqueid"] or b""):
        raw["uniqueid"] = None  # it is the user field
    values: dict[str, Any] = {
        name: None if text is None else text.decode("utf-8", "replace")
        for name, text in raw.items()
    }
    values.update(dict.fromkeys(INTEGERS) | dict(zip(INTEGERS, found.ints, strict=False)))
    printed: dict[str, int | None] = {}
    for name in ("start", "answer", "end"):
        moment = local_ms(raw[name])
        if moment is None and (raw[name] is not None or name == "start"):
            return Reject(RejectReason.TIME_INVALID, name, "", "a time as YYYY-MM-DD HH:MM:SS")
        printed[name] = moment
    if values["disposition"] not in DISPOSITIONS:
        return Reject(
            RejectReason.FIELD_MALFORMED,
            "disposition",
            "",
            "ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION",
        )
    for name in INTEGERS:
        if abs(values[name] or 0) > SECONDS_MAX:
            return Reject(RejectReason.FIELD_MALFORMED, name, "", "seconds below 2^32")
    zone = "UTC" if in_utc else profile.site.zone
    anchor, by_start, flags = _anchor(printed, zone, received_at_ms)
    if anchor - received_at_ms > AHEAD_LIMIT_MS:
        return Reject(RejectReason.TIME_IN_FUTURE, "end", "", "a time at most 26 h after receipt")
    if anchor - received_at_ms > times.CLOCK_TOLERANCE_MS:
        flags |= Flag.CLOCK_AHEAD
    lengths = profile.site.extension_lengths
    origin = channel_of(stable_part(values["channel"] or ""), trunks, lengths)
    target = channel_of(stable_part(values["dstchannel"] or ""), trunks, lengths)
    leg = _moments(values, printed, anchor, by_start=by_start, changes=clock_changes(anchor, zone))
    if any("\ufffd" in (values[name] or "") for name in ("src", "dst")):
        flags |= Flag.TEXT_REPLACED
    leg["dialect_flags"] |= flags
    leg.update(_parties(values, origin, target))
    call = values["linkedid"] or values["uniqueid"]
    leg["join_keys"] = [ids.join_key(JOIN_KIND, profile.pbx_uid, call)] if call else []
    return leg


def _anchor(printed: Values, zone: str, received_at_ms: int) -> tuple[int, bool, Flag]:
    """Convert one printed time from the site's clock: (instant, it is the start, flags).

    The end, since records come in the order of their ends. The start where no
    end is printed, or where the end lies in a repeated hour and the start does
    not.
    """
    start, flags = times.local_to_utc_one(printed["start"], zone, received_at_ms)
    if printed["end"] is None:
        return start, True, flags
    end, end_flags = times.local_to_utc_one(printed["end"], zone, received_at_ms)
    if Flag.DST_REPEATED_HOUR in end_flags and Flag.DST_REPEATED_HOUR not in flags:
        return start, True, flags
    return end, False, end_flags


def _moments(
    values: Values, printed: Values, anchor: int, *, by_start: bool, changes: bool
) -> dict[str, Any]:
    """Give the moments and durations of a leg.

    One printed time, the anchor, is converted from the site's clock. The others
    are counted from there, because printed differences cross clock changes and
    counted seconds do not.
    """
    answered = values["disposition"] == "ANSWERED"
    total, flags = settle(_gap(printed, "start", "end"), values["duration"], changes=changes)
    if by_start:
        setup, release = anchor, None if total is None else anchor + total
    else:
        setup, release = anchor - (total or 0), anchor
    billed = values["billsec"]
    answer = talk = None
    if answered:
        talk, more = settle(_gap(printed, "answer", "end"), billed, changes=changes)
        flags |= more
        if release is not None and talk is not None:
            answer = release - talk
        if printed["answer"] is None and answer is not None:
            flags |= Flag.ANSWER_INFERRED
    elif billed is not None and billed < 0:
        flags |= Flag.CLOCK_STEPPED
    connected = talk if answered else 0
    if billed is not None and billed >= 0:
        connected = billed * 1000
    return {
        "setup_at": setup,
        "answer_at": answer,
        "release_at": release,
        "duration_ms": connected,
        "talk_ms": connected if answered else None,
        "disposition": DISPOSITIONS[values["disposition"]],
        "join_at": setup if release is None else release,
        "dialect_flags": flags,
    }


def clock_changes(at_ms: int, zone: str) -> bool:
    """Tell whether the zone's clock changes within a day of an instant."""
    before, after = at_ms - DAY_MS, at_ms + DAY_MS
    shift = times.utc_to_local_one(after, zone) - times.utc_to_local_one(before, zone)
    return shift != after - before


def _gap(printed: Values, first: str, last: str) -> int | None:
    """Give the difference of two printed times, where both are printed."""
    if printed[first] is None or printed[last] is None:
        return None
    return int(printed[last] - printed[first])


def settle(
    printed_ms: int | None, counted_s: int | None, *, changes: bool
) -> tuple[int | None, Flag]:
    """Settle a span of time from the printed difference and the counted seconds.

    They agree within 2 s: the printed one. They differ by an hour on a day on
    which the clock changes: the printed one, mended. Otherwise the clock was set during
    the call: the counted one. A negative count is no count.
    """
    none = Flag(0)
    if counted_s is None or counted_s < 0:
        stepped = none if counted_s is None else Flag.CLOCK_STEPPED
        if printed_ms is None:
            return None, stepped
        if printed_ms >= 0:
            return printed_ms, stepped
        if changes and printed_ms + HOUR_MS >= 0:
            return printed_ms + HOUR_MS, Flag.DST_REPAIRED
        return None, Flag.CLOCK_STEPPED
    counted_ms = counted_s * 1000
    if printed_ms is None:
        return counted_ms, none
    apart = printed_ms - counted_ms
    if abs(apart) <= TOLERANCE_MS:
        return max(printed_ms, 0), none
    if changes and abs(abs(apart) - HOUR_MS) <= TOLERANCE_MS:
        return max(printed_ms - (HOUR_MS if apart > 0 else -HOUR_MS), 0), Flag.DST_REPAIRED
    return counted_ms, Flag.CLOCK_STEPPED


def _parties(values: Values, origin: Channel, target: Channel) -> dict[str, Any]:
    """Give numbers, lines, role and identity of a leg."""
    trunk_in = origin.name if origin.kind == TRUNK else None
    trunk_out = target.name if target.kind == TRUNK else None
    lines = [
        values[name]
        for name, trunk in (("channel", trunk_in), ("dstchannel", trunk_out))
        if trunk is not None
    ]
    parts = [values[name] for name in ("uniqueid", "linkedid", "sequence")]
    leg: dict[str, Any] = {
        "native_key": "|".join(parts) if all(parts) else None,
        "calling_number": values["src"],
        "called_number": values["dst"],
        "connected_number": target.extension,
        "calling_name": caller_name(values["clid"]),
        "account_code": values["accountcode"],
        "trunk_in": trunk_in,
        "trunk_out": trunk_out,
        "piece_of": " + ".join(lines) or None,
        "leg_role": ROLES.get((values["lastapp"] or "").lower(), LegRole.PLAIN),
    }
    if origin.extension is not None:
        leg["calling_extension"] = origin.extension
    if target.extension is not None:
        leg["called_extension"] = target.extension
    hint = direction_of(origin, target)
    if hint is not None:
        leg["direction"] = hint
    return leg


def direction_of(origin: Channel, target: Channel) -> Direction | None:
    """Decide the direction by the channels; None = they do not say, the number plan decides.

    A record with a Local channel and no line is a piece of the dialplan: the
    line that it leads to has a record of its own, so it is internal whatever
    was dialled.
    """
    if origin.kind == TRUNK:
        return Direction.TANDEM if target.kind == TRUNK else Direction.INBOUND
    if target.kind == TRUNK:
        return Direction.OUTBOUND
    if LOCAL in {origin.kind, target.kind}:
        return Direction.INTERNAL
    if origin.kind == EXTENSION and target.kind == EXTENSION:
        return Direction.INTERNAL
    return None


def caller_name(clid: str | None) -> str | None:
    """Give the name of a caller id such as `"Bob" <101>`; None where there is only a number."""
    if clid is None or clid.rfind("<") < 0:
        return None
    name = clid[: clid.rfind("<")].strip(" ")
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].strip(" ")
    return name or None


def local_ms(text: bytes | None) -> int | None:
    """Read `YYYY-MM-DD HH:MM:SS` as if it were UTC; None = no such time."""
    if text is None or not _MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.strptime(text.decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 if moment.year >= FIRST_YEAR else None
