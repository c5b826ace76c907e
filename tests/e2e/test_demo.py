"""`bluewhale demo` as a stranger runs it: a process, no terminal, nothing prepared."""

from __future__ import annotations

import re

from tests.support.running import run


def test_demo_equals_the_truth_and_shows_it():
    """Calls, charge-back, a receipt in plain words, completeness; equal to the truth."""
    done = run("demo", "--calls", "90", timeout_s=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for words in (
        "90 calls of 3 PBXs", "charge-back by department", "Rounding    once, half up", "completeness 100.0 %",
        "calls, legs, departments and prices equal the truth",
    ):  # fmt: skip
        assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_demo_with_faults_names_exactly_these():
    """Twelve swallowed records and twelve lines of a foreign format are named, and nothing else."""
    done = run("demo", "--calls", "300", "--faults", timeout_s=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"named: 12 records \d+\.\.\d+ of berlin-avaya-cdr are gone", done.stdout)
    assert "named: 12 records of sydney-asterisk-cdr are of an unknown format" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
