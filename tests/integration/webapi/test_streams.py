"""Answers that stream: files, and news."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from decimal import Decimal

import openpyxl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from bluewhale.webapi.column_text import cell
from bluewhale.webapi.live import Live

from tests.integration.webapi.places import Site

WHOLE = "from=2025-01-01&to=2026-01-01"


def test_an_export_has_every_call_and_the_same_sum(served: Site):
    """CSV, JSON lines, Parquet and Excel: twenty calls, each once, money to the last decimal."""
    sums = served.owner.post("/calls/aggregate", {"filter": WHOLE}).json()
    answer = served.owner.post("/calls/export", {"filter": WHOLE})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    carrier = sum(Decimal(r["carrier_amount"] or 0) for r in rows)
    assert f"{carrier:f}" == sums["money"][0]["money"]["amount"] == "2.5592"
    body = {"filter": WHOLE, "form": "jsonl"}
    lines = served.owner.post("/calls/export", body).text.splitlines()
    listed = served.owner.post("/calls/search", {"filter": WHOLE}).json()["items"]
    assert [json.loads(line) for line in lines] == listed
    assert [r["call_id"] for r in rows] == [c["call_id"] for c in listed]
    body = {"filter": WHOLE, "form": "parquet"}
    table = pq.read_table(io.BytesIO(served.owner.post("/calls/export", body).content))
    assert table.column_names == list(rows[0])
    assert pc.sum(table["carrier_amount"]).as_py() == carrier
    assert [t.isoformat()[:19] for t in table["started_at"].to_pylist()] == [
        r["started_at"][:19] for r in rows
    ]
    answer = served.owner.post("/calls/export", {"filter": WHOLE, "form": "xlsx"})
    assert answer.headers["content-disposition"].endswith('.xlsx"')
    assert "content-encoding" not in answer.headers
    head, *found = openpyxl.load_workbook(io.BytesIO(answer.content))["calls"].values
    assert list(head) == list(rows[0])
    booked = [dict(zip(head, cells, strict=True)) for cells in found]
    assert sum(Decimal(str(b["carrier_amount"] or 0)) for b in booked) == carrier
    for name in ("call_id", "called", "zone"):
        assert [b[name] or "" for b in booked] == [r[name] for r in rows]
    assert [f"{b['started_at']:%Y-%m-%dT%H:%M:%S}" for b in booked] == [
        r["started_at"][:19] for r in rows
    ]


def test_an_export_obeys_branch_and_mask(site: Site):
    """A file is no way around what a page hides."""
    london = site.somebody("analyst", sites=["london"])
    text = london.post("/calls/export", {"filter": WHOLE}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {r["site_uid"] for r in rows} == {"london"}
    assert all("•••" in r["called"] for r in rows if len(r["called"]) > 7)
    book = london.post("/calls/export", {"filter": WHOLE, "form": "xlsx"}).content
    head, *found = openpyxl.load_workbook(io.BytesIO(book))["calls"].values
    masked = [dict(zip(head, cells, strict=True)) for cells in found]
    assert [(m["site_uid"], m["called"]) for m in masked] == [
        (r["site_uid"], r["called"]) for r in rows
    ]
    assert london.post("/calls/export", {"filter": "site=berlin"}).json()["code"] == "out_of_scope"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("\tx", "'\tx"),
        ("+34915550100", "+34915550100"),
        ("-0.3188", "-0.3188"),
        (None, ""),
        ("Müller", "Müller"),
    ],
)
def test_a_cell_is_never_a_formula(value: str | None, shown: str):
    """Names and digits come from outside."""
    assert cell(value) == shown


def test_a_listener_hears_of_new_calls_and_of_what_it_missed():
    """A new version is news, a change of an alert is; a first comer, and one of another process, looks at everything again."""

    async def play() -> None:
        newest, stamps = [("a", 1)], [7]
        live = Live(lambda: list(newest), lambda: stamps[-1], look_s=0.01)
        frames = live.listen(None, heartbeat_s=0.2)
        first = await anext(frames)
        assert first.startswith("retry: 2000\nid: ")
        assert (await anext(frames)).startswith("event: reset\n")
        assert await anext(frames) == ": still here\n\n"
        newest.append(("a", 2))
        assert (await anext(frames)).startswith("event: calls\n")
        stamps.append(8)
        assert (await anext(frames)).startswith("event: alerts\n")
        await frames.aclose()
        last = first.split("id: ")[1].strip()
        again = live.listen(last)
        await anext(again)
        assert (await anext(again)).startswith("event: calls\n")
        assert (await anext(again)).startswith("event: alerts\n")
        await again.aclose()
        strange = live.listen("00000000-7")
        await anext(strange)
        assert (await anext(strange)).startswith("event: reset\n")
        await strange.aclose()

    asyncio.run(play())


def test_the_stream_begins_at_once(site: Site):
    """No proxy holds it back, nothing compresses it."""
    with site.owner.http.stream("GET", "/api/v1/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-encoding" not in answer.headers
        assert next(answer.iter_lines()) == "retry: 2000"
