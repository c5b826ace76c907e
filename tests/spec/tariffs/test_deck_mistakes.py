"""Mistakes of a rate deck: each is named with file, line, field, value and remedy."""

from __future__ import annotations

import pytest

from tests.spec.tariffs.files import DECKS, HEAD, ROWS, mistakes

CASES = {
    "letters": (
        HEAD + DECKS,
        ("prefix,price\n49x,0.1\n"),
        [
            't.csv:2: prefix "49x" is not digits. Write the international number from its country code on, digits only, e.g. 4930.',
        ],
    ),
    "too_long": (
        HEAD + DECKS,
        ("prefix,price\n4930231251234567,0.1\n"),
        [
            't.csv:2: prefix "4930231251234567" has more than 15 digits. A number has at most 15 digits with its country code; shorten the prefix.',
        ],
    ),
    "empty_prefix": (
        HEAD + DECKS,
        ("prefix,price\n,0.1\n"),
        [
            "t.csv:2: prefix is empty. Write the digits, or * for every number.",
        ],
    ),
    "negative_price": (
        HEAD + DECKS,
        ("prefix,price\n49,-0.1\n"),
        [
            't.csv:2: price "-0.1" is negative. Prices and fees are 0 or more; give money back by a correction.',
        ],
    ),
    "two_marks": (
        HEAD + DECKS,
        ("prefix,price\n49,0.1.2\n"),
        [
            't.csv:2: price "0.1.2" is not a decimal number. Write digits with "." as decimal mark and no currency sign.',
        ],
    ),
    "comma_for_point": (
        HEAD + DECKS,
        ('prefix,price\n49,"0,10"\n'),
        [
            't.csv:2: price "0,10" is not a decimal number. Write digits with "." as decimal mark and no currency sign.',
        ],
    ),
    "currency_in_cell": (
        HEAD + DECKS,
        ("prefix,price\n49,EUR 1\n"),
        [
            't.csv:2: price "EUR 1" is not a decimal number. Write digits with "." as decimal mark and no currency sign.',
        ],
    ),
    "too_many_decimals": (
        HEAD + DECKS,
        ("prefix,price\n49,0.1234567890123\n"),
        [
            't.csv:2: price "0.1234567890123" has more than 12 decimals. Round it in the deck, or raise per_seconds and the price with it.',
        ],
    ),
    "too_many_digits": (
        HEAD + DECKS,
        ("prefix,price\n49,99999999999999999999\n"),
        [
            't.csv:2: price "99999999999999999999" has too many digits. A price has at most 18 digits in all; check the decimal mark.',
        ],
    ),
    "price_overflows": (
        HEAD + DECKS,
        ("prefix,price\n49,9000000000\n"),
        [
            't.csv:2: price "9000000000" is so high that a call of 24 hours leaves the ledger. Amounts up to 9,223,372,036 units fit; check price, per_seconds and connect_fee.',
        ],
    ),
    "empty_price": (
        HEAD + DECKS,
        ("prefix,price\n49,\n"),
        [
            't.csv:2: price has no value for the rate "standard". Write a price or the name of a schedule (columns price_standard, price, schedule_standard or schedule).',
        ],
    ),
    "too_many_cells": (
        HEAD + DECKS,
        ("prefix,price\n49,0.1,x\n"),
        [
            "t.csv:2: has 3 cells, not 2 as the header. Quote cells that hold the separator, and close every quote.",
        ],
    ),
    "too_few_cells": (
        HEAD + DECKS,
        ("prefix,price\n49\n"),
        [
            "t.csv:2: has 1 cell, not 2 as the header. Quote cells that hold the separator, and close every quote.",
        ],
    ),
    "increment_zero": (
        HEAD + DECKS,
        ("prefix,price,increments\n49,0.1,60/0\n"),
        [
            't.csv:2: increments "60/0" are not increments. Write initial/following seconds, each above 0 and at most a day, e.g. 60/6 or 1.',
        ],
    ),
    "increment_negative": (
        HEAD + DECKS,
        ("prefix,price,increments\n49,0.1,-60\n"),
        [
            't.csv:2: increments "-60" are not increments. Write initial/following seconds, each above 0 and at most a day, e.g. 60/6 or 1.',
        ],
    ),
    "increment_text": (
        HEAD + DECKS,
        ("prefix,price,increments\n49,0.1,a/b\n"),
        [
            't.csv:2: increments "a/b" are not increments. Write initial/following seconds, each above 0 and at most a day, e.g. 60/6 or 1.',
        ],
    ),
    "per_zero": (
        HEAD + DECKS,
        ("prefix,price,per_seconds\n49,0.1,0\n"),
        [
            't.csv:2: per_seconds "0" is not a whole number from 1 to 86400. Correct it, or leave the cell empty.',
        ],
    ),
    "unknown_timing": (
        HEAD + DECKS,
        ("prefix,price,timing\n49,0.1,peak\n"),
        [
            't.csv:2: timing "peak" is not a timing of this tariff. Timings of this tariff: always.',
        ],
    ),
    "unknown_schedule": (
        HEAD + DECKS,
        ("prefix,price,schedule\n49,0.1,x\n"),
        [
            't.csv:2: schedule "x" is not a schedule of this tariff. Schedules of this tariff: none.',
            't.csv:2: price "0.1" and schedule are both given. Keep one of them.',
        ],
    ),
    "unknown_class": (
        HEAD + DECKS,
        ("prefix,price,call_class\n49,0.1,moblie\n"),
        [
            't.csv:2: call_class "moblie" is not known. Write one of: local, national, mobile, international, premium, free, emergency, special, internal, unknown, inbound.',
        ],
    ),
    "foreign_date": (
        HEAD + DECKS,
        ("prefix,price,effective_from\n49,0.1,31.01.2026\n"),
        [
            't.csv:2: effective_from "31.01.2026" is not a date. Write it as 2026-01-31 or 2026-01-31T08:00; name other forms by `date_format`.',
        ],
    ),
    "ends_before_tariff": (
        HEAD + DECKS,
        ("prefix,price,effective_until\n49,0.1,2025-06-01\n"),
        [
            't.csv:2: effective_until "2025-06-01" is before the start of the tariff, so the row never wins. Drop the row, or let the tariff start earlier.',
        ],
    ),
    "unknown_mode": (
        HEAD + DECKS,
        ("prefix,price,rounding_mode\n49,0.1,nearest\n"),
        [
            't.csv:2: rounding_mode "nearest" is not known. Write one of: half_up, half_even, up, down.',
            "t.csv:2: rounding_mode and rounding_places are not given together. Write both, or neither.",
        ],
    ),
    "too_many_places": (
        HEAD + DECKS,
        ("prefix,price,rounding_places\n49,0.1,12\n"),
        [
            't.csv:2: rounding_places "12" is not a whole number from 0 to 9. Correct it, or leave the cell empty.',
        ],
    ),
    "negative_cap": (
        HEAD + DECKS,
        ("prefix,price,max_cost\n49,0.1,-1\n"),
        [
            't.csv:2: max_cost "-1" is negative. Prices and fees are 0 or more; give money back by a correction.',
        ],
    ),
    "unknown_cap_action": (
        HEAD + DECKS,
        ("prefix,price,max_cost_action\n49,0.1,stop\n"),
        [
            't.csv:2: max_cost_action "stop" is not known. Write one of: cap, end_call.',
        ],
    ),
    "negative_fee": (
        HEAD + DECKS,
        ("prefix,price,connect_fee\n49,0.1,-0.5\n"),
        [
            't.csv:2: connect_fee "-0.5" is negative. Prices and fees are 0 or more; give money back by a correction.',
        ],
    ),
    "minimum_text": (
        HEAD + DECKS,
        ("prefix,price,minimum_charge\n49,0.1,free\n"),
        [
            't.csv:2: minimum_charge "free" is not a decimal number. Write digits with "." as decimal mark and no currency sign.',
        ],
    ),
    "unknown_column": (
        HEAD + DECKS,
        ("prefix,price,prise\n49,0.1,1\n"),
        [
            "t.csv:1: prise is not a known column. Did you mean price? Else map it under `columns` or name it under `ignore`.",
        ],
    ),
    "from_after_until": (
        HEAD + DECKS,
        ("prefix,price,effective_from,effective_until\n49,0.1,2026-03-01,2026-02-01\n"),
        [
            't.csv:2: effective_from "2026-03-01" is not before effective_until. A row holds from its first moment until just before its last.',
        ],
    ),
    "deck_without_file": (
        HEAD + ("decks:\n  - {defaults: {increments: 1}}\n"),
        ROWS,
        [
            "t.yaml:7: decks[0].file is missing. Name the CSV file, relative to this document.",
        ],
    ),
    "schedule_overflows": (
        HEAD + ("schedules:\n  s: {price: 9000000, increments: 1}\n") + DECKS,
        ROWS,
        [
            "t.yaml:7: schedules.s.price is so high that a call of 24 hours leaves the ledger. Amounts up to 9,223,372,036 units fit; check price, per_seconds and connect_fee.",
        ],
    ),
    "starts_after_tariff": (
        HEAD + "effective_until: 2027-01-01\n" + DECKS,
        ("prefix,price,effective_from\n49,0.1,2027-03-01\n"),
        [
            't.csv:2: effective_from "2027-03-01" is after the end of the tariff, so the row never wins. Drop the row, or let the tariff end later.',
        ],
    ),
    "duplicate": (
        HEAD + DECKS,
        ("prefix,price\n49,0.1\n44,1\n49,0.2\n"),
        [
            't.csv:4: prefix "49" is given again while line 2 holds. Drop one of them, or let their effective dates follow each other.',
        ],
    ),
    "overlapping_dates": (
        HEAD + DECKS,
        ("prefix,price,effective_from,effective_until\n49,0.1,,2026-06-01\n49,0.1,2026-05-31,\n"),
        [
            't.csv:3: prefix "49" is given again while line 2 holds. Drop one of them, or let their effective dates follow each other.',
        ],
    ),
    "ambiguous_selectors": (
        HEAD + DECKS,
        ("prefix,price,carrier,call_class\n49,0.1,a,\n49,0.2,,mobile\n"),
        [
            't.csv:3: prefix "49" could win the same calls as line 2: as many selectors, none apart. Set one more selector in one of them, or add a row with the selectors of both.',
        ],
    ),
    "no_rows": (
        HEAD + DECKS,
        "prefix,price\n",
        [
            "t.csv: has no rows. Write at least one prefix.",
        ],
    ),
    "empty_file": (
        HEAD + DECKS,
        "",
        [
            "t.csv: has no header on line 1. The first line of a deck names its columns; set `header_line` if it comes later.",
        ],
    ),
    "no_prefix_col": (
        HEAD + DECKS,
        ("code,price\n49,1\n"),
        [
            "t.csv:1: code is not a known column. Map it under `columns` or name it under `ignore`.",
            "t.csv:1: prefix has no column. Name a column prefix, or map one: `columns: {prefix: ...}`.",
        ],
    ),
    "no_price_col": (
        HEAD + DECKS,
        ("prefix,cost\n49,1\n"),
        [
            "t.csv:1: cost is not a known column. Did you mean max_cost? Else map it under `columns` or name it under `ignore`.",
        ],
    ),
    "price_and_schedule": (
        HEAD + ("schedules:\n  s: {price: 0.1, increments: 1}\n") + DECKS,
        ("prefix,price,schedule\n49,1,s\n"),
        [
            't.csv:2: price "1" and schedule are both given. Keep one of them.',
        ],
    ),
    "wrong_encoding": (
        HEAD + DECKS,
        b"prefix,destination,price\n43,\xd6sterreich,0.1\n",
        [
            "t.csv:2: is not utf-8 at byte 28. Name the encoding of the deck, e.g. `encoding: windows-1252`.",
        ],
    ),
    "binary": (
        HEAD + DECKS,
        bytes(range(256)),
        [
            "t.csv:1: \\x00\\x01\\x02\\x03\\x04\\x05\\x06\\x07\\x08 is not a known column. Map it under `columns` or name it under `ignore`.",
            "t.csv:1: prefix has no column. Name a column prefix, or map one: `columns: {prefix: ...}`.",
        ],
    ),
    "column_twice": (
        HEAD + DECKS,
        ("prefix,price,price\n49,1,2\n"),
        [
            "t.csv:1: price stands twice in the header. Rename one of the columns.",
        ],
    ),
    "open_quote": (
        HEAD + DECKS,
        ('prefix,destination,price\n49,"Germany,0.1\n44,UK,0.1\n'),
        [
            "t.csv:2: has 2 cells, not 3 as the header. Quote cells that hold the separator, and close every quote.",
        ],
    ),
    "no_increments": (
        HEAD + ("decks:\n  - file: t.csv\n"),
        ROWS,
        [
            "t.csv:2: increments are not given. Write initial/following seconds, e.g. 60/6, in a column or under `defaults`.",
        ],
    ),
    "missing_file": (
        HEAD + ("decks:\n  - file: other.csv\n"),
        ROWS,
        [
            "other.csv: cannot be read: No such file or directory. Put it where t.yaml names it.",
        ],
    ),
    "bad_defaults": (
        HEAD
        + (
            "decks:\n"
            "  - {file: t.csv, defaults: {increments: 0, connect_fee: x, carier: a, price: 1}, columns: {cost: price}}\n"
        ),
        ROWS,
        [
            "t.yaml:7: decks.columns.cost is not a field of a deck. Did you mean max_cost?",
            "t.yaml:7: decks.defaults.carier is not a field of a deck. Did you mean carrier?",
            "t.yaml:7: decks.defaults.price has no default. Give it a column of the deck.",
            't.yaml:7: decks.defaults.increments "0" are not increments. Write initial/following seconds, each above 0 and at most a day, e.g. 60/6 or 1.',
            't.yaml:7: decks.defaults.connect_fee "x" is not a decimal number. Write digits with "." as decimal mark and no currency sign.',
        ],
    ),
    "mapped_column_absent": (
        HEAD + ("decks:\n  - {file: t.csv, defaults: {increments: 1}, columns: {price: Prise}}\n"),
        ROWS,
        [
            't.csv:1: price "Prise" is not a column of this deck. Did you mean price?',
            "t.csv:1: price is not a known column. Did you mean price? Else map it under `columns` or name it under `ignore`.",
        ],
    ),
    "unknown_separator": (
        HEAD
        + ("decks:\n  - {file: t.csv, defaults: {increments: 1}, separator: ':', decimal: ','}\n"),
        ROWS,
        [
            't.yaml:7: decks[0].separator ":" is not known. Write one of: ",", ";", "|", tab.',
            't.yaml:7: decks[0].decimal "," is also the separator. Name the separator of the deck, mostly `separator: ";"`.',
            't.csv:2: price "0.10" is not a decimal number. Write digits with "," as decimal mark and no currency sign.',
        ],
    ),
    "unknown_encoding": (
        HEAD + ("decks:\n  - {file: t.csv, defaults: {increments: 1}, encoding: ebcdic9}\n"),
        ROWS,
        [
            't.yaml:7: decks[0].encoding "ebcdic9" is not an encoding. Write e.g. utf-8 or windows-1252.',
        ],
    ),
    "timing_not_chosen": (
        HEAD + ("timings:\n  a: {windows: [{rate: x}]}\n  b: {windows: [{rate: y}]}\n") + DECKS,
        ROWS,
        [
            "t.csv: timing is not given and not the only one. Timings of this tariff: a, b.",
        ],
    ),
    "rate_without_price": (
        HEAD
        + (
            "timings:\n"
            "  a: {windows: [{rate: x, priority: 1, until: 12:00}, {rate: y, priority: 0}]}\n"
        )
        + DECKS,
        ("prefix,price_x,price_y\n49,0.1,\n"),
        [
            't.csv:2: price_y has no value for the rate "y". Write a price or the name of a schedule (columns price_y, price, schedule_y or schedule).',
        ],
    ),
}


@pytest.mark.parametrize(("document", "deck", "expected"), CASES.values(), ids=CASES.keys())
def test_deck_mistake_is_named_with_its_place_and_remedy(tmp_path, document, deck, expected):
    """One bad thing in a deck gives exactly these lines, and no tariff."""
    assert mistakes(tmp_path, document, deck) == expected
