"""Commands that change a store: suspense, duplicates, tariffs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.integration.cli.door import bluewhale
from tests.integration.cli.places import CALLS, Place

ALL = ("--limit", "1000", "--json")


def _waiting(place: Place, link_uid: str) -> dict:
    return next(
        r for r in place.ask("suspense", "list", "--json").rows() if r["link_uid"] == link_uid
    )


def test_a_repaired_record_becomes_a_priced_call_once(own_place: Place):
    """Garbage is replaced by a line that the PBX might have printed: one call more, paid by 2007."""
    row = _waiting(own_place, "berlin-avaya-cdr")
    line = next(x for x in own_place.world.lines["berlin-avaya"] if x.kind == "record").data
    mended = re.sub(rb"^(\d{6}) (\d{4}) ", rb"030126 1200 ", line).decode().rstrip("\r\n")
    number = str(row["suspense_id"])
    answer = own_place.ask("suspense", "repair", number, "--why", "printer noise", "--raw", mended)
    assert (answer.code, answer.out) == (0, "1 applied, 0 still wait\n")
    calls = own_place.ask("calls", *ALL).rows()
    assert len(calls) == CALLS + 1
    (made,) = [c for c in calls if c["started_at"].startswith("2026-03-01")]
    assert {t["price_list"] for t in made["totals"]} == {"carrier", "internal"}
    assert len(own_place.ask("suspense", "list", "--json").rows()) == 5
    again = own_place.ask("suspense", "repair", number, "--why", "again", "--raw", mended)
    assert again.code == 2
    assert len(own_place.ask("calls", *ALL).rows()) == CALLS + 1
    assert own_place.ask("receipts", "verify").code == 0
    assert own_place.ask("completeness").code == 0


def test_replay_of_what_still_does_not_fit_changes_nothing(own_place: Place):
    """All six wait on, with one more attempt each."""
    answer = own_place.ask("suspense", "replay")
    assert (answer.code, answer.out) == (0, "0 applied, 6 still wait\n")
    rows = own_place.ask("suspense", "list", "--json").rows()
    assert {r["attempts"] for r in rows} == {2}
    assert own_place.ask("completeness").code == 0


def test_dismissed_records_are_no_work_any_more(own_place: Place):
    """They leave the list of what waits and stay in the store, with who and why."""
    ids = [str(r["suspense_id"]) for r in own_place.ask("suspense", "list", "--json").rows()]
    answer = own_place.ask("suspense", "dismiss", *ids, "--why", "noise on the line")
    assert (answer.code, answer.out) == (0, "6 dismissed\n")
    assert own_place.ask("suspense", "list", "--json").rows() == []
    kept = own_place.ask("suspense", "list", "--state", "dismissed", "--json").rows()
    assert {r["why"] for r in kept} == {"noise on the line"}


def test_dismissing_wants_a_reason(own_place: Place):
    """An empty one is refused; nothing changes."""
    answer = own_place.ask("suspense", "dismiss", "1", "--why", " ")
    assert answer.code == 2
    assert "--why: say why these records are no calls" in answer.err
    assert len(own_place.ask("suspense", "list", "--json").rows()) == 6


def test_a_duplicate_that_was_a_call_of_its_own(own_place: Place):
    """Said by a person, it becomes one call more and is priced; the other stays a duplicate."""
    rows = own_place.ask("duplicates", "--json").rows()
    name = "{stream_id}/{incarnation}/{seq}".format(**rows[0])
    answer = own_place.ask("duplicates", "--two-calls", name, "--why", "two calls in one minute")
    assert answer.code == 0, answer.err
    assert own_place.ask("suspense", "replay").code == 0
    assert len(own_place.ask("calls", *ALL).rows()) == CALLS + 1
    states = [r["state"] for r in own_place.ask("duplicates", "--json").rows()]
    assert sorted(states) == ["counted", "two_calls"]
    assert own_place.ask("completeness").code == 0


def test_two_calls_wants_a_capture_key(own_place: Place):
    """The shape that is meant is shown."""
    answer = own_place.ask("duplicates", "--two-calls", "1/2", "--why", "x")
    assert (answer.code, answer.err) == (
        2, "bluewhale: --two-calls 1/2: write STREAM/INCARNATION/SEQ as the list shows them\n"
    )  # fmt: skip


def _dearer(place: Place) -> Path:
    """Change one price of the carrier's deck: Berlin costs 0.0130 instead of 0.0120."""
    deck = place.folder / "tariffs" / "carrier-2026.csv"
    text = deck.read_text("utf-8")
    deck.write_text(text.replace("4930,zone 4930,0.0120", "4930,zone 4930,0.0130"), "utf-8")
    return place.folder / "tariffs" / "carrier-2026.yaml"


