"""What a person wants of ownership: which units may read which link, and by which timings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bluewhale.ownership.profile import Profile


@dataclass(frozen=True, slots=True)
class Rules:
    """What a leader goes by.

    links
        Those that several units may read, each with its units, preferred first.
    profiles
        By unit: timings of its own; other units have those of the leader.
    failback_hold_s
        By link: a hold of its own, None = only by order; other links have that of the leader.
    """

    links: Mapping[str, Sequence[str]]
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    failback_hold_s: Mapping[str, float | None] = field(default_factory=dict)
