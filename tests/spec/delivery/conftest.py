"""Every claim of this chapter holds for the reference store and for the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.delivery import Delivery, ReferenceStore
from tests.support.stores import ENGINES, factory_of


@pytest.fixture(params=["reference", *ENGINES])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Delivery]:
    """A driver over an empty store."""
    if request.param == "reference":
        yield Delivery(ReferenceStore())
        return
    with factory_of(request, request.param, tmp_path / "store")() as store:
        yield Delivery(store)
