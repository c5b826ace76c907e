"""Tokens, renewals and the change of a CA, over real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.ingest import listeners
from bluewhale.ingest.authority import Authority, pin_of
from bluewhale.ingest.service import Ingest
from cryptography import x509

from tests.integration.ingest.places import (
    OPTIONS,
    Keys,
    client_of,
    key_pem,
    keys_of,
    new_key,
    request,
    until,
)
from tests.integration.ingest.test_admission import authority_of, running

HOUR_MS = 3_600_000


@contextlib.asynccontextmanager
async def enrolment_stub(
    ingest: Ingest, trust_pem: bytes
) -> AsyncIterator[uplink_pb2_grpc.UplinkStub]:
    """Give the stub of the enrolment port, the server verified by `trust_pem`."""
    credentials = grpc.ssl_channel_credentials(trust_pem)
    address = f"127.0.0.1:{ingest.enrolment_port}"
    async with grpc.aio.secure_channel(address, credentials, OPTIONS) as channel:
        yield uplink_pb2_grpc.UplinkStub(channel)


async def refusal(stub: uplink_pb2_grpc.UplinkStub, **asked: object) -> str:
    """Give the text of a refused enrolment."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Enroll(pb.EnrollRequest(**asked))
    return str(refused.value.details())


def mint(ingest: Ingest, unit_uid: str, *, age_ms: int = 0) -> str:
    """Give a token that was minted so long ago."""
    now_ms = int(time.time() * 1000)
    return ingest.enrolment.mint(unit_uid, who="ada", now_ms=now_ms - age_ms).token


