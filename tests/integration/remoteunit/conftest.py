"""The slow line needs what not every machine gives: then its test is left out, and it is said."""

from tests.support.slow_line import missing

collect_ignore = ["test_slow_line.py"] if missing() else []


def pytest_report_collectionfinish() -> str:
    """Say whether the line of 9,600 bit/s can be made here."""
    return (
        f"slow line: left out, needs {missing()}" if missing() else "slow line: network namespaces"
    )
