"""Who may connect: each refusal says why, and everybody else goes on undisturbed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from bluewhale.api.units.v1 import units_pb2, units_pb2_grpc
from bluewhale.ingest import fleet
from bluewhale.ingest.authority import Authority
from bluewhale.ingest.service import Ingest
from bluewhale.messaging import MemoryLog

from tests.integration.ingest.places import (
    AVAYA,
    OF_SHOP,
    OPTIONS,
    Conditions,
    client_of,
    frame_of,
    ingest_on,
    keys_of,
    until,
    write_configuration,
)


@contextlib.asynccontextmanager
async def running(folder: Path, **ingest: object) -> AsyncIterator[tuple[Ingest, Conditions]]:
    """Run ingest over a log in memory until it is ready."""
    log = MemoryLog()
    async with ingest_on(write_configuration(folder, **ingest), lambda: log) as (made, conditions):
        await until(
            lambda: conditions.latest["database"][0] and conditions.latest["log"][0], "readiness"
        )
        yield made, conditions


def authority_of(ingest: Ingest) -> Authority:
    """Give the CA that ingest made at its first start."""
    assert ingest.credentials is not None
    return ingest.credentials.authority()


def test_a_certificate_of_another_authority_ends_the_handshake_and_no_one_else_notices(
    tmp_path: Path,
) -> None:
    """A foreign CA signs for a unit of ours: no stream; the real unit delivers meanwhile."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            ours = authority_of(ingest)
            foreign = Authority.create(tmp_path / "foreign", now=datetime.now(UTC))
            wrong = keys_of(foreign, "depot").trusting(ours.bundle_pem)
            async with client_of(ingest, "shop", keys_of(ours, "shop")) as shop:
                async with client_of(ingest, "depot", wrong) as client:
                    status, _text = await client.ended()
                    assert status is grpc.StatusCode.UNAVAILABLE
                await shop.frame(frame_of([b"one"], stream=OF_SHOP))
                await until(lambda: shop.received.get(OF_SHOP) == 1, "the frame of the other unit")

    asyncio.run(scenario())


def test_an_expired_certificate_ends_the_handshake(tmp_path: Path) -> None:
    """Thirty-one days old: the TLS layer refuses it."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            old = datetime.now(UTC) - timedelta(days=31)
            keys = keys_of(authority_of(ingest), "depot", now=old)
            async with client_of(ingest, "depot", keys) as client:
                status, _text = await client.ended()
                assert status is grpc.StatusCode.UNAVAILABLE

    asyncio.run(scenario())


def test_a_unit_that_the_configuration_does_not_name_is_told_so(tmp_path: Path) -> None:
    """Its certificate is good, its name is not declared."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            keys = keys_of(authority_of(ingest), "kiosk")
            async with client_of(ingest, "kiosk", keys) as client:
                assert await client.ended() == (
                    grpc.StatusCode.PERMISSION_DENIED,
                    "unit_unknown: unit kiosk is not in the configuration; add it to `units`",
                )

    asyncio.run(scenario())


def test_a_certificate_speaks_for_its_own_unit_alone(tmp_path: Path) -> None:
    """The hello names another unit than the certificate."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            keys = keys_of(authority_of(ingest), "shop")
            async with client_of(ingest, "depot", keys) as client:
                assert await client.ended() == (
                    grpc.StatusCode.PERMISSION_DENIED,
                    "unit_mismatch: the certificate is of shop, the hello of depot",
                )

    asyncio.run(scenario())


def test_a_revoked_unit_is_sent_away_at_once_and_not_admitted_again(tmp_path: Path) -> None:
    """Revoked while connected: its stream ends, the next one is refused, others stay."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            ours = authority_of(ingest)
            keys = keys_of(ours, "depot")
            units = ingest.database.units()
            async with (
                client_of(ingest, "shop", keys_of(ours, "shop")) as shop,
                client_of(ingest, "depot", keys) as client,
            ):
                await until(lambda: client.of("welcome"), "the welcome")
                await asyncio.to_thread(units.revoke, "depot", reason="stolen", who="ada", now_ms=1)
                status, text = await client.ended()
                assert status is grpc.StatusCode.PERMISSION_DENIED
                assert text.startswith("unit_revoked: unit depot was revoked; to admit it again")
                async with client_of(ingest, "depot", keys) as again:
                    assert (await again.ended())[1] == text
                await shop.frame(frame_of([b"one"], stream=OF_SHOP))
                await until(lambda: shop.received.get(OF_SHOP) == 1, "the frame of the other unit")

    asyncio.run(scenario())


