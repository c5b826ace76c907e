"""Whatever a person or a PBX gives: one clear message, nothing lost, nothing half applied."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
from pathlib import Path

import pytest
import yaml
from bluewhale.database import Store

from tests.integration.cli.door import Answer, bluewhale
from tests.integration.cli.places import Place

ALL = ("--limit", "1000", "--json")
AVAYA, CISCO, ASTERISK = "berlin-avaya", "newyork-cisco", "sydney-asterisk"
NOTHING = "Nothing was imported; check --link and the link's options"


def _import(place: Place, pbx_uid: str, data: bytes, name: str = "given.cdr") -> Answer:
    file = place.folder / name
    file.write_bytes(data)
    return place.ask("import", "--link", f"{pbx_uid}-cdr", file)


def _printed(place: Place, pbx_uid: str) -> list[bytes]:
    """Give what a PBX printed, without the garbage."""
    return [x.data for x in place.world.lines[pbx_uid] if x.kind != "garbage"]


def _counts(place: Place) -> tuple[int, int, int]:
    """Give records received, in suspense, and calls."""
    days = place.ask("completeness", "--json").rows()
    calls = place.ask("calls", *ALL).rows()
    return sum(d["received"] for d in days), sum(d["suspended"] for d in days), len(calls)


def _waiting(place: Place, reason: str) -> list[dict]:
    return place.ask("suspense", "list", "--reason", reason, "--json").rows()


@pytest.mark.parametrize("pbx_uid", [AVAYA, CISCO, ASTERISK])
def test_an_empty_file(place: Place, pbx_uid: str):
    """Refused by name; nothing changes."""
    before = _counts(place)
    answer = _import(place, pbx_uid, b"", "empty.cdr")
    assert answer.code == 2
    assert (
        answer.err
        == f"bluewhale: {place.folder}/empty.cdr: the file is empty; nothing was imported\n"
    )
    assert _counts(place) == before


def test_a_file_that_is_not_there_stops_the_whole_import(place: Place):
    """The good file beside it is not imported either."""
    before = _counts(place)
    good = place.folder / "good.cdr"
    good.write_bytes(b"".join(_printed(place, AVAYA)[5:9]))
    answer = place.ask("import", "--link", "berlin-avaya-cdr", good, place.folder / "missing.cdr")
    assert answer.code == 2
    assert answer.err == (
        f"bluewhale: {place.folder}/missing.cdr: cannot be read (No such file or directory); "
        "nothing was imported\n"
    )
    assert _counts(place) == before


@pytest.mark.parametrize(
    ("link_of", "printed_by", "first", "better"),
    [
        (AVAYA, CISCO, "(first: not_this_format, field time at 8-11: expected digits)", "cisco_cucm"),
        (AVAYA, ASTERISK, "(first: not_this_format, field time at 8-11: expected digits)", "asterisk_csv"),
        (CISCO, ASTERISK, "(first: context_missing, expected a header line with column names before it)",
         "asterisk_csv"),
        (ASTERISK, CISCO, "(first: field_malformed, field duration at byte 245: expected an integer)",
         "cisco_cucm"),
    ],
)  # fmt: skip
def test_a_file_of_another_make(
    place: Place, link_of: str, printed_by: str, first: str, better: str
):
    """Refused whole; the first mistake and the dialect that would fit are named."""
    before = _counts(place)
    answer = _import(place, link_of, b"".join(_printed(place, printed_by)))
    assert answer.code == 2
    assert f"records fits {first}; it looks like {better}. {NOTHING}" in answer.err
    assert _counts(place) == before


@pytest.mark.parametrize(
    ("pbx_uid", "first"),
    [
        (AVAYA, "encoding_invalid"),
        (CISCO, "context_missing, expected a header line with column names before it"),
        (ASTERISK, "record_truncated"),
    ],
)
def test_a_binary_file(place: Place, pbx_uid: str, first: str):
    """200 kB of noise are refused whole."""
    before = _counts(place)
    noise = bytes((i * i + i // 7) % 251 for i in range(200_000))
    answer = _import(place, pbx_uid, noise)
    assert answer.code == 2
    assert f"(first: {first}" in answer.err
    assert NOTHING in answer.err
    assert _counts(place) == before


def test_a_file_in_utf_16(place: Place):
    """What the file is and what to do about it."""
    text = b"".join(_printed(place, ASTERISK)).decode().encode("utf-16")
    answer = _import(place, ASTERISK, text)
    assert answer.code == 2
    assert answer.err == (
        f"bluewhale: {place.folder}/given.cdr: the file is UTF-16; save it as UTF-8. "
        "Nothing was imported\n"
    )


@pytest.mark.parametrize(("pbx_uid", "kept_bytes"), [(AVAYA, 30), (CISCO, 100), (ASTERISK, 60)])
def test_a_truncated_line_waits_and_its_neighbours_are_known(
    own_place: Place, pbx_uid: str, kept_bytes: int
):
    """One record more is received; it waits as `record_truncated` with its bytes."""
    received, suspended, calls = _counts(own_place)
    known = len(_waiting(own_place, "record_truncated"))
    lines = _printed(own_place, pbx_uid)
    cut = lines[4][:kept_bytes]
    records = len(lines) - (pbx_uid == CISCO)  # its header is context
    answer = _import(own_place, pbx_uid, b"".join([*lines[:5], cut + b"\r\n", *lines[5:]]))
    assert answer.code == 0, answer.err
    assert "suspense record_truncated: 1 (see: bluewhale suspense list)\n" in answer.out
    assert _counts(own_place) == (received + records + 1, suspended + 1, calls)
    waiting = _waiting(own_place, "record_truncated")
    assert len(waiting) == known + 1
    assert waiting[-1]["raw"] == cut.decode()
    assert own_place.ask("completeness").code == 0


@pytest.mark.parametrize("pbx_uid", [AVAYA, CISCO, ASTERISK])
def test_a_line_of_ten_megabytes(own_place: Place, pbx_uid: str):
    """It is cut where the framing table says, every piece waits, and no neighbour is touched."""
    _, suspended, calls = _counts(own_place)
    lines = _printed(own_place, pbx_uid)
    answer = _import(
        own_place, pbx_uid, b"".join([*lines[:5], b"9" * 10_000_000 + b"\r\n", *lines[5:]])
    )
    assert answer.code == 0, answer.err
    _, suspended_now, calls_now = _counts(own_place)
    assert calls_now == calls
    assert suspended_now > suspended
    pieces = [
        r for r in own_place.ask("suspense", "list", "--limit", "100000", "--json").rows()
        if r["raw"].startswith("9999")
    ]  # fmt: skip
    assert sum(len(r["raw"]) for r in pieces) == 10_000_000
    assert own_place.ask("completeness").code == 0


def test_latin_1_where_utf_8_is_expected(own_place: Place):
    """The call is kept and priced; the raw bytes stay as they came."""
    _, _, calls = _counts(own_place)
    line = _printed(own_place, ASTERISK)[0]
    changed = line.replace(b"<", b"M\xfcller <", 1).replace(b".", b"9.")  # another unique id
    answer = _import(own_place, ASTERISK, changed)
    assert answer.code == 0, answer.err
    assert _counts(own_place)[2] == calls + 1
    newest = [
        r
        for r in own_place.ask("calls", "--from", "2026-01-01", *ALL).rows()
        if r["site_uid"] == "sydney"
    ]
    shown = [own_place.ask("call", r["call_id"]).out for r in newest]
    assert any("M\\xfcller" in text for text in shown)


@pytest.mark.parametrize(
    ("pbx_uid", "said", "instead"),
    [
        (AVAYA, b"030226 ", b"030231 "),  # 2 March 2031
        (CISCO, b"17724", b"19724"),  # epoch seconds: 2032
        (ASTERISK, b"2026-", b"2031-"),
    ],
)
def test_records_from_the_future_wait(own_place: Place, pbx_uid: str, said: bytes, instead: bytes):
    """Years after their receipt: `time_in_future`, no call, nothing lost."""
    received, suspended, calls = _counts(own_place)
    lines = _printed(own_place, pbx_uid)
    line = next(x for x in lines[1:] if said in x)
    head = lines[:1] if pbx_uid == CISCO else []
    good = lines[1:4]
    answer = _import(own_place, pbx_uid, b"".join([*head, *good, line.replace(said, instead)]))
    assert answer.code == 0, answer.err
    assert "suspense time_in_future: 1 (see: bluewhale suspense list)\n" in answer.out
    assert _counts(own_place) == (received + 4, suspended + 1, calls)


def test_a_clock_that_is_an_hour_ahead_is_flagged(own_place: Place):
    """The call is stored and priced, with CLOCK_AHEAD on it: a person can find it."""
    from bluewhale.records.enums import Flag

    line = _printed(own_place, ASTERISK)[0].replace(b".", b"8.")
    file = own_place.folder / "ahead.cdr"
    file.write_bytes(line)
    # the line says 2026-03-02 17:0x in Sydney, 06:0x UTC; it is received at 05:00 UTC
    os.utime(file, (1_772_427_600, 1_772_427_600))
    before = {r["call_id"] for r in own_place.ask("calls", *ALL).rows()}
    answer = own_place.ask("import", "--link", "sydney-asterisk-cdr", file)
    assert answer.code == 0, answer.err
    (made,) = [r for r in own_place.ask("calls", *ALL).rows() if r["call_id"] not in before]
    assert made["flags"] & int(Flag.CLOCK_AHEAD)
    assert {t["unrated"] for t in made["totals"]} == {0}


def test_a_configuration_with_three_mistakes(own_place: Place):
    """All three at once, each with file, line and remedy; nothing starts."""
    path = own_place.folder / "bluewhale.yaml"
    text = path.read_text("utf-8")
    text = text.replace("data: data", "dota: data").replace("port: ", "port: 7", 1)
    text = text.replace("window_ms: 1500", "window_ms: soon")
    path.write_text(text, "utf-8")
    lines = text.splitlines()
    port = next(i for i, x in enumerate(lines, 1) if "port: 7" in x)
    window = next(i for i, x in enumerate(lines, 1) if "window_ms" in x)
    for command in (("check",), ("up",), ("calls",)):
        answer = own_place.ask(*command)
        assert answer.code == 2
        assert answer.err.startswith("bluewhale: 4 mistakes in the configuration:\n")
        assert f"{path}:1: data: Field required; add it\n" in answer.err
        assert (
            f"{path}:1: dota: Extra inputs are not permitted; remove it, or correct its spelling\n"
            in answer.err
        )
        assert (
            f"{path}:{port}: links.0.connector.port: Input should be less than or equal to 65535"
            in answer.err
        )
        assert f"{path}:{window}: limits.window_ms: Input should be a valid integer" in answer.err


def test_mistakes_in_what_a_configuration_names_are_told_together(own_place: Place):
    """An unknown dialect, an unknown PBX and a missing tariff: three sentences, one run."""
    path = own_place.folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["links"][0]["dialect"] = "nortel"
    document["links"][1]["pbx_uid"] = "atlantis"
    document["tariffs"].append("tariffs/none.yaml")
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    answer = own_place.ask("check")
    assert answer.code == 2
    assert answer.err.startswith("bluewhale: 3 mistakes in the configuration:\n")
    assert "dialect: 'nortel' is not known; one of asterisk_csv, avaya_cm, cisco_cucm" in answer.err
    assert (
        "pbx_uid: 'atlantis' is not in the directory; declare the PBX there, or use one of"
        in answer.err
    )
    assert "none.yaml" in answer.err


def test_a_configuration_that_is_no_yaml(own_place: Place):
    """File and line of the mistake."""
    path = own_place.folder / "bluewhale.yaml"
    path.write_text("data: data\nlinks: [\n", "utf-8")
    answer = own_place.ask("check")
    assert answer.code == 2
    assert f"{path}:3: not YAML: " in answer.err


def test_departments_in_a_loop(own_place: Place):
    """The loop is named, and the store is not touched."""
    path = own_place.folder / "directory.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    for department in document["departments"]:
        if department["department_uid"] == "berlin":
            department["parent_uid"] = "berlin-sales"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    before = (own_place.folder / "data" / "store" / "main.db").read_bytes()
    answer = own_place.ask("check")
    assert answer.code == 2
    assert "berlin" in answer.err
    assert "loop" in answer.err or "below itself" in answer.err or "cycle" in answer.err
    assert _import(own_place, AVAYA, _printed(own_place, AVAYA)[3]).code == 2
    assert (own_place.folder / "data" / "store" / "main.db").read_bytes() == before


def test_a_locked_database(own_place: Place, monkeypatch: pytest.MonkeyPatch):
    """Exit code 4; nothing is half applied; afterwards the same command works."""
    monkeypatch.setitem(Store.open.__func__.__kwdefaults__, "busy_timeout_ms", 200)
    line = _printed(own_place, AVAYA)[0].replace(b"030226", b"030126")
    before = _counts(own_place)
    main = own_place.folder / "data" / "store" / "main.db"
    with contextlib.closing(sqlite3.connect(main, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = _import(own_place, AVAYA, line)
        other.execute("ROLLBACK")
    assert answer.code == 4
    assert answer.err == (
        "bluewhale: the database is in use by another writer (database is locked); try again\n"
    )
    assert _counts(own_place) == before
    assert _import(own_place, AVAYA, line).code == 0
    assert _counts(own_place) == (before[0] + 1, before[1], before[2] + 1)


@pytest.mark.parametrize("room_bytes", [0, 4_096, 20_000])
def test_no_room_on_the_disk(own_place: Place, room_bytes: int):
    """No file may grow beyond so many bytes: exit code 4, nothing stored; with room it goes through."""
    lines = b"".join(x.replace(b"030226", b"030126") for x in _printed(own_place, AVAYA))
    before = _counts(own_place)
    file = own_place.folder / "given.cdr"
    file.write_bytes(lines)
    with contextlib.closing(
        sqlite3.connect(own_place.folder / "data" / "store" / "main.db")
    ) as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        answer = own_place.ask("import", "--link", f"{AVAYA}-cdr", file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.code == 4, answer
    assert "free space and repeat. Nothing of this batch was stored\n" in answer.err
    assert _counts(own_place) == before
    assert own_place.ask("import", "--link", f"{AVAYA}-cdr", file).code == 0
    assert _counts(own_place)[2] == before[2] + 50


def _tariff(folder: Path, uid: str, currency: str, places: int, price: str) -> Path:
    """Write a tariff of one rate for everything, per minute, in whole minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{uid}.csv").write_text(
        "prefix,destination,price,increments\n"
        + "".join(f"{d},all,{price},60/60\n" for d in range(1, 10))
    )
    path = folder / f"{uid}.yaml"
    path.write_text(
        f"tariff: {uid}\nversion: 1\nname: {uid}\nprice_list: {uid}\ncurrency: {currency}\nzone: UTC\n"
        f"rounding: {{mode: half_up, places: {places}}}\neffective_from: 2020-01-01\n"
        f"decks:\n  - {{file: {uid}.csv}}\n"
    )
    return path


