"""How often an address may try: a small bucket each, and a bound on how many are kept.

Sans-IO: `now_s` is given. Owns the rule, not what is limited.
"""

from __future__ import annotations

from collections import OrderedDict

ADDRESSES_MAX = 4_096


class AddressLimit:
    """At most `burst` at once and `per_second` on average, for each address.

    Full buckets are forgotten. When more addresses are active than can be
    kept, new ones wait: a flood from many addresses costs no memory.
    """

    def __init__(
        self, *, per_second: float, burst: int, addresses_max: int = ADDRESSES_MAX
    ) -> None:
        assert per_second > 0
        assert burst >= 1
        self._per_second, self._burst, self._max = per_second, burst, addresses_max
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at

    def wait_s(self, address: str, now_s: float) -> float:
        """Give 0 and count the attempt, or the seconds to wait before the next."""
        tokens, at = self._seen.pop(address, (float(self._burst), now_s))
        tokens = min(self._burst, tokens + max(0.0, now_s - at) * self._per_second)
        if len(self._seen) >= self._max and not self._forget(now_s):
            return 1.0 / self._per_second
        allowed = tokens >= 1
        self._seen[address] = (tokens - 1 if allowed else tokens, now_s)
        return 0.0 if allowed else (1 - tokens) / self._per_second

    def _forget(self, now_s: float) -> bool:
        """Drop the longest silent address if its bucket is full again."""
        address, (tokens, at) = next(iter(self._seen.items()))
        if tokens + (now_s - at) * self._per_second < self._burst:
            return False
        del self._seen[address]
        return True
