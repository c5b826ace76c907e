"""The operator on a real API server, with a real ingest beside it; its units run outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from bluewhale.operator.apply import path_of
from bluewhale.operator.process import Worker
from bluewhale.operator.settings import Settings

from tests.cluster.api.places import MERGE, Api, api_server, defined, definition, namespace
from tests.integration.ingest.places import write_configuration
from tests.integration.operator.places import identity_of, ingest_in

pytestmark = pytest.mark.cluster


class Installation:
    """Ingest, the operator, and the folder into which the cluster's ConfigMap is mounted."""

    def __init__(self, api: Api, place: str, folder: Path) -> None:
        self.api, self.place, self.folder = api, place, folder

    def path(self, kind: str, name: str = "") -> str:
        """Where an object is."""
        return path_of(kind, self.place, name)

    async def found(self, kind: str, name: str) -> dict[str, Any] | None:
        """Give an object, None = there is none."""
        status, answer = await self.api.ask("GET", self.path(kind, name))
        return answer if status == 200 else None

    async def apply(self, name: str, *links: str, **spec: Any) -> None:
        """What `kubectl apply` does."""
        made = {
            "apiVersion": "bluewhale.dev/v1alpha1",
            "kind": "RemoteUnit",
            "metadata": {"name": name, "namespace": self.place},
            "spec": {
                "runs": "Outside",
                "units": {"preferred": f"{name}-1", "standby": [f"{name}-2"]},
                "links": [
                    {
                        "name": one,
                        "pbx": "hq-avaya",
                        "dialect": "avaya_cm",
                        "options": {"layout": "custom-114"},
                        "connector": {"type": "tcp_server", "port": 9000 + n},
                    }
                    for n, one in enumerate(links)
                ],
                **spec,
            },
        }
        await self.api.applied(self.path("RemoteUnit", name), made, "kubectl")

    async def ready(self, name: str, reason: str) -> dict[str, Any]:
        """Wait until Ready has this reason; give the resource."""

        async def told() -> dict[str, Any] | None:
            found = await self.found("RemoteUnit", name) or {}
            conditions = found.get("status", {}).get("conditions", ())
            now = {c["type"]: c["reason"] for c in conditions}
            return found if now.get("Ready") == reason else None

        return await self.api.until(told, f"{name} to be {reason}")

    async def mount(self) -> None:
        """What a kubelet does, until cancelled."""
        while True:
            found = await self.found("ConfigMap", "bluewhale-units")
            parts = (found or {}).get("data") or {}
            for file in self.folder.iterdir():
                if file.name not in parts:
                    file.unlink()
            for name, text in parts.items():
                file = self.folder / name
                if not file.exists() or file.read_text() != text:
                    file.write_text(text)
            await asyncio.sleep(0.2)


@asynccontextmanager
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """Everything, in a namespace of its own; the operator watches that one alone."""
    path = write_configuration(tmp_path)
    document = yaml.safe_load(path.read_text()) | {"include": ["units.d"]}
    path.write_text(yaml.safe_dump(document))
    (tmp_path / "units.d").mkdir()
    async with api_server() as api, defined(api, definition()), namespace(api) as place:
        here = Installation(api, place, tmp_path / "units.d")
        with ingest_in(tmp_path) as port:
            settings = Settings(
                namespace=place,
                ingest=f"127.0.0.1:{port}",
                enrolment="127.0.0.1:7444",
                identity=identity_of(tmp_path),
                unit_image="bluewhale/remoteunit:1",
                resync_s=2,
                poll_s=0.2,
            )
            mounting = asyncio.create_task(here.mount())
            worker = Worker(settings)
            worker.start()
            try:
                yield here
                await _remove_all(here)
            finally:
                await asyncio.to_thread(worker.stop)
                mounting.cancel()
                await asyncio.gather(mounting, return_exceptions=True)
        assert not worker.failed.is_set()


async def _remove_all(here: Installation) -> None:
    """Delete every resource; what never enrolled holds nobody up."""
    answer = await here.api.done("GET", here.path("RemoteUnit"))
    for one in answer["items"]:
        await here.api.ask("DELETE", here.path("RemoteUnit", one["metadata"]["name"]))

    async def none_left() -> bool:
        return not (await here.api.done("GET", here.path("RemoteUnit")))["items"]

    await here.api.until(none_left, "the resources to go")


