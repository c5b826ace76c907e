"""What changes from one tariff version to the next, as a table of a million rows.

Owns comparing decks by prefix, selectors and dates, per rate label. Does not
own calls: what last month would have cost is a re-rating, not a diff.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating.schedule_table import ScheduleTable
from bluewhale.rating.tariff import Schedule, TariffVersion

PRICE_SCALE = 12
PRICE = pa.decimal128(38, PRICE_SCALE)
"""Price per minute; digits beyond the twelfth are cut."""

MINUTE_MS = 60_000

DIFF_SCHEMA = pa.schema(
    [
        ("change", pa.string()),  # added, removed, price, terms
        ("prefix", pa.string()),
        ("destination", pa.string()),
        ("carrier", pa.string()),
        ("trunk_group", pa.string()),
        ("call_class", pa.string()),
        ("subscriber", pa.string()),
        ("active_from", pa.timestamp("ms", tz="UTC")),
        ("rate", pa.string()),  # label of the window: peak, off_peak ...
        ("old_per_minute", PRICE),  # of the first slot; null where absent
        ("new_per_minute", PRICE),
        ("old_terms", pa.string()),  # fee, minimum, slots and increments in words
        ("new_terms", pa.string()),
    ]
)

SLOTS_COMPARED = 4  # schedules of more slots are put into words one by one
_NO_WORD, _NO_MOMENT = "\0", -(2**62)  # stand for null in keys: joins pass over nulls
_KEY = ["prefix", "carrier", "trunk_group", "call_class", "subscriber", "active_from", "rate"]


@dataclass(frozen=True, slots=True)
class DiffSummary:
    """Counts of lines (prefix x rate label) by kind of change.

    `price_up` and `price_down` count lines whose price per minute rose or fell;
    `terms` those where only increments, fees, steps, caps or rounding changed.
    """

    added: int
    removed: int
    price_up: int
    price_down: int
    terms: int
    same: int

    def text(self) -> str:
        """Give the summary in one line."""
        return (
            f"{self.added:,} added, {self.removed:,} removed, {self.price_up:,} dearer, "
            f"{self.price_down:,} cheaper, {self.terms:,} with other terms, {self.same:,} the same"
        )


@dataclass(frozen=True, slots=True)
class TariffDiff:
    """Changed lines (`DIFF_SCHEMA`, by prefix) and their counts.

    `heading` says what else differs: currency, zone, rounding, dates, windows.
    """

    lines: pa.Table
    summary: DiffSummary
    heading: tuple[str, ...]


def diff_versions(old: TariffVersion, new: TariffVersion) -> TariffDiff:
    """Compare two versions line by line.

    A line is one prefix with its selectors, its `active_from` and one rate
    label. Lines that are equal are counted, not listed.
    """
    terms = _Terms()
    before, after = _lines(old, terms), _lines(new, terms)
    joined = before.join(
        after, keys=_KEY, join_type="full outer", coalesce_keys=True, right_suffix="_new"
    )
    gone, come = pc.is_null(joined["terms_new"]), pc.is_null(joined["terms"])
    moved = pc.or_(
        pc.not_equal(joined["top"], joined["top_new"]),
        pc.not_equal(joined["bottom"], joined["bottom_new"]),
    )
    other = pc.not_equal(joined["terms"], joined["terms_new"])
    cases = pc.make_struct(come, gone, pc.fill_null(moved, False), pc.fill_null(other, False))
    change = pc.case_when(cases, "added", "removed", "price", "terms", "same")
    counts = {c["values"]: c["counts"] for c in change.value_counts().to_pylist()}
    joined = joined.append_column("change", change)
    order = [("prefix", "ascending"), ("rate", "ascending")]
    order += [(name, "ascending") for name in _KEY if name not in {"prefix", "rate"}]
    changed = joined.filter(pc.not_equal(change, "same")).sort_by(order)
    up, down = _directions(changed)
    summary = DiffSummary(
        added=counts.get("added", 0),
        removed=counts.get("removed", 0),
        price_up=up,
        price_down=down,
        terms=counts.get("terms", 0),
        same=counts.get("same", 0),
    )
    return TariffDiff(_table(changed, terms), summary, _heading(old, new))


class _Terms:
    """Words for terms, numbered; both sides of a comparison share them."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def codes(self, texts: pa.Array) -> npt.NDArray[np.int64]:
        """Number texts; equal texts have equal numbers."""
        words = texts.dictionary_encode()
        numbers = [
            self._codes.setdefault(text, len(self._codes)) for text in words.dictionary.to_pylist()
        ]
        return np.array(numbers, dtype=np.int64)[words.indices.to_numpy()]

    def texts(self, codes: pa.Array) -> pa.Array:
        """Give the words of numbers; null stays null."""
        return pa.array(list(self._codes), pa.string()).take(codes)


