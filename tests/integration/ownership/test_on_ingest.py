"""Ownership on a running ingest: who may speak for whom, and the commands of a person."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.api.ownership.v1 import ownership_pb2_grpc
from bluewhale.cli.main import app
from bluewhale.ingest.service import Ingest
from bluewhale.messaging import MemoryLog
from bluewhale.ownership import DEFAULT, FAST, Batch, UnitSide, boot_time
from bluewhale.ownership.wire import pack_batch, unpack_answer
from typer.testing import CliRunner, Result

from tests.integration.ingest.places import (
    OPTIONS,
    Keys,
    ingest_on,
    keys_of,
    until,
    write_configuration,
)

PATIENCE_S = 90.0
LINK = "london-asterisk-cdr"  # `depot` is preferred, `shop` may read it, too


@contextlib.contextmanager
def served(
    folder: Path, change: Callable[[dict[str, Any]], None] | None = None
) -> Iterator[Ingest]:
    """Run ingest with certificates in a thread of its own, until it leads."""
    ready, end = threading.Event(), threading.Event()
    found: list[Ingest] = []
    path = write_configuration(folder, ownership={"profile": "fast"})
    if change is not None:
        rewrite(path, change)

    async def live() -> None:
        async with ingest_on(path, MemoryLog) as (made, _):
            await until(lambda: made.ownership.keeper.leading() is not None, "a term")
            await until(lambda: made.fleet.refusal("depot", "") is None, "the revocations")
            found.append(made)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    try:
        assert ready.wait(2 * PATIENCE_S)
        yield found[0]
    finally:
        end.set()
        thread.join()


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the configuration file, in one step."""
    settings = yaml.safe_load(path.read_text("utf-8"))
    change(settings)
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump(settings), "utf-8")
    new.replace(path)


