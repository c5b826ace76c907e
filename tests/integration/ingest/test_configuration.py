"""Unit documents: delivered, changed while connected, never replaced by a bad one; drain."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import grpc
import pytest
import yaml
from bluewhale.api.units.v1 import units_pb2, units_pb2_grpc
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.configuration import ConfigurationError, load
from bluewhale.ingest import fleet

from tests.integration.ingest.places import (
    ASTERISK,
    AVAYA,
    Client,
    client_of,
    frame_of,
    keys_of,
    until,
    write_configuration,
)
from tests.integration.ingest.test_admission import authority_of, running


def versions(client: Client) -> list[int]:
    """Give the versions of the documents that came down."""
    return [c.version for c in client.of("configuration")]


def test_changed_files_reach_a_connected_unit_and_bad_ones_leave_the_old_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1, a mistake (reported, nothing sent), then version 2 without one link."""
    monkeypatch.setattr(fleet, "POLL_S", 0.1)

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, conditions):
            keys = keys_of(authority_of(ingest), "depot")
            async with client_of(ingest, "depot", keys) as client:
                await until(lambda: versions(client) == [1], "the first document")
                (first,) = client.of("configuration")
                assert first.hash == hashlib.sha256(first.document).hexdigest()
                assert len(json.loads(first.document)["links"]) == 2

                path = ingest.current.configuration.path
                good = path.read_text("utf-8")
                path.write_text(good.replace("asterisk_csv", "asterisk_xls"), "utf-8")
                await until(lambda: not conditions.latest["configuration"][0], "the mistake")
                assert (
                    "'asterisk_xls' is not known; one of" in conditions.latest["configuration"][1]
                )
                await client.frame(frame_of([b"one"]))
                await until(lambda: client.received.get(AVAYA) == 1, "a frame meanwhile")
                assert versions(client) == [1]

                document = yaml.safe_load(good)
                document["units"][0]["links"] = ["hq-avaya-cdr"]
                path.write_text(yaml.safe_dump(document), "utf-8")
                await until(lambda: versions(client) == [1, 2], "the second document")
                assert conditions.latest["configuration"] == (True, "")
                await client.frame(frame_of([b"one"], stream=ASTERISK))
                await until(lambda: client.of("refusal"), "the refusal of the lost link")
                assert client.of("refusal")[0].code == "stream_not_yours"

    asyncio.run(scenario())


