"""A filter as somebody may ask it: read, checked, fixed in time, narrowed to the branch.

The only way from text to a question: no route asks about calls without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bluewhale.webapi import access, filters
from bluewhale.webapi.shapes import Period

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2 as api
    from bluewhale.webapi.filters import Filter
    from bluewhale.webapi.names import Names


@dataclass(frozen=True, slots=True)
class Scoped:
    """What is asked: `fixed` prints as the scope of every figure made from it."""

    fixed: Filter
    zone: ZoneInfo
    question: api.CallFilter

    @property
    def scope(self) -> str:
        """Give the filter in the address grammar."""
        return str(self.fixed)

    @property
    def period(self) -> Period:
        """Give when."""
        return Period(from_=self.fixed.since, to=self.fixed.until, zone=self.zone.key)


def scoped(
    text: str,
    reader: access.Reader,
    names: Names,
    *,
    default: str = "",
    now: datetime | None = None,
) -> Scoped:
    """Read a filter and make it a question of this reader.

    default: conditions where the text says nothing about time.

    Raises
    ------
    RefusedError
        `filter_invalid`, `numbers_masked`, `out_of_scope`.
    """
    wanted = filters.parse(text)
    if default and wanted.period is wanted.since is wanted.until is None:
        wanted = filters.parse("&".join(x for x in (default, text) if x))
    access.check(reader, wanted)
    zone = _zone(wanted, reader, names)
    fixed = wanted.fixed(now or datetime.now(UTC), zone)
    question = access.narrowed(reader, filters.message(fixed, names.below))
    return Scoped(fixed, zone, question)


def _zone(wanted: Filter, reader: access.Reader, names: Names) -> ZoneInfo:
    if wanted.tz not in {None, filters.SITE_ZONE}:
        return ZoneInfo(wanted.tz)
    return names.zone(wanted.sites or reader.branch.sites)
