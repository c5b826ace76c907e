"""Every claim of this chapter holds for the reference store and for the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bluewhale.database import Store

from tests.support.delivery import Delivery, ReferenceStore


@pytest.fixture(params=["reference", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Delivery]:
    """A driver over an empty store."""
    if request.param == "reference":
        yield Delivery(ReferenceStore())
        return
    with Store.open(tmp_path / "store") as store:
        yield Delivery(store)