def _priced(own_place: Place, tariff: Path, seconds: bytes = b"00378") -> dict:
    """Import one outbound Avaya call (378 s = 7 begun minutes) into a new store; give its total."""
    line = next(x for x in _printed(own_place, AVAYA) if b" 00378 " in x).replace(b"00378", seconds)
    path = own_place.folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["data"] = f"data-{tariff.stem}"
    document["tariffs"] = [str(tariff)]
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    assert _import(own_place, AVAYA, line).code == 0
    (call,) = own_place.ask("calls", *ALL).rows()
    (total,) = call["totals"]
    assert own_place.ask("explain", call["call_id"]).code == 0
    assert own_place.ask("receipts", "verify").code == 0
    return {**total, "call_id": call["call_id"]}


def test_a_currency_without_minor_unit(own_place: Place):
    """Seven minutes at 7.5 yen are 52.5, rounded half up to 53 yen."""
    total = _priced(own_place, _tariff(own_place.folder / "jpy", "yen", "JPY", 0, "7.5"))
    assert (total["currency"], total["amount_nanos"]) == ("JPY", 53_000_000_000)
    assert "53 JPY" in own_place.ask("explain", total["call_id"]).out


def test_a_currency_of_three_decimals(own_place: Place):
    """Seven minutes at 0.0041 dinar are 0.0287, rounded half up to 0.029 dinar."""
    total = _priced(own_place, _tariff(own_place.folder / "kwd", "dinar", "KWD", 3, "0.0041"))
    assert (total["currency"], total["amount_nanos"]) == ("KWD", 29_000_000)
    assert "0.029 KWD" in own_place.ask("explain", total["call_id"]).out


