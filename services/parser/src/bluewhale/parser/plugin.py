"""The parser as a plugin: opens the log, runs the loop, says how it is."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bluewhale.messaging import RAW
from bluewhale.messaging.worker import Worker
from bluewhale.nexus import Manifest
from bluewhale.parser.breaker import StreamBreaker
from bluewhale.parser.parsing import FrameParser
from bluewhale.parser.relay import ParserRelay

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration, Following
    from bluewhale.messaging import Log, Watchdog
    from bluewhale.nexus import Context
    from bluewhale.telemetry import Metrics

GROUP = "parser"
MESSAGES_MAX = 64  # of one poll: frames of at most 256 KiB each

MANIFEST = Manifest(
    symbolic_name="bluewhale.parser",
    version="0.1.0",
    vendor="Bluewhale maintainers",
    activator="bluewhale.parser.plugin:activate",
)


def make_worker(
    following: Following, log: Log, metrics: Metrics, *, watchdog: Watchdog | None = None
) -> Worker:
    """Make the loop of one parser; closing the worker does not close the log."""
    settings = following.configuration.cluster.parser
    breaker = StreamBreaker(ratio_max=settings.reject_ratio_max, rows_min=settings.reject_rows_min)
    relay = ParserRelay(
        FrameParser(following, breaker),
        log.producer(),
        metrics,
        rows_max=settings.batch_rows_max,
        linger_ms=settings.linger_ms,
    )
    return Worker(log, GROUP, [RAW], relay, max_messages=MESSAGES_MAX, watchdog=watchdog)


@contextlib.asynccontextmanager
async def activate(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Run the parser as long as the block lasts."""
    from bluewhale.configuration import Following
    from bluewhale.jobs.loops import followed, log_loop, warming, watchdog
    from bluewhale.jobs.warming import warm_parsing

    configuration: Configuration = context.settings
    following = Following(configuration, before=warm_parsing)

    def make(log: Log) -> Worker:
        with warming(context):
            warm_parsing(configuration)
        return make_worker(following, log, context.metrics, watchdog=watchdog("parser"))

    def run(stopping: threading.Event) -> None:
        log_loop(context, configuration, make, stopping)

    async with followed(context, following), context.worker("parser", run):
        yield {}
