"""The receipt of a charge, step by step and in plain words: why it costs what it costs.

Owns the steps and their wording. Every figure comes from the stored charge and
the tariff version that it names; nothing is priced anew here (that is `receipts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from bluewhale.rating.tariff import (
    RateRow,
    Schedule,
    Slot,
    TariffVersion,
    deck_row,
    flat_windows,
)
from bluewhale.records.enums import ChargeEntry, ChargeStatus, UnratedReason

NANO_PLACES = 9
_LABEL_WIDTH = 12
StepKind = Literal[
    "reversal", "tariff", "number", "unrated", "remedy", "free", "connected", "segment",
    "connect_fee", "surcharges", "sum", "minimum", "cap", "rounding", "result",
]  # fmt: skip
STEP_KINDS: tuple[str, ...] = get_args(StepKind)
_MODES = {
    "half_up": "half up",
    "half_even": "half to even",
    "up": "up",
    "down": "down",
}
_UNRATED: dict[str, tuple[str, str]] = {
    UnratedReason.NO_TARIFF: (
        "no version of the price list was in force at that time",
        "Import and activate a tariff that covers this time, then re-rate.",
    ),
    UnratedReason.NO_RATE: (
        "no row of the rate deck matches the number",
        "Add a row for its prefix (or * for every number), then re-rate.",
    ),
    UnratedReason.NO_WINDOW: (
        "no window of the timing holds at that time",
        "Add a window without conditions and with the lowest priority, then re-rate.",
    ),
    UnratedReason.NUMBER_NOT_NORMALISED: (
        "the called number could not be brought into international form",
        "Correct the number plan of the site (area code, prefixes, short codes), then re-rate.",
    ),
    UnratedReason.DURATION_UNKNOWN: (
        "the record does not say how long the call was connected",
        "Repair the record in suspense or enter the duration, then re-rate.",
    ),
    UnratedReason.PRICE_OVERFLOW: (
        "the amount is too big for the ledger",
        "Check the price and the duration; a decimal mark may be missing.",
    ),
}

_FREE = {
    "never_connected": "never connected, and this tariff does not price attempts",
    "not_selected": "inbound, internal, emergency and freephone calls cost nothing unless a row of"
    " the deck selects them",
    "priced_at_zero": "the tariff prices it at 0",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step from a call to its amount.

    `inputs` names what went in and `result` what came out, as texts for programs:
    amounts exact, durations in integer milliseconds. `text` says the same to
    people; `label` is the word in front of it.
    """

    kind: StepKind
    label: str
    text: str
    result: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


def explain_charge(
    charge: Mapping[str, Any],
    version: TariffVersion | None,
    *,
    number: str | None = None,
    destination: str | None = None,
) -> str:
    """Say in plain words how one charge came about.

    Parameters
    ----------
    charge
        One row of `CHARGE_SCHEMA` as a mapping.
    version
        The tariff version that the charge names; None where it names none.
    number
        The called number as people know it; null = not shown.
    destination
        Name of the destination; default is that of the rate row.

    Returns
    -------
    Lines of at most about 100 characters, without a final line break.
    """
    steps = receipt_steps(charge, version, number=number, destination=destination)
    return "\n".join([_headline(charge, version), *(_line(x.label, x.text) for x in steps)])


def receipt_steps(
    charge: Mapping[str, Any],
    version: TariffVersion | None,
    *,
    number: str | None = None,
    destination: str | None = None,
) -> list[Step]:
    """Give the steps of one charge in order; parameters as `explain_charge`."""
    steps = []
    if charge["entry"] == ChargeEntry.REVERSAL:
        why = str(charge["reason"])
        text = f"takes back an earlier charge: {why}"
        steps.append(Step("reversal", "Reversal", text, inputs={"reason": why}))
    if version is not None:
        steps.append(_in_force(charge, version))
    row = _rate_row(charge, version)
    steps.append(_matched(charge, row, number, destination))
    status = charge["status"]
    if status == ChargeStatus.UNRATED:
        why, remedy = _UNRATED.get(str(charge["reason"]), ("the reason is not known", ""))
        steps.append(Step("unrated", "Not priced", why, inputs={"reason": str(charge["reason"])}))
        steps.append(Step("remedy", "What to do", remedy))
    elif status == ChargeStatus.FREE:
        reason = _why_free(charge, row)
        steps.append(Step("free", "Free", _FREE[reason], "0", {"reason": reason}))
    elif version is not None and row is not None:
        steps += _priced(charge, version, row)
    return steps


