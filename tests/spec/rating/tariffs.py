"""Small tariffs that the chapters of this spec share; holds no tests."""

from datetime import UTC, datetime
from fractions import Fraction

from bluewhale.rating.exact import RatingInput, rate_exact
from bluewhale.rating.tariff import (
    RateRow,
    Rounding,
    Slot,
    TariffVersion,
    Timing,
    Window,
    deck_table,
)
from bluewhale.rating.vector_engines import ColumnarEngine
from bluewhale.rating.window_rules import milliseconds

ALWAYS = Timing("always", (), ("std",))
PEAK_8_TO_18 = Timing(
    "peak", (Window("peak", 8 * 3600, 18 * 3600, priority=20), Window("off")), ("peak", "off")
)


def slots(*lines):
    """(from s, price, per s, increment s) as slots."""
    return tuple(
        Slot(int(f * 1000), Fraction(p), int(per * 1000), int(i * 1000)) for f, p, per, i in lines
    )


def tariff(*schedules, timing=ALWAYS, rows=None, **more):
    """A tariff that prices every number by one timing, one schedule per label."""
    settings = {
        "zone": "UTC",
        "rounding": Rounding("half_up", 4),
        "currency": "EUR",
        "calendars": {},
        **more,
    }
    return TariffVersion(
        tariff_uid="t",
        version=1,
        price_list="carrier",
        effective_from=datetime(2000, 1, 1, tzinfo=UTC),
        effective_until=None,
        timings={timing.name: timing},
        schedules=list(schedules),
        deck=deck_table(
            rows if rows is not None else [RateRow("", timing.name, tuple(range(len(schedules))))]
        ),
        **settings,
    )


def rate(version, start, seconds, **more):
    """Price one call by both engines, which must agree; gives the exact receipt."""
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    quantity = None if seconds is None else int(Fraction(str(seconds)) * 1000)
    span = RatingInput(milliseconds(moment), quantity, more.pop("digits", "4930231250"), **more)
    charge = rate_exact(version, span)
    columnar = ColumnarEngine().rate(version, span)
    assert columnar.status == str(charge.status)
    assert columnar.reason == (None if charge.reason is None else str(charge.reason))
    assert columnar.rated_ms == charge.rated_quantity_ms
    assert columnar.rate_row == charge.rate_row
    assert [(p.window, p.slot, p.from_ms, p.to_ms, p.blocks, p.price) for p in columnar.pieces] == [
        (s.window, s.slot, s.from_ms, s.to_ms, s.blocks, s.price) for s in charge.segments
    ]
    if charge.status != "unrated":
        assert columnar.amount == charge.amount
        assert columnar.exact == charge.exact
    return charge


def cuts(charge):
    """Windows and seconds of the segments: (window, from, to)."""
    return [(s.window, s.from_ms / 1000, s.to_ms / 1000) for s in charge.segments]
