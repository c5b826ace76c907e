"""Measure what docs and README claim: prints a table, writes build/bench.json.

`python -m bench` measures everything at full size; `--short` the same paths on
less data (for CI), `--only NAME` one group, `--only cluster --backlog 5000000`
the roles behind a long backlog. Figures with a memory target run in
a process of their own. Hardware, sizes and what is inside the clock are printed
with each figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"


@dataclass(frozen=True)
class Figure:
    """One measured number; `target` is text such as ">= 1000000" ("" = none)."""

    name: str
    value: float
    unit: str
    target: str
    method: str

    @property
    def reached(self) -> bool | None:
        """Say whether the target is met; None where there is none."""
        if not self.target:
            return None
        sign, number = self.target.split()
        return self.value >= float(number) if sign == ">=" else self.value <= float(number)


GROUPS = (
    "help",
    "tariff",
    "pipeline",
    "ratio",
    "importing",
    "backup",
    "memory",
    "uplink",
    "nexus",
    "latency",
    "web",
    "crowd",
)
# groups that need services, where the environment says where they are
SERVICES = ("KAFKA_BOOTSTRAP", "POSTGRES_DSN")
GROUPS_OF_SERVICES = {
    "hot_commit": SERVICES,
    "cluster": SERVICES,
    "telemetry": (*SERVICES, "OTLP_GRPC_ENDPOINT"),
    "operator": ("KUBECONFIG",),
}
LONG_ONLY = {
    "memory",
    "hot_commit",
    "telemetry",
    "backup",
    "operator",
    "web",
    "crowd",
}  # says nothing on less data: asked for by name, or measured in full


def child(group: str, *, short: bool, sizes: Sequence[str] = ()) -> list[Figure]:
    """Run one group in a fresh process, so that peak memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{group}", *(["--short"] if short else []), *sizes],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"bench {group} failed:\n{done.stdout}")
    return [Figure(**x) for x in json.loads(done.stdout.splitlines()[-1])]


def hardware() -> str:
    """Describe the machine in one line."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            x.split(":", 1)[1].strip()
            for x in cpuinfo.read_text().splitlines()
            if x.startswith("model name")
        ]
        model = names[0] if names else ""
    return (
        f"{os.cpu_count()} cores {model or platform.machine()}, Python {platform.python_version()}"
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", choices=(*GROUPS, *GROUPS_OF_SERVICES), action="append")
    parser.add_argument(
        "--backlog", type=int, metavar="N", help="records that the group cluster catches up with"
    )
    options = parser.parse_args()
    print(
        f"bench on {hardware()}"
        + (" (short: less data, targets are for the full run)" if options.short else "")
    )
    figures: list[Figure] = []
    chosen = options.only or [g for g in GROUPS if not (options.short and g in LONG_ONLY)]
    if not options.only:
        chosen += [
            group
            for group, services in GROUPS_OF_SERVICES.items()
            if all(os.environ.get(name) for name in services)
            and not (options.short and group in LONG_ONLY)
        ]
    for group in chosen:
        sizes = ["--backlog", str(options.backlog)] if options.backlog else []
        for figure in child(group, short=options.short, sizes=sizes):
            figures.append(figure)
            judged = None if options.short else figure.reached
            mark = {True: "reached", False: "MISSED", None: ""}[judged]
            print(
                f"{figure.name:34} {figure.value:>16,.3f} {figure.unit:<10} {figure.target:>12} {mark:8} {figure.method}"
            )
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