def amount_text(value: Fraction) -> str:
    """Give an exact amount: decimal where it ends, else "n/d"."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    scale = 0
    while (value * 10**scale).denominator != 1:
        scale += 1
    return f"{Decimal(int(value * 10**scale)).scaleb(-scale):f}"


def seconds_text(ms: int) -> str:
    """Give a duration in seconds, with decimals only where they are not 0."""
    return f"{amount_text(Fraction(ms, 1_000))} s"


def _headline(charge: Mapping[str, Any], version: TariffVersion | None) -> str:
    status = charge["status"]
    if status == ChargeStatus.UNRATED:
        head = "Not priced yet"
    elif status == ChargeStatus.FREE:
        head = f"{_rounded(charge)} {charge['currency'] or ''}".rstrip() + " (free)"
    else:
        head = f"{_rounded(charge)} {charge['currency']}"
    if version is None:
        return f"{head}, price list {charge['price_list']}"
    name = f" ({version.name})" if version.name else ""
    return (
        f"{head}, price list {charge['price_list']}, tariff {version.tariff_uid} "
        f"version {version.version}{name}"
    )


def _rounded(charge: Mapping[str, Any]) -> str:
    """Give the amount with the places of its rounding."""
    places = charge["rounding_places"]
    nanos = Decimal(charge["amount_nanos"] or 0).scaleb(-NANO_PLACES)
    if places is None or not 0 <= places < NANO_PLACES:
        return f"{nanos.normalize():f}"
    return f"{nanos.quantize(Decimal(1).scaleb(-places)):f}"


def _in_force(charge: Mapping[str, Any], version: TariffVersion) -> Step:
    zone = ZoneInfo(version.zone)
    begin = f"{version.effective_from.astimezone(zone):%Y-%m-%d %H:%M}"
    end = (
        "without end"
        if version.effective_until is None
        else f"until {version.effective_until.astimezone(zone):%Y-%m-%d %H:%M}"
    )
    start = charge["start_at"]
    when = "the call began" if start is None else f"{start.astimezone(zone):%a %Y-%m-%d %H:%M:%S}"
    if not charge["quantity_ms"]:
        event, said = "attempt", "set up, never answered,"
    elif charge["answer_known"] is False:
        event, said = "answer_inferred", "answered (time inferred)"
    else:
        event, said = "answer", "answered"
    inputs = {
        "tariff_uid": version.tariff_uid,
        "version": str(version.version),
        "name": version.name,
        "price_list": version.price_list,
        "zone": version.zone,
        "in_force_from": _utc(version.effective_from),
        "in_force_until": _utc(version.effective_until),
        "event": event,
        "at": _utc(start),
    }
    return Step(
        "tariff",
        "Tariff",
        f"in force from {begin} {end}; {said} {when} {version.zone}",
        f"{version.tariff_uid}@{version.version}",
        _known(inputs),
    )


def _utc(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _known(inputs: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is not known or not said."""
    return {name: value for name, value in inputs.items() if value}


def _rate_row(charge: Mapping[str, Any], version: TariffVersion | None) -> RateRow | None:
    index = charge["rate_row"]
    return None if index is None or version is None else deck_row(version.deck, index)


