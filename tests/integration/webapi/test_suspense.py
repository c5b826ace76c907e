"""A record that waits: seen, mended, parsed again, a call at last."""

from __future__ import annotations

import base64

from tests.integration.webapi.places import BROKEN, Client, Site
from tests.support.running import wait_until

YEAR = "from=2024-01-01&to=2025-01-01"


def _waiting(client: Client) -> list[dict]:
    return client.get("/suspense/records?state=waiting").json()["items"]


def test_a_record_that_waits_is_seen_in_the_branch_alone(served: Site):
    """By reason and link, with its bytes; not by whom it does not concern."""
    london = served.somebody("telecom_admin", sites=["london"])
    (group,) = london.get("/suspense").json()["items"]
    assert (group["reason"], group["link_uid"], group["count"]) == (
        "field_malformed",
        "london-asterisk-cdr",
        1,
    )
    (record,) = _waiting(london)
    assert base64.b64decode(record["raw"]).decode() == BROKEN.rstrip("\n")
    detail = london.get(f"/suspense/{record['suspense_id']}").json()
    broken = next(f for f in detail["fields"] if f["name"] == "duration")
    assert base64.b64decode(record["raw"])[broken["from"] : broken["to"]] == b"6x5"
    berlin = served.somebody("telecom_admin", sites=["berlin"])
    assert _waiting(berlin) == []
    for answer in (
        berlin.get(f"/suspense/{record['suspense_id']}"),
        berlin.post("/suspense/dismiss", {"ids": [record["suspense_id"]], "why": "not ours"}),
        berlin.post("/replays", {}),
    ):
        assert answer.json()["code"] == "out_of_scope"


def test_a_mended_record_becomes_a_call_once(site: Site):
    """Repaired with a reason, parsed again as a job, priced, found by search."""
    london = site.somebody("telecom_admin", sites=["london"])
    (record,) = _waiting(london)
    place = f"/suspense/{record['suspense_id']}/repair"
    mended = base64.b64encode(BROKEN.rstrip("\n").replace("6x5", "65").encode()).decode()
    assert london.post(place, {"raw": mended, "why": ""}).json()["code"] == "body_invalid"
    job = london.post(place, {"raw": mended, "why": "a letter in the duration"}).json()
    assert job["kind"] == "replay"

    def ended() -> bool:
        return london.get(f"/jobs/{job['name']}").json()["job"]["state"] in {"done", "failed"}

    wait_until(ended, 60, "the replay")
    found = london.get(f"/jobs/{job['name']}").json()["job"]
    assert (found["state"], found["done"], found["total"], found["unit"]) == (
        "done",
        1,
        1,
        "records",
    )
    assert found["who"] == london.me["name"]
    assert found["started_at"] <= found["changed_at"]
    assert _waiting(london) == []
    (call,) = london.post("/calls/search", {"filter": YEAR}).json()["items"]
    assert (call["calling"]["shown"], call["talk_ms"]) == ("5001", 60_000)
    again = london.post(place, {"raw": mended, "why": "once more"})
    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")
    turned = london.post(f"/jobs/{job['name']}/pause", None)
    assert turned.json()["code"] == "state_conflict"
