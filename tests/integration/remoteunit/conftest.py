"""What not every machine gives: a test that needs it is left out, and it is said."""

from tests.support import shifted_clock, slow_line

_NEEDS = {
    "test_slow_line.py": ("slow line", slow_line.missing()),
    "test_wrong_clock.py": ("shifted clock", shifted_clock.missing()),
}
collect_ignore = [name for name, (_, missing) in _NEEDS.items() if missing]


def pytest_report_collectionfinish() -> list[str]:
    """Say which of them can be had here."""
    return [f"{what}: {f'left out, needs {no}' if no else 'here'}" for what, no in _NEEDS.values()]
