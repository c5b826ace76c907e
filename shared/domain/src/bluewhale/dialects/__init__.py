"""PBX dialects: raw records to legs.

Owns formats and their meaning. Does not own transports (connectors), joins
(merge) or prices (rating). Names are loaded when first used, so that importing
a writer or printing help costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bluewhale.dialects.engine.framing import Framed as Framed
    from bluewhale.dialects.engine.framing import frame_buffer as frame_buffer
    from bluewhale.dialects.engine.occurrences import count_occurrences as count_occurrences
    from bluewhale.dialects.registry import DIALECTS as DIALECTS
    from bluewhale.dialects.registry import get_dialect as get_dialect
    from bluewhale.records.batches import LinkProfile, Outcome, RawBatch

__all__ = ["DIALECTS", "Framed", "count_occurrences", "frame_buffer", "get_dialect", "parse"]


def parse(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Parse raw records of one link into complete legs.

    Parameters
    ----------
    batch: 0..n records in capture order; not modified.
    profile: the link; `profile.dialect_id` picks the dialect.

    Returns
    -------
    Outcome of LEG_SCHEMA and SUSPENSE_SCHEMA; accepted + rejected = input.
    """
    from bluewhale.dialects.registry import get_dialect

    return get_dialect(profile.dialect_id).parse(batch, profile)


def __getattr__(name: str) -> Any:
    """Load public names on first use."""
    if name in {"DIALECTS", "get_dialect"}:
        from bluewhale.dialects import registry

        return getattr(registry, name)
    if name == "count_occurrences":
        from bluewhale.dialects.engine.occurrences import count_occurrences

        return count_occurrences
    if name in {"Framed", "frame_buffer"}:
        from bluewhale.dialects.engine import framing

        return getattr(framing, name)
    raise AttributeError(name)
