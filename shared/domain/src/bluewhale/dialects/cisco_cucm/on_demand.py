"""Every column of one CUCM record, decoded for people from the raw bytes.

Owns what `bluewhale dialect try` shows. Never raises: a record that cannot be
split shows what stands before the fault.
"""

from __future__ import annotations

from bluewhale.dialects.cisco_cucm.columns import column_of, decode
from bluewhale.dialects.cisco_cucm.layout import header_names, is_quality_header
from bluewhale.dialects.engine.delimited import fault_reject, layout_of, piece_span, split_record
from bluewhale.dialects.engine.dialect import Field, Options


def fields(record: bytes, context: bytes | None, options: Options) -> list[Field]:
    """Give every column: name, number, text, value, meaning; a fault is the last field."""
    names = header_names(context)
    quality = is_quality_header(names)
    pieces, fault = split_record(record)
    found = []
    for index, piece in enumerate(pieces):
        shown, span = piece[1].decode("utf-8", "replace"), piece_span(piece)
        place = f"column {index + 1}"
        name = names[index] if index < len(names) else place
        column = column_of(name, quality=quality)
        if column is None:
            note = "no header line" if not names else "not in the guide"
            found.append(Field(name, place, shown, shown or None, "", note, span))
            continue
        value, note = decode(column.kind, shown)
        found.append(Field(column.name, place, shown, value, column.meaning, note, span))
    if fault is not None:
        layout = layout_of(names or ("",), texts=(), integers=())
        reject = fault_reject(fault, layout)
        found.append(
            Field(
                reject.field or "record",
                reject.position,
                "",
                None,
                "",
                f"{reject.reason}: {reject.detail}",
            )
        )
    return found
