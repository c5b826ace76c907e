"""Write docs/reference/records.md from schemas and enums, so that it cannot lie.

`python -m bluewhale.records.reference [FILE]` prints the page or writes it. A
column or word without a meaning here stops it: meanings are part of the schema.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
from bluewhale.records import schemas
from bluewhale.records.enums import (
    CallClass,
    CallState,
    ChargeEntry,
    ChargeStatus,
    Direction,
    Disposition,
    Flag,
    LegRole,
    LossReason,
    RejectReason,
    SuspenseState,
    UnratedReason,
)
from bluewhale.records.reference_words import COLUMNS, FLAGS, REASONS, STRUCTS, WORDS

_SCHEMAS = (
    ("Leg", "One parsed record of one call leg.", schemas.LEG_SCHEMA),
    ("Call", "One version of a call; a call only grows.", schemas.CALL_SCHEMA),
    ("Billable span", "What rating prices; not stored.", schemas.BILLABLE_SCHEMA),
    ("Charge", "One entry of the ledger; never edited.", schemas.CHARGE_SCHEMA),
    ("Suspense", "A record held for repair.", schemas.SUSPENSE_SCHEMA),
)
_ENUMS: tuple[tuple[str, type[StrEnum]], ...] = (
    ("direction", Direction),
    ("class", CallClass),
    ("disposition", Disposition),
    ("leg_role", LegRole),
    ("state of a call", CallState),
    ("entry", ChargeEntry),
    ("status of a charge", ChargeStatus),
    ("state of a suspended record", SuspenseState),
)
_REASONS: tuple[tuple[str, type[StrEnum]], ...] = (
    ("Why a record waits in suspense", RejectReason),
    ("Why a span has no price", UnratedReason),
    ("Why a record never arrived", LossReason),
)
_HEAD = """# Records: every column, word, reason and flag

Made by `python -m bluewhale.records.reference` from the schemas; a test keeps it current.

`*_at` is a UTC instant in milliseconds, `*_ms` whole milliseconds, `*_e164` a number of E.164 as an integer (its digits without +), money whole nanos (10^-9) of the currency beside it, an id 16 bytes (docs/reference/identity.md). A word is stored dictionary-encoded. Null means not known; an empty text is never stored. A column or word is added, never changed or reused.
"""


def type_text(kind: pa.DataType) -> str:
    """Give the type of a column in the words of this page."""
    if kind == schemas.INSTANT:
        return "instant"
    if kind == schemas.ID:
        return "id"
    if kind == schemas.WORD:
        return "word"
    if pa.types.is_list(kind):
        return f"list of {type_text(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "(" + ", ".join(f.name for f in kind) + ")"
    return {"string": "text", "binary": "bytes", "bool": "yes/no"}.get(str(kind), str(kind))


def meaning_of(schema: str, column: str) -> str:
    """Give what a column means; a column without meaning is a programmer's error."""
    found = COLUMNS.get(f"{schema}.{column}") or COLUMNS.get(column)
    assert found, f"{schema}.{column} has no meaning in reference_words.COLUMNS"
    return found


def page() -> str:
    """Give the whole page as Markdown."""
    parts = [_HEAD]
    for title, sentence, schema in _SCHEMAS:
        name = schema.metadata[b"schema"].decode() if schema.metadata else title.lower()
        version = (
            f" Schema version {schema.metadata[b'version'].decode()}." if schema.metadata else ""
        )
        parts.append(
            f"\n## {title}\n\n{sentence}{version}\n\n| Column | Type | Meaning |\n|---|---|---|\n"
        )
        for f in schema:
            meaning = meaning_of(name.split()[0], f.name)
            parts.append(f"| `{f.name}` | {type_text(f.type)} | {meaning} |\n")
    for title, struct in (("Join", schemas.JOIN), ("Segment", schemas.SEGMENT)):
        parts.append(f"\n## {title} (inside a list)\n\n| Field | Type | Meaning |\n|---|---|---|\n")
        for f in struct:
            meaning = STRUCTS[f"{title.lower()}.{f.name}"]
            parts.append(f"| `{f.name}` | {type_text(f.type)} | {meaning} |\n")
    parts.append("\n## Words\n")
    for title, words in _ENUMS:
        parts.append(f"\n### {title}\n\n| Word | Meaning |\n|---|---|\n")
        parts.extend(f"| `{w}` | {WORDS[title][w.value]} |\n" for w in words)
    parts.append("\n## Reason codes\n")
    for title, reasons in _REASONS:
        parts.append(f"\n### {title}\n\n| Code | Meaning | What to do |\n|---|---|---|\n")
        for reason in reasons:
            meaning, remedy = REASONS[reason.value]
            parts.append(f"| `{reason}` | {meaning} | {remedy} |\n")
    parts.append("\n## Flags\n\n| Bit | Flag | Meaning |\n|---|---|---|\n")
    for flag in Flag:
        assert flag.name, "every flag has a name"
        parts.append(f"| {flag.value.bit_length() - 1} | `{flag.name}` | {FLAGS[flag.name]} |\n")
    return "".join(parts)


def main(arguments: list[str]) -> None:
    """Print the page, or write it to the file named first."""
    if arguments:
        Path(arguments[0]).write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
