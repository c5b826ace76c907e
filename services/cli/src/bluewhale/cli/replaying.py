"""Suspense, opened again: what a record says, and parsing it anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bluewhale.dialects import get_dialect
from bluewhale.jobs.preparing import prepare
from bluewhale.jobs.rejoining import join_everything
from bluewhale.jobs.replaying import replay as parse_again

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.database import Store


def describe(configuration: Configuration, store: Store, suspense_id: int) -> str:
    """Say everything about one waiting record."""
    row = store.suspense_show(suspense_id)
    lines = [
        f"{name}: {value}" for name, value in row.items() if value is not None and name != "raw"
    ]
    raw = bytes(row["raw"] or b"")
    lines.append(f"raw: {raw.decode('utf-8', 'backslashreplace')}")
    profile = configuration.profiles.get(row["link_uid"])
    if profile is not None:
        context = row.get("context")
        dialect = get_dialect(profile.dialect_id)
        for field in dialect.fields(raw, context, profile.options):
            note = f"  ({field.note})" if field.note else ""
            lines.append(
                f"  {field.position:>14}  {field.name:<28} {field.text!r:<24} {field.value}{note}"
            )
    return "\n".join(lines)


def replay(configuration: Configuration, store: Store, ids: list[int], *, who: str) -> str:
    """Parse records again; what fits is stored once and joined. Gives a summary."""
    found = parse_again(configuration, store, ids, who=who)
    join_everything(store, prepare(configuration, store), int(time.time() * 1000))
    return found.text()
