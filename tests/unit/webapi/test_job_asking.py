"""Jobs and duplicates as the API says them."""

from __future__ import annotations

import pytest
from bluewhale.api.jobs.v1 import jobs_pb2 as jobs
from bluewhale.api.query.v1 import query_pb2 as query
from bluewhale.records.directory import Directory, Pbx, Site
from bluewhale.webapi import job_asking
from bluewhale.webapi.names import Names


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("replay", "records"), ("rejoin", "legs"), ("rerate", "calls"), ("import", "records")],
)
def test_a_job_says_what_it_counts(kind: str, unit: str):
    """Records are parsed again, legs joined anew, calls priced again."""
    said = job_asking.job(jobs.Job(name="one", kind=kind, state="running", done=3, total=5))
    assert (said.unit, said.done, said.total) == (unit, 3, 5)


def test_what_is_not_known_of_a_job_is_not_said():
    """Who started it and when, of a job of an older release."""
    said = job_asking.job(jobs.Job(name="one", kind="replay", state="done"))
    assert (said.who, said.started_at, said.changed_at) == (None, None, None)
    known = job_asking.job(
        jobs.Job(name="one", kind="replay", who="ana", started_at_ms=1_000, changed_at_ms=2_000)
    )
    assert (known.who, known.started_at) == ("ana", "1970-01-01T00:00:01.000Z")


def test_a_difference_keeps_every_digit_of_its_money():
    """Before, after and between, in one currency; no department and no tariff are null."""
    found = jobs.Difference(
        price_list="carrier",
        currency="EUR",
        calls=2,
        old_amount="1204.310000000000000001",
        new_amount="1204.31",
        difference="-0.000000000000000001",
    )
    said = job_asking.difference(found)
    assert said.difference.amount == "-0.000000000000000001"
    assert (said.before.currency, said.department_uid, said.tariff) == ("EUR", None, None)


def test_a_duplicate_is_said_with_names_and_its_capture_key_as_text():
    """Beyond 53 bits a number of JSON would lose digits."""
    site = Site("berlin", "Berlin", "Europe/Berlin", "DE")
    names = Names(Directory(1, sites=(site,), pbxs=(Pbx("hq", "berlin", "Avaya"),)))
    row = query.DuplicateRow(
        cdr_id="ce7o", pbx_uid="hq", site_uid="berlin", stream_id=2**62 + 1, incarnation=1, seq=7,
        raw=b"line", state="counted",
    )  # fmt: skip
    said = job_asking.duplicate(row, names)
    assert (said.stream_id, said.raw, said.state) == ("4611686018427387905", "bGluZQ==", "counted")
    assert (said.pbx.name, said.site.name, said.made_cdr_id) == ("Avaya", "Berlin", None)
