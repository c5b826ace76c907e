"""Compiled kernels, loaded before the first record needs them.

The first batch through a kernel loads it from its cache, or compiles it, which
takes seconds; on a busy machine with an empty cache half a minute. A role does
that before it joins its group, on the sample that each dialect ships, so that no
partition waits for it. Owns nothing but that; results are thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bluewhale.capture import Frame, RawRecord
from bluewhale.capture.connection import ConnectionCapture
from bluewhale.dialects import get_dialect
from bluewhale.merge import MergeWindow
from bluewhale.stages import Stages, parse_stage, propose, raw_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from bluewhale.configuration import Configuration
    from bluewhale.records.batches import LinkProfile

SAMPLE_RECORDS_MAX = 200
WINDOW_MS = 1_000


def warm_parsing(configuration: Configuration) -> list[pa.Table]:
    """Parse the sample of every dialect that a link uses; gives the legs, LEG_SCHEMA."""
    now_ms = int(time.time() * 1000)
    profiles = {p.dialect_id: p for p in configuration.profiles.values()}
    found = []
    for profile in profiles.values():
        for options in _options(profile):
            legs = [
                parse_stage(raw_batch(frame, now_ms), chosen).accepted
                for chosen in [replace(profile, options=options)]
                for frame in _sample(chosen, now_ms)
            ]
            found += [table for table in legs if table.num_rows]
            if any(table.num_rows for table in legs):
                break
    return found


def _options(profile: LinkProfile) -> Iterator[Mapping[str, object]]:
    """Give the link's options, then those that the sample may have been printed with."""
    dialect = get_dialect(profile.dialect_id)
    guesses = [
        {option.name: choice}
        for option in dialect.options
        if option.kind == "choice"
        for choice in option.choices
    ]
    yield from (g for g in [profile.options, {}, *guesses] if not dialect.mistakes(g))


def warm_billing(configuration: Configuration) -> None:
    """Merge and price the samples, with the window and without."""
    now_ms = int(time.time() * 1000)
    policy = configuration.settings.payer_policy
    stages = Stages.of(configuration.directory, configuration.tariffs[:1], policy)
    for legs in warm_parsing(configuration):
        window = MergeWindow(window_ms=WINDOW_MS)
        window.feed(legs, now_ms)
        window.feed(None, now_ms + WINDOW_MS)
        propose(legs, stages, rated_at_ms=now_ms)


def _sample(profile: LinkProfile, now_ms: int) -> Iterator[Frame]:
    """Give the sample of a dialect, framed as a unit would frame it."""
    dialect = get_dialect(profile.dialect_id)
    framing = dialect.framing(profile.options)
    for path in sorted(dialect.room.glob("sample.*")):
        capture = ConnectionCapture(framing, connection=1)
        captured = capture.receive(path.read_bytes(), now_ms, final=True)[:SAMPLE_RECORDS_MAX]
        if captured:
            records = tuple(
                RawRecord(i + 1, r.data, r.connection, r.n, r.received_at_ms)
                for i, r in enumerate(captured)
            )
            context = captured[-1].context
            yield Frame(profile.stream_id, 1, 1, framing.version, records, context)