def _matched(
    charge: Mapping[str, Any], row: RateRow | None, number: str | None, destination: str | None
) -> Step:
    called = number or "not shown"
    if row is None:
        return Step("number", "Number", called, inputs=_known({"number": number}))
    named = destination or row.destination
    name = f' "{named}"' if named else ""
    chosen = [
        f"{word} {value}"
        for word, value in (
            ("carrier", row.carrier),
            ("trunk group", row.trunk_group),
            ("class", row.call_class),
            ("subscriber", row.subscriber),
        )
        if value is not None
    ]
    selectors = f" for {', '.join(chosen)}" if chosen else ""
    line = f", line {row.source_line} of the deck" if row.source_line else ""
    matched = f"prefix {row.prefix}" if row.prefix else "every number"
    reason = ": the longest prefix in force" if row.prefix else ": no longer prefix in force"
    inputs = {
        "number": number,
        "prefix": row.prefix,
        "destination": named,
        "line": str(row.source_line or ""),
        "carrier": row.carrier,
        "trunk_group": row.trunk_group,
        "call_class": row.call_class,
        "subscriber": row.subscriber,
    }
    text = f"{called} -> {matched}{name}{selectors}{line}{reason}"
    return Step("number", "Number", text, row.prefix or "", _known(inputs))


def _why_free(charge: Mapping[str, Any], row: RateRow | None) -> str:
    if not charge["quantity_ms"]:
        return "never_connected"
    return "not_selected" if row is None else "priced_at_zero"


def _priced(charge: Mapping[str, Any], version: TariffVersion, row: RateRow) -> list[Step]:
    currency = charge["currency"]
    segments: list[Mapping[str, Any]] = charge["segments"] or []
    quantity, rated = charge["quantity_ms"] or 0, charge["rated_quantity_ms"] or 0
    connected = f"{seconds_text(quantity)}; counted {seconds_text(rated)}"
    if not quantity:
        connected = "never; this tariff charges its connect fee for attempts"
    counted = {"quantity_ms": str(quantity)}
    steps = [Step("connected", "Connected", connected, str(rated), counted)]
    total = Fraction(0)
    for number, segment in enumerate(segments):
        price = _segment_price(version, row, segment)
        total += price
        label = "Segments" if number == 0 else ""
        steps.append(_segment(charge, version, row, segment, price, label))
    fee = _connect_fee(charge, version, row, segments)
    total += fee
    steps.append(Step("connect_fee", "Connect fee", amount_text(fee), amount_text(fee)))
    exact = exact_amount(charge)
    settled = charge["minimum_applied"] or charge["cap_applied"]
    if not settled and exact != total:
        more = amount_text(exact - total)
        steps.append(Step("surcharges", "Surcharges", more, more))
        total = exact
    said = amount_text(total)
    steps.append(Step("sum", "Sum", f"{said} {currency}, exact", said))
    if charge["minimum_applied"]:
        minimum = _first_schedule(version, row, segments).minimum_charge
        steps.append(_limit("minimum", "raised to the minimum charge", minimum, currency))
    if charge["cap_applied"]:
        steps.append(_limit("cap", "lowered to the maximum cost", row.max_cost, currency))
    return [*steps, _rounding(charge, exact), _outcome(charge)]


def _limit(kind: StepKind, words: str, limit: Fraction | None, currency: str) -> Step:
    amount = "" if limit is None else amount_text(limit)
    text = f"{words} {amount} {currency}" if amount else words
    return Step(kind, kind.capitalize(), text, amount)


def _rounding(charge: Mapping[str, Any], exact: Fraction) -> Step:
    places, mode = charge["rounding_places"], charge["rounding_mode"]
    noun = "place" if places == 1 else "places"
    before, after = amount_text(exact), _rounded(charge)
    text = f"once, {_MODES.get(mode, mode)} to {places} {noun}: {before} -> {after}"
    inputs = {"mode": mode, "places": str(places), "exact": before}
    return Step("rounding", "Rounding", text, after, inputs)


def _outcome(charge: Mapping[str, Any]) -> Step:
    amount, currency = _rounded(charge), charge["currency"]
    return Step("result", "Result", f"{amount} {currency}", amount, {"currency": currency})


