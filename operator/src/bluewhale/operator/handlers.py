"""kopf's side: what is watched, and one idempotent look for whatever happened.

Owns the registration of handlers and the settings of kopf. create, update, resume,
timer and delete all call the same `Reconciler.reconcile`; none keeps a state of its
own. `kopf run -m bluewhale.operator` loads this for development, without an election;
`python -m bluewhale.operator` is what runs in a pod.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import kopf
from bluewhale.capture import BluewhaleError
from bluewhale.operator.apply import KubernetesCluster
from bluewhale.operator.centre import Ingest
from bluewhale.operator.definition import check_definition
from bluewhale.operator.reconcile import Reconciler
from bluewhale.operator.resource import (
    DRAIN_FINALIZER,
    GROUP,
    PLURAL,
    VERSION,
    read_resource,
)
from bluewhale.operator.rights import check_rights
from bluewhale.operator.settings import Settings, read_settings
from bluewhale.operator.specs import COMPONENT_SELECTOR
from bluewhale.operator.watching import KINDS, LABELS, PODS, Watched
from bluewhale.telemetry import Metrics

START_AGAIN_S = 5.0
DRAIN_AGAIN_S = 5.0
ERROR_AGAIN_S = 10.0
JITTER = 0.5  # of the resync interval, so that a start is no storm


class Running:
    """What lives as long as kopf does."""

    def __init__(
        self, settings: Settings, cluster: KubernetesCluster, ingest: Ingest, metrics: Metrics
    ) -> None:
        self.settings, self.cluster, self.ingest = settings, cluster, ingest
        self.store = Watched(settings)
        self.reconciler = Reconciler(settings, cluster, ingest, self.store, metrics=metrics)
        self.following: asyncio.Task[None] | None = None


def register(
    registry: kopf.OperatorRegistry,
    settings: Settings | None = None,
    metrics: Metrics | None = None,
    say: Callable[[str], None] = lambda _problem: None,
) -> None:
    """Register every handler; settings None = from the environment, at start.

    say: is told what keeps the operator from starting, "" = nothing.
    """
    _register_life(registry, settings, metrics or Metrics(), say)
    _register_watches(registry)
    _register_looks(registry, settings.resync_s if settings else 30.0)


def _register_life(
    registry: kopf.OperatorRegistry,
    given: Settings | None,
    metrics: Metrics,
    say: Callable[[str], None],
) -> None:
    @kopf.on.login(registry=registry, id="login")
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry, id="start")
    async def start(settings: kopf.OperatorSettings, memo: Any, **_: Any) -> None:
        own = given or read_settings()
        tune(settings, own)
        cluster = await KubernetesCluster.connect(metrics)
        try:
            await check_rights(cluster.may, own)
            check_definition(await cluster.published())
        except BluewhaleError as error:  # somebody may mend it: a right, the definition
            await cluster.close()
            say(str(error))
            raise kopf.TemporaryError(str(error), delay=START_AGAIN_S) from error
        say("")
        memo.running = Running(own, cluster, Ingest(own.ingest, own.identity), metrics)

    @kopf.on.cleanup(registry=registry, id="stop")
    async def stop(memo: Any, **_: Any) -> None:
        running: Running | None = memo.get("running")
        if running is None:
            return
        if running.following is not None:
            running.following.cancel()
        await running.ingest.close()
        await running.cluster.close()


def _register_watches(registry: kopf.OperatorRegistry) -> None:
    """Fill the store. Indexers run for all that exists before any other handler does.

    Indexers see what is there or changed, event handlers what is gone.
    """

    @kopf.index(GROUP, VERSION, PLURAL, registry=registry, id="resource-seen")
    def resources(body: kopf.Body, memo: Any, **_: Any) -> None:
        memo.running.store.heard()
        memo.running.store.saw_resource(read_resource(_plain(body)))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="resource-gone")
    async def resource_event(event: kopf.RawEvent, memo: Any, **_: Any) -> None:
        if event["type"] == "DELETED":
            memo.running.store.heard()
            key = (event["object"]["metadata"]["namespace"], event["object"]["metadata"]["name"])
            memo.running.store.lost_resource(key)
            await memo.running.reconciler.reconcile(key)

    for kind, (group, version, plural) in KINDS.items():
        _register_child(registry, kind, (group, version, plural))

    @kopf.index(*PODS, labels=LABELS, registry=registry, id="pod-seen")
    def pods(body: kopf.Body, memo: Any, **_: Any) -> None:
        memo.running.store.heard()
        memo.running.store.saw_pod(_plain(body), gone=False)

    @kopf.on.event(*PODS, labels=LABELS, registry=registry, id="pod-gone")
    def pod_event(event: kopf.RawEvent, memo: Any, **_: Any) -> None:
        if event["type"] == "DELETED":
            memo.running.store.heard()
            memo.running.store.saw_pod(dict(event["object"]), gone=True)


def _register_child(
    registry: kopf.OperatorRegistry, kind: str, where: tuple[str, str, str]
) -> None:
    @kopf.index(*where, labels=LABELS, registry=registry, id=f"{kind}-seen")
    def seen(body: kopf.Body, memo: Any, **_: Any) -> None:
        memo.running.store.heard()
        memo.running.store.saw_child(kind, _plain(body), gone=False)

    @kopf.on.event(*where, labels=LABELS, registry=registry, id=f"{kind}-gone")
    def gone(event: kopf.RawEvent, memo: Any, **_: Any) -> None:
        if event["type"] == "DELETED":
            memo.running.store.heard()
            memo.running.store.saw_child(kind, dict(event["object"]), gone=True)


def _register_looks(registry: kopf.OperatorRegistry, resync_s: float) -> None:
    async def look(namespace: str | None, name: str | None, memo: Any, **_: Any) -> None:
        running = await _begun(memo)
        try:
            await running.reconciler.reconcile((str(namespace), str(name)))
        except BluewhaleError as error:
            raise kopf.TemporaryError(str(error), delay=ERROR_AGAIN_S) from error

    async def drain(namespace: str | None, name: str | None, memo: Any, **kwargs: Any) -> None:
        running = await _begun(memo)
        key = (str(namespace), str(name))
        try:  # the first look may write down that all is stored, the second then lets go
            released = await running.reconciler.reconcile(
                key
            ) or await running.reconciler.reconcile(key)
        except BluewhaleError as error:
            raise kopf.TemporaryError(str(error), delay=ERROR_AGAIN_S) from error
        if not released:
            raise kopf.TemporaryError("journals are being drained", delay=DRAIN_AGAIN_S)

    where = (GROUP, VERSION, PLURAL)
    kopf.on.create(*where, registry=registry, id="look")(look)
    kopf.on.update(*where, registry=registry, id="look")(look)
    kopf.on.resume(*where, registry=registry, id="look")(look)
    kopf.on.delete(*where, registry=registry, id="drain")(drain)
    kopf.timer(
        *where,
        registry=registry,
        id="resync",
        interval=resync_s,
        initial_delay=lambda **_: resync_s * random.uniform(1 - JITTER, 1),
    )(look)


async def _begun(memo: Any) -> Running:
    """Give what runs, once ingest was asked; the first handler finds the store whole."""
    running: Running = memo.running
    if running.following is None:
        running.following = asyncio.create_task(running.reconciler.follow())
    await running.reconciler.asked.wait()
    return running


def tune(settings: kopf.OperatorSettings, own: Settings) -> None:
    """Set kopf: own names in storage, no events of its own, watches that never hang."""
    settings.persistence.finalizer = DRAIN_FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix=f"operator.{GROUP}", v1=False
    )
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=f"operator.{GROUP}", v1=False
    )
    settings.posting.enabled = False
    settings.posting.level = logging.WARNING
    settings.scanning.disabled = own.watched is not None
    settings.peering.standalone = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    for where in (*KINDS.values(), PODS):
        settings.watching.label_selectors[where] = COMPONENT_SELECTOR
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10


def _plain(body: kopf.Body) -> dict[str, Any]:
    """Give the body as plain values: views of kopf change under us."""
    return {key: dict(body[key]) if hasattr(body[key], "items") else body[key] for key in body}
