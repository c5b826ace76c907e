"""Mistakes of the tariff document: all at once, each with its line and a remedy."""

from __future__ import annotations

import pytest

from tests.spec.tariffs.files import DECKS, HEAD, mistakes

CASES = {
    "empty": (
        "",
        [
            "t.yaml: is not a mapping of fields. Start with `tariff: NAME`.",
        ],
    ),
    "list": (
        "- a\n",
        [
            "t.yaml: is not a mapping of fields. Start with `tariff: NAME`.",
        ],
    ),
    "yaml": (
        "tariff: [a\n",
        [
            "t.yaml:2: is not valid YAML: expected ',' or ']', but got '<stream end>'. Check indentation, colons and quotes of this line.",
        ],
    ),
    "nothing": (
        "name: x\n",
        [
            "t.yaml:1: tariff is missing. Name the tariff, e.g. `tariff: carrier-2026`.",
            "t.yaml:1: price_list is missing. Name the price list, e.g. `price_list: carrier`.",
            "t.yaml:1: zone is missing. Name the zone of windows and dates: `zone: Europe/Berlin`.",
            "t.yaml:1: effective_from is missing. Write its first day: `effective_from: 2026-01-01`.",
            "t.yaml:1: currency is missing. Name the currency of all prices by its ISO 4217 code, e.g. `currency: EUR`.",
            "t.yaml:1: decks is missing. Name at least one CSV file: `- file: rates.csv`.",
        ],
    ),
    "bad_head": (
        (
            "tariff: 'a b'\n"
            "version: one\n"
            "price_list: carrier\n"
            "currency: EURO\n"
            "zone: Berlin\n"
            "effective_from: soon\n"
            "rounding: {mode: nearest, places: 12}\n"
            "colour: red\n"
        )
        + DECKS,
        [
            "t.yaml:1: tariff \"a b\" is not a name. Use letters, digits, '.', '-' and '_'.",
            't.yaml:2: version "one" is not a whole number. Write a whole number from 1 to 2147483647.',
            't.yaml:4: currency "EURO" is not a currency. Use an ISO 4217 code such as EUR. Did you mean EUR?',
            't.yaml:5: zone "Berlin" is not a time zone. Use an IANA name such as Europe/Berlin or Etc/UTC.',
            't.yaml:6: effective_from "soon" is not a date. Write it as 2026-01-31 or 2026-01-31T08:00.',
            't.yaml:7: rounding.mode "nearest" is not known. Write one of: half_up, half_even, up, down.',
            't.yaml:7: rounding.places "12" is outside 0 to 9. Write a whole number from 0 to 9.',
            "t.yaml:8: colour is not a known field. Known: calendars, currency, decks, effective_from, effective_until, name, price_list, rounding, schedules, tariff, timings, version, zone.",
        ],
    ),
    "ends_before_start": (
        HEAD + "effective_until: 2025-01-01\n" + DECKS,
        [
            't.yaml:5: effective_from "2026-01-01" is not before effective_until. A version is in force from its first moment until just before its last.',
        ],
    ),
    "field_twice": (
        HEAD + "currency: USD\n" + DECKS,
        [
            "t.yaml:6: currency is given twice, first on line 3. Keep one of them.",
        ],
    ),
    "field_misspelt": (
        HEAD + "calender: {}\n" + DECKS,
        [
            "t.yaml:6: calender is not a known field. Did you mean calendars?",
        ],
    ),
    "no_decks": (
        HEAD,
        [
            "t.yaml:1: decks is missing. Name at least one CSV file: `- file: rates.csv`.",
        ],
    ),
    "calendar_days": (
        HEAD
        + ("calendars:\n  h:\n    - 2026-02-30\n    - every 02-30\n    - every 12-25\n  e:\n")
        + DECKS,
        [
            't.yaml:8: calendars.h "2026-02-30" is not a day. Write 2026-12-25, or `every 12-25` for each year.',
            't.yaml:9: calendars.h "every 02-30" is not a day. Write 2026-12-25, or `every 12-25` for each year.',
            "t.yaml:11: calendars.e has no days. List its days, or drop it.",
        ],
    ),
    "window_fields": (
        HEAD
        + (
            "timings:\n"
            "  a:\n"
            "    windows:\n"
            "      - {rate: x, days: mon-fry, from: 25:00, until: 8, months: 13, monthdays: 0, years: 99, calendar: hols, priority: high}\n"
            "      - {from: 22:00, until: 06:00}\n"
            "      - {rate: x, colour: red}\n"
        )
        + DECKS,
        [
            't.yaml:9: timings.a.windows[0].from "25:00" is not a time of day. Write 00:00 to 24:00, e.g. 08:00 or 18:30:00.',
            't.yaml:9: timings.a.windows[0].until "8" is not a time of day. Write 00:00 to 24:00, e.g. 08:00 or 18:30:00.',
            't.yaml:9: timings.a.windows[0].calendar "hols" is not a calendar of this tariff. Calendars of this tariff: none.',
            't.yaml:9: timings.a.windows[0].days "mon-fry" is not known. Write mon-fri, sat or 1 to 7.',
            't.yaml:9: timings.a.windows[0].monthdays "0" is not known. Write numbers from 1 to 31.',
            't.yaml:9: timings.a.windows[0].months "13" is not known. Write jan-mar, dec or 1 to 12.',
            't.yaml:9: timings.a.windows[0].years "99" is not known. Write years such as 2026.',
            't.yaml:9: timings.a.windows[0].priority "high" is not a whole number. Write a whole number from -1000000 to 1000000.',
            "t.yaml:10: timings.a.windows[1].rate is missing. Name the rate that holds, e.g. `rate: peak`.",
            't.yaml:10: timings.a.windows[1].from "22:00" is not before until. A window lies within a day; for a night write two: 22:00 to 24:00 and 00:00 to 06:00.',
            "t.yaml:11: timings.a.windows[2].colour is not a known field. Known: calendar, days, from, monthdays, months, name, priority, rate, until, years.",
        ],
    ),
    "no_windows": (
        HEAD + ("timings:\n  a: {windows: []}\n") + DECKS,
        [
            "t.yaml:7: timings.a.windows has no window. Write at least one window.",
        ],
    ),
    "gap": (
        HEAD
        + (
            "timings:\n"
            "  a:\n"
            "    windows:\n"
            "      - {rate: x, days: mon-fri, from: 08:00, until: 18:00}\n"
            "      - {rate: y, days: sat-sun}\n"
        )
        + DECKS,
        [
            "t.yaml:9: timings.a has no window on Thursday 2026-01-01 from 00:00 to 08:00. Add a window without conditions and with the lowest priority, so that every instant has a rate.",
            "t.yaml:9: timings.a has no window on Thursday 2026-01-01 from 18:00 to 24:00. Add a window without conditions and with the lowest priority, so that every instant has a rate.",
        ],
    ),
    "gap_on_a_holiday": (
        HEAD
        + (
            "calendars:\n"
            "  h: [every 12-25]\n"
            "timings:\n"
            "  a:\n"
            "    windows:\n"
            "      - {rate: x, days: mon-sun, months: 1-11}\n"
            "      - {rate: y, months: 12, monthdays: 1-24}\n"
            "      - {rate: y, months: 12, monthdays: 26-31}\n"
            "      - {rate: y, calendar: h, until: 23:00}\n"
        )
        + DECKS,
        [
            "t.yaml:11: timings.a has no window on Friday 2026-12-25 from 23:00 to 24:00. Add a window without conditions and with the lowest priority, so that every instant has a rate.",
        ],
    ),
    "windows_that_tie": (
        HEAD
        + (
            "timings:\n"
            "  a:\n"
            "    windows:\n"
            "      - {rate: x, from: 08:00}\n"
            "      - {rate: y, days: sun, from: 08:00, until: 20:00}\n"
            "      - {rate: z, priority: 0}\n"
        )
        + DECKS,
        [
            "t.yaml:10: timings.a.windows[1] could hold as well as windows[0] (line 9) on Sunday 2026-01-04 from 08:00 to 20:00: same priority, same start. Give one of them a higher priority.",
        ],
    ),
    "windows_that_never_hold": (
        HEAD
        + (
            "timings:\n"
            "  a:\n"
            "    windows:\n"
            "      - {rate: x}\n"
            "      - {rate: y, days: sun, priority: 1}\n"
            "      - {rate: z, years: 2020, priority: 30}\n"
        )
        + DECKS,
        [
            "t.yaml:10: timings.a.windows[1] never holds while the tariff is in force. Drop it, or raise its priority above the windows that cover it.",
            "t.yaml:11: timings.a.windows[2] never holds while the tariff is in force. Drop it, or raise its priority above the windows that cover it.",
        ],
    ),
    "schedule_fields": (
        HEAD
        + (
            "schedules:\n"
            "  a: {price: -1, increments: 60/0}\n"
            "  b: {price: 0.1, slots: [{from_seconds: 5, price: x, increments: 60/6}, {from_seconds: 5, increments: 1}]}\n"
            "  c: {connect_fee: 1.1234567890123, price: 12345678901, increments: 1, increment_rule: other, charge_attempts: maybe}\n"
            "  d: {}\n"
        )
        + DECKS,
        [
            't.yaml:7: schedules.a.price "-1" is negative. Prices and fees are 0 or more.',
            't.yaml:7: schedules.a.increments "60/0" are not increments. Write initial/following seconds, e.g. 60/6, each above 0 and at most a day.',
            "t.yaml:8: schedules.b.price and slots are both given. Keep one of them.",
            't.yaml:8: schedules.b.slots[0].price "x" is not a decimal number. Write digits with "." as decimal mark.',
            't.yaml:8: schedules.b.slots[0].increments "60/6" are not increments. Write one number of seconds, e.g. 6, each above 0 and at most a day.',
            't.yaml:8: schedules.b.slots[0].from_seconds "5" is not 0 in the first slot. Start at 0.',
            "t.yaml:8: schedules.b.slots[1].price is missing. Write the price per `per_seconds` (60).",
            't.yaml:8: schedules.b.slots[1].from_seconds "5" is not after the slot before. Order slots by from_seconds, each once.',
            't.yaml:9: schedules.c.connect_fee "1.1234567890123" has more than 12 decimals. Round it.',
            't.yaml:9: schedules.c.increment_rule "other" is not known. Write one of: steps_after_block, whole_duration.',
            't.yaml:9: schedules.c.charge_attempts "maybe" is neither true nor false. Write true or false.',
            't.yaml:9: schedules.c.price "12345678901" has too many digits. At most 18 digits in all.',
            "t.yaml:10: schedules.d.price is missing. Write the price per `per_seconds` (60).",
            "t.yaml:10: schedules.d.increments is missing. Write initial/following seconds, e.g. 60/6.",
        ],
    ),
}


