"""One served site for all tests of a runtime; the calls are imported once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.webapi.places import Site, embedded, imported, in_roles


@pytest.fixture(scope="session")
def calls_of_the_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the example and its calls stored."""
    return imported(tmp_path_factory.mktemp("imported") / "site")


@pytest.fixture(scope="session")
def site(calls_of_the_example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve it in one process."""
    folder = tmp_path_factory.mktemp("embedded") / "site"
    shutil.copytree(calls_of_the_example, folder)
    with embedded(folder) as served:
        yield served


@pytest.fixture(scope="session")
def roles_site(
    calls_of_the_example: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Serve it as a role."""
    folder = tmp_path_factory.mktemp("roles") / "site"
    shutil.copytree(calls_of_the_example, folder)
    with in_roles(folder) as served:
        yield served


@pytest.fixture(params=["site", "roles_site"], ids=["embedded", "role"])
def served(request: pytest.FixtureRequest) -> Site:
    """Serve it in each runtime, one after the other."""
    return request.getfixturevalue(request.param)
