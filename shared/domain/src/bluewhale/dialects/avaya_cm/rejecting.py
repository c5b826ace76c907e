"""What a wrong record is told: reason, field, position, expected."""

from __future__ import annotations

from bluewhale.dialects.avaya_cm import kernels as k
from bluewhale.dialects.avaya_cm.compiled import PLACE_NAMES, CompiledLayout
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.records.enums import RejectReason

_REASONS = {
    k.FOREIGN_BYTE: (RejectReason.ENCODING_INVALID, "printable ASCII"),
    k.NOT_TIME: (RejectReason.NOT_THIS_FORMAT, "digits"),
    k.TRUNCATED: (RejectReason.RECORD_TRUNCATED, "at least {needed} characters, or blanks only behind the end"),
    k.TOO_LONG: (RejectReason.RECORD_TOO_LONG, "at most {longest} characters"),
    k.NOT_BLANK: (RejectReason.NOT_THIS_FORMAT, "a space in layout {layout}"),
    k.BAD_TIME: (RejectReason.TIME_INVALID, "hhmm from 0000 to 2359"),
    k.BAD_DURATION: (RejectReason.FIELD_MALFORMED, "digits, minutes below 60"),
    k.BAD_CODE: (RejectReason.RECORD_TYPE_UNKNOWN, "a condition code of Avaya CM"),
    k.BAD_NUMBER: (RejectReason.FIELD_MALFORMED, "digits, *, # or +, without gaps"),
    k.BAD_DATE: (RejectReason.TIME_INVALID, "a day of the calendar in the configured date order"),
    k.LOST_RECORDS: (
        RejectReason.SWITCH_LOST_RECORDS,
        "a call; code 6 reports an outage in which the switch lost records",
    ),
    k.NO_CONTEXT: (RejectReason.CONTEXT_MISSING, "a date line before the first record"),
    k.IN_FUTURE: (RejectReason.TIME_IN_FUTURE, "an end at most 26 hours after the receipt"),
}  # fmt: skip


def reject(wrong: int, where: int, compiled: CompiledLayout) -> Reject:
    """Describe one kind of mistake at one place."""
    reason, expected = _REASONS[wrong]
    expected = expected.format(
        needed=compiled.needed(),
        longest=int(compiled.lengths[2]),
        layout=compiled.layout.name,
    )
    if wrong in k.BY_COLUMN:
        return Reject(reason, "", str(where + 1), expected)
    if wrong == k.LOST_RECORDS:
        where = k.COND
    if wrong in {k.TOO_LONG, k.NO_CONTEXT, k.IN_FUTURE} or (wrong == k.TRUNCATED and where == 0):
        return Reject(reason, "", "", expected)
    name = PLACE_NAMES[where]
    first, last = (int(edge) for edge in compiled.place[where])
    position = str(first + 1) if last == first + 1 else f"{first + 1}-{last}"
    return Reject(reason, name, position, expected)
