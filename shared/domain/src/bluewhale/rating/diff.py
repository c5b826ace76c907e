"""What changes from one tariff version to the next, as a table of a million rows.

Owns comparing decks by prefix, selectors and dates, per rate label. Does not
own calls: what last month would have cost is a re-rating, not a diff.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import polars as pl
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
    # a key that neither side uses would only cost
    keys = [
        name
        for name in _KEY
        if name in {"prefix", "rate"}
        or before[name].null_count() < len(before)
        or after[name].null_count() < len(after)
    ]
    after = after.drop([name for name in _KEY if name not in keys])
    joined = before.join(after, on=keys, how="full", coalesce=True, nulls_equal=True, suffix="_new")
    gone, come = pl.col("terms_new").is_null(), pl.col("terms").is_null()
    moved = (pl.col("top") != pl.col("top_new")) | (pl.col("bottom") != pl.col("bottom_new"))
    joined = joined.with_columns(
        pl.when(come)
        .then(pl.lit("added"))
        .when(gone)
        .then(pl.lit("removed"))
        .when(moved)
        .then(pl.lit("price"))
        .when(pl.col("terms") != pl.col("terms_new"))
        .then(pl.lit("terms"))
        .otherwise(pl.lit("same"))
        .alias("change")
    )
    counts = dict(joined["change"].value_counts().iter_rows())
    changed = joined.filter(pl.col("change") != "same").sort("prefix", "rate", maintain_order=True)
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

    def codes(self, texts: pl.Series) -> npt.NDArray[np.int32]:
        """Number texts; equal texts have equal numbers."""
        distinct = texts.unique(maintain_order=True).to_list()
        table = {text: self._codes.setdefault(text, len(self._codes)) for text in distinct}
        return texts.replace_strict(table, return_dtype=pl.Int32).to_numpy()

    def texts(self, codes: pl.Series) -> pa.Array:
        """Give the words of numbers; null stays null."""
        words = pa.array(list(self._codes), pa.string())
        return words.take(pa.array(codes.to_arrow(), pa.int32()))


def _lines(version: TariffVersion, terms: _Terms) -> pl.DataFrame:
    """Give one row per prefix and rate label with its price and terms."""
    deck = version.deck
    schedules = _ScheduleText(version)
    schedule_terms = terms.codes(pl.Series(schedules.terms))
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
            frames.append(
                pl.DataFrame(
                    {
                        **{
                            name: pl.Series(name, part[name].cast(pa.string()))
                            for name in (*_KEY[:5], "destination")
                        },
                        "active_from": pl.Series("active_from", part["active_from"]),
                        "rate": pl.repeat(label, len(rows), eager=True),
                        "top": schedules.top[which],
                        "bottom": schedules.bottom[which],
                        "terms": schedule_terms[which].astype(np.int64) << 32 | row_terms[rows],
                    }
                )
            )
    return pl.concat(frames)


def _row_terms(deck: pa.Table) -> pl.Series:
    """Give the words of rounding and cap per row; "" where a row has none."""
    frame = pl.DataFrame(
        {
            name: pl.Series(name, deck[name].cast(pa.string()))
            for name in ("rounding_mode", "rounding_places", "max_cost", "max_cost_action")
        }
    )
    rounding = pl.format(", rounded {} to {}", "rounding_mode", "rounding_places").fill_null("")
    cap = pl.format(", at most {} ({})", "max_cost", "max_cost_action").fill_null("")
    return frame.select((rounding + cap).alias("row_terms"))["row_terms"]


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
    columns = {
        name: pl.Series(name, table[name])
        for name in ("connect_fee_numerator", "connect_fee_denominator", "minimum_charge")
    }
    frame = pl.DataFrame(
        {
            **columns,
            "whole_duration": pl.Series(table["whole_duration"]),
            "prices_attempts": pl.Series(table["prices_attempts"]),
            "slot_from_ms": pl.Series(table["slot_from_ms"]),
            "slot_increment_ms": pl.Series(table["slot_increment_ms"]),
            "steps": _price_steps(table),
        }
    ).with_row_index("row")
    groups = frame.group_by(
        [name for name in frame.columns if name != "row"], maintain_order=True
    ).agg(pl.col("row"))
    schedules = ScheduleTable(table)
    texts = np.empty(table.num_rows, dtype=object)
    for rows in groups["row"]:
        members = rows.to_numpy()
        texts[members] = terms_text(schedules[int(members[0])])
    return pa.array(texts, pa.string())


def _price_steps(table: pa.Table) -> pl.Series:
    """Tell schedules apart whose slots have different prices; null = one price."""
    lists = table["slot_price_numerator"].combine_chunks()
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    first = offsets[:-1]
    owner = np.repeat(np.arange(table.num_rows), np.diff(offsets))
    differs = np.zeros(table.num_rows, dtype=bool)
    for name in ("slot_price_numerator", "slot_price_denominator", "slot_per_ms"):
        values = np.asarray(table[name].combine_chunks().values, dtype=np.int64)
        differs |= np.bincount(
            owner, weights=values != values[first][owner], minlength=table.num_rows
        ).astype(bool)
    rows = np.arange(table.num_rows)
    return pl.Series("steps", np.where(differs, rows, -1))


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


def _directions(changed: pl.DataFrame) -> tuple[int, int]:
    """Count lines whose price rose and fell; exact, by cross products in Python integers."""
    moved = changed.filter(pl.col("change") == "price")
    old = moved["top"].to_numpy().astype(np.float64) / moved["bottom"].to_numpy()
    new = moved["top_new"].to_numpy().astype(np.float64) / moved["bottom_new"].to_numpy()
    close = np.flatnonzero(np.isclose(old, new, rtol=1e-12, atol=0))
    up = new > old
    for row in close:
        line = moved.row(int(row), named=True)
        up[row] = line["top_new"] * line["bottom"] > line["top"] * line["bottom_new"]
    return int(up.sum()), int(len(up) - up.sum())


def _table(changed: pl.DataFrame, terms: _Terms) -> pa.Table:
    columns = {
        name: changed[name].to_arrow().cast(DIFF_SCHEMA.field(name).type)
        for name in ("change", *_KEY)
    }
    named = changed["destination_new"].fill_null(changed["destination"])
    columns |= {
        "destination": named.to_arrow().cast(pa.string()),
        "old_per_minute": _decimals(changed["top"], changed["bottom"]),
        "new_per_minute": _decimals(changed["top_new"], changed["bottom_new"]),
        "old_terms": _words(changed["terms"], terms),
        "new_terms": _words(changed["terms_new"], terms),
    }
    return pa.table(columns, schema=DIFF_SCHEMA)


def _words(codes: pl.Series, terms: _Terms) -> pa.Array:
    """Join the words of the schedule with those of the row."""
    of_schedule = terms.texts((codes // 2**32).cast(pl.Int32))
    of_row = terms.texts((codes % 2**32).cast(pl.Int32))
    return pc.binary_join_element_wise(of_schedule, of_row, "")


def _decimals(tops: pl.Series, bottoms: pl.Series) -> pa.Array:
    """Give exact quotients with 12 places; in int64 where they fit, else one by one."""
    missing = tops.is_null().to_numpy()
    top = tops.fill_null(0).to_numpy()
    bottom = bottoms.fill_null(1).to_numpy()
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