def test_a_unit_of_a_newer_protocol_alone_is_told_which_side_to_update(tmp_path: Path) -> None:
    """Protocols 8 to 9 meet 1 to 2."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            keys = keys_of(authority_of(ingest), "depot")
            async with client_of(ingest, "depot", keys, protocol_min=8, protocol_max=9) as client:
                status, text = await client.ended()
                assert status is grpc.StatusCode.FAILED_PRECONDITION
                assert text == (
                    "protocol_version: the unit speaks protocol 8 to 9, the centre 1 to 2; update"
                    " the older of both"
                )

    asyncio.run(scenario())


def test_units_may_not_steer_units_and_operators_may_not_deliver(tmp_path: Path) -> None:
    """One port, two kinds of certificate, each for its own service."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            ours = authority_of(ingest)
            unit = keys_of(ours, "depot")
            pair = ours.make_operator("ada", now=datetime.now(UTC))
            operator = grpc.ssl_channel_credentials(ours.bundle_pem, pair.key_pem, pair.chain_pem)
            address = f"127.0.0.1:{ingest.port}"
            async with grpc.aio.secure_channel(address, unit.credentials(), OPTIONS) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await units_pb2_grpc.UnitsStub(channel).List(units_pb2.ListRequest())
                assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
                assert refused.value.details() == (
                    "not_operator: unit depot may not steer units; operators may"
                )
            async with grpc.aio.secure_channel(address, operator, OPTIONS) as channel:
                listed = await units_pb2_grpc.UnitsStub(channel).List(units_pb2.ListRequest())
                assert [u.unit_uid for u in listed.units] == ["depot", "shop"]
            as_unit = unit.showing(pair.key_pem, pair.chain_pem)
            async with client_of(ingest, "depot", as_unit) as client:
                assert await client.ended() == (
                    grpc.StatusCode.UNAUTHENTICATED,
                    "certificate_invalid: the certificate is of operator ada, no unit",
                )

    asyncio.run(scenario())


def test_without_certificates_units_are_taken_on_this_machine_alone(tmp_path: Path) -> None:
    """Plaintext on the loopback works for tests; on other addresses the start is refused."""

    async def scenario() -> None:
        async with (
            running(tmp_path, plaintext=True) as (ingest, _),
            client_of(ingest, "depot") as client,
        ):
            await client.frame(frame_of([b"one"]))
            await until(lambda: client.received.get(AVAYA) == 1, "the frame")
        with pytest.raises(Exception, match="would take units without certificates"):
            async with running(tmp_path, plaintext=True, listen="0.0.0.0:0"):
                pass

    asyncio.run(scenario())


def test_two_running_copies_of_a_unit_are_both_taken_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is refused; the condition names the unit; it clears when one ends."""
    monkeypatch.setattr(fleet, "POLL_S", 0.1)
    monkeypatch.setattr(fleet, "COPY_HEARD_MS", 100)

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, conditions):
            keys = keys_of(authority_of(ingest), "depot")
            async with client_of(ingest, "depot", keys, session=1) as one:
                async with client_of(ingest, "depot", keys, session=2) as two:
                    await until(lambda: two.of("welcome"), "the second welcome")
                    await asyncio.sleep(0.3)
                    # a line that broke and came again is no second copy
                    assert conditions.latest["unit_copies"] == (True, "")
                    await one.frame(frame_of([b"one"], incarnation=11))
                    await two.frame(frame_of([b"two"], incarnation=22))
                    await until(
                        lambda: one.received.get(AVAYA) == 1 and two.received.get(AVAYA) == 1,
                        "both frames",
                    )
                    await until(lambda: not conditions.latest["unit_copies"][0], "the report")
                    assert conditions.latest["unit_copies"] == (
                        False,
                        "running more than once: depot; end all copies but one of each",
                    )
                    seen = await asyncio.to_thread(ingest.units_door._whole, "depot")
                    assert len(seen.instances) == 2
                    (copies,) = [c for c in seen.conditions if c.name == "copies"]
                    assert copies.message.startswith("runs 2 times (ipv4:127.0.0.1:")
                await until(lambda: conditions.latest["unit_copies"][0], "one copy left")

    asyncio.run(scenario())
