"""How long the processor rests between two rounds.

    time.sleep(pace.rest_s(worked_s))

A round of one line costs what one of thirty does. A line alone is priced at
once; where small rounds follow one another the rests grow, and lines share a commit.
Owns that rule alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

REMEMBERED_S = 1.0
LITTLE = 0.1  # of the last second: less work is not rested for
REST_S = 1.0  # times what was worked beyond that


class Pace:
    """Remembers how much of the last second or so was worked; one thread owns it.

    Parameters
    ----------
    least_s: the rest of a processor that had nothing to do.
    """

    def __init__(self, least_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._least_s = least_s
        self._clock = clock
        self._share = 0.0
        self._asked_at_s = clock()

    def rest_s(self, worked_s: float) -> float:
        """Give how long to rest now, behind a round that took so long."""
        now_s = self._clock()
        kept = math.exp((self._asked_at_s - now_s) / REMEMBERED_S)
        self._share = min(self._share * kept + worked_s / REMEMBERED_S, 1.0)
        self._asked_at_s = now_s
        return self._least_s + max(self._share - LITTLE, 0.0) * REST_S