def _lines(version: TariffVersion, terms: _Terms) -> pa.Table:
    """Give one row per prefix and rate label with its price and terms."""
    deck = version.deck
    schedules = _ScheduleText(version)
    schedule_terms = terms.codes(schedules.terms)
    frames = []
    timing_of = np.asarray(deck["timing"].cast(pa.string()).to_numpy(zero_copy_only=False))
    lists = deck["schedules"].combine_chunks()
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    values = np.asarray(lists.values, dtype=np.int64)
    row_terms = terms.codes(_row_terms(deck))
    for timing in version.timings.values():
        rows = np.flatnonzero(timing_of == timing.name)
        if not len(rows):
            continue
        part = deck.take(pa.array(rows))
        for place, label in enumerate(timing.labels):
            which = values[offsets[rows] + place]
            columns = {name: part[name].cast(pa.string()).combine_chunks() for name in _KEY[:5]}
            columns = {name: pc.fill_null(column, _NO_WORD) for name, column in columns.items()}
            moments = part["active_from"].cast(pa.int64()).combine_chunks()
            frames.append(
                pa.table(
                    {
                        **columns,
                        "active_from": pc.fill_null(moments, _NO_MOMENT),
                        "rate": pa.repeat(label, len(rows)),
                        "destination": part["destination"].cast(pa.string()),
                        "top": schedules.top[which],
                        "bottom": schedules.bottom[which],
                        "terms": schedule_terms[which] << 32 | row_terms[rows],
                    }
                )
            )
    return pa.concat_tables(frames)


def _row_terms(deck: pa.Table) -> pa.Array:
    """Give the words of rounding and cap per row; "" where a row has none."""
    mode, places, cap, action = (
        deck[name].cast(pa.string()).combine_chunks()
        for name in ("rounding_mode", "rounding_places", "max_cost", "max_cost_action")
    )
    rounding = pc.binary_join_element_wise(", rounded ", mode, " to ", places, "")
    most = pc.binary_join_element_wise(", at most ", cap, " (", action, ")", "")
    return pc.binary_join_element_wise(pc.fill_null(rounding, ""), pc.fill_null(most, ""), "")


class _ScheduleText:
    """Price per minute and terms of each schedule, as columns.

    `top` / `bottom`: the reduced price of a minute in the first slot.
    """

    def __init__(self, version: TariffVersion) -> None:
        schedules = version.schedules
        if isinstance(schedules, ScheduleTable):
            self.top, self.bottom = _minute_prices(schedules.table)
            self.terms = _terms_of_table(schedules.table)
        else:
            prices = [s.slots[0].price * MINUTE_MS / s.slots[0].per_ms for s in schedules]
            self.top = np.array([price.numerator for price in prices], dtype=np.int64)
            self.bottom = np.array([price.denominator for price in prices], dtype=np.int64)
            self.terms = pa.array([terms_text(schedule) for schedule in schedules], pa.string())


