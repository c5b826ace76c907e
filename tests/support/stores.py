"""The store on every engine: one claim, one test, each engine in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bluewhale.database import Store

StoreFactory = Callable[[], Store]  # opens the same store each time

ENGINES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.services),
]


@pytest.fixture(params=ENGINES)
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Open the store of this test, empty at first; close what it gives."""
    return factory_of(request, request.param, tmp_path)


def factory_of(request: pytest.FixtureRequest, engine: str, folder: Path) -> StoreFactory:
    """Give what opens the store of this test on `engine`."""
    if engine == "sqlite":
        return lambda: Store.open(folder)
    url: str = request.getfixturevalue("postgres_url")
    return lambda: Store.open(url, segments=folder / "segments")
