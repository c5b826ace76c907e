from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tests.integration.cli.places import Place, build


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Place:
    """An installation that tests only ask."""
    return build(tmp_path_factory.mktemp("asked"))


@pytest.fixture
def own_place(place: Place, tmp_path) -> Place:
    """A copy of it that a test may change."""
    folder = tmp_path / "own"
    shutil.copytree(place.folder, folder)
    return replace(place, folder=folder)
