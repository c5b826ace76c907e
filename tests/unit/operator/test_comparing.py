"""Whether an object is as wanted, after the API server added its defaults."""

from __future__ import annotations

import pytest
from bluewhale.operator.comparing import is_as_wanted


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}]}}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": []}, {}, True),
        ({"a": {}}, {}, True),
        ({"a": {}}, {"a": {"b": 1}}, False),
        ({"a": False}, {}, True),
        ({"a": ""}, {"a": "x"}, False),
        ({"a": 1}, None, False),
        ({"stringData": {"t": "x"}}, {}, True),
    ],
)
def test_everything_that_is_wanted_must_be_there(wanted: dict, found: dict | None, same: bool):
    """Defaults may be more, lists may not be longer, what is empty may be left out."""
    assert is_as_wanted(wanted, found) is same
