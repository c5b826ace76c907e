"""Every column of one CUCM record, decoded for people from the raw bytes.

Owns what `bluewhale dialect try` shows. Never raises: a record that cannot be
split shows what stands before the fault.
"""

from __future__ import annotations

from bluewhale.dialects.cisco_cucm.columns import column_of, decode
from bluewhale.dialects.cisco_cucm.layout import header_names, is_quality_header
from bluewhale.dialects.engine.delimited import fault_reject, layout_of, split_record
from bluewhale.dialects.engine.dialect import Field, Options


def fields(record: bytes, context: bytes | None, options: Options) -> list[Field]:
    """Give every column: name, number, text, value, meaning; a fault is the last field."""
    names = header_names(context)
    quality = is_quality_header(names)
    pieces, fault = split_record(record)
    found = []
    for index, (_, text, _) in enumerate(pieces):
        shown = text.decode("utf-8", "replace")
        name = names[index] if index < len(names) else f"column {index + 1}"
        column = column_of(name, quality=quality)
        if column is None:
            note = "no header line" if not names else "not in the guide"
            found.append(Field(name, f"column {index + 1}", shown, shown or None, "", note))
            continue
        value, note = decode(column.kind, shown)
        found.append(Field(column.name, f"column {index + 1}", shown, value, column.meaning, note))
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
