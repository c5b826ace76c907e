"""Every question that the command answers, asked of a small simulated store."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bluewhale.cli.simulate.truth import TrueCall

from tests.integration.cli.door import bluewhale
from tests.integration.cli.places import CALLS, Place

ALL = ("--limit", "1000", "--json")


def _true(place: Place, **wanted: object) -> list[TrueCall]:
    """Give the calls that really happened and look like this."""
    return [c for c in place.world.truth if all(getattr(c, k) == v for k, v in wanted.items())]


def _found(place: Place, *options: str) -> list[dict]:
    answer = place.ask("calls", *options, *ALL)
    assert answer.code == 0, answer.err
    return answer.rows()


def test_calls_lists_every_call_newest_first(place: Place):
    """150 calls happened; the first row began last."""
    rows = _found(place)
    assert len(rows) == CALLS
    starts = [r["started_at"] for r in rows]
    assert starts == sorted(starts, reverse=True)


def test_calls_in_a_table_give_names_that_call_takes(place: Place):
    """The letters shown are enough to ask for that call."""
    newest = _found(place)[0]["call_id"]
    answer = place.ask("calls", "--limit", "3")
    shown = next(word for word in answer.out.split() if newest.startswith(word))
    assert answer.err == "the newest 3; --limit shows more\n"
    (whole,) = place.ask("call", shown, "--json").rows()
    assert whole["call"]["call_id"] == newest


def test_calls_of_a_time(place: Place):
    """--from is inclusive, --until exclusive; together they cut the day in two."""
    before = _found(place, "--until", "2026-03-02T07:00:00")
    after = _found(place, "--from", "2026-03-02T07:00:00")
    assert before
    assert after
    assert len(before) + len(after) == CALLS
    assert max(r["started_at"] for r in before) < "2026-03-02T07:00:00+00:00"
    assert min(r["started_at"] for r in after) >= "2026-03-02T07:00:00+00:00"


def test_calls_of_a_number_in_any_writing(place: Place):
    """Blanks, signs and leading zeros do not matter."""
    call = next(c for c in place.world.truth if c.outside_e164 and c.direction == "outbound")
    digits = str(call.outside_e164)
    wanted = len(_true(place, outside_e164=call.outside_e164))
    assert len(_found(place, "--number", digits)) == wanted
    assert len(_found(place, "--number", f"+{digits[:2]} {digits[2:5]} {digits[5:]}")) == wanted


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("--department", "department", "berlin-sales"),
        ("--direction", "direction", "inbound"),
        ("--extension", "extension", "2007"),
    ],
)
def test_calls_by_what_the_truth_knows(place: Place, option: str, field: str, value: str):
    """As many as happened, and each of them is so."""
    rows = _found(place, option, value)
    assert len(rows) == len(_true(place, **{field: value})) > 0
    column = {"department": "department_uid"}.get(field, field)
    assert {r[column] for r in rows} == {value}


def test_calls_of_a_department_with_all_below_it(place: Place):
    """`berlin` has four departments below; together they made the 50 calls of Berlin."""
    assert len(_found(place, "--department", "berlin")) == 50


@pytest.mark.parametrize(
    ("options", "column", "value"),
    [
        (("--site", "sydney"), "site_uid", "sydney"),
        (("--person", "berlin-2007"), "person_uid", "berlin-2007"),
        (("--class", "mobile"), "class", "mobile"),
        (("--disposition", "no_answer"), "disposition", "no_answer"),
        (("--trunk", "SIP-Trunk-newyork"), "site_uid", "newyork"),
        (("--text", "Sip-Trunk-NewYork"), "site_uid", "newyork"),
    ],
)
def test_calls_by_one_more_property(
    place: Place, options: tuple[str, str], column: str, value: str
):
    """Some calls are so, not all, and no other is listed."""
    rows = _found(place, *options)
    assert 0 < len(rows) < CALLS
    assert {r[column] for r in rows} == {value}


def test_calls_between_two_costs(place: Place):
    """From 0.10 to 0.50 EUR on the internal list, both ends included."""
    rows = _found(place, "--price-list", "internal", "--min-cost", "0.10", "--max-cost", "0.50")
    wanted = [c for c in place.world.truth if 100_000_000 <= (c.internal_nanos or 0) <= 500_000_000]
    assert len(rows) == len(wanted) > 0


def test_calls_without_account_code_and_without_price_are_none(place: Place):
    """Nobody keyed a code, and every destination has a price."""
    assert _found(place, "--account-code", "4711") == []
    assert _found(place, "--unrated") == []


def test_calls_of_a_department_that_does_not_exist(place: Place):
    """The departments that do exist are named; exit code 3."""
    answer = place.ask("calls", "--department", "legal")
    assert answer.code == 3
    assert "no department 'legal'; the directory has berlin, berlin-engineering," in answer.err


def test_an_amount_that_is_none(place: Place):
    """One sentence, exit code 2."""
    answer = place.ask("calls", "--min-cost", "much")
    assert (answer.code, answer.err) == (
        2, "bluewhale: --min-cost much: expected an amount such as 2.50\n"
    )  # fmt: skip


def test_calls_as_csv_and_parquet_files(place: Place, tmp_path: Path):
    """The same 150 rows in each format."""
    for form in ("csv", "parquet", "json"):
        file = tmp_path / f"calls.{form}"
        answer = place.ask("calls", "--limit", "1000", "--format", form, "--output", file)
        assert (answer.code, answer.out) == (0, "")
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [r["call_id"] for r in rows]
    assert len(ids) == CALLS
    assert pq.read_table(tmp_path / "calls.parquet").num_rows == CALLS
    text = (tmp_path / "calls.json").read_text("utf-8")
    assert [json.loads(x)["call_id"] for x in text.splitlines()] == ids


def _merged(place: Place) -> dict:
    return next(r for r in _found(place) if r["leg_count"] == 2)


def test_call_shows_legs_joins_charges_and_printed_lines(place: Place):
    """A transferred call: two legs, why they are one, two prices, two lines as they came."""
    merged = _merged(place)
    answer = place.ask("call", merged["call_id"])
    assert answer.code == 0
    for title in ("legs", "why they are one call", "ledger", "what the PBX printed"):
        assert title in answer.out
    (whole,) = place.ask("call", merged["call_id"], "--json").rows()
    assert len(whole["legs"]) == 2
    assert {c["price_list"] for c in whole["charges"]} == {"carrier", "internal"}
    assert whole["call"]["joins"]
    for leg in whole["legs"]:
        assert leg["raw"].strip() in answer.out


def test_explain_says_in_plain_words_how_a_price_came_about(place: Place):
    """Tariff, number, counted time, sum and rounding of both price lists."""
    answer = place.ask("explain", _merged(place)["call_id"])
    assert answer.code == 0
    for words in (
        "price list carrier",
        "price list internal",
        "Connected",
        "Rounding    once, half up",
    ):
        assert words in answer.out


@pytest.mark.parametrize("command", ["call", "explain"])
def test_a_call_that_is_not_there(place: Place, command: str):
    """Exit code 3, one sentence."""
    answer = place.ask(command, "a" * 26)
    assert answer.code == 3
    assert answer.err == f"bluewhale: there is no call {'a' * 26}\n"


@pytest.mark.parametrize("command", ["call", "explain"])
def test_a_call_id_that_is_none(place: Place, command: str):
    """Exit code 2 or 3, one sentence and no traceback."""
    answer = place.ask(command, "not-an-id!")
    assert answer.code in {2, 3}
    assert answer.err.startswith("bluewhale: ")
    assert answer.err.count("\n") == 1


BY = (
    "department", "site", "person", "extension", "cost_center", "account_code", "destination",
    "trunk", "hour", "day", "month", "class", "direction", "disposition",
)  # fmt: skip


@pytest.mark.parametrize("by", BY)
def test_report_by_each_grouping_sums_to_the_whole(place: Place, by: str):
    """Whatever the grouping: 150 calls and the money of the truth."""
    rows = place.ask("report", "--by", by, "--price-list", "internal", "--json").rows()
    others = [
        r for r in place.ask("report", "--by", by, "--json").rows() if r["price_list"] is None
    ]
    assert sum(r["calls"] for r in rows + others) == CALLS
    assert sum(r["amount_nanos"] for r in rows) == sum(
        c.internal_nanos or 0 for c in place.world.truth
    )
    assert place.ask("report", "--by", by).code == 0


def test_report_charges_departments(place: Place):
    """Per department the sum that the simulator's own engine found."""
    rows = place.ask("report", "--price-list", "carrier", "--json").rows()
    for row in rows:
        wanted = sum(c.carrier_nanos or 0 for c in _true(place, department=row["name"]))
        assert row["amount_nanos"] == wanted


