"""Legs to calls: which belong together, what a call is, what of it is billed."""

from __future__ import annotations

from bluewhale.merge.calls import (
    MEMBER_SCHEMA,
    MERGE_VERSION,
    PAYER_POLICIES,
    Calls,
    build_calls,
)
from bluewhale.merge.joining import components, components_of_rows, near, united
from bluewhale.merge.window import LowWater, MergeWindow

__all__ = [
    "MEMBER_SCHEMA",
    "MERGE_VERSION",
    "PAYER_POLICIES",
    "Calls",
    "LowWater",
    "MergeWindow",
    "build_calls",
    "components",
    "components_of_rows",
    "near",
    "united",
]