def _segment(
    charge: Mapping[str, Any],
    version: TariffVersion,
    row: RateRow,
    segment: Mapping[str, Any],
    price: Fraction,
    label: str,
) -> Step:
    zone = ZoneInfo(version.zone)
    start = charge["start_at"].astimezone(UTC)
    begin = (start + timedelta(milliseconds=segment["from_ms"])).astimezone(zone)
    end = (start + timedelta(milliseconds=segment["to_ms"])).astimezone(zone)
    window = segment["window"]
    name = "always" if window < 0 else _window_name(version, window)
    slot, increment = _slot(version, row, segment)
    text = (
        f"{_clock(begin, start.astimezone(zone))} to {_clock(end, begin)}, {name}: "
        f"{segment['blocks']} x {seconds_text(increment)} at {amount_text(slot.price)} "
        f"per {seconds_text(slot.per_ms)} = {amount_text(price)}"
    )
    inputs = {
        "window": name,
        "from": _utc(begin),
        "to": _utc(end),
        "blocks": str(segment["blocks"]),
        "increment_ms": str(increment),
        "price": amount_text(slot.price),
        "per_ms": str(slot.per_ms),
    }
    return Step("segment", label, text, amount_text(price), inputs)


def _slot(version: TariffVersion, row: RateRow, segment: Mapping[str, Any]) -> tuple[Slot, int]:
    """Give the slot of a segment and its block length in ms."""
    schedule = _schedule(version, row, segment["window"])
    slot = schedule.slots[segment["slot"]]
    if schedule.increment_dialect == "whole_duration":
        return slot, schedule.slots[-1].increment_ms
    return slot, slot.increment_ms


def _segment_price(version: TariffVersion, row: RateRow, segment: Mapping[str, Any]) -> Fraction:
    """Give the stored price of the blocks; from the tariff where it left int64."""
    if segment["price_denominator"]:
        return Fraction(segment["price_numerator"], segment["price_denominator"])
    slot, increment = _slot(version, row, segment)
    return segment["blocks"] * increment * slot.price / slot.per_ms


def _window_name(version: TariffVersion, window: int) -> str:
    found = flat_windows(version)[window]
    return found.name or found.rate


def _clock(moment: datetime, before: datetime) -> str:
    """Give a time of day; with its date and offset where these have changed."""
    text = f"{moment:%H:%M:%S}"
    if moment.microsecond:
        text += f".{moment.microsecond // 1_000:03}"
    if moment.date() != before.date():
        text = f"{moment:%Y-%m-%d} {text}"
    if moment.utcoffset() != before.utcoffset():
        text = f"{text} ({moment:%Z})"
    return text


def _schedule(version: TariffVersion, row: RateRow, window: int) -> Schedule:
    if window < 0:
        return version.schedules[row.schedules[0]]
    label = flat_windows(version)[window].rate
    return version.schedules[row.schedules[version.timings[row.timing].labels.index(label)]]


def _first_schedule(
    version: TariffVersion, row: RateRow, segments: list[Mapping[str, Any]]
) -> Schedule:
    """Give the schedule of the first window: connect fee and minimum are its."""
    return _schedule(version, row, segments[0]["window"] if segments else -1)


def _connect_fee(
    charge: Mapping[str, Any],
    version: TariffVersion,
    row: RateRow,
    segments: list[Mapping[str, Any]],
) -> Fraction:
    nanos = Fraction(charge["connect_fee_nanos"] or 0, 10**NANO_PLACES)
    if not segments:
        return nanos
    fee = _first_schedule(version, row, segments).connect_fee
    # nanos hold 9 places; the schedule may have more
    return fee if nanos and abs(fee - nanos) < Fraction(1, 10**NANO_PLACES) else nanos


def exact_amount(charge: Mapping[str, Any]) -> Fraction:
    """Give the amount of a priced charge before its one rounding, in currency units."""
    if charge["exact_numerator"] is not None:
        return Fraction(charge["exact_numerator"], charge["exact_denominator"])
    return Fraction(charge["exact"])


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL_WIDTH}}{text}".rstrip()
