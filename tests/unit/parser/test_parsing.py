"""The parse stage over frames: what cannot be parsed is kept, and the rest flows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import yaml
from bluewhale.capture import CaptureLoss, Frame
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Configuration, Following, load, stream_id
from bluewhale.messaging.envelopes import RawTally, RawTick
from bluewhale.parser.breaker import StreamBreaker
from bluewhale.parser.parsing import FrameParser
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch, StreamLoss, StreamTally
from bluewhale.stages import parse_stage

from tests.support.captured import frames_of, raw_frame
from tests.support.roles_world import with_roles, world_of

NOW_MS = 1_772_700_000_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three PBXs, all of whose lines are records."""
    return world_of(tmp_path_factory.mktemp("world"), calls=330, garbage=0)


@pytest.fixture(scope="module")
def configuration(world: World) -> Configuration:
    """East reads the first two PBXs, west the third."""
    return with_roles(world, {"east": [0, 1], "west": [2]})


def parser(configuration: Configuration, *, rows_min: int = 500, **more) -> FrameParser:
    """Make the stage; more than half rejected is too much."""
    breaker = StreamBreaker(ratio_max=0.5, rows_min=rows_min)
    return FrameParser(Following(configuration), breaker, **more)


def frames(world: World, configuration: Configuration, place: int, **more) -> list[Frame]:
    """Give what the unit of one PBX sends."""
    unit = "west" if place == 2 else "east"
    pbx_uid = world.pbxs[place].pbx_uid
    return frames_of(world, configuration, pbx_uid, unit, received_at_ms=NOW_MS, **more)


def test_many_frames_of_three_streams_are_parsed_as_each_would_be_alone(world, configuration):
    """Grouping by stream changes no column of any leg; each keeps its own ingested_at."""
    small = [
        (frame, NOW_MS + 10 * i)
        for place in range(3)
        for i, frame in enumerate(frames(world, configuration, place, records_max=7))
    ]
    together = parser(configuration).parse([raw_frame(f, at_ms) for f, at_ms in small])
    alone = [parser(configuration).parse([raw_frame(f, at_ms)]) for f, at_ms in small]
    assert len(small) > 30
    assert together.records == sum(a.records for a in alone) > 120
    rows = together.message.legs.to_pylist()
    assert sorted(rows, key=lambda r: r["cdr_id"]) == sorted(
        (row for a in alone for row in a.message.legs.to_pylist()), key=lambda r: r["cdr_id"]
    )
    assert together.message.rejects.num_rows == 0
    assert together.message.data_time_ms == max(at_ms for _, at_ms in small)
    assert set(together.legs) == {p.link_uid for p in world.pbxs}


def test_a_stream_of_no_configuration_waits_whole_in_suspense(world, configuration):
    """Nothing is lost: every record with its bytes and its capture key, under link_unknown."""
    known, strange = frames(world, configuration, 2)[0], frames(world, configuration, 0)[0]
    strange = replace(strange, stream_id=stream_id("nobody"))
    done = parser(configuration).parse([raw_frame(strange, NOW_MS), raw_frame(known, NOW_MS)])
    assert done.message.legs.num_rows == len(known.records)
    waiting = done.message.rejects.to_pylist()
    assert {w["reason"] for w in waiting} == {"link_unknown"}
    assert [(w["seq"], w["raw"]) for w in waiting] == [(r.seq, r.data) for r in strange.records]
    assert all(w["record_crc"] is not None for w in waiting)
    assert done.message.contexts or strange.context is None


def test_a_frame_that_does_not_unpack_is_kept_whole_and_its_range_is_named(world, configuration):
    """One row holds the bytes; what it stood for is named; the next frame flows."""
    first, second = frames(world, configuration, 2, records_max=40)[:2]
    bad = replace(raw_frame(first, NOW_MS), packed=b"not zstd")
    done = parser(configuration).parse([bad, raw_frame(second, NOW_MS)])
    assert done.message.legs.num_rows == 40
    (row,) = done.message.rejects.to_pylist()
    assert (row["reason"], row["raw"], row["seq"]) == ("frame_corrupt", b"not zstd", 1)
    assert "records 1 to 40" in row["detail"]
    assert done.message.losses == (StreamLoss(bad.stream_id, 7, 2, 40, "frame_unreadable"),)


def test_a_record_that_breaks_the_parser_is_found_and_the_others_flow(world, configuration):
    """Two poisonous records of a frame: two rows under parser_failed, without what they say."""
    (frame,) = frames(world, configuration, 2)[:1]
    poison = {5, 90}

    def breaks(batch: RawBatch, profile: LinkProfile) -> Outcome:
        if poison & set(batch.seq.tolist()):
            raise ValueError("it says 030 23125 000")
        return parse_stage(batch, profile)

    done = parser(configuration, parse=breaks).parse([raw_frame(frame, NOW_MS)])
    assert done.message.legs.num_rows == len(frame.records) - 2
    waiting = done.message.rejects.to_pylist()
    assert [(w["seq"], w["reason"], w["detail"]) for w in waiting] == [
        (5, "parser_failed", "ValueError in the parser"),
        (90, "parser_failed", "ValueError in the parser"),
    ]
    whole = parser(configuration).parse([raw_frame(frame, NOW_MS)]).message.legs
    crc = dict(
        zip(whole.column("seq").to_pylist(), whole.column("record_crc").to_pylist(), strict=True)
    )
    assert [w["record_crc"] for w in waiting] == [crc[5], crc[90]]