def test_report_of_one_site_with_bars(place: Place):
    """The largest group has the whole bar of 30."""
    answer = place.ask("report", "--site", "berlin", "--by", "person")
    assert "█" * 30 in answer.out
    assert "sydney" not in answer.out


def test_report_by_something_unknown(place: Place):
    """The groupings that exist are named."""
    answer = place.ask("report", "--by", "colour")
    assert (answer.code, answer.err) == (
        2, f"bluewhale: --by colour: one of {', '.join(BY)}\n"
    )  # fmt: skip


def test_completeness_balances_per_site(place: Place, tmp_path: Path):
    """Berlin printed each line once, and two of them again in a second file."""
    days = {d["site_uid"]: d for d in place.ask("completeness", "--json").rows()}
    assert set(days) == {"berlin", "newyork", "sydney"}
    for day in days.values():
        assert day["received"] == day["parsed"] + day["suspended"] + day["duplicate"]
        assert (day["suspended"], day["open"], day["balanced"]) == (2, 0, True)
    assert [days[s]["duplicate"] for s in ("berlin", "newyork", "sydney")] == [2, 0, 0]
    file = tmp_path / "days.csv"
    assert place.ask("completeness", "--site", "berlin", "--format", "csv", "-o", file).code == 0
    assert file.read_text("utf-8").count("\n") == 2


