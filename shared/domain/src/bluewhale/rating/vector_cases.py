"""What each shape of vector asks, and the answers of one engine.

Owns the reading of a vector's `input` by its keys, never by its id: a key that
no reader knows is an error, so that nothing is passed by being overlooked. An
answer is a mapping from every key that `exact_expected` may use to a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from bluewhale.rating.book import PriceBook
from bluewhale.rating.exact import RatingInput
from bluewhale.rating.rounding import MODES
from bluewhale.rating.tariff import (
    RateRow,
    Rounding,
    Schedule,
    Slot,
    Surcharges,
    TariffVersion,
    Timing,
    flat_windows,
)
from bluewhale.rating.tiers import Tier, TierPlan, block_plan, package_plan, step_plan
from bluewhale.rating.vector_engines import Engine, Receipt
from bluewhale.rating.vector_tariffs import (
    NO_ROUNDING,
    Profile,
    VectorError,
    check_keys,
    inline_version,
    read_digits,
    read_moment,
    read_rounding,
    read_schedule,
    read_tariff,
    read_window,
    schedule_version,
)
from bluewhale.rating.window_rules import instant, milliseconds

Answers = dict[str, Any]

_SECOND: Final = Fraction(1000)
_UNITS_MS: Final = {
    "millisecond": Fraction(1),
    "second": _SECOND,
    "minute": 60 * _SECOND,
    "hour": 3600 * _SECOND,
    "day": 86_400 * _SECOND,
}
_ANY_START: Final = "2024-01-01T00:00:00Z"  # for vectors whose price does not depend on time
_SCALE_MAX: Final = 10**6


@dataclass(frozen=True, slots=True)
class VectorFile:
    """What the vectors of one file share."""

    tariffs: Mapping[str, Any]
    tiers_of_source: Mapping[str, Mapping[str, Any]]  # input with tiers, by upstream path

    read: dict[tuple[str, Fraction], tuple[list[Profile], PriceBook]] = field(default_factory=dict)

    def tariff(self, name: str, unit_ms: Fraction) -> tuple[list[Profile], PriceBook]:
        """Give the profiles and versions of one tariff of the file."""
        if name not in self.tariffs:
            raise VectorError(f"no tariff {name!r}")
        if (name, unit_ms) not in self.read:
            profiles, versions = read_tariff(self.tariffs[name], unit_ms)
            self.read[name, unit_ms] = profiles, PriceBook(versions)
        return self.read[name, unit_ms]


def answer(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Give everything that `engine` says about one input."""
    for keys, reader in _READERS:
        if all(key in given for key in keys.split()):
            return reader(file, given, path, engine)
    raise VectorError(f"no reader for an input with {', '.join(sorted(given))}")


# ---- calls: a tariff of the file, inline windows, an inline schedule


