"""The parts of a tariff document: calendars, windows, schedules, rules of decks.

Owns how each part is written in YAML and what its fields may be. Every function
adds its mistakes and gives what could be read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import get_args
from zoneinfo import ZoneInfo

from bluewhale.rating.coverage import DAY_SECONDS
from bluewhale.rating.currencies import CURRENCIES
from bluewhale.rating.deck_cells import INCREMENT_MS_MAX, read_increments
from bluewhale.rating.deck_kernels import DECIMALS_MAX
from bluewhale.rating.deck_reader import SEPARATORS, DeckRules
from bluewhale.rating.decks import PLACES_MAX, ROUNDING_MODES, deck_fields
from bluewhale.rating.documents import Node, Section, read_decimal
from bluewhale.rating.tariff import (
    IncrementDialect,
    Rounding,
    RoundingMode,
    Schedule,
    Slot,
    Timing,
    Window,
)

ALWAYS = "always"
STANDARD = "standard"
"""Timing and rate label of a tariff that names no timings."""

YEARS_AHEAD = 50
"""A day that returns every year is kept for so many years."""

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z", re.ASCII)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\Z", re.ASCII)
_EVERY_YEAR = re.compile(r"every\s+([0-9]{1,2})-([0-9]{1,2})\Z", re.ASCII)
_DAY_NAMES = {
    name: number
    for number, names in enumerate(
        (
            ("mon", "monday"),
            ("tue", "tuesday"),
            ("wed", "wednesday"),
            ("thu", "thursday"),
            ("fri", "friday"),
            ("sat", "saturday"),
            ("sun", "sunday"),
        ),
        start=1,
    )
    for name in names
}
_MONTH_NAMES = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        start=1,
    )
}
LEDGER_UNITS_MAX = 9_223_372_036
"""Amounts are kept in nanos of 63 bits."""


def read_slug(section: Section, name: str, remedy: str) -> str:
    """Read an immutable name: letters, digits, dot, dash, underscore."""
    text = section.text(name, remedy=remedy)
    if text and not _SLUG.match(text):
        section.wrong(name, text, "is not a name", "Use letters, digits, '.', '-' and '_'.")
    return text


def read_zone(section: Section) -> str | None:
    """Read the zone whose wall clock windows and dates follow."""
    text = section.text("zone", remedy="Name the zone of windows and dates: `zone: Europe/Berlin`.")
    if not text:
        return None
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError):
        section.wrong(
            "zone", text, "is not a time zone", "Use an IANA name such as Europe/Berlin or Etc/UTC."
        )
        return None
    return text


def read_currency(section: Section) -> str:
    """Read the ISO 4217 code of all prices."""
    remedy = "Name the currency of all prices by its ISO 4217 code, e.g. `currency: EUR`."
    text = section.text("currency", remedy=remedy)
    if text and text not in CURRENCIES:
        near = difflib.get_close_matches(text.upper(), sorted(CURRENCIES), n=1)
        guess = f" Did you mean {near[0]}?" if near else ""
        section.wrong(
            "currency", text, "is not a currency", f"Use an ISO 4217 code such as EUR.{guess}"
        )
    return text


def read_rounding(section: Section) -> Rounding:
    """Read the one rounding; default half up at 4 places."""
    part = section.section("rounding")
    word = part.choice("mode", "half_up", ROUNDING_MODES)
    mode: RoundingMode = next(known for known in get_args(RoundingMode) if known == word)
    places = part.integer("places", 4, 0, PLACES_MAX)
    part.finish()
    return Rounding(mode, places)


def read_calendars(
    section: Section, effective_from: datetime, effective_until: datetime | None
) -> dict[str, frozenset[date]]:
    """Read named sets of days.

    A calendar is a list of days or a mapping of day -> name of the holiday. A
    day is `2026-12-25`, or `every 12-25` for each year.
    """
    last = effective_from.year + YEARS_AHEAD if effective_until is None else effective_until.year
    years = range(effective_from.year - 1, min(last, 9_998) + 2)
    part = section.section("calendars")
    calendars: dict[str, frozenset[date]] = {}
    for name in part.names():
        node = part.node(name)
        entries: list[Node] = []
        if node is None:
            part.wrong(name, None, "has no days", "List its days, or drop it.")
        elif isinstance(node.value, dict):
            entries = [Node(day, inner.line) for day, inner in node.value.items()]
        elif isinstance(node.value, list):
            entries = node.value
        else:
            entries = [node]
        days: set[date] = set()
        for entry in entries:
            found = _read_days(entry.value, years)
            if found is None:
                part.mistakes.add(
                    part.file,
                    entry.line,
                    part.path(name),
                    entry.value if isinstance(entry.value, str) else None,
                    "is not a day",
                    "Write 2026-12-25, or `every 12-25` for each year.",
                )
            else:
                days |= found
        calendars[name] = frozenset(days)
    return calendars


def _read_days(value: object, years: range) -> set[date] | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    every = _EVERY_YEAR.match(text)
    try:
        if every is None:
            return {date.fromisoformat(text)}
        month, day = int(every[1]), int(every[2])
        date(2024, month, day)  # a leap year: 02-29 is a day, 02-30 is none
    except ValueError:
        return None
    return {date(y, month, day) for y in years if (month, day) != (2, 29) or _is_leap(y)}


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def read_timings(
    section: Section, calendars: Mapping[str, frozenset[date]]
) -> dict[str, tuple[Timing, tuple[int, ...]]]:
    """Read timings; each with the lines of its windows."""
    if not section.has("timings"):
        section.node("timings")
        timing = Timing(ALWAYS, (Window(STANDARD, name=ALWAYS),), (STANDARD,))
        return {ALWAYS: (timing, (section.line,))}
    part = section.section("timings")
    found: dict[str, tuple[Timing, tuple[int, ...]]] = {}
    for name in part.names():
        timing_part = part.section(name)
        windows: list[Window] = []
        lines: list[int] = []
        for window_part in timing_part.sections("windows"):
            windows.append(_read_window(window_part, calendars))
            lines.append(window_part.line)
        timing_part.finish()
        if not windows:
            timing_part.wrong("windows", None, "has no window", "Write at least one window.")
            windows, lines = [Window(STANDARD)], [timing_part.line]
        labels = tuple(dict.fromkeys(window.rate for window in windows))
        found[name] = (Timing(name, tuple(windows), labels), tuple(lines))
    return found


def _read_window(part: Section, calendars: Mapping[str, frozenset[date]]) -> Window:
    """Read one window."""
    rate = read_slug(part, "rate", "Name the rate that holds, e.g. `rate: peak`.") or STANDARD
    start = _read_clock(part, "from", 0)
    end = _read_clock(part, "until", DAY_SECONDS)
    if start >= end:
        part.wrong(
            "from",
            part.text("from"),
            "is not before until",
            "A window lies within a day; for a night write two: 22:00 to 24:00 and 00:00 to 06:00.",
        )
        start, end = 0, DAY_SECONDS
    calendar = part.text("calendar") or None
    if calendar is not None and calendar not in calendars:
        known = ", ".join(sorted(calendars)) or "none"
        part.wrong(
            "calendar",
            calendar,
            "is not a calendar of this tariff",
            f"Calendars of this tariff: {known}.",
        )
    window = Window(
        rate=rate,
        start_second=start,
        end_second=end,
        weekdays=_read_numbers(part, "days", 1, 7, _DAY_NAMES, "mon-fri, sat or 1 to 7"),
        monthdays=_read_numbers(part, "monthdays", 1, 31, {}, "numbers from 1 to 31"),
        months=_read_numbers(part, "months", 1, 12, _MONTH_NAMES, "jan-mar, dec or 1 to 12"),
        years=_read_numbers(part, "years", 1970, 9998, {}, "years such as 2026"),
        calendar=calendar,
        priority=part.integer("priority", 10, -1_000_000, 1_000_000),
        name=part.text("name") or rate,
    )
    part.finish()
    return window


def _read_clock(part: Section, name: str, default: int) -> int:
    text = part.text(name)
    if not text:
        return default
    match = _CLOCK.match(text)
    if match is not None:
        hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
        total = hours * 3_600 + minutes * 60 + seconds
        if minutes < 60 and seconds < 60 and total <= DAY_SECONDS:
            return total
    part.wrong(name, text, "is not a time of day", "Write 00:00 to 24:00, e.g. 08:00 or 18:30:00.")
    return default


def _read_numbers(
    part: Section, name: str, least: int, most: int, names: Mapping[str, int], form: str
) -> frozenset[int] | None:
    """Read a list of numbers, names and ranges; None where absent (= any)."""
    if not part.has(name):
        part.node(name)
        return None
    found: set[int] = set()
    for text, _line in part.words(name):
        ends = [
            names.get(end.strip().lower(), int(end) if end.strip().isdecimal() else None)
            for end in text.split("-")
        ]
        known = [end for end in ends if end is not None and least <= end <= most]
        turned = len(known) == 2 and known[0] > known[1] and not names
        if len(known) != len(ends) or len(ends) > 2 or turned:
            part.wrong(name, text, "is not known", f"Write {form}.")
            continue
        if known[0] > known[-1]:  # fri-mon goes over the end of the week
            found.update(range(known[0], most + 1), range(least, known[-1] + 1))
        else:
            found.update(range(known[0], known[-1] + 1))
    return frozenset(found)


def read_schedules(section: Section) -> dict[str, Schedule]:
    """Read schedules that rows name instead of a price."""
    part = section.section("schedules")
    return {name: _read_schedule(part.section(name), name) for name in part.names()}


def _read_schedule(part: Section, name: str) -> Schedule:
    """Read one schedule: either `price` and `increments`, or `slots`."""
    fee = read_amount(part, "connect_fee")
    minimum = read_amount(part, "minimum_charge")
    dialect: IncrementDialect = (
        "whole_duration"
        if part.choice(
            "increment_rule", "steps_after_block", ("steps_after_block", "whole_duration")
        )
        == "whole_duration"
        else "steps_after_block"
    )
    attempts = part.boolean("charge_attempts", default=False)
    slots: list[Slot] = []
    if part.has("slots"):
        for name_of_other in ("price", "increments", "per_seconds"):
            if part.has(name_of_other):
                part.text(name_of_other)
                part.wrong(name_of_other, None, "and slots are both given", "Keep one of them.")
        for slot_part in part.sections("slots"):
            from_ms = _read_seconds(slot_part, "from_seconds", 0)
            slots.append(_read_slots(slot_part, from_ms, single=True)[0])
            slot_part.finish()
            if len(slots) == 1 and from_ms != 0:
                slot_part.wrong(
                    "from_seconds",
                    str(from_ms // 1_000),
                    "is not 0 in the first slot",
                    "Start at 0.",
                )
            if len(slots) > 1 and from_ms <= slots[-2].from_ms:
                slot_part.wrong(
                    "from_seconds",
                    slot_part.text("from_seconds"),
                    "is not after the slot before",
                    "Order slots by from_seconds, each once.",
                )
    else:
        part.node("slots")
        slots = _read_slots(part, 0, single=False)
    part.finish()
    day = max(
        (slot.price * DAY_SECONDS * 1_000 / slot.per_ms for slot in slots), default=Fraction(0)
    )
    if day + (fee or 0) > LEDGER_UNITS_MAX:
        part.wrong(
            "price",
            None,
            "is so high that a call of 24 hours leaves the ledger",
            "Amounts up to 9,223,372,036 units fit; check price, per_seconds and connect_fee.",
        )
    return Schedule(
        slots=tuple(slots) or (Slot(0, Fraction(0), 60_000, 1_000),),
        connect_fee=fee or Fraction(0),
        minimum_charge=minimum,
        increment_dialect=dialect,
        prices_attempts=attempts,
        name=name,
    )


def _read_slots(part: Section, from_ms: int, *, single: bool) -> list[Slot]:
    """Read price, per and increments of a schedule or of one slot."""
    if not part.has("price"):
        part.wrong("price", None, "is missing", "Write the price per `per_seconds` (60).")
    price = read_amount(part, "price") or Fraction(0)
    per_ms = part.integer("per_seconds", 60, 1, 86_400) * 1_000
    text = part.text("increments", remedy="Write initial/following seconds, e.g. 60/6.")
    pair = read_increments(text, ".") if text else (1_000, 1_000)
    if pair is None or (single and pair[0] != pair[1]):
        form = "one number of seconds, e.g. 6" if single else "initial/following seconds, e.g. 60/6"
        part.wrong(
            "increments",
            text,
            "are not increments",
            f"Write {form}, each above 0 and at most a day.",
        )
        pair = (1_000, 1_000)
    first, following = pair
    slots = [Slot(from_ms, price, per_ms, first)]
    if first != following:
        slots.append(Slot(from_ms + first, price, per_ms, following))
    return slots


def _read_seconds(part: Section, name: str, default: int) -> int:
    """Read seconds, with up to 3 decimals, as milliseconds."""
    text = part.text(name)
    if not text:
        return default
    seconds = read_decimal(text)
    if seconds is None or seconds * 1_000 != int(seconds * 1_000) or seconds < 0:
        part.wrong(name, text, "is not a time in seconds", "Write seconds from 0, e.g. 60.")
        return default
    return min(int(seconds * 1_000), 365 * INCREMENT_MS_MAX)


def read_amount(part: Section, name: str) -> Fraction | None:
    """Read an amount of money exactly; None where absent or wrong."""
    text = part.text(name)
    if not text:
        return None
    number = read_decimal(text)
    if number is None:
        part.wrong(name, text, "is not a decimal number", 'Write digits with "." as decimal mark.')
        return None
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if number < 0:
        part.wrong(name, text, "is negative", "Prices and fees are 0 or more.")
    elif -exponent > DECIMALS_MAX:
        part.wrong(name, text, f"has more than {DECIMALS_MAX} decimals", "Round it.")
    elif number > LEDGER_UNITS_MAX or number.scaleb(max(-exponent, 0)) >= 2**63:
        part.wrong(name, text, "has too many digits", "At most 18 digits in all.")
    else:
        return Fraction(number)
    return None


def read_deck_rules(section: Section, document: Path) -> list[DeckRules]:
    """Read where the decks are and how they are written."""
    rules = [_read_deck_rules(part, document) for part in section.sections("decks")]
    if not rules:
        section.wrong(
            "decks", None, "is missing", "Name at least one CSV file: `- file: rates.csv`."
        )
    return rules


def _read_deck_rules(part: Section, document: Path) -> DeckRules:
    file = part.text("file", remedy="Name the CSV file, relative to this document.")
    if file and (PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts):
        part.wrong(
            "file",
            file,
            "leaves the folder of the document",
            "Put the deck beside or below the document; a tariff travels with its files.",
        )
        file = ""
    word = part.choice("separator", ",", tuple(SEPARATORS))
    decimal = part.choice("decimal", ".", (".", ","))
    encoding = part.text("encoding", "utf-8").lower().replace("utf8", "utf-8")
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError):
        part.wrong("encoding", encoding, "is not an encoding", "Write e.g. utf-8 or windows-1252.")
        encoding = "utf-8"
    if SEPARATORS[word] == decimal == ",":
        part.wrong(
            "decimal",
            decimal,
            "is also the separator",
            'Name the separator of the deck, mostly `separator: ";"`.',
        )
    columns_part = part.section("columns")
    columns = {name: columns_part.texts(name) for name in columns_part.names()}
    defaults_part = part.section("defaults")
    defaults = {name: defaults_part.text(name) for name in defaults_part.names()}
    rule = part.choice(
        "increment_rule", "steps_after_block", ("steps_after_block", "whole_duration")
    )
    found = DeckRules(
        path=document.parent / file,
        file=file,
        document=document.name,
        line=part.line,
        separator=SEPARATORS[word],
        decimal=decimal,
        encoding=encoding,
        header_line=part.integer("header_line", 1, 1, 1_000),
        date_format=part.text("date_format"),
        until_is_last_day=part.boolean("until_is_last_day", default=False),
        columns=columns,
        ignore=part.texts("ignore"),
        defaults={name: text for name, text in defaults.items() if text},
        whole_duration=rule == "whole_duration",
        prices_attempts=part.boolean("charge_attempts", default=False),
    )
    part.finish()
    return found


def check_deck_fields(section: Section, rules: DeckRules, timings: Mapping[str, Timing]) -> None:
    """Refuse a mapping or a default of a field that no deck of this tariff has."""
    known = deck_fields(timings)
    for kind, names in (("columns", rules.columns), ("defaults", rules.defaults)):
        for name in names:
            plain = name == "prefix" or name.split("_", maxsplit=1)[0] == "price"
            if name in known and not (kind == "defaults" and plain):
                continue
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Fields: {', '.join(known)}."
            problem = "is not a field of a deck" if name not in known else "has no default"
            section.mistakes.add(
                section.file,
                rules.line,
                f"decks.{kind}.{name}",
                None,
                problem,
                hint if name not in known else "Give it a column of the deck.",
            )
