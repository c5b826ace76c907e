"""All fields of one record on demand, from its raw bytes."""

from __future__ import annotations

from bluewhale.dialects.avaya_cm.condition_codes import BY_CODE
from bluewhale.dialects.avaya_cm.layouts import MEANINGS, Item, Layout, layout_of
from bluewhale.dialects.engine.dialect import Field, Options

_CONFIDENCE = {
    "V": "",
    "R": "position from an open collector",
    "I": "position inferred",
    "site": "position from the link's configuration",
}


def fields(record: bytes, context: bytes | None, options: Options) -> list[Field]:
    """Give every item of a record, blank ones too, and the date line it stands under."""
    layout = layout_of(options)
    text = record.decode("latin-1")
    found = [_field(layout, item, text) for item in layout.items]
    for first, last in layout.unread:
        if text[first - 1 : last].strip():
            place, shown = f"{first}-{last}", text[first - 1 : last]
            span = (first - 1, min(last, len(text)))
            found.append(Field("unread", place, shown, None, "not documented", span=span))
    if context is not None:
        line = context.decode("latin-1")
        found.append(Field("date-line", "", line, None, "date record in force"))
    return found


def _field(layout: Layout, item: Item, text: str) -> Field:
    """Read one item."""
    printed = text[item.first - 1 : item.last]
    position = str(item.first) if item.first == item.last else f"{item.first}-{item.last}"
    notes = [note for note in (item.note, _CONFIDENCE[item.confidence]) if note]
    value: object = printed.strip() or None
    if item.name == "cond-code" and printed in BY_CODE:
        value = BY_CODE[printed].meaning
    elif layout.inverted and item.name in {"in-crt-id", "out-crt-id"} and printed.strip():
        value = printed[-1:] + printed[:-1]
        notes.append("printed inverted: 123 as 231")
    span = (item.first - 1, min(item.last, len(text))) if printed else None
    return Field(item.name, position, printed, value, MEANINGS[item.name], "; ".join(notes), span)