def test_a_resource_is_published_gets_tokens_a_lease_a_status_and_an_event(tmp_path: Path):
    """The first minute of a RemoteUnit, and its end, which the collector of garbage completes."""

    async def scenario() -> None:
        async with installation(tmp_path) as here:
            await here.apply("berlin", "berlin-avaya")
            found = await here.ready("berlin", "WaitingForUnit")
            assert found["metadata"]["finalizers"] == ["bluewhale.dev/drain"]
            assert [u["state"] for u in found["status"]["units"]] == ["declared", "declared"]
            conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
            assert conditions["ConfigSynced"] == "True"
            for unit in ("berlin-1", "berlin-2"):
                assert await here.found("Secret", f"{unit}-token") is not None
            lease = await here.found("Lease", "link-berlin-avaya")
            assert lease is not None
            assert lease["metadata"]["ownerReferences"][0]["name"] == "berlin"
            events = await here.api.done("GET", here.path("Event"))
            told = [e for e in events["items"] if e["involvedObject"]["name"] == "berlin"]
            assert {e["reason"] for e in told} >= {"WaitingForUnit"}
            assert len(told) < 6
            await here.api.done("DELETE", here.path("RemoteUnit", "berlin"))

            async def gone() -> bool:
                return await here.found("Lease", "link-berlin-avaya") is None

            await here.api.until(gone, "everything of it to go")
            published = await here.found("ConfigMap", "bluewhale-units")
            assert not (published or {}).get("data")

    asyncio.run(scenario())


def test_a_look_at_what_is_as_wanted_writes_nothing(tmp_path: Path):
    """Resource versions stand still over several looks."""

    async def scenario() -> None:
        async with installation(tmp_path) as here:
            await here.apply("berlin", "berlin-avaya")
            await here.ready("berlin", "WaitingForUnit")
            names = [
                ("RemoteUnit", "berlin"),
                ("Lease", "link-berlin-avaya"),
                ("ConfigMap", "bluewhale-units"),
            ]

            async def versions() -> list[str]:
                found = [await here.found(kind, name) for kind, name in names]
                return [one["metadata"]["resourceVersion"] for one in found if one]

            await asyncio.sleep(4)
            before = await versions()
            await asyncio.sleep(6)  # three looks
            assert await versions() == before

    asyncio.run(scenario())


def test_two_resources_that_claim_one_link_are_told_apart_and_the_elder_keeps_it(tmp_path: Path):
    """What worked goes on; the newcomer says who has it, and is well once it asks for another."""

    async def scenario() -> None:
        async with installation(tmp_path) as here:
            await here.apply("berlin", "one-link")
            await here.ready("berlin", "WaitingForUnit")
            await asyncio.sleep(1)  # the server's time has whole seconds
            await here.apply("paris", "one-link")
            found = await here.ready("paris", "LinkTaken")
            message = found["status"]["conditions"][0]["message"]
            assert f"link one-link belongs to RemoteUnit {here.place}/berlin" in message
            await here.apply("paris", "another-link")
            await here.ready("paris", "WaitingForUnit")
            await here.ready("berlin", "WaitingForUnit")

    asyncio.run(scenario())


def test_orders_are_annotations_that_go_when_they_are_carried_out(tmp_path: Path):
    """A fence pauses every unit; a switch-over to a stranger is refused with the names."""

    async def scenario() -> None:
        async with installation(tmp_path) as here:
            await here.apply("berlin", "berlin-avaya")
            await here.ready("berlin", "WaitingForUnit")
            path = here.path("RemoteUnit", "berlin")
            orders = {"bluewhale.dev/fenced": "true", "bluewhale.dev/switchover-to": "rome"}
            body = {"metadata": {"annotations": orders}}
            await here.api.done("PATCH", path, body, content=MERGE)

            async def refused() -> bool:
                found = await here.api.done("GET", path)
                return "bluewhale.dev/switchover-to" not in found["metadata"]["annotations"]

            async def fenced() -> bool:
                found = await here.api.done("GET", path)
                reasons = {c["type"]: c["reason"] for c in found["status"]["conditions"]}
                return reasons["Owned"] == "Fenced"

            said: list[str] = []

            async def told() -> bool:
                events = (await here.api.done("GET", here.path("Event")))["items"]
                said[:] = [e["message"] for e in events if e["reason"] == "SwitchoverRefused"]
                return bool(said)

            await here.api.until(refused, "the order to be answered")
            await here.api.until(fenced, "the fence to be seen in the status")
            await here.api.until(told, "the event")
            assert said == ["rome is no unit of it; berlin-1, berlin-2 are"]
            found = await here.api.done("GET", path)
            assert found["metadata"]["annotations"]["bluewhale.dev/fenced"] == "true"

    asyncio.run(scenario())
