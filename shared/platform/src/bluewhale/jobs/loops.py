"""A worker of the log as the life of a role: open, go round, say how it is, end.

Owns waiting for a log that is away at the start, conditions and gauges of the
loop, and how often the configuration is looked at. Does not own the loop
(`bluewhale.messaging.worker`) or what it does.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.jobs.opening import open_log
from bluewhale.messaging import Watchdog
from bluewhale.nexus.memory import give_back
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration, Following
    from bluewhale.messaging import Log
    from bluewhale.messaging.worker import Worker
    from bluewhale.nexus import Context

EXIT_AFTER_S = 30.0  # a stuck loop ends its process this long after liveness said so
RETRY_WAIT_MAX_S = 5.0
LOOK_INTERVAL_S = 0.5
FOLLOW_INTERVAL_S = 3.0

T = TypeVar("T")


def when_there(
    what: str,
    attempt: Callable[[], T],
    stopping: threading.Event,
    *,
    told: Callable[[str], None],
) -> T | None:
    """Call until what it needs is there; None = told to stop meanwhile.

    told: hears why it waits, and "" at last.
    """
    wait_s = 0.5
    while not stopping.is_set():
        try:
            found = attempt()
        except TemporaryError as error:
            told(f"waiting for {what}: {error}")
            stopping.wait(wait_s)
            wait_s = min(RETRY_WAIT_MAX_S, 2 * wait_s)
        else:
            told("")
            return found
    return None


def log_loop(
    context: Context,
    configuration: Configuration,
    make: Callable[[Log], Worker],
    stopping: threading.Event,
) -> None:
    """Open the log and run a worker on it until told to stop; the body of a role's thread.

    Raises
    ------
    PermanentError
        What repeating does not mend; the process should end with it.
    """
    logger = get_logger(context.role)

    def told(message: str) -> None:
        context.condition("log", good=not message, message=message)
        if message:
            logger.warning("Waiting and trying again", error=message)

    def attempt() -> Log:
        return open_log(configuration, context.role)

    log = when_there("the log", attempt, stopping, told=told)
    if log is None:
        return
    try:
        worker = make(log)
        with _looked_after(worker, stopping, lambda: _look(context, worker)):
            context.watch(context.role, worker.watchdog.stuck)
            worker.run()
    finally:
        log.close()


@contextlib.contextmanager
def _looked_after(
    worker: Worker, stopping: threading.Event, look: Callable[[], None]
) -> Iterator[None]:
    """Stop a worker when the event is set, and look at it now and then meanwhile."""
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set():
            if stopping.wait(LOOK_INTERVAL_S):
                worker.stop()
                return
            look()

    thread = threading.Thread(target=wait, name="looking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _look(context: Context, worker: Worker) -> None:
    context.condition("loop", good=not worker.error, message=worker.error)
    for (topic, partition), lag in worker.lag().items():
        context.metrics.set(
            "bluewhale_log_lag_messages", lag, topic=topic, partition=str(partition)
        )


@contextlib.contextmanager
def warming(context: Context) -> Iterator[None]:
    """Say that kernels are loaded, or compiled where nobody has; not ready until they are."""
    context.condition(
        "kernels", good=False, message="loading kernels; the first time compiles them"
    )
    yield
    give_back()
    context.condition("kernels", good=True)


@contextlib.asynccontextmanager
async def followed(context: Context, following: Following) -> AsyncIterator[None]:
    """Look at the configuration's files as long as the block lasts, and say what they are."""

    def run(stopping: threading.Event) -> None:
        while not stopping.wait(FOLLOW_INTERVAL_S):
            following.refresh()
            context.metrics.set("bluewhale_configuration_refused", bool(following.told))
            # the one in force goes on, so the role is as ready as before
            context.condition(
                "configuration", good=not following.told, message=following.told, gates=False
            )

    async with context.worker("configuration", run):
        yield


def watchdog(role: str) -> Watchdog:
    """Make the watchdog of a role's loop: it ends a process whose loop is stuck."""
    return Watchdog(role, exit_after_s=EXIT_AFTER_S)
