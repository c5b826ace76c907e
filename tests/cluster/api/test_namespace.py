"""A namespace that is deleted with RemoteUnits in it goes: nobody is left who could drain them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bluewhale.operator.apply import path_of
from bluewhale.operator.process import Worker, let_go_of_all
from bluewhale.operator.settings import Settings

from tests.cluster.api.places import Api, api_server, defined, definition

pytestmark = pytest.mark.cluster
NOBODY = "127.0.0.1:1"  # ingest is away: what is not known to be stored holds a deletion
MADE: dict[str, Any] = {
    "apiVersion": "bluewhale.dev/v1alpha1",
    "kind": "RemoteUnit",
    "metadata": {"name": "berlin"},
    "spec": {
        "runs": "Outside",
        "links": [
            {
                "name": "berlin-avaya",
                "pbx": "hq-avaya",
                "dialect": "avaya_cm",
                "connector": {"type": "tcp_server", "port": 9000},
            }
        ],
    },
}


@asynccontextmanager
async def held(api: Api) -> AsyncIterator[tuple[str, Worker]]:
    """Give a namespace with a RemoteUnit that its finalizer holds, and the operator that holds it."""
    place = f"bluewhale-api-{secrets.token_hex(3)}"
    await api.done("POST", "/api/v1/namespaces", {"metadata": {"name": place}})
    worker = Worker(
        Settings(namespace=place, ingest=NOBODY, enrolment=NOBODY, unit_image="unit:1", resync_s=2)
    )
    worker.start()
    try:
        path = path_of("RemoteUnit", place, "berlin")
        await api.applied(path, MADE, "kubectl")

        async def finalizer() -> bool:
            return bool((await api.done("GET", path))["metadata"].get("finalizers"))

        await api.until(finalizer, "the finalizer")
        await api.done("DELETE", path)
        await asyncio.sleep(3)  # the operator looks, and lets it wait
        assert await finalizer()
        yield place, worker
    finally:
        await asyncio.to_thread(worker.stop)
        await api.ask("DELETE", f"/api/v1/namespaces/{place}")


async def goes(api: Api, place: str) -> None:
    """Wait until a namespace is no more."""

    async def gone() -> bool:
        return (await api.ask("GET", f"/api/v1/namespaces/{place}"))[0] == 404

    await api.until(gone, f"namespace {place} to go")


def test_an_operator_elsewhere_lets_the_resources_of_a_deleted_namespace_go():
    """It sees that nothing can be created there any more."""

    async def scenario() -> None:
        async with api_server() as api, defined(api, definition()), held(api) as (place, _):
            await api.done("DELETE", f"/api/v1/namespaces/{place}")
            await goes(api, place)

    asyncio.run(scenario())


def test_an_operator_that_ends_with_its_namespace_lets_all_resources_in_it_go():
    """As the last thing it does; in a namespace that stays it touches none."""

    async def scenario() -> None:
        async with api_server() as api, defined(api, definition()), held(api) as (place, worker):
            await asyncio.to_thread(worker.stop)
            await let_go_of_all(api.cluster, place)
            path = path_of("RemoteUnit", place, "berlin")
            assert (await api.done("GET", path))["metadata"]["finalizers"]
            await api.done("DELETE", f"/api/v1/namespaces/{place}")
            await let_go_of_all(api.cluster, place)
            await goes(api, place)

    asyncio.run(scenario())
