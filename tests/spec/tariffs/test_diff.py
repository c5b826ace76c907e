"""What changes from one version to the next, line by line."""

from __future__ import annotations

from decimal import Decimal

from bluewhale.rating.diff import diff_versions

from tests.spec.tariffs.files import DECKS, HEAD, load

OLD = """\
prefix,destination,price,connect_fee,increments,per_seconds,carrier,max_cost
49,Germany,0.10,,,,,
4915,Germany mobile,0.20,,,,,
44,United Kingdom,0.30,,,,,
33,France,0.40,0.05,,,,
33,France by North,0.35,,,,north,
39,Italy,0.50,,,,,
41,Switzerland,0.60,,,,,5
"""
NEW = """\
prefix,destination,price,connect_fee,increments,per_seconds,carrier,max_cost
49,Deutschland,0.001,,,1,,
4915,Germany mobile,0.0040,,,1,,
33,France,0.40,0.06,,,,
33,France by North,0.35,,,,north,
39,Italy,0.50,,1/1,,,
41,Switzerland,0.60,,,,,6
61,Australia,0.70,,,,,
"""


def test_lines_say_what_was_added_removed_and_changed(tmp_path):
    """Prices are compared per minute, whatever second they are written for."""
    old = load(tmp_path, HEAD + DECKS, OLD)
    new = load(tmp_path, HEAD.replace("Berlin", "Vienna") + "version: 2\n" + DECKS, NEW)
    diff = diff_versions(old, new)
    lines = [
        (
            line["change"],
            line["prefix"],
            line["old_per_minute"],
            line["new_per_minute"],
            line["old_terms"],
            line["new_terms"],
        )
        for line in diff.lines.to_pylist()
    ]
    assert lines == [
        ("terms", "33", Decimal("0.4"), Decimal("0.4"), "60/6, fee 0.05", "60/6, fee 0.06"),
        ("terms", "39", Decimal("0.5"), Decimal("0.5"), "60/6", "1"),
        (
            "terms",
            "41",
            Decimal("0.6"),
            Decimal("0.6"),
            "60/6, at most 5 (cap)",
            "60/6, at most 6 (cap)",
        ),
        ("removed", "44", Decimal("0.3"), None, "60/6", None),
        # 0.001 a second is 0.06 a minute, 0.004 a second is 0.24
        ("price", "49", Decimal("0.1"), Decimal("0.06"), "60/6", "60/6"),
        ("price", "4915", Decimal("0.2"), Decimal("0.24"), "60/6", "60/6"),
        ("added", "61", None, Decimal("0.7"), None, "60/6"),
    ]
    assert diff.summary.text() == (
        "1 added, 1 removed, 1 dearer, 1 cheaper, 3 with other terms, 1 the same"
    )
    assert diff.heading == ("zone: Europe/Berlin -> Europe/Vienna",)


def test_each_rate_label_is_a_line_of_its_own(tmp_path):
    """Only the off-peak price of 49 falls."""
    timings = (
        "timings:\n  a:\n    windows:\n"
        "      - {rate: peak, days: mon-fri}\n      - {rate: low, priority: 0}\n"
    )
    old = load(tmp_path, HEAD + timings + DECKS, "prefix,price_peak,price_low\n49,0.3,0.2\n")
    new = load(tmp_path, HEAD + timings + DECKS, "prefix,price_peak,price_low\n49,0.3,0.1\n")
    (line,) = diff_versions(old, new).lines.to_pylist()
    assert (line["change"], line["prefix"], line["rate"]) == ("price", "49", "low")
    assert (line["old_per_minute"], line["new_per_minute"]) == (Decimal("0.2"), Decimal("0.1"))


def test_steps_and_thirds_are_told_apart(tmp_path):
    """A later step that changes is a change of terms; a price per 7 s is cut at 12 places."""
    document = (
        HEAD
        + "schedules:\n  s:\n    slots:\n      - {from_seconds: 0, price: 1, per_seconds: 7, increments: 1}\n"
        + "      - {from_seconds: 60, price: STEP, increments: 1}\n"
        + DECKS
    )
    deck = "prefix,schedule\n49,s\n"
    old = load(tmp_path, document.replace("STEP", "2"), deck)
    new = load(tmp_path, document.replace("STEP", "3"), deck)
    (line,) = diff_versions(old, new).lines.to_pylist()
    assert line["change"] == "terms"
    # 60 / 7 = 8.571428571428...
    assert line["old_per_minute"] == Decimal("8.571428571428")
    assert line["old_terms"] == "1, from 60000 ms 1 at 2 per minute"
    assert line["new_terms"] == "1, from 60000 ms 1 at 3 per minute"


def test_equal_versions_have_no_lines(tmp_path):
    """The same files twice: everything is the same."""
    version = load(tmp_path, HEAD + DECKS, OLD)
    diff = diff_versions(version, version)
    assert (diff.lines.num_rows, diff.summary.same, diff.heading) == (0, 7, ())
