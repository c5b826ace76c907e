"""Plugins that tests start: each writes down what happens to it in `settings`, a list."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import grpc
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.nexus import Manifest, Served
from bluewhale.nexus.governance import current

from tests.unit.nexus.echo import ECHO, echo, struct


def plugin(name: str, activator: str = "quiet", **facts) -> Manifest:
    """Give the manifest of one of the plugins below."""
    return Manifest(
        symbolic_name=name, version="1.0", activator=f"tests.unit.nexus.actors:{activator}", **facts
    )


@contextlib.asynccontextmanager
async def quiet(context):
    """Provide a text for each promised service."""
    name = context.manifest.symbolic_name
    context.settings.append(f"start {name}")
    yield {service: f"{service} of {name}" for service in context.manifest.provides}
    context.settings.append(f"end {name}")


@contextlib.asynccontextmanager
async def looking(context):
    """Look up everything required, at start."""
    for service in context.manifest.requires:
        context.settings.append(await context.lookup(service))
    yield {}


@contextlib.asynccontextmanager
async def refused(context):
    """Meet an operating error at start."""
    raise TemporaryError("the broker 127.0.0.1:1 does not answer; start it")
    yield {}


@contextlib.asynccontextmanager
async def broken(context):
    """Meet a programmer's error at start."""
    raise KeyError("listen")
    yield {}


@contextlib.asynccontextmanager
async def forgetful(context):
    """Promise services and give none."""
    yield {}


@contextlib.asynccontextmanager
async def falling(context):
    """Fall over while running, in a task of its own."""

    async def fall():
        await asyncio.sleep(0.01)
        raise TemporaryError("the disk went away; mount it")

    async with asyncio.TaskGroup() as group:
        group.create_task(fall())
        yield {}


@contextlib.asynccontextmanager
async def endless(context):
    """Never end by itself."""
    yield {}
    await asyncio.sleep(3600)


@contextlib.asynccontextmanager
async def working(context):
    """Run a loop in a thread that says when it was asked to stop."""

    def loop(stopping: threading.Event) -> None:
        stopping.wait()
        context.settings.append("work finished")

    async with context.worker("loop", loop):
        yield {}


@contextlib.asynccontextmanager
async def crashing(context):
    """Run a loop that falls over at once."""

    def loop(stopping: threading.Event) -> None:
        raise TemporaryError("the database is away; start it")

    async with context.worker("loop", loop):
        yield {}


@contextlib.asynccontextmanager
async def asking(context):
    """Look up what the manifest does not require."""
    context.service("journal")
    yield {}


@contextlib.asynccontextmanager
async def echoing(context):
    """Serve the contract of tests; `settings` is the servicer."""
    yield {"echo": echo(context.settings)}


class Slow:
    """A servicer written for asyncio: each method says on which thread it ran."""

    async def One(self, request, context):  # noqa: N802 - as in the contract
        """Say the thread; `do: wait` waits for the end of the request, `abort` ends it."""
        match request["do"] if "do" in request else "":  # noqa: SIM401 - a Struct has no get
            case "wait":
                await asyncio.sleep(30)
            case "abort":
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such link")
        return struct(thread=threading.current_thread().name, values=dict(current().values))

    async def Many(self, request, context):  # noqa: N802 - as in the contract
        """Count."""
        for i in range(int(request["n"])):
            await asyncio.sleep(0)
            yield struct(i=i)

    async def Sum(self, request_iterator, context):  # noqa: N802 - as in the contract
        """Add up."""
        return struct(sum=sum([r["i"] async for r in request_iterator]))

    async def Chat(self, request_iterator, context):  # noqa: N802 - as in the contract
        """Answer each request."""
        async for request in request_iterator:
            yield struct(twice=request["i"] * 2)


@contextlib.asynccontextmanager
async def awaiting(context):
    """Serve the contract of tests by asyncio."""
    yield {"echo": Served(ECHO, Slow(), loop=asyncio.get_running_loop())}


@contextlib.asynccontextmanager
async def listing(context):
    """Serve a list as a journal."""
    yield {"journal": []}


@contextlib.asynccontextmanager
async def peeking(context):
    """Look from outside of the manifest, in a thread, at what starts later."""
    try:
        await asyncio.to_thread(context.settings[0].service, "journal")
    except BluewhaleError as error:
        context.settings.append(str(error))
    yield {}


@contextlib.asynccontextmanager
async def dawdling(context):
    """Take its time to start."""
    context.log.info("Plugin moved", state="dawdling")
    await asyncio.sleep(60)
    yield {}


@contextlib.asynccontextmanager
async def ailing(context):
    """Run, but say that a thing is not well and that a loop is stuck."""
    context.condition("database", good=False, message="postgresql://db is away; start it")
    context.watch("loop", lambda: "stuck in polling for 70 s")
    yield {}