def test_an_invalid_configuration_refuses_the_start_with_every_mistake(tmp_path: Path) -> None:
    """Two mistakes, both named with file and line."""
    path = write_configuration(tmp_path)
    text = path.read_text("utf-8").replace("avaya_cm", "avaya_xx")
    path.write_text(text.replace("unit_uid: shop", "unit_uid: SHOP"), "utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    assert "unit_uid" in str(refused.value)
    assert str(path) in str(refused.value)


def test_overrides_reach_the_unit_at_once_and_bad_ones_change_nothing(tmp_path: Path) -> None:
    """Trace and log_level by the Units service; a key off the whitelist is refused."""

    async def scenario() -> None:
        async with running(tmp_path, plaintext=True) as (ingest, _):
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{ingest.port}")
            async with channel, client_of(ingest, "depot") as client:
                units = units_pb2_grpc.UnitsStub(channel)
                await until(lambda: versions(client) == [1], "the first document")
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await units.Configure(
                        units_pb2.ConfigureRequest(unit_uid="depot", overrides_json='{"host": 1}')
                    )
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert str(refused.value.details()).startswith("overrides_invalid: host: Extra")
                done = await units.Configure(
                    units_pb2.ConfigureRequest(
                        unit_uid="depot", overrides_json='{"trace": true, "log_level": "debug"}'
                    )
                )
                assert done.desired_version == 2
                await until(lambda: versions(client) == [1, 2], "the second document")
                assert json.loads(client.of("configuration")[1].document)["trace"] is True
                await until(lambda: client.of("command"), "the command")
                assert [c.log_level.level for c in client.of("command")] == ["debug"]
                shown = await units.Get(units_pb2.GetRequest(unit_uid="depot"))
                assert shown.state == "connected"
                assert json.loads(shown.configuration.overrides_json) == {
                    "log_level": "debug",
                    "trace": True,
                }
                with pytest.raises(grpc.aio.AioRpcError) as unknown:
                    await units.Get(units_pb2.GetRequest(unit_uid="kiosk"))
                assert unknown.value.code() is grpc.StatusCode.NOT_FOUND

    asyncio.run(scenario())


def test_units_are_listed_page_by_page(tmp_path: Path) -> None:
    """Two units, one per page."""

    async def scenario() -> None:
        async with (
            running(tmp_path, plaintext=True) as (ingest, _),
            grpc.aio.insecure_channel(f"127.0.0.1:{ingest.port}") as channel,
        ):
            units = units_pb2_grpc.UnitsStub(channel)
            first = await units.List(units_pb2.ListRequest(page_size=1))
            assert [u.unit_uid for u in first.units] == ["depot"]
            assert first.next_page_token == "depot"
            second = await units.List(
                units_pb2.ListRequest(page_size=1, page_token=first.next_page_token)
            )
            assert [(u.unit_uid, u.state) for u in second.units] == [("shop", "declared")]
            assert second.next_page_token == ""

    asyncio.run(scenario())


def test_a_copy_that_ends_sends_its_units_elsewhere_and_finishes_what_it_took(
    tmp_path: Path,
) -> None:
    """Frames sent before the drain are in the log; the unit is told to connect anew."""

    async def scenario() -> None:
        async with running(tmp_path, plaintext=True) as (ingest, _):
            client_context = client_of(ingest, "depot")
            client = await client_context.__aenter__()
            await client.frame(frame_of([b"one"]))
            await until(lambda: client.received.get(AVAYA) == 1, "the frame")
            ingest.fleet.drain()
            assert await client.ended() == (
                grpc.StatusCode.UNAVAILABLE,
                "drain: this copy of ingest is about to end",
            )
            (command,) = client.of("command")
            assert command.drain.reconnect_after_ms == 1_000
            async with client_of(ingest, "depot") as late:
                status, text = await late.ended()
                assert (status, text[:6]) == (grpc.StatusCode.UNAVAILABLE, "drain:")
            await client_context.__aexit__(None, None, None)

    asyncio.run(scenario())


def test_what_a_unit_holds_and_when_its_links_were_heard_is_shown(tmp_path: Path) -> None:
    """Whoever wants to remove a unit must know that nothing is left in it."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            keys = keys_of(authority_of(ingest), "depot")
            known = pb.Lane(stream_id=AVAYA, incarnation=1, journaled_through=30, stored_through=20)
            async with client_of(ingest, "depot", keys, streams=[known]) as client:

                async def shown() -> units_pb2.Unit:
                    return await asyncio.to_thread(ingest.units_door._whole, "depot")

                await until(lambda: client.of("configuration"), "the welcome")
                (copy,) = (await shown()).instances
                assert (copy.backlog_records, copy.stored_through) == (10, 20)
                assert not copy.HasField("oldest_waiting_at_ms")
                beat = pb.Heartbeat()
                beat.journal.used_bytes, beat.journal.quota_bytes = 1_000, 7_000
                beat.journal.bytes_per_day = 4_000
                beat.journal.oldest_waiting_at_ms = 1_790_000_000_000
                beat.streams.add(
                    stream_id=AVAYA, incarnation=1, journaled_through=32, stored_through=32
                )
                beat.streams.add(
                    stream_id=4711, incarnation=1, journaled_through=5, stored_through=2
                )
                beat.links.add(link_uid="hq-avaya-cdr", last_received_at_ms=1_790_000_000_000)
                await client.send(pb.Up(heartbeat=beat))
                await until(lambda: client.of("beat"), "the answer to the heartbeat")
                unit = await shown()
                # a stream that it lost counts: what it holds of it is stored nowhere
                assert unit.instances[0].backlog_records == 3
                assert unit.instances[0].journaled_through == 37
                assert unit.instances[0].journal_days_left == 1.5
                skew_ms = unit.instances[0].clock_skew_ms
                waiting_ms = unit.instances[0].oldest_waiting_at_ms
                assert waiting_ms == 1_790_000_000_000 - skew_ms
                links = {link.link_uid: link.last_received_at_ms for link in unit.links}
                assert links == {"hq-avaya-cdr": 1_790_000_000_000, "london-asterisk-cdr": 0}

    asyncio.run(scenario())


def test_many_orders_at_once_are_one_look_at_the_database(tmp_path: Path) -> None:
    """An order to each of a thousand units is not a thousand looks at all of them."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            fleet = ingest.fleet
            before = fleet._polls_begun
            await asyncio.gather(*(fleet.poll_now() for _ in range(40)))
            # the one under way, the next one for all, and one of the clock
            assert fleet._polls_begun - before <= 3
            document = fleet.desired("shop")
            units = ingest.database.units()
            quota = {"journal_quota_mib": 64}
            await asyncio.to_thread(units.override, "depot", quota, who="ada", now_ms=1)
            old = fleet.desired("depot")
            await fleet.poll_now()
            assert fleet.desired("depot") != old
            assert fleet.desired("shop") is document

    asyncio.run(scenario())
