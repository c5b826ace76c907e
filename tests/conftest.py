"""What all tests share: steady random examples, and figures told at the end of a run.

Real services come by the fixtures of tests/support/services/fixtures.py.
Figures: `record_property("figure", text)`. Random examples are the same in every
run, so that a red run is red for everybody; HYPOTHESIS_PROFILE=explore draws new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest_plugins = [
    "tests.support.services.fixtures",
    "tests.support.stores",
    "tests.support.helm",
    "tests.support.kubectl",
]

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Let no test write into the log that an earlier one set up."""
    yield
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter) -> None:
    """Write what tests measured, one line each."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(value)
