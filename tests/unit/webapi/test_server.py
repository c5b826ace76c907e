"""What the server of the page asks of the machine."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest
from bluewhale.webapi.server import make_room

FILES = resource.RLIMIT_NOFILE


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """Give the limits of open files; what a test changed is put back."""
    found = resource.getrlimit(FILES)
    yield found
    resource.setrlimit(FILES, found)


def test_a_low_limit_of_open_files_is_raised_as_far_as_the_machine_lets_it(limits):
    """5,000 connections and 2,048 files beside them; a shell begins with 1,024."""
    resource.setrlimit(FILES, (1_024, limits[1]))
    make_room()
    most = 7_048 if limits[1] == resource.RLIM_INFINITY else min(7_048, limits[1])
    assert resource.getrlimit(FILES) == (most, limits[1])


def test_a_high_limit_of_open_files_is_left_alone(limits):
    """Somebody meant it."""
    resource.setrlimit(FILES, (limits[1], limits[1]))
    make_room()
    assert resource.getrlimit(FILES) == (limits[1], limits[1])