def test_a_price_that_no_call_of_a_day_could_carry(own_place: Place):
    """Refused when the tariff is loaded: a call of 24 hours would leave the ledger."""
    path = _tariff(own_place.folder / "huge", "huge", "EUR", 2, "2000000000")
    answer = bluewhale("tariff", "check", path)
    assert answer.code == 1
    assert (
        'huge.csv:2: price "2000000000" is so high that a call of 24 hours leaves the ledger. '
        "Amounts up to 9,223,372,036 units fit; check price, per_seconds and connect_fee.\n"
    ) in answer.err


def test_a_price_beyond_the_largest_amount(own_place: Place):
    """99,999 s = 1,667 begun minutes at 6,000,000 are 10,002,000,000, more than 64 bits of nanos.

    The charge is unrated with a reason, never a wrong number.
    """
    tariff = _tariff(own_place.folder / "huge", "huge", "EUR", 2, "6000000")
    total = _priced(own_place, tariff, b"99999")
    assert (total["amount_nanos"], total["unrated"]) == (0, 1)
    (whole,) = own_place.ask("call", total["call_id"], "--json").rows()
    (charge,) = whole["charges"]
    assert (charge["status"], charge["reason"], charge["amount_nanos"]) == (
        "unrated", "price_overflow", 0
    )  # fmt: skip
    assert len(own_place.ask("calls", "--unrated", *ALL).rows()) == 1


@pytest.mark.slow
def test_one_bad_row_of_a_million(tmp_path: Path):
    """The line is named, with field and remedy, and the tariff is refused whole."""
    path = _tariff(tmp_path, "million", "EUR", 4, "0.01")
    rows = [f"{i},all,0.01,60/60\n" for i in range(1_000_000, 2_000_000)]
    rows[654_321] = "1654321,all,0.0l,60/60\n"  # the letter l for the digit 1
    (tmp_path / "million.csv").write_text("prefix,destination,price,increments\n" + "".join(rows))
    answer = bluewhale("tariff", "check", path)
    assert answer.code == 1
    # the head is line 1, the first row line 2
    assert answer.err == (
        'bluewhale: 1 mistakes:\n  million.csv:654323: price "0.0l" is not a decimal number. '
        'Write digits with "." as decimal mark and no currency sign.\n'
    )