def test_a_tariff_from_file_to_force(own_place: Place):
    """Checked, imported as version 2, compared, activated, listed, tried."""
    document = _dearer(own_place)
    assert "good. carrier-2026" in bluewhale("tariff", "check", document).out
    assert "stored as carrier-2026@2 (validated)" in own_place.ask("tariff", "import", document).out
    assert "stored as carrier-2026@2 (validated)" in own_place.ask("tariff", "import", document).out
    lines = own_place.ask("tariff", "diff", "carrier-2026@1", "carrier-2026@2", "--json").rows()
    assert [x["prefix"] for x in lines] == ["4930"]
    assert own_place.ask("tariff", "diff", "carrier-2026@1", document).code == 0
    answer = own_place.ask("tariff", "activate", "carrier-2026@2")
    assert (answer.code, answer.out) == (0, "carrier-2026 version 2 is active\n")
    states = {
        (r["tariff_uid"], r["version"]): r["state"]
        for r in own_place.ask("tariff", "list", "--json").rows()
    }
    assert states["carrier-2026", 2] == "active"
    assert states["carrier-2026", 1] in {"active", "retired"}
    # a Monday at noon in Berlin, ten minutes at 0.0130 a minute: 0.13
    tried = own_place.ask(
        "tariff",
        "try",
        "+49 30 23125 042",
        "--seconds",
        "600",
        "--at",
        "2027-03-01T11:00:00",
        "--json",
    ).rows()
    assert {t["price_list"]: t["amount"] for t in tried}["carrier"] == "0.13"


def test_a_preview_names_the_calls_that_would_cost_more(own_place: Place):
    """Only calls to Berlin differ, and each costs more; nothing is stored."""
    draft = own_place.folder / "draft"
    shutil.copytree(own_place.folder / "tariffs", draft)
    deck = draft / "carrier-2026.csv"
    deck.write_text(deck.read_text("utf-8").replace(",0.0120", ",0.9120"), "utf-8")
    ask = ("tariff", "preview", draft / "carrier-2026.yaml", "--from", "2020-01-01", "--until")
    answer = own_place.ask(*ask, "2100-01-01")
    assert answer.code == 0, answer.err
    assert f"{len(own_place.ask('calls', *ALL).rows())} calls on price list carrier" in answer.out
    rows = own_place.ask(*ask, "2100-01-01", "--biggest", "5", "--json").rows()
    assert len(rows) == 5
    assert all(float(r["after"]) > float(r["before"]) and r["currency"] == "EUR" for r in rows)
    assert all("carrier-2026@1, " in r["reason"] for r in rows)
    assert len(own_place.ask("tariff", "list", "--json").rows()) == 2
    assert own_place.ask(*ask, "2019-01-01").code == 2


def test_stored_prices_stay_after_a_switch(own_place: Place):
    """What was charged under version 1 is still explained and verified by it."""
    before = own_place.ask("calls", *ALL).rows()
    own_place.ask("tariff", "import", _dearer(own_place), "--activate")
    assert own_place.ask("calls", *ALL).rows() == before
    assert own_place.ask("tariff", "show", "carrier-2026@1").code == 0
    assert own_place.ask("explain", before[0]["call_id"]).code == 0


def test_show_a_deck_whole(place: Place, tmp_path: Path):
    """Twelve rates and a head line."""
    file = tmp_path / "deck.csv"
    assert place.ask("tariff", "show", "carrier-2026", "--format", "csv", "-o", file).code == 0
    assert len(file.read_text("utf-8").splitlines()) == 13


def test_a_tariff_that_is_not_there(place: Place):
    """Exit code 3 and what to do."""
    for command in (("show", "nope"), ("activate", "carrier-2026@9")):
        answer = place.ask("tariff", *command)
        assert (answer.code, answer.err) == (
            3, f"bluewhale: no tariff {command[1]}; see: bluewhale tariff list\n"
        )  # fmt: skip


def test_try_a_number_on_files_alone(own_place: Place):
    """No store is needed; the two files give two prices."""
    folder = own_place.folder / "tariffs"
    answer = bluewhale(
        "tariff", "try", "+44 20 7946 0123", "--file", folder / "carrier-2026.yaml",
        "--file", folder / "internal-2026.yaml", "--at", "2026-03-02T11:00:00",
    )  # fmt: skip
    assert answer.code == 0
    assert "carrier: 0.017 EUR" in answer.out
    assert "internal: 0.04 EUR" in answer.out
