"""The declaration of the dialect `avaya_cm`."""

from __future__ import annotations

from pathlib import Path

from bluewhale.capture import ContextRule, FramingTable
from bluewhale.dialects.avaya_cm import parse as columnar
from bluewhale.dialects.avaya_cm.fields import fields
from bluewhale.dialects.avaya_cm.layouts import layout_of
from bluewhale.dialects.avaya_cm.scalar import parse_one
from bluewhale.dialects.avaya_cm.settings import OPTIONS, mistakes
from bluewhale.dialects.engine.dialect import Dialect, Options
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch

# `MMDD` or `MM DD` (or day first), alone on its line; blanks around are tolerated.
DATE_LINE = ContextRule(
    "date",
    rb" {0,3}[0-3][0-9] ?[0-3][0-9] {0,3}",
    length_min=4,
    length_max=11,
    scope="stream",
    resets_count=True,
)


def framing(options: Options) -> FramingTable:
    """Give the framing table of a link.

    Spaces on the left belong to the record (TELESEER begins with three). CR LF
    ends a record, three NULs follow the LF and so stand before the next one. A
    layout with a LINE FEED inside is split at CR LF only.
    """
    layout = layout_of(options)
    return FramingTable(
        version=1,
        separator=b"\r\n" if layout.line_feed else b"\n",
        strip_left=b"\x00\x0b\x0c\r\n" if layout.line_feed else b"\x00\x0b\x0c",
        strip_right=b"\r\x00",
        context=(DATE_LINE,),
        record_length_max_bytes=1024,
    )


def parse(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Parse a batch; see `bluewhale.dialects.avaya_cm.parse`."""
    return columnar.parse(batch, profile, AVAYA_CM)


AVAYA_CM = Dialect(
    dialect_id="avaya_cm",
    title="Avaya Communication Manager, fixed and customised CDR formats",
    version=1,
    identity_version=1,
    options=OPTIONS,
    framing=framing,
    parse=parse,
    parse_one=parse_one,
    fields=fields,
    room=Path(__file__).parent,
    check=mistakes,
)
