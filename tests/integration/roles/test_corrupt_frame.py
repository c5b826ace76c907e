"""A frame that rotted in the log is taken apart: what can be read becomes calls, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bluewhale.capture import pack_frame
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import SuspenseFilter
from bluewhale.database.exceptions import StateError
from bluewhale.jobs.rejoining import join_everything
from bluewhale.jobs.replaying import replay
from bluewhale.jobs.salvaging import look_into, take_apart
from bluewhale.messaging import partition_of
from bluewhale.messaging.envelopes import compress_frame

from tests.integration.roles.in_memory import Installation
from tests.support.captured import frames_of, raw_frame, send_frame, send_raw
from tests.support.roles_world import with_roles, world_of


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Give three PBXs without garbage; two have sent everything, well."""
    world = world_of(tmp_path, calls=240, garbage=0)
    it = Installation(world, with_roles(world, {"east": [0, 1], "west": [2]}), tmp_path)
    it.send(world.pbxs[0].pbx_uid, "east")
    it.send(world.pbxs[1].pbx_uid, "east")
    yield it
    it.close()


def frames(it: Installation):
    """Give what west sends of the third PBX."""
    return frames_of(
        it.world, it.configuration, it.world.pbxs[2].pbx_uid, "west",
        received_at_ms=it.now_ms, records_max=20,
    )  # fmt: skip


def send_rotten(it: Installation, frame, packed: bytes) -> None:
    """Write a frame with these unpacked bytes, under the envelope of the right ones."""
    raw = replace(raw_frame(frame, it.now_ms), packed=compress_frame(packed))
    domain = it.configuration.merge_domain(frame.stream_id)
    send_raw(it.log, partition_of(domain, it.log.partitions("cdr.raw")), raw)


def waiting(it: Installation, reason: str) -> list[int]:
    """Give the rows that wait for a reason."""
    found = it.store.suspense_list(SuspenseFilter(state="waiting", reason=reason), limit=10_000)
    return found.column("suspense_id").to_pylist()


def replayed(it: Installation):
    """Parse the salvaged records and join them."""
    done = replay(it.configuration, it.store, waiting(it, "record_salvaged"), who="ada")
    join_everything(it.store, it.stages, it.now_ms)
    return done


def differences(it: Installation) -> list[str]:
    """Give what the store says otherwise than the truth."""
    return compare(it.world.truth, it.store, {p.pbx_uid for p in it.world.pbxs})


def test_a_frame_of_which_everything_can_be_read_becomes_calls_and_loses_nothing(
    installation: Installation,
):
    """Its checksum alone is wrong: every record waits, is replayed, and the truth is reached."""
    it = installation
    rotten, *rest = frames(it)
    send_rotten(it, rotten, pack_frame(rotten)[:-4] + b"\0\0\0\0")
    for frame in rest:
        send_frame(it.log, it.configuration, frame, it.now_ms)
    it.settle()
    (row,) = waiting(it, "frame_corrupt")
    assert differences(it) != []
    assert replay(it.configuration, it.store, [row], who="ada").waiting == 1
    looked = look_into(it.store, row)
    assert [r.data for r in looked.salvaged.records] == [r.data for r in rotten.records]
    assert waiting(it, "record_salvaged") == []
    take_apart(it.store, row, who="ada", why="only the checksum")
    assert len(waiting(it, "record_salvaged")) == 20
    assert waiting(it, "frame_corrupt") == []
    assert it.store.suspense_show(row)["state"] == "applied"
    assert bytes(it.store.suspense_show(row)["raw"]) == raw_of(rotten)
    done = replayed(it)
    assert (done.applied, done.waiting) == (20, 0)
    assert differences(it) == []
    with pytest.raises(StateError, match="only a frame_corrupt row that waits"):
        take_apart(it.store, row, who="ada", why="again")
    assert it.store.completeness().complete
    found = it.store.completeness().days.to_pylist()
    assert sum(d["suspended"] for d in found) == 0
    assert sum(d["received"] for d in found) == sum(d["parsed"] for d in found)


