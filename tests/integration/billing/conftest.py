from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.billing.places import Place, Served
from tests.support.stores import StoreFactory


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make one world for all tests."""
    return Place(tmp_path_factory.mktemp("tariffs"))


@pytest.fixture
def served(place: Place, store_factory: StoreFactory) -> Iterator[Served]:
    """Serve the tariffs of the world over a store without calls."""
    it = Served(place, store_factory())
    yield it
    it.end()
