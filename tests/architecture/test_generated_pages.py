"""Pages that are made from code are current."""

from __future__ import annotations

import subprocess
import sys


def test_reference_pages_match_the_code():
    """docs/reference is what the code says today; `make fix` rewrites it."""
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale.cli.reference", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
