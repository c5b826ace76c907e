"""1,000 RemoteUnits: what the operator asks of the API server, how long it takes, its memory.

The API server is the real one of KUBECONFIG; every request goes through a door that
counts it, those of the operator's framework (watches, finalizers) too. Ingest is a real
one that knows every unit. The RemoteUnits are outside the cluster, so that no pod is
made; each has a link, two units, and so two tokens, a Lease, a status and an event.

    python -m bench.operator [--short]
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import yaml
from aiohttp import web
from bluewhale.operator import specs
from bluewhale.operator.apply import path_of
from bluewhale.operator.resource import read_resource

from bench.__main__ import Figure
from bench.report import give, short
from tests.cluster.api.places import MERGE, Api, api_server, defined, definition, namespace
from tests.integration.ingest.places import write_configuration
from tests.integration.operator.places import identity_of, ingest_in

RESOURCES, RESOURCES_SHORT = 1_000, 50
QUIET_S, QUIET_SHORT_S = 60.0, 30.0
PATIENCE_S = 900.0
AT_ONCE = 16
COUNTS = "/bench-counts"
DROPPED = {
    "host",
    "authorization",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-encoding",
}


class CountingDoor:
    """Passes every request on to the API server and counts it; a process of its own."""

    def __init__(self, api: Api) -> None:
        self.counted: Counter[str] = Counter()
        told = api.cluster._client.configuration  # noqa: SLF001 - how it connects
        self._upstream = told.host
        self._tls = ssl.create_default_context(cafile=told.ssl_ca_cert)
        if told.cert_file:
            self._tls.load_cert_chain(told.cert_file, told.key_file)
        self._token = told.api_key.get("BearerToken", "")

    async def serve(self) -> None:
        """Listen until standard input ends; prints the address first."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, auto_decompress=False)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as self._session:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            print(f"http://{host}:{port}", flush=True)
            await asyncio.to_thread(sys.stdin.read)
            await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if request.path == COUNTS:
            return web.json_response(self.counted)
        self.counted[_named(request)] += 1
        headers = {k: v for k, v in request.headers.items() if k.lower() not in DROPPED}
        if self._token:
            headers["Authorization"] = self._token
        url = self._upstream + request.raw_path
        body = await request.read()
        async with self._session.request(
            request.method, url, headers=headers, data=body or None
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in DROPPED}
            if encoding := answer.headers.get("Content-Encoding"):
                kept["Content-Encoding"] = encoding
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        return response


class Door:
    """That process, as the bench uses it."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address, self._session = address, session

    async def counted(self) -> Counter[str]:
        async with self._session.get(self.address + COUNTS) as answer:
            return Counter(await answer.json())


@contextlib.asynccontextmanager
async def counting_door() -> AsyncIterator[Door]:
    """Run the door."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.operator", "--door",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    address = (await process.stdout.readline()).decode().strip()
    async with aiohttp.ClientSession() as session:
        try:
            yield Door(address, session)
        finally:
            process.stdin.close()
            await process.wait()