def _minute_prices(table: pa.Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Reduce price x 60,000 / per of the first slots."""
    first = np.asarray(table["slot_from_ms"].combine_chunks().offsets, dtype=np.int64)[:-1]

    def of(name: str) -> npt.NDArray[np.int64]:
        return np.asarray(table[name].combine_chunks().values, dtype=np.int64)[first]

    top, bottom, per = of("slot_price_numerator"), of("slot_price_denominator"), of("slot_per_ms")
    share = np.gcd(MINUTE_MS, per)
    factor, divisor = MINUTE_MS // share, per // share
    # reduce crosswise before multiplying, so that int64 holds what the price held
    one, other = np.gcd(top, divisor), np.gcd(bottom, factor)
    return (top // one) * (factor // other), (bottom // other) * (divisor // one)


def _terms_of_table(table: pa.Table) -> pa.StringArray:
    """Give the terms of each schedule; equal terms are put into words once.

    The price of a one-price schedule is no part of its terms, so a deck with a
    million prices has few terms.
    """
    names = (
        "connect_fee_numerator", "connect_fee_denominator", "minimum_charge", "whole_duration",
        "prices_attempts",
    )  # fmt: skip
    columns = {name: table[name].cast(pa.string()) for name in names}
    columns["steps"] = pa.array(_price_steps(table))
    for name in ("slot_from_ms", "slot_increment_ms"):
        columns |= _slot_columns(name, table)
    keys = list(columns)
    columns["row"] = pa.array(np.arange(table.num_rows))
    groups = pa.table(columns).group_by(keys).aggregate([("row", "list")])
    schedules = ScheduleTable(table)
    texts = np.empty(table.num_rows, dtype=object)
    for rows in groups["row_list"].combine_chunks():
        members = rows.values.to_numpy()
        texts[members] = terms_text(schedules[int(members[0])])
    return pa.array(texts, pa.string())


def _slot_columns(name: str, table: pa.Table) -> dict[str, pa.Array]:
    """Spread the first slots of a list column over columns of their own; -1 = no such slot."""
    lists = table[name].combine_chunks()
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    values = np.append(np.asarray(lists.values, dtype=np.int64), -1)
    starts, lengths = offsets[:-1], np.diff(offsets)
    return {
        f"{name} {k}": pa.array(values[np.where(k < lengths, starts + k, -1)])
        for k in range(SLOTS_COMPARED)
    }


def _price_steps(table: pa.Table) -> npt.NDArray[np.int64]:
    """Tell schedules apart that have many slots or slots of different prices; -1 = neither."""
    lists = table["slot_price_numerator"].combine_chunks()
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    first = offsets[:-1]
    owner = np.repeat(np.arange(table.num_rows), np.diff(offsets))
    differs = np.diff(offsets) > SLOTS_COMPARED
    for name in ("slot_price_numerator", "slot_price_denominator", "slot_per_ms"):
        values = np.asarray(table[name].combine_chunks().values, dtype=np.int64)
        differs |= np.bincount(
            owner, weights=values != values[first][owner], minlength=table.num_rows
        ).astype(bool)
    rows = np.arange(table.num_rows)
    return np.where(differs, rows, -1)


def terms_text(schedule: Schedule) -> str:
    """Give everything but the price of the first slot in a few words: "60/6, fee 0.05"."""
    from bluewhale.rating.explain import amount_text

    slots = schedule.slots
    first = slots[0]
    words = [amount_text(Fraction(first.increment_ms, 1_000))]
    for slot in slots[1:]:
        increment = amount_text(Fraction(slot.increment_ms, 1_000))
        if slot.price * first.per_ms == first.price * slot.per_ms:
            follows = slot.from_ms == first.increment_ms and len(slots) == 2
            words.append(f"/{increment}" if follows else f", from {slot.from_ms} ms {increment}")
        else:
            price = amount_text(slot.price * MINUTE_MS / slot.per_ms)
            words.append(f", from {slot.from_ms} ms {increment} at {price} per minute")
    if schedule.connect_fee:
        words.append(f", fee {amount_text(schedule.connect_fee)}")
    if schedule.minimum_charge is not None:
        words.append(f", minimum {amount_text(schedule.minimum_charge)}")
    if schedule.increment_dialect == "whole_duration":
        words.append(", whole duration")
    if schedule.prices_attempts:
        words.append(", attempts priced")
    return "".join(words)


def _directions(changed: pa.Table) -> tuple[int, int]:
    """Count lines whose price rose and fell; exact, by cross products in Python integers."""
    moved = changed.filter(pc.equal(changed["change"], "price"))
    top, bottom, top_new, bottom_new = (
        moved[name].to_numpy() for name in ("top", "bottom", "top_new", "bottom_new")
    )
    old, new = top.astype(np.float64) / bottom, top_new.astype(np.float64) / bottom_new
    up = new > old
    for row in np.flatnonzero(np.isclose(old, new, rtol=1e-12, atol=0)):
        up[row] = int(top_new[row]) * int(bottom[row]) > int(top[row]) * int(bottom_new[row])
    return int(up.sum()), int(len(up) - up.sum())


def _table(changed: pa.Table, terms: _Terms) -> pa.Table:
    columns = {name: changed[name] for name in ("change", "prefix", "rate")}
    for name in _KEY[1:5]:
        unknown = pc.equal(changed[name], _NO_WORD)
        columns[name] = pc.if_else(unknown, pa.scalar(None, pa.string()), changed[name])
    unknown = pc.equal(changed["active_from"], _NO_MOMENT)
    moments = pc.if_else(unknown, pa.scalar(None, pa.int64()), changed["active_from"])
    columns |= {
        "active_from": moments.cast(DIFF_SCHEMA.field("active_from").type),
        "destination": pc.coalesce(changed["destination_new"], changed["destination"]),
        "old_per_minute": _decimals(changed["top"], changed["bottom"]),
        "new_per_minute": _decimals(changed["top_new"], changed["bottom_new"]),
        "old_terms": _words(changed["terms"], terms),
        "new_terms": _words(changed["terms_new"], terms),
    }
    return pa.table([columns[name] for name in DIFF_SCHEMA.names], schema=DIFF_SCHEMA)


def _words(codes: pa.ChunkedArray, terms: _Terms) -> pa.Array:
    """Join the words of the schedule with those of the row."""
    both = codes.combine_chunks()
    of_schedule = terms.texts(pc.shift_right(both, 32))
    of_row = terms.texts(pc.bit_wise_and(both, 2**32 - 1))
    return pc.binary_join_element_wise(of_schedule, of_row, "")


def _decimals(tops: pa.ChunkedArray, bottoms: pa.ChunkedArray) -> pa.Array:
    """Give exact quotients with 12 places; in int64 where they fit, else one by one."""
    missing = pc.is_null(tops).to_numpy()
    top = pc.fill_null(tops, 0).to_numpy()
    bottom = pc.fill_null(bottoms, 1).to_numpy()
    scale = 10**PRICE_SCALE
    shared = np.gcd(scale, bottom)
    factor, rest = scale // shared, bottom // shared
    fits = top <= (2**63 - 1) // factor
    units = np.where(fits, np.where(fits, top, 0) * factor // rest, 0)
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0], words[:, 1] = units, 0
    for row in np.flatnonzero(~fits):
        value = int(top[row]) * scale // int(bottom[row])
        low, high = value & (2**64 - 1), value >> 64
        words[row] = np.array([low], dtype=np.uint64).view(np.int64)[0], high
    validity = pa.array(~missing).buffers()[1]
    return pa.Array.from_buffers(PRICE, len(units), [validity, pa.py_buffer(words)])


def _heading(old: TariffVersion, new: TariffVersion) -> tuple[str, ...]:
    """Say what differs beside the lines."""
    pairs = (
        ("price list", old.price_list, new.price_list),
        ("currency", old.currency, new.currency),
        ("zone", old.zone, new.zone),
        (
            "rounding",
            f"{old.rounding.mode} to {old.rounding.places}",
            f"{new.rounding.mode} to {new.rounding.places}",
        ),
        ("effective from", old.effective_from.isoformat(), new.effective_from.isoformat()),
        (
            "effective until",
            "without end" if old.effective_until is None else old.effective_until.isoformat(),
            "without end" if new.effective_until is None else new.effective_until.isoformat(),
        ),
    )
    found = [f"{name}: {was} -> {now}" for name, was, now in pairs if was != now]
    if dict(old.timings) != dict(new.timings):
        found.append("windows differ")
    if dict(old.calendars) != dict(new.calendars):
        found.append("calendars differ")
    return tuple(found)