def test_suspense_lists_and_shows_what_waits(place: Place):
    """Two lines of garbage per PBX, each with a reason and its bytes."""
    rows = place.ask("suspense", "list", "--json").rows()
    assert len(rows) == 6
    answer = place.ask("suspense", "show", str(rows[0]["suspense_id"]))
    assert answer.code == 0
    assert f"reason: {rows[0]['reason']}" in answer.out
    assert "raw: " in answer.out
    for row in rows:
        assert place.ask("suspense", "show", str(row["suspense_id"])).code == 0


def test_suspense_of_one_reason(place: Place):
    """Only that reason is listed."""
    rows = place.ask("suspense", "list", "--reason", "encoding_invalid", "--json").rows()
    assert {r["reason"] for r in rows} == {"encoding_invalid"}


def test_a_suspense_row_that_is_not_there(place: Place):
    """Exit code 3."""
    answer = place.ask("suspense", "show", "999")
    assert (answer.code, answer.err) == (3, "bluewhale: there is no suspense row 999\n")


def test_duplicates_name_their_twin(place: Place):
    """Two lines came twice; both name the leg that was stored."""
    rows = place.ask("duplicates", "--json").rows()
    assert [r["state"] for r in rows] == ["counted", "counted"]
    known = {i for r in _found(place) for i in r["leg_ids"]}
    assert {r["cdr_id"] for r in rows} <= known
    assert place.ask("duplicates").code == 0


def test_receipts_verify_computes_every_price_again(place: Place):
    """Both engines agree with what is stored."""
    answer = place.ask("receipts", "verify")
    assert answer.code == 0, answer.err
    assert "charges computed again by both engines, 0 fields differ" in answer.out
    assert place.ask("receipts", "verify", "--json").out == ""


def test_check_counts_what_a_configuration_names(place: Place):
    """Three links, three sites, forty extensions each."""
    answer = place.ask("check")
    assert answer.code == 0
    assert "good. 3 links, 3 sites, 120 extensions, 16 departments, 2 tariffs" in answer.out


def test_config_schema_is_a_json_schema():
    """An editor can use it."""
    schema = json.loads(bluewhale("config-schema").out)
    assert {"data", "directory", "links", "tariffs"} <= set(schema["properties"])


def test_import_says_what_it_did(place: Place, own_place: Place):
    """The same file again: every record is known already, nothing is stored."""
    link = own_place.world.pbxs[1].link_uid
    file = own_place.folder / f"{own_place.world.pbxs[1].pbx_uid}.cdr"
    (result,) = own_place.ask("import", "--link", link, file, "--json").rows()
    assert (result["files"], result["legs"], result["calls"]) == (1, 0, 0)
    assert len(own_place.ask("calls", *ALL).rows()) == CALLS


def test_help_of_the_whole_tree():
    """Every command answers --help."""
    top = bluewhale("--help")
    assert top.code == 0
    for command in (
        "up", "check", "import", "config-schema", "calls", "call", "explain", "report", "completeness",
        "suspense", "duplicates", "tariff", "dialect", "vectors", "receipts", "simulate", "demo",
    ):  # fmt: skip
        assert f"\n  {command} " in top.out
        assert bluewhale(command, "--help").code == 0
