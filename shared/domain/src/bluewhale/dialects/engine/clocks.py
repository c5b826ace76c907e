"""Printed moments against the moment of receipt: how far ahead is believable.

A switch's clock may be a little ahead; a record from tomorrow is not a record
but a wrong clock, a wrong date order or a wrong dialect, and waits in suspense.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from bluewhale.records.enums import Flag

AHEAD_TOLERATED_MS = 120_000  # minutes are printed without seconds; clocks drift
AHEAD_LIMIT_MS = 26 * 3_600_000  # a zone mistake stays below a day and a bit


def check_clock(
    moment_ms: npt.NDArray[np.int64], received_at_ms: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Give (flags, mask of rows that are too far ahead to be believed)."""
    ahead_ms = moment_ms - received_at_ms
    flags = np.where(ahead_ms > AHEAD_TOLERATED_MS, int(Flag.CLOCK_AHEAD), 0)
    return flags, ahead_ms > AHEAD_LIMIT_MS


def check_clock_one(moment_ms: int, received_at_ms: int) -> tuple[int, bool]:
    """Scalar twin of `check_clock`."""
    ahead_ms = moment_ms - received_at_ms
    flags = int(Flag.CLOCK_AHEAD) if ahead_ms > AHEAD_TOLERATED_MS else 0
    return flags, ahead_ms > AHEAD_LIMIT_MS