@pytest.mark.parametrize(("document", "expected"), CASES.values(), ids=CASES.keys())
def test_document_mistakes_are_all_named_at_once(tmp_path, document, expected):
    """A bad document gives exactly these lines, in the order of the file."""
    assert mistakes(tmp_path, document) == expected


def test_odd_documents_are_mistakes_not_crashes(tmp_path):
    """Deep nesting, a codec that is no text, turned years and dates out of range."""
    document = HEAD.replace("2026-01-01", "0001-01-01") + (
        "timings:\n  a: {windows: [{rate: x, years: 2028-2026}]}\n"
        "decks:\n  - {file: t.csv, encoding: hex, defaults: {increments: 1}}\n"
    )
    assert mistakes(tmp_path, document) == [
        't.yaml:5: effective_from "0001-01-01" is not a date. Write it as 2026-01-31 or 2026-01-31T08:00.',
        't.yaml:7: timings.a.windows[0].years "2028-2026" is not known. Write years such as 2026.',
        't.yaml:9: decks[0].encoding "hex" is not an encoding. Write e.g. utf-8 or windows-1252.',
    ]
    assert mistakes(tmp_path, "a: " + "[" * 5_000) == [
        "t.yaml: nests too deep. Write it with fewer levels."
    ]


def test_deck_outside_the_folder_of_the_document_is_refused(tmp_path):
    """A tariff never reads files elsewhere, wherever its document came from."""
    document = HEAD + "decks:\n  - {file: ../t.csv}\n  - {file: /etc/hostname}\n"
    problem = (
        "leaves the folder of the document. "
        "Put the deck beside or below the document; a tariff travels with its files."
    )
    assert mistakes(tmp_path, document) == [
        f't.yaml:7: decks[0].file "../t.csv" {problem}',
        f't.yaml:8: decks[1].file "/etc/hostname" {problem}',
    ]
