"""The process: an election in one thread, kopf in another.

kopf ends every task that it finds on its event loop, so it gets a loop of its own.
A replica that loses the lead ends at once: what it still had under way is idempotent,
and the next leader looks at everything anew.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import kopf
from bluewhale.capture import BluewhaleError
from bluewhale.operator.apply import KubernetesCluster
from bluewhale.operator.election import Elector
from bluewhale.operator.handlers import register
from bluewhale.operator.observed import ObjectId
from bluewhale.operator.resource import DRAIN_FINALIZER, KIND
from bluewhale.operator.settings import Settings
from bluewhale.telemetry import Endpoint, Metrics, configure_logs, get_logger

LOST, FAILED = 3, 1  # exit codes
STOP_WAITS_S = 20.0
TLS_ENDS_S = 0.25  # connections of watches end behind their sessions


class Worker:
    """kopf in a thread."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self._settings, self._metrics = settings, metrics or Metrics()
        self._stop = threading.Event()
        self.ready = threading.Event()
        self.failed = threading.Event()
        self.problem = ""  # what keeps it from starting
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to follow resources."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_WAITS_S)

    @property
    def working(self) -> bool:
        """Say whether kopf runs."""
        return self._thread.is_alive()

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            get_logger("operator").error("Operator cannot start yet", error=problem)
        self.problem = problem

    def _run(self) -> None:
        registry = kopf.OperatorRegistry()
        register(registry, self._settings, self._metrics, self._say)
        try:
            asyncio.run(self._work(registry))
        except Exception:  # noqa: BLE001 - whatever it was: said, and the process ends
            get_logger("operator").exception("Operator failed")
        if not self._stop.is_set():
            self.failed.set()

    async def _work(self, registry: kopf.OperatorRegistry) -> None:
        watched, own = self._settings.watched, self._settings.namespace
        await kopf.operator(
            registry=registry,
            standalone=True,
            clusterwide=watched is None,
            # the roles' links are published where the operator runs
            namespaces=[] if watched is None else sorted({watched, own}),
            stop_flag=self._stop,
            ready_flag=self.ready,
        )
        await asyncio.sleep(TLS_ENDS_S)


def run(settings: Settings) -> int:
    """Stand for election and work while leading; give the exit code."""
    configure_logs()
    # a line per resource and look would be a thousand in half a minute
    kopf.configure(quiet=True, log_format=kopf.LogFormat.JSON)
    metrics = Metrics()
    worker = Worker(settings, metrics)

    def wrong() -> dict[str, str]:
        return {"operator": "kopf ended"} if worker.failed.is_set() else {}

    def not_ready() -> dict[str, str]:
        return wrong() or ({"operator": worker.problem} if worker.problem else {})

    endpoint = Endpoint(
        metrics,
        wrong,
        host=settings.health_host,
        port=settings.health_port,
        probes={"livez": wrong, "readyz": not_ready, "startupz": dict},
    )
    with endpoint:
        return asyncio.run(_stand(settings, worker, metrics))


async def let_go_of_all(cluster: KubernetesCluster, namespace: str) -> None:
    """Let the RemoteUnits of a namespace go that is deleted with the operator in it.

    Its pods end first (Kubernetes 1.33 and newer), so nobody is left who could drain a
    journal or take the finalizer when their turn comes.
    """
    log = get_logger("operator")
    try:
        held = await cluster.list(KIND, namespace, "") if await cluster.is_ending(namespace) else []
    except BluewhaleError as error:
        log.warning("RemoteUnits may hold the namespace", error=str(error))
        return
    for found in held:
        name = ObjectId(KIND, namespace, found["metadata"]["name"])
        try:
            await cluster.let_go(name, DRAIN_FINALIZER)
            log.warning("Let go: its namespace is being deleted", resource=name.name)
        except BluewhaleError as error:  # the others go all the same
            log.warning("It may hold the namespace", resource=name.name, error=str(error))


async def _stand(settings: Settings, worker: Worker, metrics: Metrics) -> int:
    cluster = await KubernetesCluster.connect(metrics)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def lead() -> None:
        metrics.set("bluewhale_operator_leading", 1)
        worker.start()

    def lost() -> None:
        # another replica may begin soon: nothing of this one may go on
        get_logger("operator").error("Lead lost, ending")
        os._exit(LOST)

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, end, 0)
    elector = Elector(
        cluster,
        ObjectId("Lease", settings.namespace, settings.lease_name),
        settings.pod,
        leading=lead,
        lost=lost,
    )
    standing = asyncio.create_task(elector.run())
    watching = asyncio.create_task(asyncio.to_thread(worker.failed.wait))
    watching.add_done_callback(lambda _: end(FAILED) if worker.failed.is_set() else None)
    try:
        return await ended
    finally:
        led = worker.ready.is_set()
        await asyncio.to_thread(worker.stop)  # the lease is given back after the work has ended
        if led:
            await let_go_of_all(cluster, settings.namespace)
        worker.failed.set()  # lets `watching` end
        standing.cancel()
        await asyncio.gather(standing, watching, return_exceptions=True)
        await cluster.close()
