"""How long a person waits for `bluewhale --help`."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from bench.__main__ import Figure
from bench.report import clock, give

RUNS = 7


def main() -> None:
    command = str(Path(sys.executable).parent / "bluewhale")
    seconds = []
    for _ in range(RUNS):
        with clock() as c:
            subprocess.run([command, "--help"], capture_output=True, check=True)
        seconds.append(c.seconds)
    give(
        [
            Figure(
                "help_seconds",
                statistics.median(seconds),
                "s",
                "<= 0.4",
                f"median of {RUNS} fresh processes",
            )
        ]
    )


if __name__ == "__main__":
    main()
