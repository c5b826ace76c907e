"""A priced world whose tariffs are served over real gRPC, through the usual layers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.api.tariffs.v1 import tariffs_pb2_grpc as doors
from bluewhale.billing.prices import AwaitedPrices, Prices
from bluewhale.billing.tariffs_door import TariffsDoor
from bluewhale.database import Batch, Store
from bluewhale.jobs.preparing import prepare
from bluewhale.nexus import DEFAULT_LAYERS, serve
from bluewhale.nexus.governance.compiling import layers_of
from bluewhale.nexus.peers import Peers
from bluewhale.nexus.serving import Port
from bluewhale.stages import parse_stage, propose, raw_batch

from tests.support.captured import frames_of
from tests.support.roles_world import with_roles, world_of

CALLS = 40
NOW_MS = round(time.time() * 1000)
LOOK_EVERY_MS = 2_000
HEAD = """\
tariff: {uid}
price_list: carrier
currency: EUR
zone: Europe/Berlin
effective_from: {since}
rounding: {{mode: half_up, places: {places}}}
decks: [{{file: {uid}.csv, defaults: {{increments: {increments}}}}}]
"""


def tariff(
    price: str,
    *,
    uid: str = "carrier-2026",
    since: str = "2020-01-01",
    increments: str = "60/60",
    places: int = 4,
    rows: Sequence[str] = (),
) -> api.Files:
    """Give the files of a tariff with one price per minute for every number, and more rows."""
    head = HEAD.format(uid=uid, since=since, increments=increments, places=places)
    deck = "\n".join(["prefix,price", f"*,{price}", *rows]) + "\n"
    return api.Files(
        files=[
            api.File(name=f"{uid}.yaml", plain=head.encode()),
            api.File(name=f"{uid}.csv", plain=deck.encode()),
        ]
    )


class Place:
    """A simulated world and its configuration; tests only read it."""

    def __init__(self, folder: Path) -> None:
        self.world = world_of(folder, calls=CALLS)
        self.configuration = with_roles(self.world, {"unit-1": [0, 1, 2]})


class Served:
    """A store with the tariffs of a world, and a stub of the service."""

    def __init__(
        self, place: Place, store: Store, *, layers: Sequence[Any] = DEFAULT_LAYERS
    ) -> None:
        self.store = store
        self.place = place
        self._stages = prepare(place.configuration, store)
        self.prices = Prices(store, place.configuration.settings.payer_policy)
        self.prices.look()
        self.awaited = AwaitedPrices(LOOK_EVERY_MS)
        self.awaited.prices = self.prices
        self.door = TariffsDoor(self.awaited)
        self.port = Port(
            "127.0.0.1:0",
            [serve("tariffs", self.door)],
            layers_of(layers, provided=lambda _: None),
        )
        self.port.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port.number}")
        self.stub = doors.TariffsStub(self.channel)

    def fill(self) -> None:
        """Store the calls of the world, priced; those of the first PBX are sealed."""
        world, configuration = self.place.world, self.place.configuration
        for turn, pbx in enumerate(world.pbxs):
            frames = frames_of(world, configuration, pbx.pbx_uid, "unit-1", received_at_ms=NOW_MS)
            outcomes = [
                parse_stage(raw_batch(f, NOW_MS), configuration.streams[f.stream_id])
                for f in frames
            ]
            legs = pa.concat_tables([o.accepted for o in outcomes])
            proposals = propose(legs, self._stages, rated_at_ms=1)
            self.store.commit(Batch(now_ms=1, legs=legs, proposals=proposals), seal=turn == 0)

    def activate(self, files: api.Files, **more: Any) -> api.ActivateReply:
        return self.stub.Activate(api.ActivateRequest(files=files, **more), timeout=30)

    @contextlib.contextmanager
    def within(self, caller: str) -> Iterator[Any]:
        """Give a stub of the same process, asked by `caller`, through the usual layers."""
        served = serve("tariffs", self.door)
        layers = layers_of(DEFAULT_LAYERS, provided=lambda _: None)
        peers = Peers({}, layers, here=lambda _: True, look=lambda _: served)
        try:
            yield peers.stub("tariffs", caller)
        finally:
            peers.close()

    def preview(self, **request: Any) -> list[api.PreviewReply]:
        return list(self.stub.Preview(api.PreviewRequest(**request), timeout=60))

    def price(self, number: str = "+44 20 7946 0123", **more: Any) -> tuple[str, int]:
        """Give amount and version that the carrier's price list says to a minute to London."""
        reply = self.stub.Try(api.TryRequest(number=number, **more), timeout=30)
        found = {t.price_list: t for t in reply.trials}["carrier"]
        return found.amount, found.tariff_version

    def end(self) -> None:
        self.channel.close()
        self.port.stop(0)
        self.store.close()


def refused(method: Any, request: Any) -> tuple[grpc.StatusCode, str, str]:
    """Give status, text and stable code of a call that must fail."""

    def ask() -> None:
        answer = method(request, timeout=30)
        if hasattr(answer, "__iter__"):
            list(answer)

    with pytest.raises(grpc.RpcError) as error:
        ask()
    trailer = dict(error.value.trailing_metadata() or ())
    return error.value.code(), error.value.details(), trailer.get("bw-error", "")
