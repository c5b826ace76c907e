"""Random valid tariffs and calls near everything that is awkward; holds no tests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import numpy as np
from bluewhale.rating.exact import RatingInput, selection_class
from bluewhale.rating.prefixes import left_align_digits
from bluewhale.rating.rounding import MODES
from bluewhale.rating.schedule_table import ScheduleTable
from bluewhale.rating.spans import Spans, Words
from bluewhale.rating.tariff import (
    RateRow,
    Rounding,
    Schedule,
    Slot,
    Surcharges,
    TariffVersion,
    Timing,
    Window,
    deck_table,
)
from bluewhale.rating.window_rules import milliseconds

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
)
# DST changes of several zones, year ends, leap days, and a moment before the table of days.
AWKWARD = (
    "2024-03-31T01:00",
    "2024-10-27T01:00",
    "2024-03-10T07:00",
    "2024-11-03T06:00",
    "2024-04-06T15:00",
    "2024-10-05T15:30",
    "2023-12-31T23:00",
    "2024-02-28T22:00",
    "2024-02-29T12:00",
    "2023-02-28T23:30",
    "2016-12-31T12:00",
    "2011-12-29T20:00",
    "1989-12-31T12:00",
)
INCREMENTS = (1, 7, 10, 100, 1000, 1000, 6000, 6000, 30_000, 45_000, 60_000, 60_000, 3_600_000)
WORDS = (None, None, None, "a", "b")
CLASSES = ("national", "international", "mobile", "premium", "emergency", "free", "internal")


def random_price(rng):
    """A price: decimal, rational, tiny, huge or zero."""
    kind = rng.randrange(12)
    if kind == 0:
        return Fraction(0)
    if kind == 1:
        return Fraction(rng.randint(1, 50), rng.choice((3, 7, 60, 1024, 9999)))
    if kind == 2:
        return Fraction(rng.randint(1, 99), 10 ** rng.randint(8, 12))
    if kind == 3:
        return Fraction(rng.randint(1, 10 ** rng.randint(5, 13)))
    return Fraction(rng.randint(1, 99_999), 10 ** rng.randint(1, 8))


def random_schedule(rng):
    """A schedule with one to four slots."""
    per = rng.choice((1000, 60_000, 60_000, 60_000, 7000, 1024))
    starts = sorted({0, *(rng.choice((6, 30, 60, 90, 600, 3600)) * 1000 for _ in range(3))})
    slots = tuple(
        Slot(start, random_price(rng), per, rng.choice(INCREMENTS))
        for start in starts[: rng.randint(1, 4)]
    )
    surcharges = None
    if rng.random() < 0.15:
        surcharges = Surcharges(
            random_price(rng),
            rng.choice((0, 30_000)),
            random_price(rng),
            rng.choice((0, 30_000)),
            rng.choice((0, 60_000)),
            rng.choice((0, 20_000)),
        )
    return Schedule(
        slots,
        connect_fee=rng.choice((Fraction(0), random_price(rng))),
        minimum_charge=rng.choice((None, None, random_price(rng))),
        increment_dialect=rng.choice(("steps_after_block", "steps_after_block", "whole_duration")),
        prices_attempts=rng.random() < 0.3,
        surcharges=surcharges,
    )


def random_window(rng, labels, calendars):
    """A window with some of the day conditions."""
    start = rng.choice((0, 0, 3600, 7200, 9000, 28_800, 43_201, 68_400, 86_340))
    end = rng.choice((86_400, 86_400, start + 1, start + 30, start + 3600))

    def some(low, high, share):
        values = range(low, high + 1)
        if rng.random() > 0.3:
            return None
        return frozenset(v for v in values if rng.random() < share) or frozenset({low})

    return Window(
        rate=rng.choice(labels),
        start_second=start,
        end_second=min(end, 86_400),
        weekdays=some(1, 7, 0.5),
        monthdays=some(1, 31, 0.7) if rng.random() < 0.2 else None,
        months=some(1, 12, 0.6) if rng.random() < 0.2 else None,
        years=some(2022, 2025, 0.6) if rng.random() < 0.1 else None,
        calendar=rng.choice((None, None, *calendars)),
        priority=rng.choice((10, 10, 10, 20, 5)),
    )


def random_version(rng):
    """A whole version: zone, calendars, timings, schedules and a small deck."""
    days = [date(2024, 1, 1), date(2024, 12, 25), date(2024, 10, 27), date(2024, 2, 29)]
    calendars = {"holidays": frozenset(rng.sample(days, 2)), "none": frozenset()}
    timings = {"always": Timing("always", (), ("only",))}
    for number in range(rng.randint(1, 2)):
        labels = tuple(f"label{n}" for n in range(rng.randint(1, 3)))
        windows = [random_window(rng, labels, calendars) for _ in range(rng.randint(1, 9))]
        if rng.random() < 0.8:
            windows.insert(rng.randrange(len(windows)), Window(labels[0], priority=1))
        timings[f"timing{number}"] = Timing(f"timing{number}", tuple(windows), labels)
    schedules = [random_schedule(rng) for _ in range(rng.randint(1, 8))]
    if rng.random() < 0.5:
        plain = [replace(s, surcharges=None) for s in schedules]
        schedules = ScheduleTable.from_schedules(plain)
    rows = []
    for _ in range(rng.randint(1, 14)):
        timing = rng.choice(list(timings.values()))
        since = datetime(2024, rng.randint(1, 12), 1, tzinfo=UTC)
        rows.append(
            RateRow(
                "".join(rng.choice("0049") for _ in range(rng.choice((0, 1, 2, 3, 5)))),
                timing.name,
                tuple(rng.randrange(len(schedules)) for _ in timing.labels),
                carrier=rng.choice(WORDS),
                trunk_group=rng.choice(WORDS) if rng.random() < 0.3 else None,
                call_class=rng.choice((*CLASSES, "inbound")) if rng.random() < 0.3 else None,
                subscriber=rng.choice(WORDS) if rng.random() < 0.3 else None,
                active_from=since if rng.random() < 0.2 else None,
                active_until=since + timedelta(days=40) if rng.random() < 0.2 else None,
                rounding=Rounding(rng.choice(MODES), rng.randint(0, 9))
                if rng.random() < 0.4
                else None,
                max_cost=random_price(rng) if rng.random() < 0.3 else None,
                max_cost_action=rng.choice(("cap", "cap", "end_call")),
            )
        )
    if rng.random() < 0.85:  # most decks price every number
        timing = rng.choice(list(timings.values()))
        rows.append(
            RateRow("", timing.name, tuple(rng.randrange(len(schedules)) for _ in timing.labels))
        )
    return TariffVersion(
        tariff_uid="random",
        version=1,
        price_list="carrier",
        currency="EUR",
        zone=rng.choice(ZONES),
        rounding=Rounding(rng.choice(MODES), rng.randint(0, 9)),
        effective_from=datetime(2000, 1, 1, tzinfo=UTC),
        effective_until=None,
        timings=timings,
        schedules=schedules,
        deck=deck_table(rows),
        calendars=calendars,
    )


def random_call(rng, version):
    """A span whose start, length and number lie near what the tariff cuts."""
    base = datetime.fromisoformat(rng.choice(AWKWARD)).replace(tzinfo=UTC)
    if rng.random() < 0.4:
        base = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(525_600))
    near = rng.choice((0, rng.randint(-7_200_000, 7_200_000), rng.randint(-90_000, 90_000)))
    quantity = rng.choice(
        (
            None,
            0,
            1,
            rng.randint(1, 120_000),
            rng.randint(1, 120) * 1000,
            rng.randint(1, 10_000) * 1000,
            rng.randint(1, 10_000_000),
            rng.randint(1, 72 * 3600) * 1000,
        )
    )
    digits = rng.choice(
        (
            None,
            "".join(rng.choice("0049") for _ in range(rng.randint(0, 8))),
            "".join(rng.choice("049") for _ in range(rng.randint(3, 17))),
        )
    )
    return RatingInput(
        start_at_ms=milliseconds(base) + near,
        quantity_ms=quantity,
        digits=digits,
        answered=rng.random() < 0.93,
        direction=rng.choice(("outbound",) * 9 + ("inbound", "internal", None)),
        call_class=rng.choice((*CLASSES[:4] * 3, *CLASSES, None)),
        carrier=rng.choice((None, "a", "b", "c")),
        trunk_group=rng.choice((None, "a", "b")),
        subscriber=rng.choice((None, "a")),
        connect_fee_due=rng.random() < 0.9,
    )


def columns_of(calls):
    """The same spans as the columnar engine reads them."""
    numbers = [(0, -1) if c.digits is None else left_align_digits(c.digits) for c in calls]

    def words(values):
        known = sorted({value for value in values if value is not None})
        codes = [-1 if value is None else known.index(value) for value in values]
        return Words(np.array(codes, np.int32), tuple(known))

    return Spans(
        key=np.array([key for key, _ in numbers], np.int64),
        digits=np.array([length for _, length in numbers], np.int8),
        start_ms=np.array([c.start_at_ms for c in calls], np.int64),
        quantity_ms=np.array(
            [-1 if c.quantity_ms is None else c.quantity_ms for c in calls], np.int64
        ),
        answered=np.array([c.answered for c in calls]),
        selection=words([selection_class(c.direction, c.call_class) for c in calls]),
        carrier=words([c.carrier for c in calls]),
        trunk_group=words([c.trunk_group for c in calls]),
        subscriber=words([c.subscriber for c in calls]),
        fee_due=np.array([c.connect_fee_due for c in calls]),
    )