def test_a_token_turns_a_key_made_at_the_edge_into_a_certificate_that_connects(
    tmp_path: Path,
) -> None:
    """Enrol, connect, renew with another key, connect again; the key never travels."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            trust = authority_of(ingest).bundle_pem
            key = new_key()
            async with enrolment_stub(ingest, trust) as stub:
                granted = await stub.Enroll(
                    pb.EnrollRequest(
                        unit_uid="depot", token=mint(ingest, "depot"), csr_pem=request(key)
                    )
                )
            keys = Keys(key_pem(key), granted.certificate_pem, granted.trust_pem)
            made = x509.load_pem_x509_certificate(granted.certificate_pem)
            names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
                "spiffe://bluewhale/unit/depot"
            ]
            assert timedelta(days=30) < made.not_valid_after_utc - made.not_valid_before_utc
            async with client_of(ingest, "depot", keys) as client:
                await until(lambda: client.of("welcome"), "the welcome")
            second = new_key()
            address = f"127.0.0.1:{ingest.port}"
            async with grpc.aio.secure_channel(address, keys.credentials(), OPTIONS) as channel:
                renewed = await uplink_pb2_grpc.UplinkStub(channel).Renew(
                    pb.RenewRequest(csr_pem=request(second))
                )
            keys = Keys(key_pem(second), renewed.certificate_pem, renewed.trust_pem)
            async with client_of(ingest, "depot", keys) as client:
                await until(lambda: client.of("welcome"), "the welcome after the renewal")

    asyncio.run(scenario())


def test_each_wrong_token_is_refused_with_its_reason(tmp_path: Path) -> None:
    """Used, expired, of another unit, unknown, cut, missing; a bad request; an undeclared unit."""

    async def scenario() -> None:
        async with (
            running(tmp_path) as (ingest, _),
            enrolment_stub(ingest, authority_of(ingest).bundle_pem) as stub,
        ):
            csr = request(new_key())
            used = mint(ingest, "depot")
            await stub.Enroll(pb.EnrollRequest(unit_uid="depot", token=used, csr_pem=csr))
            again = request(new_key())
            text = await refusal(stub, unit_uid="depot", token=used, csr_pem=again)
            assert text.startswith("token_used: the token of unit depot was used already")
            old = mint(ingest, "depot", age_ms=HOUR_MS + 1_000)
            text = await refusal(stub, unit_uid="depot", token=old, csr_pem=again)
            assert text == (
                "token_expired: the token of unit depot expired; mint one: bluewhale unit token"
                " depot"
            )
            other = mint(ingest, "shop")
            text = await refusal(stub, unit_uid="depot", token=other, csr_pem=again)
            assert text.startswith(
                "token_other_unit: the token offered for unit depot was made for"
            )
            unknown = f"bw1.depot.{'A' * 43}.{'B' * 43}"
            text = await refusal(stub, unit_uid="depot", token=unknown, csr_pem=again)
            assert text.startswith("token_unknown: the token offered for unit depot was never made")
            text = await refusal(stub, unit_uid="depot", token=other[:20], csr_pem=again)
            assert text.startswith("token_unknown: the text is no token")
            text = await refusal(stub, unit_uid="depot", token="", csr_pem=again)
            assert text.startswith("token_missing: unit depot brought neither a token nor a key")
            text = await refusal(stub, unit_uid="depot", token=mint(ingest, "depot"), csr_pem=b"x")
            assert text.startswith("csr_invalid: not a certificate request")
            with pytest.raises(Exception, match="unit kiosk is not in the configuration"):
                mint(ingest, "kiosk")

    asyncio.run(scenario())


def test_the_enrolment_port_takes_no_records_and_shows_the_pin_of_the_token(
    tmp_path: Path,
) -> None:
    """Connect needs a certificate; the chain of the server holds the CA that the token names."""

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            pin = mint(ingest, "depot").rsplit(".", 1)[1]
            shown = await asyncio.to_thread(shown_certificates, ingest.enrolment_port)
            assert pin in {pin_of(der) for der in shown}
            async with enrolment_stub(ingest, authority_of(ingest).bundle_pem) as stub:
                call = stub.Connect()
                assert (await call.code()) is grpc.StatusCode.FAILED_PRECONDITION
                assert str(await call.details()).startswith("certificate_missing: this port enrols")

    asyncio.run(scenario())


def shown_certificates(port: int) -> list[bytes]:
    """Give the chain that a server shows, as a unit sees it before it trusts anything."""
    import socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="bluewhale-ingest") as tls,
    ):
        chain = tls._sslobj.get_unverified_chain()
        return [c.public_bytes(ssl._ssl.ENCODING_DER) for c in chain]


def test_an_expired_certificate_is_renewed_with_its_known_key_after_approval(
    tmp_path: Path,
) -> None:
    """Without approval the unit is told what to wait for; an approval counts once."""

    async def scenario() -> None:
        async with (
            running(tmp_path) as (ingest, _),
            enrolment_stub(ingest, authority_of(ingest).bundle_pem) as stub,
        ):
            key = new_key()
            csr = request(key)
            token = mint(ingest, "depot")
            await stub.Enroll(pb.EnrollRequest(unit_uid="depot", token=token, csr_pem=csr))
            text = await refusal(stub, unit_uid="depot", csr_pem=csr)
            assert text == (
                "approval_missing: the key of unit depot is known, its certificate ended or is not"
                " taken; approve it: bluewhale unit token depot --approve-expired"
            )
            now_ms = int(time.time() * 1000)
            ingest.enrolment.approve_expired("depot", who="ada", now_ms=now_ms)
            granted = await stub.Enroll(pb.EnrollRequest(unit_uid="depot", csr_pem=csr))
            keys = Keys(key_pem(key), granted.certificate_pem, granted.trust_pem)
            async with client_of(ingest, "depot", keys) as client:
                await until(lambda: client.of("welcome"), "the welcome")
            assert (await refusal(stub, unit_uid="depot", csr_pem=csr)).startswith(
                "approval_missing"
            )
            ingest.database.units().revoke("depot", reason="", who="ada", now_ms=now_ms)
            assert (await refusal(stub, unit_uid="depot", csr_pem=csr)).startswith("unit_revoked")

    asyncio.run(scenario())


def test_an_address_that_enrols_too_often_is_slowed_down(tmp_path: Path) -> None:
    """A burst of five, then one a second."""

    async def scenario() -> None:
        async with (
            running(tmp_path, enrolments_per_second=1.0) as (ingest, _),
            enrolment_stub(ingest, authority_of(ingest).bundle_pem) as stub,
        ):
            texts = [
                await refusal(stub, unit_uid="depot", token="x", csr_pem=request(new_key()))
                for _ in range(7)
            ]
            assert sum(t.startswith("token_unknown") for t in texts) in {5, 6}
            assert texts[-1].startswith("enrolment_busy: 127.0.0.1 enrols too often")

    asyncio.run(scenario())


def test_a_new_authority_is_taken_without_a_restart_and_the_old_one_until_it_is_retired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates of both CAs connect after a rotation; of the new one alone after retiring."""
    monkeypatch.setattr(listeners, "LOOK_S", 0.0)

    async def connects(ingest: Ingest, keys: Keys) -> bool:
        async with client_of(ingest, "depot", keys) as client:
            await until(lambda: client.of("welcome") or client.over, "an answer")
            return bool(client.of("welcome"))

    async def scenario() -> None:
        async with running(tmp_path) as (ingest, _):
            old = authority_of(ingest)
            before = keys_of(old, "depot")
            rotated = old.rotate(now=datetime.now(UTC))
            after = keys_of(rotated, "depot")
            assert await connects(ingest, before)
            assert await connects(ingest, after)
            assert await connects(ingest, after.trusting(old.bundle_pem))
            rotated.retire()
            assert await connects(ingest, after)
            assert not await connects(ingest, before)

    asyncio.run(scenario())


def test_a_missing_or_damaged_authority_refuses_the_start_and_names_the_file(
    tmp_path: Path,
) -> None:
    """Nothing is made anew behind a person's back."""

    async def start(folder: Path) -> None:
        async with running(folder, authority_create=False):
            pass

    with pytest.raises(Exception, match="holds no CA; make one: bluewhale unit authority init"):
        asyncio.run(start(tmp_path / "a"))
    Authority.create(tmp_path / "b" / "authority", now=datetime.now(UTC))
    (tmp_path / "b" / "authority" / "ca-1.key").write_text("nonsense")
    with pytest.raises(Exception, match=r"ca-1\.key is damaged"):
        asyncio.run(start(tmp_path / "b"))
