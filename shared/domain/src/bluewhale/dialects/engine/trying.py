"""What pasted lines become: framed as the edge does it, then each record taken apart.

Owns trying lines out, for people. Records of a link never pass here: they are parsed
by column (`Dialect.parse`), which the twin used here must agree with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bluewhale.capture import Framer
from bluewhale.dialects.engine.dialect import Field, Reject
from bluewhale.records.batches import LinkProfile

if TYPE_CHECKING:
    from bluewhale.dialects.engine.dialect import Dialect, Options
    from bluewhale.records.directory import Site

ASSUMED = "no header: columns of the release that has as many were assumed"


@dataclass(frozen=True, slots=True)
class Tried:
    """One record: its bytes, the fields in it, and the leg that it is, or why it is none."""

    record: bytes
    context: bytes | None
    fields: list[Field]
    leg: dict[str, Any]
    reject: Reject | None
    note: str


def tried(
    dialect: Dialect, options: Options, site: Site, data: bytes, *, now_ms: int
) -> Iterator[Tried]:
    """Give what each record of `data` becomes; `now_ms` stands for its receipt."""
    profile = LinkProfile("tried", 1, "tried", site, dialect.dialect_id, options)
    framer = Framer(dialect.framing(options))
    for record, heard in [*framer.feed(data), *framer.flush()]:
        context = dialect.assumed_context(record) if heard is None else heard
        parsed = dialect.parse_one(record, context, profile, now_ms)
        yield Tried(
            record=record,
            context=context,
            fields=dialect.fields(record, context, options),
            leg={} if isinstance(parsed, Reject) else parsed,
            reject=parsed if isinstance(parsed, Reject) else None,
            note=ASSUMED if context is not None and heard is None else "",
        )
