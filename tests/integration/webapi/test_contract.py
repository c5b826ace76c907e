"""Requests that the contract allows, and such as it does not, by the hundred: no answer breaks it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from bluewhale.webapi import openapi
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.webapi.places import Client, Site, embedded

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 6  # of each operation; the same in every run
# a stream that does not end; what ends the session that asks
LEFT_OUT = ("/events", "/session", "/session/totp", "/welcome", "/me/password", "/me/totp")
DESCRIBED = schemathesis.openapi.from_path(openapi.FILE).exclude(
    path=[f"/api/v1{path}" for path in LEFT_OUT]
)
DESCRIBED.config.phases.coverage.enabled = False


@pytest.fixture(scope="module")
def asked(calls_of_the_example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a site of its own, which anything may happen to."""
    folder = tmp_path_factory.mktemp("asked") / "site"
    shutil.copytree(calls_of_the_example, folder)
    with embedded(folder) as served:
        yield served


@pytest.fixture(scope="module")
def headers(asked: Site) -> dict[str, str]:
    """Give the headers of an owner."""
    owner: Client = asked.owner
    cookies = "; ".join(f"{name}={value}" for name, value in owner.http.cookies.items())
    return {"Cookie": cookies, "X-CSRF-Token": owner.csrf}


@DESCRIBED.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_an_answer_that_the_contract_does_not_know(
    case: schemathesis.Case, asked: Site, headers: dict[str, str]
):
    """No error of the server, no status, type or shape that is not described."""
    case.call_and_validate(base_url=asked.url, headers=headers, checks=CHECKS)
