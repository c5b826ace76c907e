"""How often somebody may ask: per person or key, and per address before sign-in.

    limits.asked("person", user_id)          # RefusedError `too_many` beyond the rate
    limits.may_try(address); limits.failed(address)

Counts stand in the state cache, so that all copies of the role count together; where it
does not answer, each counts for itself. A window is a minute of the clock. Owns the
rates. Does not own locks of names (`sign_in`).
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from bluewhale.statecache import MemoryStateCache
from bluewhale.webapi.exceptions import RefusedError

if TYPE_CHECKING:
    from bluewhale.statecache import StateCache

WINDOW_S = 60
FAILURES_PER_MINUTE = 30  # wrong passwords and codes of one address
Kind = Literal["person", "address"]


class Limits:
    """Counts of everybody; `clock` gives seconds since 1970. Any thread."""

    def __init__(
        self,
        shared: StateCache,
        *,
        per_minute: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._shared = shared
        self._own = MemoryStateCache()
        self._per_minute = per_minute
        self._clock = clock

    @property
    def in_memory(self) -> bool:
        """Say whether counting waits for nobody."""
        return isinstance(self._shared, MemoryStateCache)

    def asked(self, kind: Kind, who: str) -> None:
        """Count a request.

        Raises
        ------
        RefusedError
            `too_many`: more than the rate.
        """
        if self._per_minute and self._count(f"asked:{kind}:{who}") > self._per_minute:
            left = self._left_s()
            raise RefusedError(
                "too_many",
                f"more than {self._per_minute} requests a minute",
                params={"retry_after_s": left},
                retry_after_s=left,
            )

    def may_try(self, address: str) -> None:
        """Refuse an address that guessed too often.

        Raises
        ------
        RefusedError
            `locked_out`.
        """
        key = self._minute(f"full:{address}")
        if self._shared.get(key) is None and self._own.get(key) is None:
            return
        left = self._left_s()
        raise RefusedError(
            "locked_out",
            "too many attempts from your address",
            params={"retry_after_s": left},
            retry_after_s=left,
        )

    def failed(self, address: str) -> None:
        """Count a wrong password or code."""
        if self._count(f"wrong:{address}") < FAILURES_PER_MINUTE:
            return
        for cache in (self._shared, self._own):
            key = self._minute(f"full:{address}")
            cache.put(key, b"1", expires_ms=WINDOW_S * 1_000)

    def _count(self, key: str) -> int:
        key = self._minute(key)
        found = self._shared.count(key, window_ms=WINDOW_S * 1_000)
        if found is None:
            found = self._own.count(key, window_ms=WINDOW_S * 1_000)
        return found or 0

    def _minute(self, key: str) -> str:
        return f"{key}:{int(self._clock() // WINDOW_S)}"

    def _left_s(self) -> int:
        return max(1, math.ceil(WINDOW_S - self._clock() % WINDOW_S))


def network_of(address: str) -> str:
    """Give what counts as one address: an IPv6 customer has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
