"""Rows of one prefix: which may stand side by side."""

from __future__ import annotations

import numpy as np
import pytest
from bluewhale.rating.tariff_files import check_tariff

from tests.spec.tariffs.files import DECKS, HEAD, load, mistakes, write

GOOD = {
    "other_carriers": "prefix,price,carrier\n49,1,a\n49,2,b\n49,3,\n",
    "more_selectors": "prefix,price,carrier,call_class\n49,1,a,\n49,2,a,mobile\n",
    "settled_by_a_third": "prefix,price,carrier,call_class\n49,1,a,\n49,2,,mobile\n49,3,a,mobile\n",
    "dates_that_follow": "prefix,price,effective_from,effective_until\n49,1,,2026-06-01\n49,2,2026-06-01,\n",
    "selectors_and_dates": (
        "prefix,price,carrier,call_class,effective_from,effective_until\n"
        "49,1,a,,,2026-06-01\n49,2,,mobile,2026-06-01,\n"
    ),
}


@pytest.mark.parametrize("deck", GOOD.values(), ids=GOOD.keys())
def test_rows_that_never_meet_are_good(tmp_path, deck):
    """No call can be won by two of them."""
    assert mistakes(tmp_path, HEAD + DECKS, deck) == []


def test_third_row_settles_only_while_it_is_in_force(tmp_path):
    """The row with both selectors starts in March: until then two could win."""
    deck = (
        "prefix,price,carrier,call_class,effective_from\n"
        "49,1,a,,\n49,2,,mobile,\n49,3,a,mobile,2026-03-01\n"
    )
    assert mistakes(tmp_path, HEAD + DECKS, deck) == [
        (
            't.csv:3: prefix "49" could win the same calls as line 2: as many selectors, none apart. '
            "Set one more selector in one of them, or add a row with the selectors of both."
        )
    ]


def test_duplicates_over_two_decks_name_both_files(tmp_path):
    """The second deck repeats a row of the first."""
    (tmp_path / "b.csv").write_text("prefix,price\n44,1\n49,2\n", encoding="utf-8")
    document = (
        HEAD
        + "decks:\n  - {file: t.csv, defaults: {increments: 1}}\n  - {file: b.csv, defaults: {increments: 1}}\n"
    )
    assert mistakes(tmp_path, document, "prefix,price\n49,1\n") == [
        (
            'b.csv:3: prefix "49" is given again while line 2 of t.csv holds. '
            "Drop one of them, or let their effective dates follow each other."
        )
    ]


def test_plus_and_star_are_the_same_prefix_as_their_digits(tmp_path):
    """+49 repeats 49."""
    assert mistakes(tmp_path, HEAD + DECKS, "prefix,price\n49,1\n+49,2\n") == [
        (
            't.csv:3: prefix "49" is given again while line 2 holds. '
            "Drop one of them, or let their effective dates follow each other."
        )
    ]


def million_rows(path, bad_line=None):
    """Write a deck of 1,000,000 rows; one cell of `bad_line` is 0.O5."""
    prefixes = np.arange(1_000_000, 2_000_000)
    lines = [f"{p},0.{p % 997:03}5,0.05,60/6" for p in prefixes.tolist()]
    if bad_line is not None:
        lines[bad_line - 2] = lines[bad_line - 2].replace("0.05", "0.O5")
    path.write_text("prefix,price,connect_fee,increments\n" + "\n".join(lines) + "\n")


def test_one_bad_row_of_a_million_is_named(tmp_path):
    """Line 765,433 has the letter O in its connect fee: that, and nothing else, is said."""
    path = write(tmp_path, HEAD + DECKS, "")
    million_rows(tmp_path / "t.csv", bad_line=765_433)
    check = check_tariff(path)
    assert check.version is None
    assert [mistake.text() for mistake in check.mistakes] == [
        (
            't.csv:765433: connect_fee "0.O5" is not a decimal number. '
            'Write digits with "." as decimal mark and no currency sign.'
        )
    ]


def test_million_good_rows_make_few_schedules(tmp_path):
    """997 distinct prices make 997 schedules; the last row has its own line."""
    path = write(tmp_path, HEAD + DECKS, "")
    million_rows(tmp_path / "t.csv")
    version = check_tariff(path).version
    assert version is not None
    assert (version.deck.num_rows, len(version.schedules)) == (1_000_000, 997)
    assert version.deck["source_line"][999_999].as_py() == 1_000_001


def test_rows_of_one_prefix_with_many_subscribers_are_fast(tmp_path):
    """20,000 subscribers of one prefix, each with a row: all good."""
    rows = "".join(f"49,1,s{number}\n" for number in range(20_000))
    version = load(tmp_path, HEAD + DECKS, f"prefix,price,subscriber\n{rows}49,2,\n")
    assert version.deck.num_rows == 20_001