def _call(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Price a call by a tariff: subject and category choose the price list."""
    check_keys(
        "input",
        given,
        "tariff subject category destination start quantity unit connect_fee answered rounding",
    )
    length, unit_ms = _units(given)
    profiles, book = file.tariff(given["tariff"], unit_ms)
    start_ms = milliseconds(read_moment(given["start"]))
    span = RatingInput(
        start_at_ms=start_ms,
        quantity_ms=_up(Fraction(given["quantity"]) * length),
        digits=read_digits(given.get("destination", "")),
        answered=bool(given.get("answered", True)),
        connect_fee_due=bool(given.get("connect_fee", True)),
    )
    receipt, version = None, None
    for price_list in _price_lists(profiles, given, book, start_ms):
        version = book.version_at(price_list, start_ms)
        if version is None:
            continue
        receipt = engine.rate(version, span)
        if receipt.rate_row is not None:
            break
    if receipt is None or version is None:
        return {"status": "unrated", "reason": "no_tariff"}
    return _receipt_answers(receipt, version, length, start_ms)


def _price_lists(
    profiles: list[Profile], given: Mapping[str, Any], book: PriceBook, start_ms: int
) -> list[str]:
    """Give the price lists to try: the subject's own, then its fallbacks.

    A subject without a profile in force belongs to the catch-all "*".
    """
    category = given.get("category")
    mine = {p.subject: p for p in profiles if p.category == category}
    subject = given.get("subject", "*")
    own = mine.get(subject)
    if own is None or book.version_at(own.price_list, start_ms) is None:
        subject = "*"
    tried: list[str] = []
    while subject in mine and mine[subject].price_list not in tried:
        profile = mine[subject]
        tried.append(profile.price_list)
        # the newest profile in force says where to fall back
        current = [p for p in profiles if p.price_list == profile.price_list and p.fallback]
        subject = current[-1].fallback or "" if current else ""
    return tried


def _windows(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Cut a call at the windows given in place; prices do not matter."""
    check_keys("input", given, "windows start quantity unit zone schedules schedule")
    length, unit_ms = _units(given)
    calendars: dict[str, Any] = {}
    windows = tuple(read_window(w, n, calendars) for n, w in enumerate(given["windows"]))
    labels = tuple(dict.fromkeys(window.rate for window in windows))
    named = given.get("schedules", {})
    default = {"slots": [{"price": "0", "increment": "1"}]}
    schedules = {
        label: read_schedule(named.get(label, given.get("schedule", default)), unit_ms, label)
        for label in labels
    }
    version = inline_version(
        schedules,
        Timing("windows", windows, labels),
        [RateRow("", "windows", tuple(range(len(labels))))],
        calendars=calendars,
        zone=given.get("zone", "UTC"),
    )
    start_ms = milliseconds(read_moment(given["start"]))
    span = RatingInput(start_ms, _up(Fraction(given["quantity"]) * length), "")
    return _receipt_answers(engine.rate(version, span), version, length, start_ms)


def _schedule(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Price a quantity by a schedule given in place."""
    check_keys(
        "input",
        given,
        "schedule quantity unit start rounding connect_fee answered dialect price per increment",
    )
    schedule = given.get("schedule") or {
        "slots": [{key: given[key] for key in ("price", "per", "increment") if key in given}]
    }
    if "dialect" in given:
        schedule = {**schedule, "dialect": given["dialect"]}
    length, unit_ms = _units(given)
    scale = _scale(schedule, Fraction(given["quantity"]), length, unit_ms)
    rounding = read_rounding(given["rounding"]) if "rounding" in given else NO_ROUNDING
    version = schedule_version(read_schedule(schedule, unit_ms * scale), rounding)
    start_ms = milliseconds(read_moment(given.get("start", _ANY_START)))
    span = RatingInput(
        start_ms,
        _up(Fraction(given["quantity"]) * length * scale),
        "",
        answered=bool(given.get("answered", True)),
        connect_fee_due=bool(given.get("connect_fee", True)),
    )
    return _receipt_answers(engine.rate(version, span), version, length * scale, start_ms)


def _units(given: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Give the milliseconds of one quantity unit, and of one unit of a schedule.

    Schedules count seconds where the quantity is a time; otherwise both count
    the same plain units (bytes, messages), which the clock of slots counts too.
    """
    unit = given.get("unit", "second").removesuffix("s")
    if unit in _UNITS_MS:
        return _UNITS_MS[unit], _SECOND
    return Fraction(1), Fraction(1)


def _up(value: Fraction) -> int:
    """Give a length in whole milliseconds; a started one counts (decision 11)."""
    return -(-value.numerator // value.denominator)


def _scale(
    schedule: Mapping[str, Any], quantity: Fraction, length: Fraction, unit_ms: Fraction
) -> int:
    """Give the factor that makes every length of a schedule whole.

    Without windows the unit of the clock is free, so lengths below a
    millisecond are exact.
    """
    lengths = [
        Fraction(slot[key]) * unit_ms
        for slot in schedule["slots"]
        for key in ("from", "per", "increment")
        if key in slot
    ]
    scale = 1
    for value in (*lengths, quantity * length):
        scale *= (value * scale).denominator
    if scale > _SCALE_MAX:
        raise VectorError("lengths are finer than this clock can count")
    return scale


def _receipt_answers(
    receipt: Receipt, version: TariffVersion, unit: Fraction, start_ms: int
) -> Answers:
    """Give a receipt in the words of `exact_expected`; `unit` = ms per unit."""
    answers: Answers = {"status": receipt.status, "prefix": receipt.prefix}
    if receipt.reason is not None:
        return {**answers, "reason": receipt.reason}
    rounds = version.rounding is not NO_ROUNDING or _row_rounds(version, receipt)
    windows = flat_windows(version)
    first = _first_window(version, receipt)
    pieces = receipt.pieces
    blocks = sum(piece.blocks for piece in pieces)
    return {
        **answers,
        "cost": receipt.amount if rounds else receipt.exact,
        "exact_cost": receipt.exact,
        "connect_fee": receipt.connect_fee,
        "rated_quantity": receipt.rated_ms / unit,
        "breakdown": [
            {
                "from": piece.from_ms / unit,
                "to": piece.to_ms / unit,
                "schedule": windows[piece.window].rate if piece.window >= 0 else "",
                "charge": piece.price,
                "slot": piece.slot,
                "window": piece.window - first,
                "increments": piece.blocks,
            }
            for piece in pieces
        ],
        "increments": blocks,
        "increment_cost": pieces[0].price / pieces[0].blocks if pieces else Fraction(0),
        "segments": len(pieces),
        "window_index": pieces[0].window - first if pieces else None,
        "window_indexes": [piece.window - first for piece in pieces],
        "cuts": [
            instant(start_ms + after.from_ms).strftime("%Y-%m-%dT%H:%M:%SZ")
            for before, after in pairwise(pieces)
            if before.window != after.window
        ],
    }


def _row_rounds(version: TariffVersion, receipt: Receipt) -> bool:
    """Tell whether the matched row has a rounding of its own."""
    modes = version.deck["rounding_mode"]
    return receipt.rate_row is not None and modes[receipt.rate_row].is_valid


def _first_window(version: TariffVersion, receipt: Receipt) -> int:
    """Give the flat number of the first window of the matched row's timing."""
    if receipt.rate_row is None:
        return 0
    name = version.deck["timing"][receipt.rate_row].as_py()
    offset = 0
    for timing in version.timings.values():
        if timing.name == name:
            break
        offset += len(timing.windows)
    return offset


# ---- first and next increments, as carriers' decks and other systems say it


def _increments(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Price seconds by a first block, next increments and a price per minute."""
    check_keys(
        "input",
        given,
        "duration_s dialect initial_s increment_s price_per_minute block_charge"
        " block_charge_every_s disconnect_fee disconnect_fee_from_s round_to_s round_threshold_s"
        " surcharge connect_fee truncate_places rounding minimum_charge grace_s no_charge_s"
        " included_s",
    )
    duration = Fraction(given["duration_s"]) + Fraction(given.get("grace_s", 0))
    initial = Fraction(given.get("initial_s", 0))
    if duration <= Fraction(given.get("no_charge_s", 0)):
        duration = Fraction(0)
    included = Fraction(given.get("included_s", 0))
    if included > 0:  # decision 4: behind an allowance only increments apply
        duration, initial = max(duration - included, Fraction(0)), Fraction(0)
    rounding = _truncation(given)
    version = schedule_version(_two_increments(given, initial), rounding)
    span = RatingInput(milliseconds(read_moment(_ANY_START)), _up(duration * _SECOND), "")
    receipt = engine.rate(version, span)
    answers = _receipt_answers(receipt, version, _SECOND, span.start_at_ms)
    return {**answers, "billable_s": answers["rated_quantity"]}


def _truncation(given: Mapping[str, Any]) -> Rounding:
    if "rounding" in given:
        return read_rounding(given["rounding"])
    if "truncate_places" in given:
        return Rounding("down", int(given["truncate_places"]))
    return NO_ROUNDING


def _two_increments(given: Mapping[str, Any], initial: Fraction) -> Schedule:
    dialect = given.get("dialect", "initial_then_steps")
    if dialect not in {"initial_then_steps", "steps_after_block", "whole_duration"}:
        raise VectorError(f"unknown dialect {dialect!r}")
    price = Fraction(given.get("price_per_minute", 0))
    step = int(Fraction(given.get("increment_s", 1)) * _SECOND) or 1
    first = int(initial * _SECOND)
    slots = [Slot(0, price, 60_000, first or step)]
    if first:
        slots.append(Slot(first, price, 60_000, step))
    minimum = given.get("minimum_charge")
    surcharges = Surcharges(
        block_charge=Fraction(given.get("block_charge", 0)),
        block_charge_every_ms=int(Fraction(given.get("block_charge_every_s", 0)) * _SECOND),
        hangup_fee=Fraction(given.get("disconnect_fee", 0)),
        hangup_fee_from_ms=int(Fraction(given.get("disconnect_fee_from_s", 0)) * _SECOND),
        raise_to_ms=int(Fraction(given.get("round_to_s", 0)) * _SECOND),
        raise_above_ms=int(Fraction(given.get("round_threshold_s", 0)) * _SECOND),
    )
    return Schedule(
        slots=tuple(slots),
        connect_fee=Fraction(given.get("surcharge", 0)) + Fraction(given.get("connect_fee", 0)),
        minimum_charge=None if minimum is None else Fraction(minimum),
        increment_dialect="whole_duration" if dialect == "whole_duration" else "steps_after_block",
        surcharges=surcharges,
    )


def _step_ends(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Give where started steps end: a call 1 ms longer than a step's begin pays it whole."""
    check_keys("input", given, "initial_s increment_s dialect")
    version = schedule_version(_two_increments(given, Fraction(given["initial_s"])))
    start_ms = milliseconds(read_moment(_ANY_START))
    ends = []
    end_ms = int(Fraction(given["initial_s"]) * _SECOND)
    for _ in range(64):
        end_ms = engine.rate(version, RatingInput(start_ms, end_ms + 1, "")).rated_ms
        ends.append(end_ms / _SECOND)
    return {"steps_at_s": Beginning(ends)}


class Beginning(list[Any]):
    """A list of which the expectation may name only the beginning."""


def _whole_steps(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Round a duration up to whole steps; zero stays zero."""
    check_keys("input", given, "duration_s step_s")
    step = Fraction(given["step_s"])
    if step == 0:
        return {"duration_s": Fraction(given["duration_s"])}
    slots = {"slots": [{"price": "0", "increment": given["step_s"]}]}
    answers = _schedule(file, {"schedule": slots, "quantity": given["duration_s"]}, path, engine)
    return {"duration_s": answers["rated_quantity"], "increments": answers["increments"]}


def _counted_steps(
    file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine
) -> Answers:
    """Price "3 x 0.01": so many increments at a price each."""
    check_keys("input", given, "connect_fee steps rounding")
    match = re.fullmatch(r"\s*(\d+)\s*[x*]\s*([0-9./]+)\s*", given["steps"])
    if match is None:
        raise VectorError(f"steps {given['steps']!r} are not 'count x price'")
    schedule = {
        "connect_fee": given.get("connect_fee", "0"),
        "slots": [{"price": match[2], "increment": "1"}],
    }
    inner = {"schedule": schedule, "quantity": match[1]}
    if "rounding" in given:
        inner["rounding"] = given["rounding"]
    return _schedule(file, inner, path, engine)


# ---- quantities, values, prefixes


def _steps(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Price a volume by steps of a from, a to, and a price per started interval."""
    check_keys("input", given, "volume steps access_price rounding")
    steps = []
    for step in given["steps"]:
        check_keys("step", step, "from to price interval")
        high = step.get("to")
        steps.append(
            (
                Fraction(step.get("from", 0)),
                None if high in {None, "UNLIMITED", "unlimited"} else Fraction(high),
                Fraction(step["price"]),
                Fraction(step.get("interval", 1)),
            )
        )
    cost = engine.price_tiers(step_plan(steps), Fraction(given["volume"]))
    cost += Fraction(given.get("access_price", 0))
    return {"cost": _rounded(given, cost, engine)}


def _tiers(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Price a quantity by tiers; a later slice is the difference of two totals."""
    check_keys(
        "input",
        given,
        "kind quantity tiers first_flat_on_zero size price free_units mode maximum minimum"
        " already_billed already_billed_quantity rounding unit",
    )
    plan = _read_plan(given)
    before = Fraction(given.get("already_billed_quantity", 0))
    quantity = Fraction(given["quantity"])
    cost = engine.price_tiers(plan, before + quantity)
    if before:
        cost -= engine.price_tiers(plan, before)
    billed = Fraction(given.get("already_billed", 0))
    discount = Fraction(0)
    if "minimum" in given:
        cost = max(cost, Fraction(given["minimum"]) - billed)
    if "maximum" in given:
        room = max(Fraction(given["maximum"]) - billed, Fraction(0))
        discount = max(cost - room, Fraction(0))
        cost -= discount
    return {"cost": _rounded(given, cost, engine), "discount": discount}


def _read_plan(given: Mapping[str, Any]) -> TierPlan:
    kind = given["kind"]
    if kind == "package":
        return package_plan(
            Fraction(given["size"]), Fraction(given["price"]), Fraction(given.get("free_units", 0))
        )
    if kind == "blocks":
        modes = {"every_tier": False, "all_tiers": False, "top_tier": True}
        return block_plan(
            [
                (
                    Fraction(tier["size"]),
                    None if tier.get("max_blocks") is None else int(tier["max_blocks"]),
                    Fraction(tier["price"]),
                )
                for tier in given["tiers"]
            ],
            top_tier=modes[given.get("mode", "every_tier")],
        )
    names = {
        "graduated": "graduated",
        "graduated_percentage": "graduated",
        "volume": "volume",
        "volume_percentage": "volume",
    }
    if kind not in names:
        raise VectorError(f"unknown kind {kind!r}")
    tiers = []
    for tier in given["tiers"]:
        check_keys("tier", tier, "up_to unit flat percent")
        price = Fraction(tier.get("unit") or 0) + Fraction(tier.get("percent") or 0) / 100
        limit = tier.get("up_to")
        tiers.append(
            Tier(None if limit is None else Fraction(limit), price, Fraction(tier.get("flat") or 0))
        )
    return TierPlan(
        tuple(tiers),
        "volume" if names[kind] == "volume" else "graduated",
        flat_on_zero=bool(given.get("first_flat_on_zero", True)),
    )


def _spend_limit(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Price a slice under a maximum spend, by the tiers that its source test uses.

    Such a vector names no tiers: upstream states them once for all its cases, so
    they are those of the file's vectors with the same upstream path.
    """
    if path not in file.tiers_of_source:
        raise VectorError("no tiers given, and none in the vectors of the same source")
    names = ("kind", "tiers", "first_flat_on_zero")
    shared = {k: v for k, v in file.tiers_of_source[path].items() if k in names}
    return _tiers(file, {**shared, **given}, path, engine)


def _late_blocks(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Bill the difference between the new total of started blocks and what was billed."""
    check_keys("input", given, "block_size block_price quantity already_billed")
    plan = package_plan(Fraction(given["block_size"]), Fraction(given["block_price"]), Fraction(0))
    total = engine.price_tiers(plan, Fraction(given["quantity"]))
    delta = total - Fraction(given.get("already_billed", 0))
    return {"delta": delta, "cost": delta, "total": total}


def _value(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Round a value."""
    check_keys("input", given, "value places mode")
    mode = given.get("mode", "half_up")
    if mode not in MODES:
        raise VectorError(f"unknown rounding mode {mode!r}")
    return {"value": engine.round(Fraction(given["value"]), mode, int(given.get("places", 0)))}


def _rounded(given: Mapping[str, Any], cost: Fraction, engine: Engine) -> Fraction:
    if "rounding" not in given:
        return cost
    rounding = read_rounding(given["rounding"])
    return engine.round(cost, rounding.mode, rounding.places)


def _prefix(file: VectorFile, given: Mapping[str, Any], path: str, engine: Engine) -> Answers:
    """Find the price of a number in a table of prefixes."""
    check_keys("input", given, "table number start at")
    at = read_moment(given.get("start", given.get("at", _ANY_START)))
    table = given["table"]
    if isinstance(table, Mapping):
        table = [{"prefix": prefix, "price": price} for prefix, price in table.items()]
    rows = []
    for line in table:
        check_keys("table", line, "prefix price valid from until valid_from valid_until valid_to")
        since = line.get("from", line.get("valid_from"))
        until = line.get("until", line.get("valid_until", line.get("valid_to")))
        active_from = None if since is None else read_moment(since)
        active_until = None if until is None else read_moment(until)
        words = str(line.get("valid", "always"))
        if re.search(r"end|expired|until before|past", words):
            active_until = at - timedelta(days=1)
        elif re.search(r"start|begin|not yet|future|from after", words):
            active_from = at + timedelta(days=1)
        elif not re.search(r"always|valid|current|in force|now|open", words):
            raise VectorError(f"unknown validity {words!r}")
        rows.append(
            RateRow(
                read_digits(line["prefix"]) or "",
                "always",
                (0,),
                active_from=active_from,
                active_until=active_until,
            )
        )
    version = inline_version(
        {"": Schedule((Slot(0, Fraction(0), 1, 1),))}, Timing("always", (), ("",)), rows
    )
    receipt = engine.rate(
        version, RatingInput(milliseconds(at), 1000, read_digits(given["number"]))
    )
    if receipt.rate_row is None:
        return {"status": "unrated", "reason": receipt.reason, "prefix": None, "price": None}
    line = table[receipt.rate_row]
    return {"status": "rated", "prefix": line["prefix"], "price": line.get("price")}


Reader = Callable[[VectorFile, Mapping[str, Any], str, Engine], Answers]

# The first reader whose keys are all there; the more telling keys come first.
_READERS: tuple[tuple[str, Reader], ...] = (
    ("tariff destination", _call),
    ("tariff quantity start", _call),
    ("windows start", _windows),
    ("schedule quantity", _schedule),
    ("quantity price increment", _schedule),
    ("volume steps", _steps),
    ("kind quantity", _tiers),
    ("maximum quantity", _spend_limit),
    ("block_size quantity", _late_blocks),
    ("table number", _prefix),
    ("value places", _value),
    ("value mode", _value),
    ("duration_s step_s", _whole_steps),
    ("duration_s", _increments),
    ("steps", _counted_steps),
    ("initial_s increment_s", _step_ends),
)
