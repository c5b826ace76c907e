"""Helm for tests of the charts: where it is, what it renders.

A test that uses the fixture `helm` is deselected, with a line that says so, where
no Helm is on PATH or named by HELM; with BLUEWHALE_REQUIRE_HELM=1 it fails instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "bluewhale"
CRDS_CHART = ROOT / "charts" / "bluewhale-crds"
MISSING = "helm is missing: https://helm.sh/docs/intro/install (4, or 3.18 and newer), or set HELM"


def program() -> str | None:
    """Give the path of Helm, None without one."""
    return shutil.which(os.environ.get("HELM") or "helm")


class RenderingError(Exception):
    """What Helm said against a chart or its values."""


class Helm:
    """Helm as a program that needs no cluster."""

    def __init__(self, path: str) -> None:
        self.path = path

    def run(self, *arguments: str | Path) -> str:
        """Run a command; gives its output, or raises with what it said."""
        done = subprocess.run(
            [self.path, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RenderingError(done.stderr + done.stdout)
        return done.stdout

    def render(self, chart: Path, *arguments: str | Path) -> str:
        """Render a chart as release `bluewhale` of namespace `calls`."""
        return self.run("template", "bluewhale", chart, "--namespace", "calls", *arguments)

    def objects(self, chart: Path, *arguments: str | Path) -> list[dict[str, Any]]:
        """Render a chart and read what came out."""
        return [x for x in yaml.safe_load_all(self.render(chart, *arguments)) if x]


def pod_specs(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give the specification of every pod, by kind and name of what makes it."""
    found = {}
    for one in objects:
        spec = one.get("spec") or {}
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] != "Pod":
            spec = (spec.get("template") or {}).get("spec") or {}
        if "containers" in spec:
            found[f"{one['kind']}/{one['metadata']['name']}"] = spec
    return found


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say that tests of charts are left out, and how to get them; also in quiet runs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if program() is None and reporter and not hasattr(session.config, "workerinput"):
        reporter.write_line(MISSING)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Helm where there is none."""
    if program() is not None or os.environ.get("BLUEWHALE_REQUIRE_HELM") == "1":
        return
    without = [item for item in items if "helm" in getattr(item, "fixturenames", ())]
    if without:
        items[:] = [item for item in items if item not in set(without)]
        config.hook.pytest_deselected(items=without)


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Give Helm."""
    path = program()
    assert path is not None, f"BLUEWHALE_REQUIRE_HELM=1, and {MISSING}"
    return Helm(path)
