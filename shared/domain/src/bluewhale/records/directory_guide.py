"""The field tables of docs/guides/directory.md, made from the declared fields."""

from __future__ import annotations

from bluewhale.records.directory_tables import KINDS

FIELDS_HEADING = "## Fields\n"


def field_tables() -> str:
    """Give the Markdown tables of all kinds of entries, as the guide ends with them."""
    parts = []
    for kind, fields in KINDS.items():
        parts.append(f"\n### {kind}\n\n| Field | Needed | Meaning |\n|---|---|---|\n")
        for f in fields:
            needed = "yes" if f.required else ""
            meaning = f.meaning + (f" (one of {f.refers_to})" if f.refers_to else "")
            parts.append(f"| `{f.name}` | {needed} | {meaning} |\n")
    return "".join(parts)
