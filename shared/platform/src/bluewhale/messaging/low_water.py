"""What a commit says besides its offset: from where a restarted stage must read again.

Owns the text of that metadata. Does not own when a stage may raise its low
water: that is the stage's own affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class LowWater:
    """The lowest offset that a stage still holds in memory; <= the committed offset.

    After a restart it reads from here, muted up to the committed offset.
    """

    offset: int

    def encode(self) -> str:
        """Give the metadata of a commit: `v1 low_water=N`."""
        return f"v1 low_water={self.offset}"

    @classmethod
    def decode(cls, text: str, *, committed: int) -> Self:
        """Read the metadata of a commit at offset `committed`.

        Text that is not ours (another version, a tool's commit) holds nothing
        back: the low water is then the committed offset itself.
        """
        words = text.split()
        if words[:1] == ["v1"]:
            for word in words[1:]:
                name, _, value = word.partition("=")
                if name == "low_water" and value.isascii() and value.isdigit():
                    return cls(min(int(value), committed))
        return cls(committed)