def test_a_parser_that_breaks_on_everything_keeps_everything(world, configuration):
    """It gives up searching after some records; none is lost."""
    calls = []

    def breaks(batch: RawBatch, profile: LinkProfile) -> Outcome:
        calls.append(len(batch))
        raise ZeroDivisionError

    (frame,) = frames(world, configuration, 2)[:1]
    done = parser(configuration, parse=breaks).parse([raw_frame(frame, NOW_MS)])
    assert done.reasons() == Counter({"parser_failed": len(frame.records)})
    assert len(calls) < 100


def test_a_stream_of_garbage_is_suspended_and_the_others_flow(world, configuration):
    """Above half rejected: its good records wait too, until the share has fallen to a quarter."""
    good = frames(world, configuration, 2, records_max=20)[0]
    other = frames(world, configuration, 1)[0]
    bad = replace(good, records=tuple(replace(r, data=b"%% garbage %%") for r in good.records))
    stage = parser(configuration, rows_min=30)
    assert stage.parse([raw_frame(good, NOW_MS)]).message.rejects.num_rows == 0
    for _ in range(3):
        done = stage.parse([raw_frame(bad, NOW_MS), raw_frame(other, NOW_MS)])
        assert done.message.legs.num_rows == len(other.records)
    done = stage.parse([raw_frame(good, NOW_MS)])
    assert done.reasons() == Counter({"stream_suspended": len(good.records)})
    row = done.message.rejects.to_pylist()[0]
    assert (row["raw"], row["stage"], row["seq"]) == (good.records[0].data, "parse", 1)
    assert row["record_crc"] is not None
    shares = [stage.parse([raw_frame(good, NOW_MS)]).message.legs.num_rows for _ in range(4)]
    assert shares == [0, 0, 20, 20]  # 20/55, 20/75 suspended; 10/57 is below a quarter


def test_ticks_tallies_and_losses_travel_on(configuration, world):
    """The latest tally of a day counts; a frame of losses alone has no legs."""
    link = stream_id(world.pbxs[0].link_uid, "east")
    tallies = [RawTally((StreamTally(link, 20_000, n, n),), NOW_MS + n) for n in (5, 9)]
    lost = Frame(link, 7, 1, 1, (), None, (CaptureLoss(1, 4, "journal_full"),))
    done = parser(configuration).parse([*tallies, raw_frame(lost, NOW_MS), RawTick(NOW_MS + 50)])
    assert done.message.tallies == (StreamTally(link, 20_000, 9, 9),)
    assert done.message.losses == (StreamLoss(link, 7, 1, 4, "journal_full"),)
    assert done.message.data_time_ms == NOW_MS + 50
    assert done.records == 0


def test_a_suspended_stream_is_judged_anew_once_its_link_is_read_otherwise(tmp_path):
    """Its dialect was the wrong one; the file is mended: the very next records flow."""
    world = world_of(tmp_path, calls=330, garbage=0)
    good = with_roles(world, {"east": [0, 1], "west": [2]})
    text = good.path.read_text("utf-8")
    document = yaml.safe_load(text)
    links = {link["link_uid"]: link for link in document["links"]}
    wrong, right = links[world.pbxs[2].link_uid], links[world.pbxs[0].link_uid]
    wrong |= {"dialect": right["dialect"], "options": right.get("options", {})}
    good.path.write_text(yaml.safe_dump(document), "utf-8")
    following = Following(load(good.path))
    stage = FrameParser(following, StreamBreaker(ratio_max=0.5, rows_min=50))
    first, second = frames(world, good, 2, records_max=60)[:2]
    assert stage.parse([raw_frame(first, NOW_MS)]).message.legs.num_rows == 0
    good.path.write_text(text, "utf-8")
    assert following.refresh()
    done = stage.parse([raw_frame(second, NOW_MS)])
    assert done.message.legs.num_rows == len(second.records)
    assert done.message.rejects.num_rows == 0


def test_a_stream_that_a_file_names_by_now_is_parsed_and_one_poll_is_read_by_one_configuration(
    tmp_path,
):
    """West is added behind the parser's back; its first frame makes the parser look."""
    world = world_of(tmp_path, calls=330, garbage=0)
    before = with_roles(world, {"east": [0, 1]})
    following = Following(before)
    stage = FrameParser(following, StreamBreaker(ratio_max=0.5, rows_min=500))
    after = with_roles(world, {"east": [0, 1], "west": [2]})
    (known,), (strange,) = (frames(world, after, place)[:1] for place in (0, 2))
    assert stage.parse([raw_frame(known, NOW_MS)]).message.rejects.num_rows == 0
    assert following.configuration is before
    done = stage.parse([raw_frame(strange, NOW_MS), raw_frame(known, NOW_MS)])
    assert done.message.rejects.num_rows == 0
    assert done.message.legs.num_rows == len(strange.records) + len(known.records)
    assert following.configuration is not before
