"""A handshake that TLS refuses is explained: which side refuses, why, and what to do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from bluewhale.cli.simulate.setup import free_port
from bluewhale.ingest.authority import Authority, Pair
from bluewhale.remoteunit.handshake import examine

from tests.integration.cli.door import bluewhale
from tests.integration.ingest.places import Keys, keys_of
from tests.support.unit_process import UnitProcess, wait_until

NOW = datetime.now(UTC)
YEAR = timedelta(days=366)
TOKEN = "on the centre: bluewhale unit token depot"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give the authority of the centre."""
    return Authority.create(tmp_path / "authority", now=NOW)


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    """Give the authority of another installation."""
    return Authority.create(tmp_path / "foreign", now=NOW)


@contextmanager
def serving(pair: Pair, bundle_pem: bytes) -> Iterator[str]:
    """Serve mutual TLS as ingest does; give the address."""
    server = grpc.server(ThreadPoolExecutor(2))
    credentials = grpc.ssl_server_credentials(
        [(pair.key_pem, pair.chain_pem)], bundle_pem, require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def slot_of(folder: Path, keys: Keys, trust: Authority) -> Path:
    """Write a slot as the unit keeps it."""
    slot = folder / "slots" / "mine"
    slot.mkdir(parents=True)
    (slot / "key.pem").write_bytes(keys.key_pem)
    (slot / "certificate.pem").write_bytes(keys.certificate_pem)
    (slot / "trust.pem").write_bytes(trust.bundle_pem)
    about = {"not_before_ms": 0, "not_after_ms": 1 << 50, "serial": "1", "renew_share": 0.5}
    (slot / "about.json").write_text(json.dumps(about))
    (folder / "slots" / "valid").write_text("mine")
    return slot


def test_a_certificate_that_is_good_has_no_problem(tmp_path, authority):
    """Both sides agree: nothing is said."""
    slot = slot_of(tmp_path, keys_of(authority, "depot", now=NOW), authority)
    with serving(authority.make_server(now=NOW), authority.bundle_pem) as centre:
        assert examine("depot", centre, slot, NOW) == ""


def test_an_expired_certificate_is_named_with_its_end_and_the_clock(tmp_path, authority):
    """The centre hangs up without a word; the dates tell."""
    slot = slot_of(tmp_path, keys_of(authority, "depot", now=NOW - YEAR), authority)
    with serving(authority.make_server(now=NOW), authority.bundle_pem) as centre:
        said = examine("depot", centre, slot, NOW)
    ended = (NOW - YEAR + timedelta(days=30)).strftime("%Y-%m-%dT%H:")
    assert said.startswith(f"{centre} refuses the unit's certificate: it expired {ended}")
    assert f"this machine's clock says {NOW.strftime('%Y-%m-%dT%H:%MZ')}" in said
    assert said.endswith(f"if the clock is right, {TOKEN} --approve-expired")


def test_a_certificate_of_another_authority_is_told_from_an_expired_one(
    tmp_path, authority, foreign
):
    """The centre does not know who signed it."""
    slot = slot_of(tmp_path, keys_of(foreign, "depot", now=NOW), authority)
    with serving(authority.make_server(now=NOW), authority.bundle_pem) as centre:
        said = examine("depot", centre, slot, NOW)
    assert "refuses the unit's certificate: another authority signed it" in said
    assert said.endswith(f"{TOKEN}, and put the token into token_file")


def test_a_centre_of_another_authority_is_not_taken_and_both_are_named(
    tmp_path, authority, foreign
):
    """The unit hangs up: shown and trusted authority by fingerprint."""
    slot = slot_of(tmp_path, keys_of(authority, "depot", now=NOW), authority)
    with serving(foreign.make_server(now=NOW), foreign.bundle_pem) as centre:
        said = examine("depot", centre, slot, NOW)
    assert said.startswith(f"{centre} shows a certificate of an authority that this unit does not")
    assert "check `centre` in unit.yaml" in said
    assert TOKEN in said


def test_a_server_with_a_certificate_for_another_name_is_another_service(tmp_path, authority):
    """The address of storage stands in unit.yaml: its names are told."""
    slot = slot_of(tmp_path, keys_of(authority, "depot", now=NOW), authority)
    pair = authority.make_role("storage", ("storage.example",), now=NOW, days=30)
    with serving(pair, authority.bundle_pem) as centre:
        said = examine("depot", centre, slot, NOW)
    assert said == (
        f"{centre} shows a certificate for storage.example, not for bluewhale-ingest: another"
        " service answers there; check `centre` in unit.yaml"
    )


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_is_a_year_off_is_named_beside_the_dates_of_the_centre(tmp_path, years):
    """A centre whose certificates begin years from now, or ended a year ago, by this machine's clock."""
    then = NOW + years * 11 * YEAR  # an authority lasts ten years
    theirs = Authority.create(tmp_path / "theirs", now=then)
    slot = slot_of(tmp_path, keys_of(theirs, "depot", now=then), theirs)
    with serving(theirs.make_server(now=then), theirs.bundle_pem) as centre:
        said = examine("depot", centre, slot, NOW)
    assert said.startswith(f"the certificate of {centre} is valid from")
    assert f"this machine's clock says {NOW.strftime('%Y-%m-%dT%H:%MZ')}: set the clock" in said


def test_a_clock_before_the_day_of_the_certificate_is_wrong(tmp_path, authority):
    """The centre refuses; the unit's certificate was made after what the clock says."""
    slot = slot_of(tmp_path, keys_of(authority, "depot", now=NOW + YEAR), authority)
    with serving(authority.make_server(now=NOW), authority.bundle_pem) as centre:
        said = examine("depot", centre, slot, NOW)
    assert "refuses the unit's certificate; it is valid from" in said
    assert said.endswith("set the clock (NTP)")


def test_an_address_without_tls_and_one_without_anybody_are_said_as_such(tmp_path, authority):
    """Neither is a matter of certificates."""
    slot = slot_of(tmp_path, keys_of(authority, "depot", now=NOW), authority)
    nobody = f"127.0.0.1:{free_port()}"
    assert examine("depot", nobody, slot, NOW) == f"{nobody}: cannot be reached: Connection refused"
    with socket.create_server(("127.0.0.1", 0)) as plain:
        centre = f"127.0.0.1:{plain.getsockname()[1]}"

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert "no TLS" in examine("depot", centre, slot, NOW)
        thread.join()


@pytest.mark.parametrize("trouble", ["expired", "foreign", "name"])
def test_a_unit_that_is_refused_says_why_in_its_log_and_readiness(
    tmp_path, authority, foreign, trouble
):
    """Not just that the socket was closed; `bluewhale unit check` says the same by hand."""
    keys, pair = keys_of(authority, "depot", now=NOW), authority.make_server(now=NOW)
    said = {"expired": "it expired", "foreign": "another authority signed it",
            "name": "a certificate for storage.example"}[trouble]  # fmt: skip
    if trouble == "expired":
        keys = keys_of(authority, "depot", now=NOW - YEAR)
    elif trouble == "foreign":
        keys = keys_of(foreign, "depot", now=NOW)
    else:
        pair = authority.make_role("storage", ("storage.example",), now=NOW, days=30)
    with serving(pair, authority.bundle_pem) as centre:
        unit = UnitProcess(tmp_path / "unit", "depot", centre)
        slot_of(unit.folder / "data", keys, authority)
        with unit:
            wait_until(lambda: said in unit.ask("readyz")[1], "the reason in the readiness", 60)
            assert '"event": "Handshake refused"' in unit.log
            assert said in unit.log
        done = bluewhale("unit", "check", str(unit.config))
        assert done.code == 1
        assert said in done.err
