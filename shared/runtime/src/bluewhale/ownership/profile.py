"""How long leases last, and the clock that they are measured with.

Owns the timings of a profile and the margins that clock drift costs. Does not
own any decision. A lease is over for the unit *before* it is over for the
centre, as long as no clock runs faster or slower than `drift` against true time:

    unit:   its own send time + lease_s * (1 - drift)
    centre: its own receive time + lease_s * (1 + drift)
"""

from __future__ import annotations

import time
from dataclasses import dataclass

DRIFT = 0.02  # 20,000 ppm: a hundred times what a bad quartz drifts
FAILBACK_HOLD_S = 300.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Timings in seconds; `drift` is a ratio, 0 <= drift < 1.

    lease_s
        How long a unit, or the leader of a term, holds what it has without renewing.
    deadline_s
        A leader that has not renewed its term for so long stops serving; shorter
        than `lease_s`, so that it stops before another may begin.
    retry_s
        Pause between two renewals.
    """

    lease_s: float
    deadline_s: float
    retry_s: float
    drift: float = DRIFT

    @property
    def held_s(self) -> float:
        """How long the holder counts on it, by its own clock since it sent."""
        return self.lease_s * (1 - self.drift)

    @property
    def kept_s(self) -> float:
        """How long the giver keeps it for the holder, by its own clock since it received."""
        return self.lease_s * (1 + self.drift)


FAST = Profile(lease_s=6.0, deadline_s=4.0, retry_s=1.0)
DEFAULT = Profile(lease_s=15.0, deadline_s=10.0, retry_s=2.0)
PROFILES = {"fast": FAST, "default": DEFAULT}


def boot_time() -> float:
    """Give seconds of a clock that never steps and counts through suspend."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