class Speaker:
    """A unit that only ever talks about ownership."""

    def __init__(self, ingest: Ingest, unit_uid: str) -> None:
        assert ingest.credentials is not None
        keys: Keys = keys_of(ingest.credentials.authority(), unit_uid)
        address = f"127.0.0.1:{ingest.port}"
        self.channel = grpc.secure_channel(address, keys.credentials(), OPTIONS)
        self.stub = ownership_pb2_grpc.OwnershipStub(self.channel)
        self.side = UnitSide(unit_uid, 7, [LINK], profile=FAST)

    def turn(self) -> None:
        for uid in self.side.leaving():
            self.side.left(uid, boot_time())
        batch = self.side.request(boot_time())
        if batch is not None:
            reply = self.stub.Batch(pack_batch(batch), timeout=PATIENCE_S)
            self.side.answered(batch, unpack_answer(reply), boot_time())

    def go_on(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.turn()
            time.sleep(0.05)

    def reads(self) -> bool:
        return self.side.reads(LINK, boot_time())


def command(ingest: Ingest, keys: Path, *words: str) -> Result:
    """Run one command as an operator elsewhere."""
    server = f"127.0.0.1:{ingest.port}"
    return CliRunner().invoke(
        app, ["ownership", *words, "--server", server, "--identity", str(keys)]
    )


def test_a_certificate_speaks_for_its_own_unit_and_orders_nothing(tmp_path: Path):
    """Shop may not open a session of depot, watch for it, or order as an operator."""
    with served(tmp_path) as ingest:
        shop = Speaker(ingest, "shop")
        asked = pack_batch(Batch("depot", 7, ()))
        order = pb.Item(hand_over=pb.HandOver(link_uid=LINK, to="shop"))
        told = []
        for call in (
            lambda: shop.stub.Batch(asked, timeout=PATIENCE_S),
            lambda: next(
                shop.stub.Watch(pb.WatchRequest(unit_uid="depot", session=7), timeout=PATIENCE_S)
            ),
            lambda: shop.stub.Batch(pb.BatchRequest(items=[order]), timeout=PATIENCE_S),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            told.append((refused.value.code(), refused.value.details()))
        denied = grpc.StatusCode.PERMISSION_DENIED
        assert told == [
            (denied, "unit_mismatch: the certificate is of shop, not of depot"),
            (denied, "unit_mismatch: the certificate is of shop, not of depot"),
            (denied, "not_operator: unit shop may not steer units; operators may"),
        ]
        shop.channel.close()


def test_a_revoked_unit_gets_nothing_any_more(tmp_path: Path):
    """Its next renewal is refused; it cannot hold a link longer than its lease."""
    with served(tmp_path) as ingest:
        depot = Speaker(ingest, "depot")
        depot.turn()
        assert depot.side.entitled(LINK, boot_time())
        ingest.database.units().revoke("depot", reason="stolen", who="ada", now_ms=1)
        with pytest.raises(grpc.RpcError) as refused:
            depot.go_on(PATIENCE_S)
        assert str(refused.value.details()).startswith("unit_revoked: unit depot was revoked")
        depot.channel.close()


def test_a_person_sees_who_owns_a_link_and_hands_it_over(tmp_path: Path):
    """Show, hand over and wait, and the mistakes that a person can make."""
    with served(tmp_path) as ingest:
        keys = tmp_path / "keys"
        made = CliRunner().invoke(
            app, ["unit", "authority", "operator", "ada", "--to", str(keys), "-c", str(tmp_path)]
        )
        assert made.exit_code == 0, made.output
        depot, shop = Speaker(ingest, "depot"), Speaker(ingest, "shop")
        depot.turn()
        gone = command(ingest, keys, "handover", LINK, "shop")
        assert gone.exit_code == 4
        assert "shop is not connected, so it cannot take" in gone.stderr
        shop.turn()
        ended = threading.Event()

        def live() -> None:
            while not ended.wait(0.05):
                depot.turn()
                shop.turn()

        units = threading.Thread(target=live)
        units.start()
        try:
            seen = command(ingest, keys, "show", "--json")
            assert seen.exit_code == 0, seen.output
            row = json.loads(seen.stdout.splitlines()[0])
            assert (row["link_uid"], row["owner"]) == (LINK, "depot")
            assert (row["units"], row["ready"]) == ("depot, shop", "depot, shop")
            done = command(ingest, keys, "handover", LINK, "shop")
            assert done.exit_code == 0, done.output
            assert done.stderr.startswith(f"{LINK} is read by shop, after ")
            assert not depot.reads()
            deadline = time.monotonic() + PATIENCE_S
            while not shop.reads():  # it asks once a second
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert command(ingest, keys, "show", "other").exit_code == 3
            wrong = command(ingest, keys, "handover", "hq-avaya-cdr", "depot")
            assert wrong.exit_code == 2
            assert "depot is not one of several units of hq-avaya-cdr" in wrong.stderr
        finally:
            ended.set()
            units.join()
            depot.channel.close()
            shop.channel.close()


def test_a_link_goes_to_its_own_preferred_unit_and_each_unit_by_its_own_timings(tmp_path: Path):
    """Shop is preferred for the link and has 15/10/2; depot has the installation's 6/4/1.

    Depot asks first and has it; after the link's own hold of 1 s it is shop's.
    """

    def change(settings: dict[str, Any]) -> None:
        settings["links"][1] |= {"preferred": "shop", "failback": {"hold_s": 1}}
        timings = {"lease_s": 15, "deadline_s": 10, "retry_s": 2}
        settings["units"][1]["failover"] = timings

    with served(tmp_path, change) as ingest:
        depot, shop = Speaker(ingest, "depot"), Speaker(ingest, "shop")
        depot.turn()
        assert depot.reads()
        deadline = time.monotonic() + PATIENCE_S
        while not shop.reads() or shop.side.profile != DEFAULT:
            assert time.monotonic() < deadline
            depot.turn()
            shop.turn()
            time.sleep(0.05)
        assert not depot.reads()
        assert depot.side.profile == FAST
        row = ingest.database.terms().read()
        assert row is not None
        assert row.lease_s == 15.0
        depot.channel.close()
        shop.channel.close()
