"""Calls of a segment lie in order of time, and what leads to them moves with them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from bluewhale.database import keys
from bluewhale.database.ledger import ChargePlaces
from bluewhale.database.postings import Rows, in_order_of_time


def test_calls_are_put_in_order_of_their_beginning_with_legs_and_charges():
    """Three calls at 30, 10 and 20; the first has two charges, the second none, the third one."""
    rows = Rows(
        pa.table({"leg": ["of a", "of b", "of c", "of none"]}),
        np.array([0, 1, 2, keys.NO_ROW], np.uint32),
        pa.table({"call": ["a", "b", "c"], "started_at": [30, 10, 20]}),
        pa.table({"charge": ["a1", "c1", "a2"]}),
        ChargePlaces(
            np.array([0, 2, 0]), np.array([0, 2, 2, 3], np.uint32), np.array([0, 2, 1], np.uint32)
        ),
    )
    found = in_order_of_time(rows)
    assert found.calls.column("call").to_pylist() == ["b", "c", "a"]
    assert found.leg_call.tolist() == [2, 0, 1, keys.NO_ROW]
    assert found.places.call.tolist() == [2, 1, 2]
    assert found.places.first.tolist() == [0, 0, 1, 3]
    assert found.places.at.tolist() == [1, 0, 2]


def test_calls_that_lie_so_already_are_left_alone():
    """Two of one moment keep their places."""
    rows = Rows(
        pa.table({"leg": ["x"]}),
        np.array([1], np.uint32),
        pa.table({"started_at": [10, 10, 20]}),
        pa.table({"charge": pa.array([], pa.string())}),
        ChargePlaces(np.empty(0, np.int64), np.zeros(4, np.uint32), np.empty(0, np.uint32)),
    )
    assert in_order_of_time(rows) is rows
