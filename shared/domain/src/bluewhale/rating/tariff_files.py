"""Tariff files: one YAML document and its CSV decks -> one `TariffVersion`.

Owns reading the document, the order of checks, and that a tariff is loaded
whole or not at all. Does not own the meaning of cells (`decks`), coverage
(`coverage`) or ties (`ambiguity`). The file format: docs/guides/tariffs.md.

Example: `load_tariff("tariffs/carrier-2026.yaml").deck.num_rows`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from bluewhale.rating import tariff_parts
from bluewhale.rating.ambiguity import find_doubtful_rows, find_shadowed_rows
from bluewhale.rating.coverage import check_timing
from bluewhale.rating.deck_cells import instant_ms, read_instant
from bluewhale.rating.deck_prices import DeckContext
from bluewhale.rating.deck_reader import DeckRules
from bluewhale.rating.deck_schedules import ScheduleColumns
from bluewhale.rating.decks import DeckPart, read_deck
from bluewhale.rating.documents import Section, read_document
from bluewhale.rating.tariff import Rounding, TariffVersion, Timing
from bluewhale.rating.validation import Mistakes, TariffMistake

GAPS_LISTED = 5
_UNKNOWN_ZONE = "Etc/UTC"


@dataclass(frozen=True, slots=True)
class TariffCheck:
    """The outcome of looking at tariff files; nothing is raised.

    `version` is None where there are mistakes. `count` counts all mistakes,
    `mistakes` lists the first. Warnings do not hinder loading.
    """

    version: TariffVersion | None
    mistakes: tuple[TariffMistake, ...]
    count: int
    warnings: tuple[TariffMistake, ...]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that a tariff was read from."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Head:
    """The identity and time of a version."""

    uid: str
    version: int
    name: str
    price_list: str
    currency: str
    zone: str
    rounding: Rounding
    effective_from: datetime
    effective_until: datetime | None


def load_tariff(path: str | Path) -> TariffVersion:
    """Read and check one tariff, whole.

    Parameters
    ----------
    path
        The YAML document; it names its decks relative to itself.

    Raises
    ------
    TariffError
        Every mistake of all files at once.
    """
    mistakes = Mistakes()
    version = _read(Path(path), mistakes)
    mistakes.raise_if_any()
    assert version is not None
    return version


def check_tariff(path: str | Path) -> TariffCheck:
    """Read and check one tariff; give mistakes and warnings as values."""
    mistakes = Mistakes()
    version = _read(Path(path), mistakes)
    return TariffCheck(
        version=None if mistakes.count else version,
        mistakes=mistakes.listed,
        count=mistakes.count,
        warnings=mistakes.warnings,
    )


def source_files(path: str | Path) -> tuple[SourceFile, ...]:
    """Give the document and its decks with their checksums.

    Raises
    ------
    OSError
        A file cannot be read. Meant for a tariff that has been loaded.
    """
    document = Path(path)
    mistakes = Mistakes()
    root = read_document(document, document.name, mistakes)
    mistakes.raise_if_any()
    assert root is not None
    section = Section(document.name, root, "", mistakes)
    rules = tariff_parts.read_deck_rules(section, document)
    files = []
    for file in dict.fromkeys([document, *(rule.path for rule in rules)]):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        files.append(SourceFile(file, file.stat().st_size, digest))
    return tuple(files)


def _read(path: Path, mistakes: Mistakes) -> TariffVersion | None:
    """Read everything; the result is of use only if no mistake was added."""
    mistakes.files.append(path.name)
    root = read_document(path, path.name, mistakes)
    if root is None:
        return None
    section = Section(path.name, root, "", mistakes)
    head = _read_head(section)
    calendars = tariff_parts.read_calendars(section, head.effective_from, head.effective_until)
    timings = tariff_parts.read_timings(section, calendars)
    _check_coverage(section, head, calendars, timings)
    schedules = tariff_parts.read_schedules(section)
    rules = tariff_parts.read_deck_rules(section, path)
    plain_timings = {name: timing for name, (timing, _) in timings.items()}
    for rule in rules:
        tariff_parts.check_deck_fields(section, rule, plain_timings)
    section.finish()
    mistakes.files.extend(rule.file for rule in rules)
    columns = ScheduleColumns(list(schedules.values()))
    context = DeckContext(
        zone=head.zone,
        timings=plain_timings,
        schedules={name: index for index, name in enumerate(schedules)},
        effective_from_ms=instant_ms(head.effective_from),
        effective_until_ms=None
        if head.effective_until is None
        else instant_ms(head.effective_until),
    )
    parts = [(rule, read_deck(rule, context, columns, mistakes)) for rule in rules if rule.file]
    good = [(rule, part) for rule, part in parts if part is not None]
    if not good:
        return None
    deck = _check_rows(good, mistakes)
    if mistakes.count:
        return None
    return _version(head, context, calendars, columns, deck)


def _version(
    head: _Head,
    context: DeckContext,
    calendars: Mapping[str, frozenset[date]],
    columns: ScheduleColumns,
    deck: pa.Table,
) -> TariffVersion:
    return TariffVersion(
        tariff_uid=head.uid,
        version=head.version,
        price_list=head.price_list,
        currency=head.currency,
        zone=head.zone,
        rounding=head.rounding,
        effective_from=head.effective_from,
        effective_until=head.effective_until,
        timings=dict(context.timings),
        schedules=columns.build(),
        deck=deck,
        calendars=calendars,
        name=head.name,
    )


def _read_head(section: Section) -> _Head:
    """Read identity, currency, zone, rounding and effective dates."""
    uid = tariff_parts.read_slug(section, "tariff", "Name the tariff, e.g. `tariff: carrier-2026`.")
    price_list = tariff_parts.read_slug(
        section, "price_list", "Name the price list, e.g. `price_list: carrier`."
    )
    zone = tariff_parts.read_zone(section) or _UNKNOWN_ZONE
    effective_from = _read_moment(section, "effective_from", zone)
    if not section.has("effective_from"):
        section.wrong(
            "effective_from",
            None,
            "is missing",
            "Write its first day: `effective_from: 2026-01-01`.",
        )
    effective_until = _read_moment(section, "effective_until", zone)
    if effective_from and effective_until and effective_from >= effective_until:
        section.wrong(
            "effective_from",
            section.text("effective_from"),
            "is not before effective_until",
            "A version is in force from its first moment until just before its last.",
        )
    return _Head(
        uid=uid,
        version=section.integer("version", 1, 1, 2**31 - 1),
        name=section.text("name"),
        price_list=price_list,
        currency=tariff_parts.read_currency(section),
        zone=zone,
        rounding=tariff_parts.read_rounding(section),
        effective_from=effective_from or datetime(1970, 1, 1, tzinfo=ZoneInfo(_UNKNOWN_ZONE)),
        effective_until=effective_until,
    )


def _read_moment(section: Section, name: str, zone: str) -> datetime | None:
    text = section.text(name)
    if not text:
        return None
    moment = read_instant(text, zone)
    if moment is None:
        section.wrong(name, text, "is not a date", "Write it as 2026-01-31 or 2026-01-31T08:00.")
        return None
    return moment


def _check_coverage(
    section: Section,
    head: _Head,
    calendars: Mapping[str, frozenset[date]],
    timings: Mapping[str, tuple[Timing, tuple[int, ...]]],
) -> None:
    """Add gaps, doubts and idle windows of each timing."""
    if section.mistakes.count:
        return  # a misread window would only repeat its own mistake as a gap
    zone = ZoneInfo(head.zone)
    first = head.effective_from.astimezone(zone).date()
    last = head.effective_until and head.effective_until.astimezone(zone).date()
    for name, (timing, lines) in timings.items():
        found = check_timing(timing, calendars, first, last)
        for number, span in enumerate(found.gaps):
            if number == GAPS_LISTED:
                break
            section.mistakes.add(
                section.file,
                lines[0],
                f"timings.{name}",
                None,
                f"has no window on {span.text()}",
                "Add a window without conditions and with the lowest priority, so that every "
                "instant has a rate.",
            )
        for one, other, span in found.doubts:
            section.mistakes.add(
                section.file,
                lines[other],
                f"timings.{name}.windows[{other}]",
                None,
                f"could hold as well as windows[{one}] (line {lines[one]}) on {span.text()}: "
                "same priority, same start",
                "Give one of them a higher priority.",
            )
        for index in found.idle:
            section.mistakes.add(
                section.file,
                lines[index],
                f"timings.{name}.windows[{index}]",
                None,
                "never holds while the tariff is in force",
                "Drop it, or raise its priority above the windows that cover it.",
            )


def _check_rows(parts: list[tuple[DeckRules, DeckPart]], mistakes: Mistakes) -> pa.Table:
    """Join the decks and refuse rows that could both win."""
    tables = [part.table for _, part in parts]
    deck = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    keys = np.concatenate([part.keys for _, part in parts])
    lines = np.asarray(deck.column("source_line"))
    bounds = np.cumsum([0, *(table.num_rows for table in tables)])
    files = [rules.file for rules, _ in parts]

    def place(row: int) -> tuple[str, int]:
        return files[int(np.searchsorted(bounds, row, side="right")) - 1], int(lines[row])

    good = keys > 0  # 0 = a prefix that is a mistake already
    if not good.all():
        keys = np.where(good, keys, -1 - np.arange(len(keys), dtype=np.int64))
    doubtful = find_doubtful_rows(deck, keys, mistakes.room())
    prefixes = deck.column("prefix")
    found = []
    for one, other, identical in zip(
        doubtful.first, doubtful.second, doubtful.identical, strict=True
    ):
        file, line = place(int(other))
        twin_file, twin_line = place(int(one))
        twin = f"line {twin_line}" if twin_file == file else f"line {twin_line} of {twin_file}"
        prefix = prefixes[int(other)].as_py() or "*"
        if identical:
            problem = f"is given again while {twin} holds"
            remedy = "Drop one of them, or let their effective dates follow each other."
        else:
            problem = f"could win the same calls as {twin}: as many selectors, none apart"
            remedy = (
                "Set one more selector in one of them, or add a row with the selectors of both."
            )
        found.append(TariffMistake(file, line, "prefix", prefix, problem, remedy))
    mistakes.add_many(found, doubtful.count)
    if not mistakes.count:
        for row in find_shadowed_rows(deck, keys)[: mistakes.room()]:
            file, line = place(int(row))
            mistakes.warn(
                file,
                line,
                "prefix",
                prefixes[int(row)].as_py(),
                "has ten longer prefixes, so it wins no longer number",
                "Drop it if that is meant.",
            )
    return deck