def raw_of(frame) -> bytes:
    """Give the compressed bytes that `send_rotten` of the first test wrote."""
    return compress_frame(pack_frame(frame)[:-4] + b"\0\0\0\0")


def test_what_cannot_be_read_stays_listed_with_the_frame_and_a_good_copy_fills_the_rest(
    installation: Installation,
):
    """Seven of twenty are read; the unit sends the frame again: all calls are there, each once."""
    it = installation
    rotten, *rest = frames(it)
    whole = pack_frame(rotten)
    ends = [whole.index(r.data) + len(r.data) for r in rotten.records]
    send_rotten(it, rotten, whole[: ends[6] + 10])
    for frame in rest:
        send_frame(it.log, it.configuration, frame, it.now_ms)
    it.settle()
    (row,) = waiting(it, "frame_corrupt")
    frame = take_apart(it.store, row, who="ada", why="the beginning is good")
    assert len(frame.salvaged.records) == 7
    assert frame.salvaged.problem == "records 8 to 20: the frame ends before them"
    assert waiting(it, "frame_corrupt") == [row]
    again = take_apart(it.store, row, who="ada", why="twice is once")
    assert again.salvaged == frame.salvaged
    assert len(waiting(it, "record_salvaged")) == 7
    assert replayed(it).applied == 7
    assert differences(it) != []
    send_frame(it.log, it.configuration, rotten, it.now_ms)
    it.settle()
    join_everything(it.store, it.stages, it.now_ms)
    assert differences(it) == []
    assert waiting(it, "capture_conflict") == []


def test_records_that_came_well_before_the_frame_is_taken_apart_are_not_counted_twice(
    installation: Installation,
):
    """The unit sent again first: every record is stored, also the one whose key the frame has."""
    it = installation
    rotten, *rest = frames(it)
    send_rotten(it, rotten, pack_frame(rotten)[:-4] + b"\0\0\0\0")
    it.settle()
    (row,) = waiting(it, "frame_corrupt")
    at_ms = it.now_ms
    for frame in [rotten, *rest]:
        send_frame(it.log, it.configuration, frame, at_ms)
    it.settle()
    assert differences(it) == []
    take_apart(it.store, row, who="ada", why="only the checksum")
    assert waiting(it, "record_salvaged") == []
    assert waiting(it, "frame_corrupt") == []
    assert differences(it) == []
    found = it.store.completeness().days.to_pylist()
    assert sum(d["received"] for d in found) == sum(d["parsed"] for d in found)


def test_a_corrupt_frame_that_is_read_again_stays_one_row(installation: Installation):
    """The log gives it twice, after a crash of the parser."""
    it = installation
    rotten = frames(it)[0]
    for _ in range(2):
        send_rotten(it, rotten, pack_frame(rotten)[:-4] + b"\0\0\0\0")
        it.settle()
    assert len(waiting(it, "frame_corrupt")) == 1


def test_bytes_that_are_no_zstd_are_said_to_be_none_and_stay(installation: Installation):
    """Nothing can be read; the row waits on with its bytes."""
    it = installation
    rotten = frames(it)[0]
    raw = replace(raw_frame(rotten, it.now_ms), packed=b"not zstd at all")
    domain = it.configuration.merge_domain(rotten.stream_id)
    send_raw(it.log, partition_of(domain, it.log.partitions("cdr.raw")), raw)
    it.settle()
    (row,) = waiting(it, "frame_corrupt")
    found = take_apart(it.store, row, who="ada", why="try")
    assert found.salvaged.records == ()
    assert "not zstd from byte 0" in found.salvaged.problem
    assert waiting(it, "frame_corrupt") == [row]
    assert bytes(it.store.suspense_show(row)["raw"]) == b"not zstd at all"
