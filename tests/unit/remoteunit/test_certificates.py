"""Which slot is shown, by the centre's clock and by what happened before."""

import asyncio
import json

import pytest
from bluewhale.remoteunit.certificates import Certificates
from bluewhale.remoteunit.exceptions import EnrolmentError
from bluewhale.remoteunit.settings import RemoteUnitSettings
from bluewhale.remoteunit.slots import Slots

from tests.integration.ingest.places import key_pem, new_key

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
ABOUT = {"not_before_ms": 100 * DAY_MS, "not_after_ms": 130 * DAY_MS, "serial": "ab"}


@pytest.fixture
def slots(tmp_path):
    """Give slots with one valid certificate."""
    found = Slots(tmp_path / "slots")
    filled(found, ABOUT)
    found.promote(found.candidate())
    return found


def filled(slots, about):
    """Fill a new slot with a key and what passes for a certificate."""
    folder = slots.new()
    for name in ("certificate", "trust"):
        (folder / f"{name}.pem").write_bytes(b"-----BEGIN CERTIFICATE-----")
    (folder / "key.pem").write_bytes(key_pem(new_key()))
    slots.filled(folder, about)


def certificates(slots, tmp_path, now_ms, enrolment="127.0.0.1:1"):
    """Give the certificates of a unit whose centre answers at no port."""
    settings = RemoteUnitSettings(
        unit_uid="u", centre="127.0.0.1:1", enrolment=enrolment, data=tmp_path
    )
    return Certificates(settings, slots, release="t", clock_ms=lambda: now_ms)


def test_a_certificate_that_seems_to_have_ended_is_shown_first(slots, tmp_path):
    """Our clock may be a year ahead: the centre judges."""
    found = certificates(slots, tmp_path, 100 * DAY_MS + YEAR_MS)
    assert asyncio.run(found.ready()) == slots.valid()


def test_an_ended_certificate_that_was_not_taken_asks_the_enrolment_door_and_goes_on(
    slots, tmp_path
):
    """The door is away: the valid slot is tried again, nothing is lost."""
    found = certificates(slots, tmp_path, 100 * DAY_MS + YEAR_MS)
    found.not_welcomed()
    assert asyncio.run(found.ready()) == slots.valid()
    assert found.problem == ""
    assert [p.name for p in (tmp_path / "slots").iterdir() if p.is_dir()] == [
        slots.valid().folder.name
    ]


def test_renewal_begins_between_half_and_six_tenths_of_the_life(slots):
    """Drawn per certificate, so that units do not renew together."""
    renew_days = slots.valid().renew_at_ms / DAY_MS
    assert 115 <= renew_days <= 118


def test_a_renewal_that_fails_leaves_the_valid_slot_and_waits_a_minute(slots, tmp_path):
    """The centre is away at half of the life."""
    found = certificates(slots, tmp_path, 119 * DAY_MS)
    assert asyncio.run(found.renew_if_due()) is False
    assert slots.candidate() is None
    assert slots.valid().serial == "ab"


def test_a_candidate_gives_way_after_three_tries(slots, tmp_path):
    """It never was welcomed; the valid one goes on."""
    filled(slots, ABOUT | {"serial": "cd"})
    found = certificates(slots, tmp_path, 110 * DAY_MS)
    shown = [asyncio.run(found.ready()).serial for _ in range(4)]
    assert shown == ["cd", "cd", "cd", "ab"]
    assert slots.candidate() is None


def test_without_token_and_certificate_the_error_says_what_to_type(tmp_path):
    """On the centre: bluewhale unit token."""
    empty = certificates(Slots(tmp_path / "slots"), tmp_path, 0)
    with pytest.raises(EnrolmentError, match="bluewhale unit token u"):
        asyncio.run(empty.ready())


def test_a_damaged_slot_is_no_slot(slots):
    """Its key is gone, or its description is cut: the unit enrols again instead of failing."""
    key = slots.valid().folder / "key.pem"
    kept = key.read_bytes()
    key.unlink()
    assert slots.valid() is None
    key.write_bytes(kept)
    (slots.valid().folder / "about.json").write_text(json.dumps({"serial": 1}))
    assert slots.valid() is None
