"""Direction and class of a leg, by table.

Owns the two tables. A direction that the PBX prints is the hint and wins;
otherwise trunks decide, then what the numbers are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bluewhale.records.enums import CallClass, Direction
from bluewhale.records.numbers.plan import CLASS_CODE, CLASSES

DIRECTIONS = tuple(Direction)
DIRECTION_CODE = {d: i for i, d in enumerate(DIRECTIONS)}
NO_HINT = -1

_IN, _OUT, _OWN, _THROUGH = (
    DIRECTION_CODE[d]
    for d in (Direction.INBOUND, Direction.OUTBOUND, Direction.INTERNAL, Direction.TANDEM)
)

# Index: trunk_in * 8 + trunk_out * 4 + calling_is_extension * 2 + called_is_extension.
_TABLE = np.array(
    [
        # neither trunk: other/other, other/own, own/other, own/own
        *(_THROUGH, _IN, _OUT, _OWN),
        # trunk out only
        *(_OUT, _OUT, _OUT, _OUT),
        # trunk in only
        *(_IN, _IN, _IN, _IN),
        # both trunks
        *(_THROUGH, _THROUGH, _THROUGH, _THROUGH),
    ],
    np.int8,
)


def direction(
    calling_is_extension: Any, called_is_extension: Any, trunk_in: Any, trunk_out: Any, hint: Any
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Give the direction codes (into `DIRECTIONS`) and where they were inferred.

    Parameters
    ----------
    calling_is_extension, called_is_extension, trunk_in, trunk_out
        Booleans per row (or one for all): own extension; a trunk is named.
    hint
        Direction code as printed, `NO_HINT` (-1) where it is not printed.
    """
    index = (
        np.asarray(trunk_in, np.int8) * 8
        + np.asarray(trunk_out, np.int8) * 4
        + np.asarray(calling_is_extension, np.int8) * 2
        + np.asarray(called_is_extension, np.int8)
    )
    hints = np.broadcast_to(np.asarray(hint, np.int8), index.shape)
    inferred = hints == NO_HINT
    return np.where(inferred, _TABLE[index], hints).astype(np.int8), inferred


def direction_one(
    *,
    calling_is_extension: bool,
    called_is_extension: bool,
    trunk_in: bool,
    trunk_out: bool,
    hint: Direction | None = None,
) -> Direction:
    """Give the direction of one leg; the scalar twin of `direction`."""
    if hint is not None:
        return hint
    if trunk_in and trunk_out:
        return Direction.TANDEM
    if trunk_in:
        return Direction.INBOUND
    if trunk_out:
        return Direction.OUTBOUND
    if calling_is_extension:
        return Direction.INTERNAL if called_is_extension else Direction.OUTBOUND
    return Direction.INBOUND if called_is_extension else Direction.TANDEM


def leg_class(direction_code: Any, calling_class: Any, called_class: Any) -> npt.NDArray[np.int8]:
    """Give the class codes (into CallClass order) of legs.

    Outbound and tandem: of the called number. Inbound: where the caller is.
    Internal: internal. An inbound caller that looks like an own extension (a
    private network) is internal too; emergency numbers do not call, unknown.
    """
    directions = np.asarray(direction_code, np.int8)
    calling = np.asarray(calling_class, np.int8)
    calling = np.where(
        calling == CLASS_CODE[CallClass.EMERGENCY], CLASS_CODE[CallClass.UNKNOWN], calling
    )
    out = np.where(directions == _IN, calling, np.asarray(called_class, np.int8))
    return np.where(directions == _OWN, CLASS_CODE[CallClass.INTERNAL], out).astype(np.int8)


def leg_class_one(way: Direction, calling: CallClass, called: CallClass) -> CallClass:
    """Give the class of one leg; the scalar twin of `leg_class`."""
    if way is Direction.INTERNAL:
        return CallClass.INTERNAL
    if way is Direction.INBOUND:
        return CallClass.UNKNOWN if calling is CallClass.EMERGENCY else calling
    return called


assert len(CLASSES) == len(CLASS_CODE)
