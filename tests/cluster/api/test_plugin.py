"""`kubectl bluewhale` on a real API server: orders are kept, the dashboard is read, no Secret leaves."""

from __future__ import annotations

import asyncio
import base64
import os
import tarfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bluewhale.operator.conditions import findings
from bluewhale.operator.observed import Centre
from bluewhale.operator.resource import read_resource
from bluewhale.operator.status import status_of

from tests.cluster.api.places import Api, api_server, defined, definition, namespace
from tests.support.kubectl import Plugin, Said
from tests.support.remoteunits import body, centre, seen, well

pytestmark = pytest.mark.cluster
PLANTED = "hunter2-PLANTED"
RU = "/apis/bluewhale.dev/v1alpha1/namespaces/{}/remoteunits"
Run = Callable[..., Awaitable[Said]]


def run(work: Callable[[Api, str, Run], Awaitable[None]]) -> None:
    """Run a scenario in a namespace of its own, with a resource of two units that have no pods."""

    async def live() -> None:
        async with api_server() as api, defined(api, definition()), namespace(api) as place:
            made = body(runs="Outside", units={"preferred": "berlin-1", "standby": ["berlin-2"]})
            made |= {"metadata": {"name": "berlin", "namespace": place}}
            made.pop("status")
            await api.done("POST", RU.format(place), made)
            plugin = Plugin(os.environ["KUBECONFIG"])

            async def do(*words: str) -> Said:
                return await asyncio.to_thread(plugin.run, *words, "-n", place)

            await work(api, place, do)

    asyncio.run(live())


async def told(api: Api, place: str, said: Centre) -> dict[str, Any]:
    """Write the status that the operator would write."""
    path = f"{RU.format(place)}/berlin"
    found = await api.done("GET", path)
    read = read_resource(found)
    observed = seen(said, now=datetime.now(UTC))
    status = status_of(read, observed, findings(read, observed))
    merge = "application/merge-patch+json"
    return await api.done("PATCH", f"{path}/status", {"status": status}, content=merge)


def test_the_dashboard_reads_what_the_api_server_keeps():
    """Every field of the status passes the schema of the definition and comes back."""

    async def work(api: Api, place: str, do: Run) -> None:
        assert "NotSeen" in (await do("status")).out
        await told(api, place, centre(well("berlin-1", backlog_records=1204), well("berlin-2")))
        said = await do("status", "berlin")
        assert said.code == 0, said
        assert "1 of 1 well." in said.out
        assert "berlin-1   connected   1,204" in said.out

    run(work)


def test_orders_are_annotations_that_stay_or_are_taken_back():
    """A fence that nobody carries out stands; a switchover that nobody carries out does not."""

    async def work(api: Api, place: str, do: Run) -> None:
        await told(api, place, centre(well("berlin-1"), well("berlin-2")))
        said = await do("switchover", "berlin", "berlin-2", "--timeout", "2")
        assert (said.code, "taken back" in said.err) == (1, True), said
        found = await api.done("GET", f"{RU.format(place)}/berlin")
        assert "bluewhale.dev/switchover-to" not in found["metadata"].get("annotations", {})
        said = await do("fence", "berlin", "--timeout", "2")
        assert (said.code, "the order stands" in said.err) == (1, True), said
        fenced = await told(api, place, centre(well("berlin-1"), well("berlin-2"), owner=""))
        assert fenced["metadata"]["annotations"]["bluewhale.dev/fenced"] == "true"
        assert (await do("fence", "berlin")).code == 0
        assert (await do("status")).code == 1

    run(work)


def test_a_bundle_of_a_namespace_has_no_secret_of_it(tmp_path: Path):
    """In a Secret, a ConfigMap, a variable of a pod: planted, and not in the archive."""

    async def work(api: Api, place: str, do: Run) -> None:
        labels = {"app.kubernetes.io/part-of": "bluewhale"}
        core = f"/api/v1/namespaces/{place}"
        url = f"postgresql://bluewhale:{PLANTED}@db/calls"
        secret = {"metadata": {"name": "database", "labels": labels}, "stringData": {"url": url}}
        await api.done("POST", f"{core}/secrets", secret)
        data = {"bluewhale.yaml": f"links: []\n# {url}", "directory.yaml": f"people: [{PLANTED}]"}
        made = {"metadata": {"name": "configuration", "labels": labels}, "data": data}
        await api.done("POST", f"{core}/configmaps", made)
        container = {
            "name": "storage", "image": "nowhere.test/none:1", "imagePullPolicy": "Never",
            "env": [{"name": "PROXY", "value": PLANTED}, {"name": "BLUEWHALE_URL", "value": url}],
        }  # fmt: skip
        nowhere = {"nodeSelector": {"bluewhale.dev/nowhere": "true"}, "containers": [container]}
        pod = {"metadata": {"name": "storage", "labels": labels}, "spec": nowhere}
        await api.done("POST", f"{core}/pods", pod)
        path = tmp_path / "bundle.tar.gz"
        said = await do("diagnose", "--to", str(path))
        assert said.code == 0, said
        with tarfile.open(path) as archive:
            files = {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}
        hidden = (PLANTED, base64.b64encode(url.encode()).decode())
        assert {n for n, text in files.items() for h in hidden if h in text} == set()
        assert "postgresql://bluewhale:***@db/calls" in files[f"bundle/{place}/pods.json"]
        assert "links: []" in files[f"bundle/{place}/configmaps.json"]
        assert f"bundle/{place}/secrets.json" not in files
        assert '"kind": "RemoteUnit"' in files[f"bundle/{place}/remoteunits.json"]
        # a pod that no node takes has no log; nothing else could not be asked
        left_out = files["bundle/README.txt"].partition("Could not be asked:\n")[2]
        assert [line for line in left_out.splitlines() if "/logs/storage/" not in line] == []

    run(work)
