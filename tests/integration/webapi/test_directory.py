"""The directory of a day, within a branch; lines tried in the workshop."""

from __future__ import annotations

import base64

from tests.integration.webapi.places import EXAMPLE, Site


def _names(answer: dict) -> list[str]:
    return [p["name"] for p in answer["people"]]


def test_somebody_who_moved_stands_where_they_were_on_a_day(site: Site):
    """Ben was in support until 17 April 2025, and is in export since."""
    before = site.owner.post("/directory/search", {"at": "2025-04-16", "text": "ben"}).json()
    after = site.owner.post("/directory/search", {"at": "2025-04-17", "text": "ben"}).json()
    assert [p["department"]["uid"] for p in before["people"]] == ["support"]
    assert [p["department"]["uid"] for p in after["people"]] == ["sales-export"]
    assert after["people"][0]["extensions"] == [
        {"site": {"uid": "berlin", "name": "Berlin, head office"}, "extension": "202"}
    ]


def test_the_tree_counts_people_of_each_department(site: Site):
    """Of the day; the files are named, since they are the owners."""
    tree = site.owner.get("/directory?at=2025-04-20").json()
    by = {d["uid"]: (d["parent_uid"], d["people"]) for d in tree["departments"]}
    assert by["sales"] == ("company", 1)
    assert by["sales-export"] == ("sales", 1)
    assert by["company"] == (None, 0)
    assert (tree["people"], tree["extensions"], tree["files"]) == (6, 9, ["directory.yaml"])


def test_a_department_is_searched_with_all_below_it(site: Site):
    """And an extension by how it begins."""
    sales = site.owner.post("/directory/search", {"department": "sales"}).json()
    assert _names(sales) == ["Ada Example", "Ben Example"]
    assert [e["extension"] for e in sales["extensions"]] == ["201", "202", "701"]
    number = site.owner.post("/directory/search", {"text": "500"}).json()
    assert _names(number) == ["Eve Example", "Fay Example"]
    assert [e["extension"] for e in number["extensions"]] == ["5001", "5002"]


def test_a_branch_sees_its_own_people_alone(site: Site):
    """By site and by department, in lists, in sums, in the tree, in a history."""
    london = site.somebody("analyst", sites=["london"])
    assert _names(london.post("/directory/search", {}).json()) == ["Eve Example", "Fay Example"]
    tree = london.get("/directory").json()
    assert (tree["people"], tree["extensions"]) == (2, 2)
    refused = london.get("/directory/history?site=berlin&extension=201").json()
    assert refused["code"] == "out_of_scope"
    sales = site.somebody("analyst", departments=["sales"])
    assert _names(sales.post("/directory/search", {"text": "example"}).json()) == [
        "Ada Example",
        "Ben Example",
    ]
    assert {d["uid"] for d in sales.get("/directory").json()["departments"]} == {
        "sales",
        "sales-export",
    }
    assert sales.post("/directory/search", {"department": "support"}).json()["code"] == (
        "out_of_scope"
    )
    assert sales.get("/directory/history?site=berlin&extension=203").json()["code"] == "not_found"
    mine = sales.get("/directory/history?site=berlin&extension=201").json()
    assert [m["person"]["uid"] for m in mine["items"]] == ["ada"]


def test_pasted_lines_are_read_as_those_of_their_link(site: Site):
    """The same line as the real parser sees it: its fields with their bytes, and the leg."""
    line = (EXAMPLE / "lines" / "avaya.txt").read_bytes().splitlines(keepends=True)[1]
    body = {"raw": base64.b64encode(line).decode(), "link_uid": "hq-avaya-cdr"}
    (record,) = site.owner.post("/dialects/avaya_cm/try", body).json()["records"]
    raw = base64.b64decode(record["bytes"])
    assert record["reason"] is None
    for field in record["fields"]:
        if field["from"] is not None:
            assert raw[field["from"] : field["to"]].decode() == field["text"]
    assert {"name": "duration_ms"} in [{"name": f["name"]} for f in record["leg"]]
    broken = base64.b64encode(line.replace(b" 0931 ", b" 2561 ")).decode()
    (refused,) = site.owner.post("/dialects/avaya_cm/try", {**body, "raw": broken}).json()[
        "records"
    ]
    assert (refused["reason"], refused["leg"]) == ("time_invalid", [])


def test_settings_that_a_format_does_not_know_are_refused_in_words(site: Site):
    """As are a link of another format, no format, no lines."""
    raw = base64.b64encode(b"x\r\n").decode()
    for place, body, code in (
        ("avaya_cm", {"raw": raw, "options": {"colour": "red"}}, "body_invalid"),
        ("avaya_cm", {"raw": raw, "zone": "site"}, "body_invalid"),
        ("avaya_cm", {"raw": ""}, "body_invalid"),
        ("avaya_cm", {"raw": raw, "link_uid": "hq-cucm-cdr"}, "not_found"),
        ("none", {"raw": raw}, "not_found"),
    ):
        answer = site.owner.post(f"/dialects/{place}/try", body)
        assert (place, body, answer.json()["code"]) == (place, body, code)
    listed = site.owner.get("/dialects").json()["items"]
    assert [d["dialect_id"] for d in listed] == ["avaya_cm", "cisco_cucm", "asterisk_csv"]
    assert [x["link_uid"] for x in listed[0]["links"]] == ["hq-avaya-cdr"]


def test_a_line_that_came_twice_is_listed_until_somebody_says_that_it_is_two_calls(site: Site):
    """Nothing came twice here; a key that is none is not found, a reason is needed."""
    assert site.owner.get("/duplicates").json() == {"items": [], "whole": True}
    place = "/duplicates/1/1/1/two-calls"
    assert site.owner.post(place, {"why": "two people called"}).json()["code"] == "not_found"
    assert site.owner.post(place, {"why": ""}).json()["code"] == "body_invalid"
