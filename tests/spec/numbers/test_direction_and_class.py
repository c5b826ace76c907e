"""Direction and class of a leg: the whole table, drawn."""

import itertools

import numpy as np
import pytest
from bluewhale.records.enums import CallClass, Direction
from bluewhale.records.numbers import (
    CLASS_CODE,
    CLASSES,
    DIRECTION_CODE,
    DIRECTIONS,
    NO_HINT,
    direction,
    direction_one,
    leg_class,
    leg_class_one,
)

# trunk in, trunk out, calling is own, called is own -> direction
TABLE = [
    (0, 0, 0, 0, "tandem"),
    (0, 0, 0, 1, "inbound"),
    (0, 0, 1, 0, "outbound"),
    (0, 0, 1, 1, "internal"),
    (0, 1, 0, 0, "outbound"),
    (0, 1, 0, 1, "outbound"),
    (0, 1, 1, 0, "outbound"),
    (0, 1, 1, 1, "outbound"),
    (1, 0, 0, 0, "inbound"),
    (1, 0, 0, 1, "inbound"),
    (1, 0, 1, 0, "inbound"),
    (1, 0, 1, 1, "inbound"),
    (1, 1, 0, 0, "tandem"),
    (1, 1, 0, 1, "tandem"),
    (1, 1, 1, 0, "tandem"),
    (1, 1, 1, 1, "tandem"),
]


@pytest.mark.parametrize(("trunk_in", "trunk_out", "calling", "called", "expected"), TABLE)
def test_trunks_decide_first_then_numbers(trunk_in, trunk_out, calling, called, expected):
    """Two trunks are a tandem call; one trunk says which way; without, the numbers do."""
    codes, inferred = direction([calling], [called], [trunk_in], [trunk_out], [NO_HINT])
    assert DIRECTIONS[codes[0]] == expected
    assert inferred.tolist() == [True]
    one = direction_one(
        calling_is_extension=bool(calling),
        called_is_extension=bool(called),
        trunk_in=bool(trunk_in),
        trunk_out=bool(trunk_out),
    )
    assert one == expected


def test_a_printed_direction_wins_and_is_not_inferred():
    """The hint of the PBX beats trunks and numbers."""
    hint = DIRECTION_CODE[Direction.INTERNAL]
    codes, inferred = direction(
        np.array([True, True]), np.array([False, False]), True, True, np.array([hint, NO_HINT])
    )
    assert [DIRECTIONS[c] for c in codes] == ["internal", "tandem"]
    assert inferred.tolist() == [False, True]
    assert (
        direction_one(
            calling_is_extension=True,
            called_is_extension=False,
            trunk_in=True,
            trunk_out=True,
            hint=Direction.INTERNAL,
        )
        is Direction.INTERNAL
    )


@pytest.mark.parametrize(
    ("way", "calling", "called", "expected"),
    [
        ("outbound", "internal", "mobile", "mobile"),
        ("outbound", "internal", "emergency", "emergency"),
        ("tandem", "national", "international", "international"),
        ("inbound", "national", "internal", "national"),
        ("inbound", "unknown", "internal", "unknown"),
        ("inbound", "emergency", "internal", "unknown"),
        ("internal", "internal", "local", "internal"),
    ],
)
def test_class_is_of_the_far_end(way, calling, called, expected):
    """Outbound and tandem: the called number; inbound: the caller; internal: internal."""
    codes = leg_class(
        [DIRECTION_CODE[Direction(way)]],
        [CLASS_CODE[CallClass(calling)]],
        [CLASS_CODE[CallClass(called)]],
    )
    assert CLASSES[codes[0]] == expected
    assert leg_class_one(Direction(way), CallClass(calling), CallClass(called)) == expected


def test_class_table_equals_its_twin_everywhere():
    """All 4 x 10 x 10 combinations."""
    for way, calling, called in itertools.product(Direction, CallClass, CallClass):
        code = leg_class([DIRECTION_CODE[way]], [CLASS_CODE[calling]], [CLASS_CODE[called]])[0]
        assert CLASSES[code] is leg_class_one(way, calling, called)
