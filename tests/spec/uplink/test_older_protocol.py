"""A peer of the protocol before: recorded conversations, replayed against today's sides."""

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    CentreSide,
    Disconnect,
    Moment,
    SendDown,
    UnitSide,
)

from tests.spec.uplink.recording import (
    centre_side,
    moment,
    replay,
    tell_centre,
    tell_unit,
    unit_side,
)

RECORDED = "protocol-1.jsonl"
NOW = Moment(0, 0)


def test_todays_centre_answers_a_recorded_unit_of_protocol_1_as_it_was_answered_then():
    """Word for word, although it speaks a newer protocol itself."""
    centre = centre_side(PROTOCOL_MAX)
    said, wanted = [], []
    for line in replay(RECORDED):
        at = moment(line["at_ms"])
        actions = []
        if "up" in line:
            actions = centre.received(pb.Up.FromString(bytes.fromhex(line["up"])), at)
        elif "centre" in line:
            actions = tell_centre(centre, line["centre"], at)
        elif "down" in line:
            wanted.append(line["down"])
        said += [a.message for a in actions if isinstance(a, SendDown)]
    assert [m.SerializeToString(deterministic=True).hex() for m in said] == wanted
    assert centre.protocol == 1


def test_todays_unit_delivers_to_a_recorded_centre_of_protocol_1():
    """The same frames in the same order; only the hello offers more."""
    unit = unit_side(PROTOCOL_MAX)
    said, wanted = [], []
    for line in replay(RECORDED):
        at = moment(line["at_ms"])
        if "down" in line:
            unit.received(pb.Down.FromString(bytes.fromhex(line["down"])), at)
        elif "unit" in line:
            said += tell_unit(unit, line["unit"], at)
        elif "up" in line:
            wanted.append(pb.Up.FromString(bytes.fromhex(line["up"])))
    assert said[0].hello.protocol_max == PROTOCOL_MAX
    said[0].hello.protocol_max = 1
    assert said == wanted
    assert sum(m.HasField("frame") for m in said) >= 5


def test_the_newest_protocol_that_both_speak_is_chosen():
    """2 with 2, 1 with 1, and a unit of the future that still speaks 2."""
    for unit_max, centre_max, chosen in ((2, 2, 2), (1, 2, 1), (2, 1, 1), (7, 2, 2)):
        centre = CentreSide("u", {1}, release="t", log_id="l", protocol_max=centre_max)
        hello = pb.Hello(unit_uid="u", protocol_min=1, protocol_max=unit_max, session=1)
        welcome = centre.received(pb.Up(hello=hello), NOW)[0].message.welcome
        assert welcome.protocol == chosen


def test_peers_without_a_common_protocol_part_with_both_ranges_named():
    """Too old, too new: a clear word at either end."""
    centre = CentreSide("u", {1}, release="t", log_id="l")
    hello = pb.Hello(unit_uid="u", protocol_min=8, protocol_max=9, session=1)
    (ended,) = centre.received(pb.Up(hello=hello), NOW)
    assert isinstance(ended, Disconnect)
    assert ended.code == "protocol_version"
    assert "8 to 9" in ended.message
    assert f"{PROTOCOL_MIN} to {PROTOCOL_MAX}" in ended.message
    unit = UnitSide("u", release="t")
    unit.connect(1, NOW)
    (ended,) = unit.received(pb.Down(welcome=pb.Welcome(protocol=9)), NOW)
    assert (ended.code, "update the older" in ended.message) == ("protocol_version", True)