def _named(request: web.Request) -> str:
    """Name the verb and the kind of a request."""
    parts = request.path.strip("/").split("/")
    at = parts.index("namespaces") + 2 if "namespaces" in parts else len(parts) - 1
    kind = parts[at] if at < len(parts) else parts[-1]
    verb = "WATCH" if "watch" in request.query else request.method
    return f"{verb} {kind}{'/status' if parts[-1] == 'status' else ''}"


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": server}}],
        "users": [{"name": "bench", "user": {"token": "none"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }


def resources(count: int, place: str) -> Iterator[dict[str, Any]]:
    """RemoteUnits of one link and two units each."""
    for n in range(count):
        link = {
            "name": f"link-{n}",
            "pbx": "hq-avaya",
            "dialect": "avaya_cm",
            "options": {"layout": "custom-114"},
            "connector": {"type": "tcp_server", "port": 9000},
        }
        yield {
            "apiVersion": "bluewhale.dev/v1alpha1",
            "kind": "RemoteUnit",
            "metadata": {"name": f"site-{n}", "namespace": place},
            "spec": {
                "runs": "Outside",
                "units": {"preferred": f"unit-{n}-a", "standby": [f"unit-{n}-b"]},
                "links": [link],
            },
        }


def declared(folder: Path, made: list[dict[str, Any]]) -> None:
    """Let ingest know every unit, as roles do that mount what the operator publishes."""
    path = write_configuration(folder)
    document = yaml.safe_load(path.read_text()) | {"include": ["units.d"]}
    path.write_text(yaml.safe_dump(document))
    (folder / "units.d").mkdir()
    for one in made:
        text = specs.fragment_text(read_resource(one))
        (folder / "units.d" / f"{one['metadata']['name']}.yaml").write_text(text)


def environment(folder: Path, kubeconfig: Path, place: str, port: int) -> dict[str, str]:
    """What the chart tells the operator."""
    told = {
        "NAMESPACE": place,
        "INGEST": f"127.0.0.1:{port}",
        "ENROLMENT": "127.0.0.1:1",
        "IDENTITY": str(identity_of(folder)),
        "UNIT_IMAGE": "bluewhale/remoteunit:1",
        "HEALTH_HOST": "127.0.0.1",
        "HEALTH_PORT": "0",
    }
    named = {f"BLUEWHALE_OPERATOR_{name}": value for name, value in told.items()}
    return os.environ | {"KUBECONFIG": str(kubeconfig)} | named


async def all_of(work: Callable[[Any], Awaitable[Any]], given: list[Any]) -> None:
    """Do something for each, some at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(it: Any) -> None:
        async with room:
            await work(it)

    await asyncio.gather(*(one(it) for it in given))


async def until(
    true: Callable[[], Awaitable[bool]], what: str, process: asyncio.subprocess.Process
) -> float:
    """Wait; gives the seconds."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while not await true():
            assert process.returncode is None, f"the operator ended with {process.returncode}"
            await asyncio.sleep(3)
    print(f"# {what} after {time.monotonic() - began:.0f} s", file=sys.stderr)
    return time.monotonic() - began


async def measure(folder: Path) -> list[Figure]:
    count = RESOURCES_SHORT if short() else RESOURCES
    quiet_s = QUIET_SHORT_S if short() else QUIET_S
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_server())
        await stack.enter_async_context(defined(api, definition()))
        place = await stack.enter_async_context(namespace(api))
        made = list(resources(count, place))
        declared(folder, made)
        every = path_of("RemoteUnit", place)

        async def create(one: dict[str, Any]) -> None:
            await api.done("POST", every, one)

        async def let_go(one: dict[str, Any]) -> None:
            path = f"{every}/{one['metadata']['name']}"
            await api.done("PATCH", path, {"metadata": {"finalizers": None}}, content=MERGE)

        await all_of(create, made)
        door = await stack.enter_async_context(counting_door())
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(door.address)))
        port = stack.enter_context(ingest_in(folder))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bluewhale.operator",
            env=environment(folder, kubeconfig, place, port), stdout=sys.stderr, stderr=sys.stderr,
        )  # fmt: skip
        watched = psutil.Process(process.pid)
        try:

            async def all_told() -> bool:
                """Say whether each has two tokens, which is the last that is done for it."""
                found = await api.done("GET", every)
                units = [
                    u for one in found["items"] for u in one.get("status", {}).get("units", ())
                ]
                return sum("tokenExpires" in unit for unit in units) == 2 * count

            async def settled() -> bool:
                before = sum((await door.counted()).values())
                await asyncio.sleep(10)
                return sum((await door.counted()).values()) - before < max(20, count / 20)

            first_s = await until(all_told, "every resource is reconciled", process)
            await until(settled, "quiet", process)
            first = await door.counted()
            cpu, began = sum(watched.cpu_times()[:2]), time.monotonic()
            await asyncio.sleep(quiet_s)
            passed = time.monotonic() - began
            cpu = sum(watched.cpu_times()[:2]) - cpu
            quiet = await door.counted() - first
            rss, peak = watched.memory_info().rss / 2**20, _peak_mib(process.pid)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await all_of(let_go, made)
    how = f"{count:,} RemoteUnits of a link and two units each, outside the cluster"
    most = ", ".join(f"{n:,} {what}" for what, n in first.most_common(6))
    rest = ", ".join(f"{n:,} {what}" for what, n in quiet.most_common(4)) or "none"
    return [
        Figure("operator_reconciled_seconds", first_s, "s", "", f"start of the process to status and tokens of all; {how}"),
        Figure("operator_requests_per_resource", sum(first.values()) / count, "requests", "", f"all requests until it is quiet: {most}"),
        Figure("operator_requests_per_minute", sum(quiet.values()) * 60 / passed, "1/min", "", f"nothing happens, {passed:.0f} s: {rest}"),
        Figure("operator_cpu_cores", cpu / passed, "cores", "", "processor time while nothing happens: each resource is looked at every 30 s, ingest asked every 2 s"),
        Figure("operator_rss_mib", rss, "MiB", "<= 256", how),
        Figure("operator_peak_rss_mib", peak, "MiB", "<= 256", how),
    ]  # fmt: skip


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM:"))


async def door_alone() -> None:
    async with api_server() as api:
        await CountingDoor(api).serve()


def main() -> None:
    if "--door" in sys.argv:
        asyncio.run(door_alone())
        return
    with tempfile.TemporaryDirectory() as place:
        give(asyncio.run(measure(Path(place))))


if __name__ == "__main__":
    main()
