"""Figures of long tests, told at the end of a run: `record_property("figure", text)`."""

from __future__ import annotations


def pytest_terminal_summary(terminalreporter) -> None:
    """Write what tests measured, one line each."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(value)
