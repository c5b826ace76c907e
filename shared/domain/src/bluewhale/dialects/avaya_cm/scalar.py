"""One Avaya CM record, plainly: the twin of the columnar parser.

Reads the layout table item by item with Python strings; slow and obvious.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from bluewhale.dialects.avaya_cm import joining
from bluewhale.dialects.avaya_cm import kernels as k
from bluewhale.dialects.avaya_cm.compiled import compile_layout
from bluewhale.dialects.avaya_cm.condition_codes import BY_CODE, Condition
from bluewhale.dialects.avaya_cm.days import AHEAD_LIMIT_MS, context_day, day_one
from bluewhale.dialects.avaya_cm.layouts import Layout, layout_of
from bluewhale.dialects.avaya_cm.rejecting import reject
from bluewhale.dialects.avaya_cm.settings import Settings, settings_of
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.records import ids, times
from bluewhale.records.batches import LinkProfile
from bluewhale.records.enums import Disposition, Flag, LegRole

_EPOCH = dt.date(1970, 1, 1)
_NUMBER = set("0123456789*#+")


class _Wrong(Exception):
    """A mistake of the record, carried to the top of this module only."""

    def __init__(self, kind: int, where: int = 0) -> None:
        super().__init__(kind, where)
        self.kind = kind
        self.where = where


def parse_one(
    record: bytes, context: bytes | None, profile: LinkProfile, received_at_ms: int
) -> dict[str, Any] | Reject:
    """Parse one record.

    Returns
    -------
    The leg columns that this dialect sets (instants in UTC milliseconds, words
    and texts as str, None = null; `day` in days since 1970), or why not.
    """
    layout = layout_of(profile.options)
    settings = settings_of(profile.options)
    try:
        return _leg(record, context, profile, received_at_ms, layout, settings)
    except _Wrong as wrong:
        return reject(wrong.kind, wrong.where, compile_layout(layout))


def _leg(
    record: bytes,
    context: bytes | None,
    profile: LinkProfile,
    received_at_ms: int,
    layout: Layout,
    settings: Settings,
) -> dict[str, Any]:
    """Check and read."""
    text, condition = _shape(record, layout)
    printed_ms = _duration_ms(layout, text)
    date = _item(layout, text, "date")
    time = _item(layout, text, "time")
    minutes = int(time[:2]) * 60 + int(time[2:]) if settings.has_time else 0
    printed_day = None
    if settings.has_date:
        printed_day = _printed_day(date, day_first=settings.day_first)
    if not condition.call:
        raise _Wrong(k.LOST_RECORDS)
    zone = profile.site.zone
    day, flags, known = day_one(
        printed_day,
        context_day(context, day_first=settings.day_first),
        minutes * 60_000 if settings.has_time else None,
        received_at_ms,
        zone,
    )
    if settings.date_required and not known:
        raise _Wrong(k.NO_CONTEXT)
    more = ahead = Flag(0)
    release = received_at_ms
    if settings.has_time:
        local_ms = day * times.DAY_MS + minutes * times.MINUTE_MS
        release, more = times.local_to_utc_one(local_ms, zone, received_at_ms)
    if release - received_at_ms > AHEAD_LIMIT_MS:
        raise _Wrong(k.IN_FUTURE)
    if release - received_at_ms > times.CLOCK_TOLERANCE_MS:
        ahead = Flag.CLOCK_AHEAD
    flags |= more | ahead | settings.flags
    start = release - printed_ms
    answered = condition.disposition is Disposition.ANSWERED
    leg = _path(layout, text, condition)
    if answered and not condition.ring_time:
        flags |= Flag.ANSWER_INFERRED
    if not condition.ring_time:
        flags |= Flag.SETUP_INFERRED
    leg.update(
        day=day,
        setup_at=start,
        answer_at=(release if condition.ring_time else start) if answered else None,
        release_at=release,
        duration_ms=0 if condition.ring_time else printed_ms,
        ring_ms=printed_ms if condition.ring_time else None,
        account_code=_item(layout, text, "acct-code").strip() or None,
        authorization_code=_item(layout, text, "auth-code").strip() or None,
        condition_code=condition.code,
        disposition=str(condition.disposition),
        leg_role=str(condition.role),
        dialect_flags=int(flags),
    )
    leg["join_keys"] = _join_keys(
        leg, condition, profile.pbx_uid, splitting=settings.call_splitting
    )
    leg["join_at"] = release if leg["join_keys"] else None
    leg["join_gap_ms"] = joining.GAP_MS if leg["join_keys"] else None
    return leg


def _item(layout: Layout, text: str, name: str) -> str:
    """Cut an item out; blank where the layout has none."""
    item = layout.item(name)
    return "" if item is None else text[item.first - 1 : item.last]


def _shape(record: bytes, layout: Layout) -> tuple[str, Condition]:
    """Check a record against the layout; gives the text, filled up with blanks."""
    compiled = compile_layout(layout)
    for at, byte in enumerate(record):
        if not 32 <= byte <= 126 and not (byte == 10 and at == layout.line_feed - 1):
            raise _Wrong(k.FOREIGN_BYTE, at)
    text = record.decode("ascii")
    first_name = "time" if layout.item("time") else "minutes"
    first = layout.item(first_name)
    assert first is not None, "every layout has one of them"
    if len(text) < first.last or not _digits(text[first.first - 1 : first.last]):
        raise _Wrong(k.NOT_TIME, k.TIME if first_name == "time" else k.MINUTES)
    date = layout.item("date")
    if date and (len(text) < date.last or not _digits(text[date.first - 1 : date.last])):
        raise _Wrong(k.NOT_TIME, k.DATE)
    for column in compiled.blanks.tolist():
        if column < len(text) and text[column] != " ":
            raise _Wrong(k.NOT_BLANK, column)
    if len(text) < compiled.needed():
        raise _Wrong(k.TRUNCATED)
    if text[max(layout.length, layout.length_max) :].strip(" "):
        raise _Wrong(k.TOO_LONG)
    printed, text = len(text), text.ljust(layout.length)
    if layout.item("time"):
        time = _item(layout, text, "time")
        if int(time[:2]) > 23 or int(time[2:]) > 59:
            raise _Wrong(k.BAD_TIME, k.TIME)
    hours, minutes, tenths = _duration_parts(layout, text)
    for where, part in ((k.HOURS, hours), (k.MINUTES, minutes), (k.TENTHS, tenths)):
        if part and (not _digits(part) or (where == k.MINUTES and int(part) > 59)):
            raise _Wrong(k.BAD_DURATION, where)
    seconds = _item(layout, text, "sec-dur")
    if seconds and not _digits(seconds):
        raise _Wrong(k.BAD_DURATION, k.SECONDS)
    condition = BY_CODE.get(_item(layout, text, "cond-code"))
    if condition is None:
        raise _Wrong(k.BAD_CODE, k.COND)
    for where, number in (
        (k.DIALED, _item(layout, text, "dialed-num")),
        (k.CALLING, _calling_item(layout, text)),
        (k.CODE_DIAL, _item(layout, text, "code-dial")),
        (k.CODE_USED, _item(layout, text, "code-used")),
        (k.IN_TRUNK, _item(layout, text, "in-trk-code")),
    ):
        if set(number.strip(" ")) - _NUMBER:
            raise _Wrong(k.BAD_NUMBER, where)
    base = {"incoming": k.IN_H, "outgoing": k.OUT_H}.get(condition.side)
    if base is not None:
        for where in range(base, base + 3):
            if compiled.place[where, 0] >= printed:
                raise _Wrong(k.TRUNCATED, where)
    return text, condition


def _digits(text: str) -> bool:
    return all("0" <= char <= "9" for char in text)


def _duration_parts(layout: Layout, text: str) -> tuple[str, str, str]:
    """Give hours, minutes, tenths as printed; blank where the layout has none."""
    whole = _item(layout, text, "duration")
    if whole:
        return whole[0], whole[1:3], whole[3]
    hours, minutes = _item(layout, text, "hours"), _item(layout, text, "minutes")
    return hours, minutes, _item(layout, text, "tenths")


def _duration_ms(layout: Layout, text: str) -> int:
    """Read the duration; seconds win over tenths of a minute."""
    seconds = _item(layout, text, "sec-dur")
    if seconds:
        return int(seconds) * 1000
    hours, minutes, tenths = _duration_parts(layout, text)
    return int(hours) * 3_600_000 + int(minutes) * 60_000 + int(tenths) * 6_000


def _printed_day(date: str, *, day_first: bool) -> int:
    """Read a six-digit date as days since 1970."""
    first, second, year = int(date[:2]), int(date[2:4]), 2000 + int(date[4:])
    day, month = (first, second) if day_first else (second, first)
    try:
        return (dt.date(year, month, day) - _EPOCH).days
    except ValueError:
        raise _Wrong(k.BAD_DATE, k.DATE) from None


def _calling_item(layout: Layout, text: str) -> str:
    """Give the item that holds the calling number, without a first digit elsewhere."""
    for name in ("calling-num", "calling-last", "clg-num/in-tac"):
        if layout.item(name):
            return _item(layout, text, name)
    return ""


def _circuit(layout: Layout, text: str, side: str) -> str:
    """Give a circuit id in its true order."""
    whole = _item(layout, text, f"{side}-crt-id")
    if whole:
        if layout.inverted:
            whole = whole[-1] + whole[:-1]
        return whole.replace(" ", "")
    hundreds = _item(layout, text, f"{side}-crt-h")
    return (hundreds + _item(layout, text, f"{side}-crt-tu")).replace(" ", "")


def _path(layout: Layout, text: str, condition: Condition) -> dict[str, Any]:
    """Read parties, trunks and direction."""
    used = _item(layout, text, "code-used").replace(" ", "")
    group_out = used or _item(layout, text, "code-dial").replace(" ", "")
    group_in = _item(layout, text, "in-trk-code").replace(" ", "")
    circuit_in = _circuit(layout, text, "in")
    circuit_out = _circuit(layout, text, "out")
    has_in = bool(circuit_in or group_in)
    direction: str | None
    if condition.side == "internal":
        direction = "internal"
    elif condition.side == "incoming":
        direction = "tandem" if circuit_out else "inbound"
    elif condition.side == "outgoing":
        direction = "tandem" if has_in else "outbound"
    elif has_in:
        direction = "tandem" if circuit_out else "inbound"
    else:
        direction = "outbound" if circuit_out or group_out else None
    if direction in {"inbound", "internal"}:
        group_out = ""
    calling = (_item(layout, text, "calling-first") + _calling_item(layout, text)).strip(" ")
    return {
        "calling_number": calling or None,
        "called_number": _item(layout, text, "dialed-num").strip(" ") or None,
        "trunk_in": _trunk(group_in, circuit_in),
        "trunk_out": _trunk(group_out, circuit_out),
        "trunk_group_in": group_in or None,
        "trunk_group_out": group_out or None,
        "printed_direction": direction,
    }


def _trunk(group: str, circuit: str) -> str | None:
    """Name a trunk member: CODE-CIRCUIT."""
    if not circuit:
        return None
    return f"{group}-{circuit}" if group else circuit


def _join_keys(
    leg: dict[str, Any], condition: Condition, pbx_uid: str, *, splitting: bool
) -> list[int] | None:
    """Make the join keys; see `joining`."""
    trunk = leg["trunk_out"] or leg["trunk_in"]
    ordinary = condition.role is LegRole.PLAIN and condition.disposition is Disposition.ANSWERED
    bits = 0
    if trunk and condition.role is LegRole.PIECE:
        bits |= joining.PIECE
    if trunk and ordinary and leg["duration_ms"] >= joining.LAST_PIECE_MIN_MS:
        bits |= joining.LAST_PIECE
    if condition.role is LegRole.CONFERENCE:
        bits |= joining.CONFERENCE
    if trunk and (condition.role is LegRole.FORWARD or (splitting and ordinary)):
        bits |= joining.SPLIT
    texts = joining.key_texts(
        bits,
        trunk or "",
        leg["calling_number"] or "",
        leg["called_number"] or "",
        leg["setup_at"] // joining.SLOT_MS,
        leg["release_at"] // joining.SLOT_MS,
        inbound=leg["printed_direction"] == "inbound",
    )
    return [ids.join_key(joining.KIND, pbx_uid, text) for text in texts] or None
