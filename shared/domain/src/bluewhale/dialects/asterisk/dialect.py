"""Asterisk cdr_csv: the declaration. Meaning is in `scalar`, columns in `columnar`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bluewhale.capture import FramingTable
from bluewhale.dialects.asterisk import columnar
from bluewhale.dialects.asterisk.layout import AUTO, SHAPES
from bluewhale.dialects.asterisk.on_demand import fields
from bluewhale.dialects.asterisk.scalar import parse_one
from bluewhale.dialects.engine.dialect import Dialect, Option, Options
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch

OPTIONS: Final = (
    Option(
        "columns",
        "choice",
        AUTO,
        "columns of the file: 16, 17u (uniqueid last), 17f (userfield last), 18, 21, or auto: "
        "by count, a 17th column that looks like a uniqueid is one",
        (*SHAPES, AUTO),
    ),
    Option(
        "usegmtime", "flag", False, "times are UTC, as cdr.conf says; otherwise the site's zone"
    ),
    Option(
        "trunks",
        "list",
        [],
        "patterns of `technology/peer` that are lines to the outside (whole name, case ignored); "
        "empty = every SIP, PJSIP, IAX2, DAHDI ... peer whose name is no number as long as an "
        "extension of the site",
    ),
)

FRAMING: Final = FramingTable(version=1)


def framing(options: Options) -> FramingTable:
    """Give the framing table: a line a record, no context."""
    return FRAMING


def check(options: Options) -> Iterable[str]:
    """Find patterns that are no regular expressions."""
    values = options.get("trunks", ())
    assert isinstance(values, list | tuple), "the kind was checked before"
    for pattern in values:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            yield f"option 'trunks': {pattern!r} is no regular expression ({error})"


def parse(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Parse a batch by columns."""
    return columnar.parse(batch, profile, ASTERISK_CSV)


ASTERISK_CSV: Final = Dialect(
    dialect_id="asterisk_csv",
    title="Asterisk call detail records (cdr_csv, Master.csv)",
    version=1,
    identity_version=1,
    options=OPTIONS,
    framing=framing,
    parse=parse,
    parse_one=parse_one,
    fields=fields,
    room=Path(__file__).parent,
    check=check,
)
