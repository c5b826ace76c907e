"""Requests that the contract allows, and such as it does not, by the hundred: no answer breaks it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluewhale.webapi import openapi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.webapi.places import Site, embedded

EXAMPLES = 6  # of each operation; the same in every run
PATHS = json.loads(openapi.FILE.read_text("utf-8"))["paths"]
# a stream that does not end, and what ends the session that asks
LEFT_OUT = {
    f"/api/v1{path}"
    for path in (
        "/events", "/session", "/session/totp", "/welcome",
        "/me/password", "/me/totp", "/me/totp/removal",
    )
}  # fmt: skip
OPERATIONS = sorted(
    (method.upper(), path) for path in PATHS.keys() - LEFT_OUT for method in PATHS[path]
)


@pytest.fixture(scope="module")
def asked(calls_of_the_example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a site of its own, which anything may happen to."""
    folder = tmp_path_factory.mktemp("asked") / "site"
    shutil.copytree(calls_of_the_example, folder)
    with embedded(folder) as served:
        yield served


@pytest.fixture(scope="module")
def described() -> Any:
    """Read the contract; a second that no other test waits for."""
    import schemathesis

    return schemathesis.openapi.from_path(openapi.FILE)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=" ".join)
def test_no_request_makes_an_answer_that_the_contract_does_not_know(
    method: str, path: str, asked: Site, described: Any
):
    """As an owner: no error of the server; no status, type or shape that is not described."""
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    known = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    operation = described[path][method]
    cases = operation.as_strategy()
    if PATHS[path][method.lower()].keys() & {"parameters", "requestBody"}:
        cases = st.one_of(cases, operation.as_strategy(GenerationMode.NEGATIVE))
    cookies = "; ".join(f"{name}={value}" for name, value in asked.owner.http.cookies.items())
    headers = {"Cookie": cookies, "X-CSRF-Token": asked.owner.csrf}

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def answers(case: Any) -> None:
        case.call_and_validate(base_url=asked.url, headers=headers, checks=known)

    answers()


def test_the_contract_names_the_key_of_each_change_and_the_news():
    """Reads have none, sign-in neither; where a secret is shown it says that it is not shown again.

    Answers that many share name the header that asks for a new one.
    """
    by_key: dict[str, set[str]] = {"none": set()}
    fresh: set[str] = set()
    for path, methods in PATHS.items():
        for method, operation in methods.items():
            refs = [p["$ref"] for p in operation.get("parameters", ()) if "$ref" in p]
            names = {ref.rpartition("/")[2] for ref in refs}
            said = f"{method} {path.removeprefix('/api/v1')}"
            if "Fresh" in names:
                fresh.add(said)
            for name in names - {"Fresh"} or {"none"}:
                by_key.setdefault(name, set()).add(said)
    assert {said for said in by_key["none"] if not said.startswith("get ")} == {
        "post /session", "post /session/totp", "post /welcome",
    }  # fmt: skip
    assert "post /calls/search" in by_key["IdempotencyKey"]
    assert by_key["IdempotencyKeyOfSecret"] == {"post /keys", "put /me/totp", "post /me/totp"}
    assert fresh == {
        "get /calls", "post /calls/search", "post /calls/aggregate", "get /summary",
        "post /reports/{by}", "get /completeness",
    }  # fmt: skip
    assert PATHS["/api/v1/events"]["get"]["responses"]["200"]["description"] == (
        "events `calls` (there are new ones), `alerts` (some changed), `reset` (all may have changed)"
    )
