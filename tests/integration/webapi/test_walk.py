"""Sign in, search a call, open its receipt: the same in both runtimes."""

from __future__ import annotations

import base64

from tests.integration.webapi.places import Client, Site

WHOLE = "from=2025-01-01&to=2026-01-01"
ABROAD = "+44 161 496 0200"  # called by 203 on 18 April


def _search(client: Client, text: str, **more: object) -> dict:
    answer = client.post("/calls/search", {"filter": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_call_is_found_by_its_number_and_its_receipt_adds_up(served: Site):
    """From the digits to the steps of the price, to the last decimal."""
    found = _search(served.owner, f"{WHOLE}&class=international")
    assert found["total"] == {"count": len(found["items"]), "exact": True}
    call = found["items"][0]
    digits = call["called"]["e164"]
    again = _search(served.owner, f"{WHOLE}&number={digits}")
    assert call["call_id"] in [x["call_id"] for x in again["items"]]
    detail = served.owner.get(f"/calls/{call['call_id']}").json()
    assert detail["call"] == call
    assert len(detail["legs"]) == call["legs"]
    receipt = served.owner.get(f"/calls/{call['call_id']}/receipt").json()
    by_list = {c["price_list"]: c for c in receipt["charges"]}
    assert {p["price_list"]: p["money"] for p in call["prices"]} == {
        name: c["money"] for name, c in by_list.items()
    }
    kinds = [s["kind"] for s in by_list["carrier"]["steps"]]
    assert kinds[:3] == ["tariff", "number", "connected"]
    assert kinds[-2:] == ["rounding", "result"]
    assert all(s["text"] in by_list["carrier"]["text"] for s in by_list["carrier"]["steps"])


def test_pages_go_on_behind_each_other_and_back(served: Site):
    """Twenty calls in pages of seven: none twice, none missing; back gives the same page."""
    first = _search(served.owner, WHOLE, limit=7)
    second = _search(served.owner, WHOLE, limit=7, after=first["next"])
    third = _search(served.owner, WHOLE, limit=7, after=second["next"])
    ids = [x["call_id"] for page in (first, second, third) for x in page["items"]]
    assert [len(page["items"]) for page in (first, second, third)] == [7, 7, 6]
    assert len(set(ids)) == 20
    assert (first["prev"], third["next"]) == (None, None)
    back = _search(served.owner, WHOLE, limit=7, after=third["prev"])
    assert back["items"] == second["items"]
    assert first["total"] == {"count": 7, "exact": False}


def test_every_field_of_a_raw_line_stands_where_it_is_said_to(served: Site):
    """The bytes between from and to are the text of the field, in all three dialects."""
    seen = set()
    for call in _search(served.owner, WHOLE)["items"]:
        for leg in served.owner.get(f"/calls/{call['call_id']}/raw").json()["legs"]:
            line = base64.b64decode(leg["bytes"])
            placed = [f for f in leg["fields"] if f["from"] is not None]
            texts = [line[f["from"] : f["to"]].decode().replace('""', '"') for f in placed]
            assert texts == [f["text"] for f in placed]
            assert (leg["note"], bool(placed)) == ("", True)
            seen.add(leg["dialect_id"])
    assert seen == {"avaya_cm", "cisco_cucm", "asterisk_csv"}


def test_every_figure_is_the_count_of_the_list_that_it_opens(served: Site):
    """A tile, a bar, an hour: the scope beside it finds exactly as many calls."""
    summary = served.owner.get("/summary?from=2025-04-16&to=2025-04-17&tz=Europe/Berlin").json()
    figures = {f["name"]: f for f in summary["figures"]}
    assert figures["calls"]["value"] == 17
    opened = {n: len(_search(served.owner, f["scope"])["items"]) for n, f in figures.items()}
    assert opened == {n: f["value"] for n, f in figures.items() if n != "talk_ms"} | {"talk_ms": 17}
    named = [g for g in summary["departments"] if g["name"] is not None]
    assert {g["name"]["uid"] for g in named if "department_itself=" in g["scope"]} == {"sales"}
    for group in (*summary["sites"], *named, *summary["classes"]):
        if group["scope"] is not None:
            assert len(_search(served.owner, group["scope"])["items"]) == group["calls"]
    assert sum(g["calls"] for g in summary["sites"]) == 17


def test_hours_of_one_zone_open_their_calls(served: Site):
    """In a branch of one zone each hour of the day has a scope of its own."""
    summary = served.owner.get("/summary?from=2025-04-16&to=2025-04-17&site=london").json()
    assert summary["period"]["zone"] == "Europe/London"
    rows = summary["times"]["rows"]
    assert sum(r["calls"] for r in rows) == 5
    assert {r["scope"] is not None for r in rows} == {True}
    for row in rows:
        assert len(_search(served.owner, row["scope"])["items"]) == row["calls"]


def test_hours_without_calls_stand_between_those_with_some(served: Site):
    """Berlin spoke at 9, 10, 11, 14 and 17: the axis of the day has no holes."""
    summary = served.owner.get("/summary?from=2025-04-16&to=2025-04-17&site=berlin").json()
    counted = {r["name"]: r["calls"] for r in summary["times"]["rows"]}
    assert list(counted) == ["09", "10", "11", "12", "13", "14", "15", "16", "17"]
    assert [name for name, calls in counted.items() if not calls] == ["12", "13", "15", "16"]


def test_sums_and_completeness_count_all_calls(served: Site):
    """Twenty calls of that year, every record accounted for; money stays apart per price list."""
    sums = served.owner.post("/calls/aggregate", {"filter": WHOLE}).json()
    assert (sums["calls"], sums["answered"], sums["unpriced"]) == (20, 18, 0)
    assert [(p["price_list"], p["money"]) for p in sums["money"]] == [
        ("carrier", {"amount": "2.5592", "currency": "EUR"}),
        ("internal", {"amount": "9.43", "currency": "EUR"}),
    ]
    whole = served.owner.get("/completeness").json()
    assert whole["complete"] is True
    assert sum(d["received"] for d in whole["days"]) == 21  # one waits in suspense
    assert {d["site"]["name"] for d in whole["days"]} == {"Berlin, head office", "London, branch"}


def test_the_link_of_the_first_start_works_once(served: Site):
    """The token that made the owner makes nobody else."""
    client = served.stranger()
    body = {"token": served.token, "name": "mallory", "password": "some long password"}
    answer = client.post("/welcome", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "link_refused")
    assert client.get("/session").json() == {
        "first_start": False,
        "provider": None,
        "signed_in": False,
    }


def test_every_row_of_a_report_opens_its_calls(served: Site):
    """Each way of grouping: the groups add up, and a scope finds exactly the calls of its row."""
    kinds = [k["by"] for k in served.owner.get("/reports").json()["items"]]
    assert len(kinds) == 14
    for by in kinds:
        report = served.owner.post(f"/reports/{by}", {"filter": WHOLE}).json()
        assert (by, sum(r["calls"] for r in report["rows"])) == (by, 20)
        assert report["total"]["calls"] == 20
        for row in report["rows"]:
            if row["scope"] is not None:
                assert len(_search(served.owner, row["scope"])["items"]) == row["calls"]
    assert served.owner.post("/reports/colour", {"filter": WHOLE}).status_code == 422


def test_units_are_said_where_there_are_some(site: Site, roles_site: Site):
    """One process has none to list; a role asks ingest, which is away here."""
    assert (site.owner.me["features"], roles_site.owner.me["features"]) == (
        {"units": False},
        {"units": True},
    )
    assert site.owner.get("/units").json() == {"items": [], "configuration_problems": []}
    assert site.owner.get("/units/berlin-1").json()["code"] == "not_found"
    assert roles_site.owner.get("/units").json()["code"] == "away"
