"""`bluewhale suspense take-apart`: said first, done with a reason, then replayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bluewhale.capture import pack_frame
from bluewhale.database import Batch, Store, SuspenseFilter
from bluewhale.messaging.envelopes import compress_frame
from bluewhale.parser.suspending import unreadable

from tests.integration.cli.door import bluewhale
from tests.support.captured import frames_of, raw_frame
from tests.support.roles_world import with_roles, world_of

NOW_MS = 1_772_700_000_000


def test_a_corrupt_frame_is_shown_taken_apart_and_replayed(tmp_path: Path) -> None:
    """Nothing changes without --apply, nothing is applied without --why; then calls are there."""
    world = world_of(tmp_path, calls=90, garbage=0)
    configuration = with_roles(world, {"east": [2]})
    frame = frames_of(
        world, configuration, world.pbxs[2].pbx_uid, "east", received_at_ms=NOW_MS, records_max=9
    )[0]
    packed = compress_frame(pack_frame(frame)[:-4] + b"\0\0\0\0")
    raw = replace(raw_frame(frame, NOW_MS), packed=packed)
    row, losses = unreadable(raw, configuration.streams[raw.stream_id], "CRC")
    place = configuration.settings.data / "store"
    with Store.open(place) as store:
        store.commit(Batch(now_ms=NOW_MS, rejects=row, losses=losses))
    said = bluewhale("suspense", "take-apart", "1", "--config", tmp_path)
    assert (said.code, "9 of records 1 to 9 can be read" in said.out) == (0, True)
    refused = bluewhale("suspense", "take-apart", "1", "--apply", "--config", tmp_path)
    assert (refused.code, "--why: say why" in refused.err) == (2, True)
    with Store.open(place) as store:
        assert store.suspense_list(SuspenseFilter()).num_rows == 1
    done = bluewhale(
        "suspense", "take-apart", "1", "--apply", "--why", "checksum", "--config", tmp_path
    )
    assert (done.code, "they wait as record_salvaged" in done.out) == (0, True)
    replayed = bluewhale("suspense", "replay", "--reason", "record_salvaged", "--config", tmp_path)
    assert (replayed.code, "9 applied, 0 still wait" in replayed.out) == (0, True)
    again = bluewhale("suspense", "take-apart", "1", "--config", tmp_path)
    assert (again.code, "only a frame_corrupt row that waits" in again.err) == (2, True)
