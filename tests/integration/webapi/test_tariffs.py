"""A price list from file to force: checked, stored, previewed over real calls, activated by another."""

from __future__ import annotations

import base64
import json

from tests.integration.webapi.places import EXAMPLE, Client, Site

UID = "charge-back-2025"
YEAR = "from=2025-01-01&to=2026-01-01"


def _files(document: str, deck: str) -> dict:
    named = {"internal.yaml": document, "internal.csv": deck}
    return {
        "files": [
            {"name": name, "content": base64.b64encode(text.encode()).decode()}
            for name, text in named.items()
        ]
    }


def _dearer() -> tuple[str, str]:
    """Give the internal price list as version 2, every price ten times as high."""
    folder = EXAMPLE / "tariffs"
    document = (folder / "internal.yaml").read_text("utf-8").replace("version: 1", "version: 2")
    deck = (folder / "internal.csv").read_text("utf-8").replace(",0.", ",1.")
    return document, deck


def _versions(client: Client) -> dict[int, dict]:
    return {t["version"]: t for t in client.get("/tariffs").json()["items"] if t["uid"] == UID}


def test_a_tariff_is_previewed_and_activated_by_a_second_person(served: Site):
    """Whoever stored it cannot; the preview counts real calls; the price holds at once."""
    ana, ben = served.somebody("finance"), served.somebody("telecom_admin")
    files = _files(*_dearer())
    check = ana.post("/tariffs/check", files).json()
    assert (check["good"], check["mistakes"]) == (True, [])
    assert check["change"]["against"] == {"uid": UID, "version": 1}
    assert check["change"]["dearer"] > 0
    kept = ana.post("/tariffs", files).json()
    assert (kept["version"], kept["state"], kept["created_by"]) == (2, "validated", "finance-all")
    assert (kept["may_activate"], kept["why_not"]) == (False, "four_eyes")
    lines = [
        json.loads(line)
        for line in ana.post(f"/tariffs/{UID}/2/preview", {"filter": YEAR}).text.splitlines()
    ]
    assert [sorted(line) for line in lines[:-1]] == [["progress"]] * (len(lines) - 1)
    summary = lines[-1]["summary"]
    assert (summary["calls"], summary["price_list"]) == (20, "internal")
    assert summary["changed"] > 0
    (total,) = summary["sums"]
    assert total["before"] == {"amount": "9.43", "currency": "EUR"}
    assert (
        "•••" in summary["differences"][0]["called"] or len(summary["differences"][0]["called"]) < 8
    )
    own = ana.post(f"/tariffs/{UID}/2/activation", None)
    assert (own.status_code, own.json()["code"]) == (403, "four_eyes")
    assert _versions(ben)[2]["may_activate"] is True
    active = ben.post(f"/tariffs/{UID}/2/activation", None).json()
    assert (active["state"], active["activated_by"]) == ("active", "telecom_admin-all")
    body = {"number": "+44 161 496 0200", "at": "2025-04-18T10:00:00Z", "talk_ms": 60_000}
    trials = {t["price_list"]: t for t in ana.post("/tariffs/try", body).json()["trials"]}
    assert trials["internal"]["tariff"] == {"uid": UID, "version": 2}
    steps = trials["internal"]["steps"]
    assert [s["kind"] for s in steps] == [
        "tariff", "number", "connected", "segment", "connect_fee", "sum", "rounding", "result",
    ]  # fmt: skip
    assert (steps[-1]["result"], trials["internal"]["money"]["amount"]) == ("1.10", "1.1")
    undone = ana.post(f"/tariffs/{UID}/1/activation", None).json()
    assert undone["state"] == "active"


def test_a_tariff_with_mistakes_is_refused_whole(site: Site):
    """Every mistake is named with file, line and remedy; nothing is stored."""
    finance = site.somebody("finance")
    document, deck = _dearer()
    files = _files(document.replace("currency: EUR", "currency: EURO"), deck)
    check = finance.post("/tariffs/check", files).json()
    assert check["good"] is False
    assert check["mistakes"][0]["file"] == "internal.yaml"
    assert check["mistakes"][0]["remedy"]
    before = _versions(finance).keys()
    assert finance.post("/tariffs", files).json()["code"] == "tariff_invalid"
    assert _versions(finance).keys() == before


def test_a_preview_is_for_those_who_see_all(site: Site):
    """A sum over other branches is not told."""
    answer = site.somebody("finance", sites=["london"]).post(
        f"/tariffs/{UID}/1/preview", {"filter": YEAR}
    )
    assert answer.json()["code"] == "out_of_scope"


def test_what_is_no_file_is_refused(site: Site):
    """No base64, a name that leaves the folder, no time zone."""
    finance = site.somebody("finance")
    for body in (
        {"files": [{"name": "a.yaml", "content": "%%%"}]},
        {"files": [{"name": "../a.yaml", "content": ""}]},
        {"files": []},
    ):
        assert finance.post("/tariffs/check", body).json()["code"] == "body_invalid"
    body = {"number": "1", "at": "2025-04-18T10:00:00"}
    assert finance.post("/tariffs/try", body).json()["code"] == "body_invalid"
