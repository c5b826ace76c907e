"""Speed of ownership: the core, the same over gRPC in batches, and the simulation.

    python -m bench.ownership [--short]

Operations are acquire and release of links, and renewals of sessions that hold a
hundred links each. Nothing here is near a limit of an installation: 1,000 units
renew 500 times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import grpc
import grpc.aio
from bluewhale.api.ownership.v1 import ownership_pb2_grpc
from bluewhale.database import Store
from bluewhale.database.terms import Terms
from bluewhale.ingest.ownership_service import OwnershipDoor
from bluewhale.ownership import (
    FAST,
    Acquire,
    Batch,
    Leader,
    Open,
    Release,
    Renew,
    Result,
    Rules,
    UnitSide,
)
from bluewhale.ownership.wire import pack_batch, unpack_answer
from bluewhale.telemetry import Metrics

from bench.__main__ import Figure
from tests.property.ownership.simulate import simulate_many

UNITS, LINKS = 100, 100  # links per unit


def rules() -> Rules:
    units = range(UNITS)
    return Rules({f"link-{u}-{n}": (f"unit-{u}", "standby") for u in units for n in range(LINKS)})


def leader() -> Leader:
    made = Leader(term=1, profile=FAST, now=0.0, hold_off_s=0.0)
    made.configure(rules(), 0.0)
    for u in range(UNITS):
        made.batch(Batch(f"unit-{u}", u + 1, (Open(),)), 0.0)
    return made


def acquire_release(seconds: float) -> float:
    """Operations per second: a unit takes its hundred links and gives them back."""
    made = leader()
    names = list(rules().links)
    done, number, began = 0, 0, time.process_time()
    while time.process_time() - began < seconds:
        u = number % UNITS
        number += 1
        mine = names[u * LINKS : (u + 1) * LINKS]
        session = (f"unit-{u}", u + 1)
        taken = made.batch(Batch(*session, (Renew(), Acquire(tuple(mine)))), 1.0)
        assert taken.news is not None
        items = tuple(Release(v.link_uid, v.token, stay=False) for v in taken.news.links)
        given = made.batch(Batch(*session, items), 1.0)
        assert set(given.results) == {Result.OK}
        done += 2 * len(mine)
        made.take_events()
        made.take_changed()
    return done / (time.process_time() - began)


def renewals(seconds: float) -> float:
    """Renewals per second of sessions with a hundred links each."""
    made = leader()
    sides = []
    for u in range(UNITS):
        mine = [f"link-{u}-{n}" for n in range(LINKS)]
        side = UnitSide(f"unit-{u}", u + 1, mine, profile=FAST)
        batch = side.request(0.0)
        assert batch is not None
        side.answered(batch, made.batch(batch, 0.0), 0.0)
        sides.append(side)
    done, now, began = 0, 0.0, time.process_time()
    while time.process_time() - began < seconds:
        now += 1.001
        for side in sides:
            batch = side.request(now)
            assert batch is not None
            side.answered(batch, made.batch(batch, now), now)
        done += len(sides)
    return done / (time.process_time() - began)


async def over_grpc(seconds: float, folder: Path) -> float:
    """Operations per second of one client in batches of a hundred, one process for both sides."""
    with Store.open(folder) as store:
        door = OwnershipDoor(
            lambda: Terms(store.db),
            rules,
            address="here",
            metrics=Metrics(),
            profile=FAST,
            plaintext=True,
        )
        server = grpc.aio.server()
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        door.register(server)
        await server.start()
        task = asyncio.create_task(door.run())
        while door.keeper.leading() is None:  # noqa: ASYNC110 - once, at the start
            await asyncio.sleep(0.01)
        links = tuple(f"link-0-{n}" for n in range(LINKS))
        done, began = 0, time.perf_counter()
        async with grpc.aio.insecure_channel(address) as channel:
            stub = ownership_pb2_grpc.OwnershipStub(channel)
            while time.perf_counter() - began < seconds:
                asked = Batch("unit-0", 1, (Open(), Acquire(links)))
                taken = unpack_answer(await stub.Batch(pack_batch(asked)))
                assert taken.news is not None
                items = tuple(Release(v.link_uid, v.token, stay=False) for v in taken.news.links)
                await stub.Batch(pack_batch(Batch("unit-0", 1, items, taken.news.revision)))
                done += 2 * LINKS
        took = time.perf_counter() - began
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop(0)
        return done / took


def run(*, short: bool) -> list[Figure]:
    seconds = 1.0 if short else 5.0
    with tempfile.TemporaryDirectory() as folder:
        grpc_rate = asyncio.run(over_grpc(seconds, Path(folder)))
    seeds = 300 if short else 3_000
    began = time.perf_counter()
    simulate_many(0, seeds)
    simulated = seeds / (time.perf_counter() - began)
    size = f"{UNITS} units with {LINKS} links each, per second of one core"
    return [
        Figure("ownership_core_ops_per_second", acquire_release(seconds), "1/s", "", size),
        Figure(
            "ownership_renewals_per_second", renewals(seconds), "1/s", "",
            f"{size}, both sides; one renewal per unit",
        ),
        Figure(
            "ownership_grpc_ops_per_second", grpc_rate, "1/s", "",
            "acquire and release over loopback gRPC, batches of 100, both sides in one process",
        ),
        Figure("ownership_seeds_per_second", simulated, "1/s", "", "simulated runs of 30 to 50 s"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--short", action="store_true")
    print(json.dumps([asdict(figure) for figure in run(short=parser.parse_args().short)]))


if __name__ == "__main__":
    main()
