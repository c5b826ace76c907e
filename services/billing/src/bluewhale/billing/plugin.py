"""Billing as plugins: prices from the main database with the loop over the log, tariffs, alerts.

`ALERTS` asks for the service `prices` alone, so the embedded installation has it, too; its
tariffs are a plugin of its own, with workers beside them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bluewhale.billing.prices import AwaitedPrices, Prices
from bluewhale.billing.relay import BillingRelay
from bluewhale.messaging import PARSED
from bluewhale.messaging.worker import Worker
from bluewhale.nexus import Manifest, serve

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.messaging import Log, Watchdog
    from bluewhale.nexus import Context
    from bluewhale.telemetry import Metrics

GROUP = "billing"
MESSAGES_MAX = 8  # of one poll: up to 4,096 legs each

MANIFEST = Manifest(
    symbolic_name="bluewhale.billing",
    version="0.1.0",
    vendor="Bluewhale maintainers",
    provides={"prices": "1.0"},
    activator="bluewhale.billing.plugin:activate",
)
TARIFFS = Manifest(
    symbolic_name="bluewhale.tariffs",
    version="0.1.0",
    vendor="Bluewhale maintainers",
    requires={"prices": ">=1,<2"},
    provides={"tariffs": "1.0"},
    activator="bluewhale.billing.plugin:tariffs",
)
ALERTS = Manifest(
    symbolic_name="bluewhale.alerts",
    version="0.1.0",
    vendor="Bluewhale maintainers",
    requires={"prices": ">=1,<2"},
    provides={"alerts": "1.0"},
    activator="bluewhale.billing.plugin:alerts",
)
MANIFESTS = (MANIFEST, TARIFFS, ALERTS)


def make_worker(
    configuration: Configuration,
    log: Log,
    prices: Prices,
    metrics: Metrics,
    *,
    watchdog: Watchdog | None = None,
) -> Worker:
    """Make the loop of one billing; closing the worker does not close the log."""
    relay = BillingRelay(
        prices,
        log.producer(),
        metrics,
        window_ms=configuration.settings.limits.window_ms,
        rows_max=configuration.cluster.billing.held_rows_max,
    )
    return Worker(log, GROUP, [PARSED], relay, max_messages=MESSAGES_MAX, watchdog=watchdog)


@contextlib.asynccontextmanager
async def activate(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Run billing as long as the block lasts: first the prices, then the loop."""
    from bluewhale.configuration import Following
    from bluewhale.jobs.loops import followed, log_loop, warming, watchdog, when_there
    from bluewhale.jobs.opening import open_store
    from bluewhale.jobs.warming import warm_billing

    configuration: Configuration = context.settings
    following = Following(configuration)
    awaited = AwaitedPrices(configuration.cluster.billing.tariffs_poll_ms, following)

    def told(message: str) -> None:
        context.condition("database", good=not message, message=message)

    def run(stopping: threading.Event) -> None:
        store = when_there(
            "the main database", lambda: open_store(configuration), stopping, told=told
        )
        if store is None:
            return
        with store:
            prices = awaited.prices = Prices(
                store,
                configuration.settings.payer_policy,
                lambda: following.configuration.alerting.rules,
            )
            ended = threading.Event()

            def look() -> None:
                try:
                    prices.watch(ended, awaited.look_every_ms)
                except Exception as error:  # noqa: BLE001 - ends the process, with its traceback
                    context.fail(error)

            looking = threading.Thread(target=look, name="prices", daemon=True)
            looking.start()

            def make(log: Log) -> Worker:
                with warming(context):
                    warm_billing(configuration)
                return make_worker(
                    configuration, log, prices, context.metrics, watchdog=watchdog("billing")
                )

            try:
                log_loop(context, configuration, make, stopping)
            finally:
                awaited.prices = None
                ended.set()
                looking.join()

    async with followed(context, following), context.worker("billing", run):
        yield {"prices": awaited}


@contextlib.asynccontextmanager
async def tariffs(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Answer questions about tariffs, and change what is in force."""
    from bluewhale.billing.tariffs_door import TariffsDoor

    yield {"tariffs": serve("tariffs", TariffsDoor(context.service("prices")))}


@contextlib.asynccontextmanager
async def alerts(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Answer questions about alerts, and tell channels of them."""
    from bluewhale.billing.alerts_door import AlertsDoor
    from bluewhale.billing.telling import Telling

    configuration: Configuration = context.settings
    judging = context.service("prices")
    web = configuration.settings.web
    telling = Telling(
        judging,
        context.metrics,
        page="" if web is None else web.public_url,
        follows_data_time=context.role == GROUP,
        kept_days=configuration.settings.limits.alerts_kept_days,
    )
    async with context.worker("telling", telling.run):
        yield {"alerts": serve("alerts", AlertsDoor(judging))}
