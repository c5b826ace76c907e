"""Price lists of the simulated world, and an engine of its own that prices them.

Owns two tariffs as small tables: it writes them as tariff files for Bluewhale
and prices every span itself, second by second of the rule and in rationals,
without any code of `bluewhale.rating`. That the two agree is the point.
All prices are made up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

from bluewhale.cli.simulate.printed import Span


@dataclass(frozen=True, slots=True)
class SimTariff:
    """One tariff: per prefix (peak per minute, off-peak per minute, connect fee).

    Peak is Monday to Friday 08:00-18:00 of `zone`, but for `holidays`. The first
    `initial_s` are one block, then blocks of `step_s`. One rounding, half up.
    """

    uid: str
    price_list: str
    currency: str
    zone: str
    places: int
    initial_s: int
    step_s: int
    rates: dict[str, tuple[str, str, str]]
    holidays: tuple[date, ...]


_HOLIDAYS = (date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 12, 25))

CARRIER = SimTariff(
    "carrier-2026", "carrier", "EUR", "Europe/Berlin", 4, 60, 6,
    {
        "49": ("0.0180", "0.0120", "0"), "4930": ("0.0120", "0.0090", "0"), "4917": ("0.0790", "0.0690", "0.01"),
        "44": ("0.0210", "0.0150", "0"), "4420": ("0.0170", "0.0110", "0"), "447": ("0.0980", "0.0870", "0.02"),
        "1": ("0.0110", "0.0080", "0"), "1212": ("0.0095", "0.0070", "0"), "1312": ("0.0105", "0.0075", "0.005"),
        "61": ("0.0240", "0.0190", "0"), "612": ("0.0200", "0.0160", "0"), "614": ("0.1150", "0.0990", "0.015"),
    },
    _HOLIDAYS,
)  # fmt: skip
INTERNAL = SimTariff(
    "internal-2026", "internal", "EUR", "Europe/Berlin", 2, 60, 60,
    {
        "49": ("0.03", "0.02", "0"), "4917": ("0.12", "0.10", "0"), "44": ("0.04", "0.03", "0"),
        "447": ("0.15", "0.12", "0.05"), "1": ("0.03", "0.03", "0"), "61": ("0.05", "0.04", "0"),
        "614": ("0.19", "0.17", "0.05"),
    },
    (),
)  # fmt: skip
TARIFFS = (CARRIER, INTERNAL)


def write_tariff(tariff: SimTariff, folder: Path) -> Path:
    """Write the tariff as YAML and CSV; gives the path of the YAML file."""
    folder.mkdir(parents=True, exist_ok=True)
    deck = folder / f"{tariff.uid}.csv"
    lines = ["prefix,destination,price_peak,price_offpeak,connect_fee,increments"]
    for prefix, (peak, offpeak, fee) in sorted(tariff.rates.items()):
        lines.append(
            f"{prefix},zone {prefix},{peak},{offpeak},{fee},{tariff.initial_s}/{tariff.step_s}"
        )
    deck.write_text("\n".join(lines) + "\n", "utf-8")
    calendar = ""
    windows = [
        "      - {rate: offpeak, priority: 1}",
        "      - {rate: peak, days: [mon-fri], from: '08:00', until: '18:00', priority: 10}",
    ]
    if tariff.holidays:
        calendar = (
            "calendars:\n  holidays: [" + ", ".join(d.isoformat() for d in tariff.holidays) + "]\n"
        )
        windows.append("      - {rate: offpeak, calendar: holidays, priority: 20, name: holiday}")
    document = folder / f"{tariff.uid}.yaml"
    document.write_text(
        f"tariff: {tariff.uid}\nversion: 1\nname: simulated {tariff.price_list} prices\n"
        f"price_list: {tariff.price_list}\ncurrency: {tariff.currency}\nzone: {tariff.zone}\n"
        f"rounding: {{mode: half_up, places: {tariff.places}}}\neffective_from: 2020-01-01\n{calendar}"
        "timings:\n  standard:\n    windows:\n"
        + "\n".join(windows)
        + f"\ndecks:\n  - {{file: {deck.name}}}\n",
        "utf-8",
    )
    return document


def price(tariff: SimTariff, span: Span, e164: str) -> int | None:
    """Price a span in nanos; None = this tariff has no price for it.

    Inbound and internal spans and emergency numbers are free: these decks do
    not name them. Zero duration is free. A block keeps the price of the window
    that it starts in.
    """
    if span.direction != "outbound" or not e164:
        return 0
    prefix = max((p for p in tariff.rates if e164.startswith(p)), key=len, default=None)
    if prefix is None:
        return None
    if not span.answered or span.quantity_ms == 0:
        return 0
    peak, offpeak, fee = (Fraction(x) for x in tariff.rates[prefix])
    total, at_s, need = fee, 0, math.ceil(span.quantity_ms / 1000)
    while at_s < need:
        block = tariff.initial_s if at_s == 0 else tariff.step_s
        rate = peak if _is_peak(tariff, span.start_at_ms + at_s * 1000) else offpeak
        total += rate * block / 60
        at_s += block
    unit = Fraction(1, 10**tariff.places)
    rounded = math.floor(total / unit + Fraction(1, 2)) * unit
    return int(rounded * 10**9)


def _is_peak(tariff: SimTariff, at_ms: int) -> bool:
    at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(
        ZoneInfo(tariff.zone)
    )
    return at.isoweekday() <= 5 and 8 <= at.hour < 18 and at.date() not in tariff.holidays
