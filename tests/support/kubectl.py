"""The program kubectl against the emulated API server, and the plugin as a person runs it.

A test that uses the fixture `kubectl` is deselected, with a line that says so, where
kubectl is not on PATH; with BLUEWHALE_REQUIRE_KUBECTL=1 it fails instead.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp.web
import pytest
from bluewhale.kubectl.main import app
from bluewhale.operator.conditions import findings
from bluewhale.operator.observed import Centre
from bluewhale.operator.resource import FENCED, SWITCHOVER, read_resource
from bluewhale.operator.status import status_of
from kmock import resource
from typer.testing import CliRunner

from tests.support.apiserver import APPLY, ApiServer
from tests.support.remoteunits import centre, seen, well

MISSING = (
    "kubectl is missing: https://kubernetes.io/docs/tasks/tools/; tests of the plugin are left out"
)
RU = "bluewhale.dev/v1alpha1/remoteunits"


class ForKubectl(ApiServer):
    """The emulator, with what kubectl expects of lists and of the first version, and with logs."""

    logs: Mapping[str, str] = {}  # path -> what a container wrote

    async def _handle(self, request: Any) -> Any:
        if APPLY in request.headers.get("Content-Type", "") and b'"stringData"' in request.body:
            object.__setattr__(request, "body", _encoded(request.body))
        if request.url.path.endswith("/log"):
            text = self.logs.get(request.url.path.split("/")[-2], "")
            return aiohttp.web.Response(text=text)
        return await super()._handle(request)

    async def _serve_list(self, request: Any) -> Any:
        found = await super()._serve_list(request)
        wanted = request.url.query.get("labelSelector", "")
        labels = dict(x.split("=") for x in wanted.split(",") if x)
        items = [
            x for x in found["items"] if labels.items() <= x["metadata"].get("labels", {}).items()
        ]
        return {**found, "items": items, "kind": "List", "apiVersion": "v1"}

    async def _serve_version(self, request: Any) -> Any:
        found = await super()._serve_version(request)
        return {**found, "groupVersion": found["groupVersion"].removeprefix("/")}

    def put(self, where: str, made: dict[str, Any]) -> None:
        """Have an object."""
        meta = made["metadata"]
        key = (resource(where), meta.get("namespace"), meta["name"])
        version = where.rpartition("/")[0]
        self.objects[key] = {"apiVersion": version, "kind": self.resources[where].kind, **made}


def _encoded(body: bytes) -> bytes:
    """Give a Secret as it is kept: what was said as text is base64."""
    made = json.loads(body)
    said = made.pop("stringData")
    made["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in said.items()}
    made["metadata"].setdefault("resourceVersion", str(time.monotonic_ns()))
    return json.dumps(made).encode()


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str


class Plugin:
    """`kubectl bluewhale`, run in this process; kubectl itself is the real program."""

    def __init__(self, kubeconfig: Any) -> None:
        self._kubeconfig = kubeconfig

    def run(self, *words: str) -> Said:
        """Run a command; it blocks, so a test runs it beside its loop."""
        environment = {"KUBECONFIG": str(self._kubeconfig), "COLUMNS": "200"}
        done = CliRunner().invoke(app, list(words), env=environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)


class Hand:
    """An operator by hand: the status that the real one would write for what a test says is.

    `late` counts looks until an ordered switchover happens; None = never.
    """

    def __init__(self, server: ForKubectl, name: str = "berlin", *, late: int | None = 2) -> None:
        self.server, self.name, self.late = server, name, late
        self.centre: Centre = centre(well("berlin-1"), well("berlin-2"))

    def look(self) -> None:
        """Write the status, and carry out what is ordered."""
        found = self.server.found(RU, self.name)
        if found is None:
            return
        body = copy.deepcopy(dict(found))
        read = read_resource(body)
        to = read.annotations.get(SWITCHOVER)
        if to is not None and self.late is not None:
            self.late -= 1
            if self.late < 0:
                self.centre = centre(well("berlin-1"), well("berlin-2"), owner=to)
                body["metadata"]["annotations"].pop(SWITCHOVER)
        said = self.centre
        if read.annotations.get(FENCED) == "true":
            said = Centre(said.units, {}, said.profile, problem="")
        observed = seen(said, now=datetime.now(UTC))
        body["status"] = status_of(read, observed, findings(read, observed))
        self.server.put(RU, body)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say that tests of the plugin are left out, and how to get them."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if shutil.which("kubectl") is None and reporter and not hasattr(session.config, "workerinput"):
        reporter.write_line(MISSING)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs kubectl where there is none."""
    if shutil.which("kubectl") is not None or os.environ.get("BLUEWHALE_REQUIRE_KUBECTL") == "1":
        return
    without = [item for item in items if "kubectl" in getattr(item, "fixturenames", ())]
    if without:
        items[:] = [item for item in items if item not in set(without)]
        config.hook.pytest_deselected(items=without)


@pytest.fixture
def kubectl() -> str:
    """Give the program."""
    found = shutil.which("kubectl")
    assert found is not None, MISSING
    return found
