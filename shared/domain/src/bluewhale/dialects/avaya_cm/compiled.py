"""A layout as the arrays that the kernels read; made once per layout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from bluewhale.dialects.avaya_cm import kernels as k
from bluewhale.dialects.avaya_cm.condition_codes import CONDITIONS
from bluewhale.dialects.avaya_cm.layouts import Item, Layout

_SIDES = {
    "internal": k.SIDE_INTERNAL,
    "incoming": k.SIDE_IN,
    "outgoing": k.SIDE_OUT,
    "either": k.SIDE_NONE,
}

# Item name of each place that is one contiguous item.
PLACE_NAMES = {
    k.DATE: "date",
    k.TIME: "time",
    k.HOURS: "hours",
    k.MINUTES: "minutes",
    k.TENTHS: "tenths",
    k.SECONDS: "sec-dur",
    k.COND: "cond-code",
    k.CODE_DIAL: "code-dial",
    k.CODE_USED: "code-used",
    k.DIALED: "dialed-num",
    k.CALLING: "calling-num",
    k.CALLING_FIRST: "calling-first",
    k.IN_TRUNK: "in-trk-code",
    k.IN_H: "in-crt-id",
    k.IN_T: "in-crt-id",
    k.IN_U: "in-crt-id",
    k.OUT_H: "out-crt-id",
    k.OUT_T: "out-crt-id",
    k.OUT_U: "out-crt-id",
}


@dataclass(frozen=True, slots=True)
class CompiledLayout:
    """What `kernels.parse_rows` takes, and the spans of the text fields (0-based)."""

    layout: Layout
    place: npt.NDArray[np.int64]
    blanks: npt.NDArray[np.int64]
    conditions: npt.NDArray[np.int8]
    sides: npt.NDArray[np.int8]
    lengths: npt.NDArray[np.int64]

    def span(self, name: str) -> tuple[int, int] | None:
        """Give an item's 0-based half-open span."""
        item = self.layout.item(name)
        return None if item is None else (item.first - 1, item.last)

    def needed(self) -> int:
        """How many characters a record has at least."""
        return int(self.lengths[0])


@lru_cache(maxsize=256)
def compile_layout(layout: Layout) -> CompiledLayout:
    """Turn a layout into arrays."""
    place = np.full((k.PLACES, 2), -1, dtype=np.int64)
    for index, name in PLACE_NAMES.items():
        item = layout.item(name)
        if item is not None and index < k.IN_H:
            place[index] = (item.first - 1, item.last)
    _place_variants(layout, place)
    for base, side in ((k.IN_H, "in"), (k.OUT_H, "out")):
        _place_circuit(layout, place, base, side)
    covered = np.zeros(layout.length, dtype=np.bool_)
    for item in layout.items:
        covered[item.first - 1 : item.last] = True
    for first, last in layout.unread:
        covered[first - 1 : last] = True
    if layout.line_feed:
        covered[layout.line_feed - 1] = True
    blanks = np.flatnonzero(~covered)
    needed = int(place[: k.IN_TRUNK, 1].max(initial=0, where=_needed_places()))
    conditions = np.full(256, -1, dtype=np.int8)
    for index, condition in enumerate(CONDITIONS):
        conditions[ord(condition.code)] = index
    return CompiledLayout(
        layout,
        place,
        blanks,
        conditions,
        np.array([_SIDES[condition.side] for condition in CONDITIONS], dtype=np.int8),
        np.array(
            [
                needed,
                layout.length,
                max(layout.length, layout.length_max),
                layout.line_feed - 1,
                len(blanks),
            ],
            dtype=np.int64,
        ),
    )


def _needed_places() -> npt.NDArray[np.bool_]:
    """Mark the places without which a record is no call."""
    marks = np.ones(k.IN_TRUNK, dtype=np.bool_)
    marks[[k.CODE_DIAL, k.CODE_USED]] = False
    return marks


def _place_variants(layout: Layout, place: npt.NDArray[np.int64]) -> None:
    """Place items that stand under another name in some layouts."""
    duration = layout.item("duration")
    if duration is not None:
        first = duration.first - 1
        place[k.HOURS] = (first, first + 1)
        place[k.MINUTES] = (first + 1, first + 3)
        place[k.TENTHS] = (first + 3, first + 4)
    for other in ("calling-last", "clg-num/in-tac"):
        item: Item | None = layout.item(other)
        if item is not None and place[k.CALLING, 0] < 0:
            place[k.CALLING] = (item.first - 1, item.last)


def _place_circuit(layout: Layout, place: npt.NDArray[np.int64], base: int, side: str) -> None:
    """Place hundreds, tens and units of a circuit id."""
    whole = layout.item(f"{side}-crt-id")
    if whole is not None:
        columns = list(range(whole.first - 1, whole.last))
        if layout.inverted:  # 123 is printed 231
            columns = [columns[-1], *columns[:-1]]
        for digit, column in enumerate(columns, start=3 - len(columns)):
            place[base + digit] = (column, column + 1)
        return
    tens = layout.item(f"{side}-crt-tu")
    hundreds = layout.item(f"{side}-crt-h")
    if tens is not None:
        place[base + 1] = (tens.first - 1, tens.first)
        place[base + 2] = (tens.last - 1, tens.last)
    if hundreds is not None:
        place[base] = (hundreds.first - 1, hundreds.last)
