"""A unit process against the real ingest over mutual TLS: enrolment to revocation."""

import json
import time
from datetime import UTC, datetime

import pytest
from bluewhale.cli.simulate.setup import free_port
from bluewhale.ingest.authority import Authority

from tests.integration.remoteunit.places import AVAYA, installed, unit_of
from tests.support.ingest_beside import IngestBeside
from tests.support.unit_process import send_lines, wait_until


def slot_of(unit):
    """Give what the unit keeps about its valid certificate."""
    slots = unit.folder / "data" / "slots"
    if not (slots / "valid").exists():
        return None
    return json.loads((slots / (slots / "valid").read_text() / "about.json").read_text())


def test_a_token_is_all_that_a_unit_needs(tmp_path):
    """Enrol, connect, get the document, collect, delete; the key never left, files are private."""
    port = free_port()
    with (
        IngestBeside(installed(tmp_path / "centre", port)).running() as beside,
        unit_of(
            tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot")
        ) as unit,
    ):
        send_lines(port, [b"line %d" % i for i in range(200)])
        wait_until(lambda: len(beside.data(AVAYA)) == 200, "the records")
        wait_until(unit.is_ready, "readiness")
        keys = list((unit.folder / "data" / "slots").glob("*/key.pem"))
        assert [key.stat().st_mode & 0o777 for key in keys] == [0o600]
        (unit.folder / "token").unlink()
        assert unit.stop() == 0
        unit.start()
        send_lines(port, [b"after"])
        wait_until(lambda: len(beside.data(AVAYA)) == 201, "the record after the restart")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "bluewhale unit token depot"),
        ("hello", "no token"),
        ("old", "token_expired"),
        ("other", "token"),
        ("used", "token_used"),
        ("pin", "pin"),
    ],
)
def test_a_unit_without_a_good_token_says_why_and_comes_in_when_it_has_one(tmp_path, token, said):
    """Missing, malformed, expired, another unit's, used, another centre's: then a good one."""
    port = free_port()
    with IngestBeside(installed(tmp_path / "centre", port)).running() as beside:
        tokens = {
            "old": lambda: beside.token("depot", age_ms=3_700_000),
            "other": lambda: beside.token("shop"),
            "used": lambda: used_token(tmp_path, beside),
            "pin": lambda: beside.token("depot")[:-4] + "AAAA",
        }
        bad = tokens[token]() if token in tokens else token
        with unit_of(tmp_path / "unit", beside.port, beside.enrolment_port, bad) as unit:
            wait_until(lambda: said in unit.ask("readyz")[1], f"{said} in the readiness")
            (unit.folder / "token").write_text(beside.token("depot"))
            wait_until(unit.is_ready, "readiness with a good token", 60)


def used_token(tmp_path, beside):
    """Give a token that another machine has used."""
    token = beside.token("depot")
    with unit_of(tmp_path / "first", beside.port, beside.enrolment_port, token) as first:
        wait_until(lambda: slot_of(first), "the first unit's certificate")
    return token


def test_a_certificate_is_renewed_from_half_of_its_life_on(tmp_path):
    """The slot is set back in time: the next certificate is fetched, tried and taken."""
    port = free_port()
    with (
        IngestBeside(installed(tmp_path / "centre", port)).running() as beside,
        unit_of(
            tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot")
        ) as unit,
    ):
        before = wait_until(lambda: slot_of(unit), "a certificate")
        assert unit.stop() == 0
        slots = unit.folder / "data" / "slots"
        about = slots / (slots / "valid").read_text() / "about.json"
        about.write_text(json.dumps({**before, "renew_share": 0.0}))
        unit.start()
        wait_until(
            lambda: (now := slot_of(unit)) and now["serial"] != before["serial"],
            "the next certificate in use",
            60,
        )
        assert 0.5 <= slot_of(unit)["renew_share"] <= 0.6
        wait_until(unit.is_ready, "readiness with it")
        send_lines(port, [b"renewed"])
        wait_until(lambda: beside.data(AVAYA) == [b"renewed"], "the record")


def test_a_candidate_that_does_not_work_gives_way_to_the_valid_certificate(tmp_path):
    """A slot of another authority is tried a few times; then the valid one goes on."""
    port = free_port()
    with (
        IngestBeside(installed(tmp_path / "centre", port)).running() as beside,
        unit_of(
            tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot")
        ) as unit,
    ):
        valid = wait_until(lambda: slot_of(unit), "a certificate")
        unit.stop()
        slots = unit.folder / "data" / "slots"
        foreign = Authority.create(tmp_path / "foreign", now=datetime.now(UTC))
        from tests.integration.ingest.places import keys_of

        keys = keys_of(foreign, "depot")
        (slots / "strange").mkdir()
        for name, content in (
            ("key", keys.key_pem),
            ("certificate", keys.certificate_pem),
            ("trust", beside.authority.bundle_pem),
        ):
            (slots / "strange" / f"{name}.pem").write_bytes(content)
        (slots / "strange" / "about.json").write_text(json.dumps(valid))
        (slots / "candidate").write_text("strange")
        unit.start()
        wait_until(unit.is_ready, "readiness with the valid certificate", 60)
        assert not (slots / "candidate").exists()
        assert slot_of(unit)["serial"] == valid["serial"]


def test_a_revoked_unit_is_cut_off_says_so_keeps_collecting_and_comes_back_by_a_token(tmp_path):
    """Within a minute nothing of it is taken; its records wait and arrive after a new token."""
    port = free_port()
    with (
        IngestBeside(installed(tmp_path / "centre", port)).running() as beside,
        unit_of(
            tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot")
        ) as unit,
    ):
        wait_until(unit.is_ready, "readiness")
        began = time.monotonic()
        units = beside.ingest.database.units()
        units.revoke("depot", now_ms=int(time.time() * 1000), who="ada", reason="lost")
        wait_until(lambda: "unit_revoked" in unit.ask("readyz")[1], "the revocation", 60)
        assert time.monotonic() - began < 60
        send_lines(port, [b"while revoked"])
        time.sleep(1.0)
        assert beside.data(AVAYA) == []
        (unit.folder / "token").write_text(beside.token("depot"))
        wait_until(lambda: beside.data(AVAYA) == [b"while revoked"], "the waiting record", 120)


def test_an_enrolment_whose_answer_was_lost_is_asked_again_with_the_same_key(tmp_path):
    """The token is used up at the centre; the key that used it may bring it again."""
    port = free_port()
    with (
        IngestBeside(installed(tmp_path / "centre", port)).running() as beside,
        unit_of(
            tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot")
        ) as unit,
    ):
        wait_until(lambda: slot_of(unit), "a certificate")
        unit.stop()
        slots = unit.folder / "data" / "slots"
        key = slots / (slots / "valid").read_text() / "key.pem"
        key.rename(slots / "pending-key.pem")  # as if the answer had never come
        (slots / "valid").unlink()
        unit.start()
        wait_until(lambda: slot_of(unit), "the certificate again", 60)
        wait_until(unit.is_ready, "readiness")
        assert not (slots / "pending-key.pem").exists()
