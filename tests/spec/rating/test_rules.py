"""The rating rules, one by one, with their arithmetic; every case in both engines."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from bluewhale.rating.rounding import round_exact
from bluewhale.rating.tariff import RateRow, Rounding, Schedule, Timing, Window

from tests.spec.rating.tariffs import ALWAYS, PEAK_8_TO_18, cuts, rate, slots, tariff

PER_SECOND = Schedule(slots((0, "0.06", 60, 1)))
SIXTY_SIX = Schedule(slots((0, "0.10", 60, 60), (60, "0.10", 60, 6)), Fraction("0.05"))


def test_first_block_then_increments():
    """75 s at 60/6: 0.05 + 1 x 0.10 + 3 x 0.01 = 0.18; 60 + 18 = 78 s."""
    charge = rate(tariff(SIXTY_SIX), "2024-05-06T12:00", 75)
    assert charge.amount == Fraction("0.18")
    assert charge.rated_quantity_ms == 78_000


def test_the_longest_prefix_wins_not_the_cheapest():
    """4930 at 0.60 a minute beats 49 at 0.06."""
    dear = Schedule(slots((0, "0.60", 60, 60)))
    rows = [RateRow("49", "always", (0,)), RateRow("4930", "always", (1,))]
    charge = rate(tariff(PER_SECOND, dear, rows=rows), "2024-05-06T12:00", 60)
    assert (charge.prefix, charge.amount) == ("4930", Fraction("0.6"))


def test_a_row_that_is_not_valid_yet_or_no_more_is_passed_over():
    """Validity comes before length, and its end is not part of it."""
    june = datetime(2024, 6, 1, tzinfo=UTC)
    rows = [
        RateRow("49", "always", (0,)),
        RateRow("4930", "always", (0,), active_until=june),
        RateRow("49302", "always", (0,), active_from=june),
    ]
    version = tariff(PER_SECOND, rows=rows)
    assert rate(version, "2024-05-31T23:59:59", 1).prefix == "4930"
    assert rate(version, "2024-06-01T00:00:00", 1).prefix == "49302"


def test_among_rows_of_one_prefix_most_selectors_win():
    """Carrier + trunk group beats carrier beats none; another carrier does not match."""
    rows = [
        RateRow("49", "always", (0,)),
        RateRow("49", "always", (0,), carrier="blue"),
        RateRow("49", "always", (0,), carrier="blue", trunk_group="tg1"),
    ]
    version = tariff(PER_SECOND, rows=rows)
    at = "2024-05-06T12:00"
    assert rate(version, at, 1, carrier="blue", trunk_group="tg1").rate_row == 2
    assert rate(version, at, 1, carrier="blue", trunk_group="tg2").rate_row == 1
    assert rate(version, at, 1, carrier="red").rate_row == 0


def test_a_longer_prefix_with_another_selector_falls_back_to_the_shorter():
    """4930 is for carrier red alone; a call over blue is priced by 49."""
    rows = [RateRow("49", "always", (0,)), RateRow("4930", "always", (0,), carrier="red")]
    assert rate(tariff(PER_SECOND, rows=rows), "2024-05-06T12:00", 1, carrier="blue").prefix == "49"


def test_a_number_shorter_than_the_prefix_does_not_match_it():
    """490 is not in 4900, though both begin alike when filled with zeros."""
    rows = [RateRow("49", "always", (0,)), RateRow("4900", "always", (0,))]
    version = tariff(PER_SECOND, rows=rows)
    assert rate(version, "2024-05-06T12:00", 1, digits="490").prefix == "49"
    assert rate(version, "2024-05-06T12:00", 1, digits="4900").prefix == "4900"


def test_a_call_over_a_window_change_is_cut_there():
    """17:50 + 20 min: 600 s at 0.12 a minute + 600 s at 0.06 = 1.20 + 0.60."""
    peak = Schedule(slots((0, "0.12", 60, 1)))
    charge = rate(tariff(peak, PER_SECOND, timing=PEAK_8_TO_18), "2024-05-06T17:50", 1200)
    assert charge.amount == Fraction("1.8")
    assert cuts(charge) == [(0, 0, 600), (1, 600, 1200)]


def test_a_started_block_keeps_its_price_and_the_slot_clock_runs_on():
    """17:59:30, 90 s at 60/1: one peak block 0.20, then 30 s off-peak at 0.06 = 0.03."""
    peak = Schedule(slots((0, "0.20", 60, 60), (60, "0.20", 60, 1)), Fraction("0.40"))
    off = Schedule(slots((0, "0.10", 60, 60), (60, "0.06", 60, 1)), Fraction("9"))
    charge = rate(tariff(peak, off, timing=PEAK_8_TO_18), "2024-05-06T17:59:30", 90)
    assert cuts(charge) == [(0, 0, 60), (1, 60, 90)]
    assert charge.segments[1].slot == 1
    assert charge.amount == Fraction("0.63")  # 0.40 + 0.20 + 0.03: the first fee alone


def test_equal_priority_goes_to_the_latest_start_and_higher_priority_first():
    """18:00 beats 00:00; a holiday of priority 20 beats both."""
    timing = Timing(
        "t",
        (
            Window("day"),
            Window("evening", 18 * 3600),
            Window("may", months=frozenset({5}), monthdays=frozenset({1}), priority=20),
        ),
        ("day", "evening", "may"),
    )
    free = Schedule(slots((0, "0", 60, 1)))
    version = tariff(PER_SECOND, free, free, timing=timing)
    assert cuts(rate(version, "2024-04-30T17:59", 120)) == [(0, 0, 60), (1, 60, 120)]
    assert cuts(rate(version, "2024-05-01T18:30", 60)) == [(2, 0, 60)]


def test_no_window_in_force_is_unrated_with_its_reason():
    """A weekday tariff says nothing about Sunday, also in the middle of a call."""
    timing = Timing("t", (Window("day", weekdays=frozenset({1, 2, 3, 4, 5})),), ("day",))
    version = tariff(PER_SECOND, timing=timing)
    assert rate(version, "2024-05-05T12:00", 60).reason == "no_window"
    late = rate(version, "2024-05-03T23:59:30", 60)  # Friday into Saturday
    assert (late.status, late.reason, late.amount, late.segments) == ("unrated", "no_window", 0, ())


def test_no_prefix_and_no_number_are_unrated_with_their_reasons():
    """Unrated is a status, never an amount of 0 that looks like a price."""
    version = tariff(PER_SECOND, rows=[RateRow("44", "always", (0,))])
    assert rate(version, "2024-05-06T12:00", 60).reason == "no_rate"
    assert rate(version, "2024-05-06T12:00", 60, digits=None).reason == "number_not_normalised"
    assert rate(tariff(PER_SECOND), "2024-05-06T12:00", None).reason == "duration_unknown"


def test_zero_seconds_and_unanswered_calls_are_free_without_a_fee():
    """Nothing connected, nothing owed."""
    version = tariff(SIXTY_SIX)
    for charge in (
        rate(version, "2024-05-06T12:00", 0),
        rate(version, "2024-05-06T12:00", 20, answered=False),
    ):
        assert (charge.status, charge.amount, charge.segments) == ("free", 0, ())


def test_a_tariff_that_prices_attempts_charges_its_fee_alone():
    """An unanswered call owes the connect fee 0.05, no block and no minimum."""
    schedule = Schedule(
        slots((0, "0.10", 60, 60)), Fraction("0.05"), Fraction("0.50"), prices_attempts=True
    )
    charge = rate(tariff(schedule), "2024-05-06T12:00", 0, answered=False)
    assert (charge.status, charge.amount, charge.rated_quantity_ms) == (
        "rated",
        Fraction("0.05"),
        0,
    )
    assert not charge.minimum_applied


def test_minimum_then_cap_then_one_rounding():
    """12 s at 0.06 a minute = 0.012 -> minimum 0.05; 10 min = 0.60 -> cap 0.333 -> 0.33."""
    schedule = Schedule(slots((0, "0.06", 60, 1)), minimum_charge=Fraction("0.05"))
    rows = [
        RateRow("", "always", (0,), rounding=Rounding("half_up", 2), max_cost=Fraction("0.333"))
    ]
    version = tariff(schedule, rows=rows)
    low = rate(version, "2024-05-06T12:00", 12)
    assert (low.amount, low.minimum_applied, low.cap_applied) == (Fraction("0.05"), True, False)
    high = rate(version, "2024-05-06T12:00", 600)
    assert (high.amount, high.minimum_applied, high.cap_applied) == (Fraction("0.33"), False, True)


def test_a_cap_that_ends_the_call_does_not_lower_a_finished_one():
    """It limits an authorised duration only (decision 8)."""
    rows = [RateRow("", "always", (0,), max_cost=Fraction("0.1"), max_cost_action="end_call")]
    assert rate(tariff(PER_SECOND, rows=rows), "2024-05-06T12:00", 600).amount == Fraction("0.6")


@pytest.mark.parametrize(
    ("seconds", "billable", "amount"),
    [(20, 30, "0.025"), (45, 48, "0.04"), (30, 30, "0.025"), (31, 36, "0.03")],
)
def test_the_other_increment_dialect_counts_from_the_start(seconds, billable, amount):
    """30/6 over the whole duration: 45 s is 8 x 6 = 48 s x 0.05 / 60 = 0.04."""
    schedule = Schedule(
        slots((0, "0.05", 60, 30), (30, "0.05", 60, 6)), increment_dialect="whole_duration"
    )
    charge = rate(tariff(schedule), "2024-05-06T12:00", seconds)
    assert charge.rated_quantity_ms == billable * 1000
    assert charge.amount == Fraction(amount)


def test_milliseconds_count_as_started_increments():
    """60.001 s per second is 61 s: 61 x 0.001 = 0.061."""
    assert rate(tariff(PER_SECOND), "2024-05-06T12:00", "60.001").amount == Fraction("0.061")


@pytest.mark.parametrize("call_class", ["emergency", "free"])
def test_emergency_and_free_numbers_cost_nothing_unless_their_class_is_selected(call_class):
    """A row for every number does not price them; a row for the class does."""
    at = "2024-05-06T12:00"
    charge = rate(tariff(PER_SECOND), at, 60, call_class=call_class)
    assert (charge.status, charge.amount, charge.rate_row) == ("free", 0, None)
    rows = [RateRow("", "always", (0,)), RateRow("", "always", (0,), call_class=call_class)]
    charge = rate(tariff(PER_SECOND, rows=rows), at, 60, call_class=call_class)
    assert (charge.status, charge.amount) == ("rated", Fraction("0.06"))


@pytest.mark.parametrize("direction", ["inbound", "internal"])
def test_inbound_and_internal_spans_are_priced_by_a_row_of_their_class_alone(direction):
    """Whatever the class of the number was."""
    at = "2024-05-06T12:00"
    assert (
        rate(tariff(PER_SECOND), at, 60, direction=direction, call_class="mobile").status == "free"
    )
    rows = [RateRow("", "always", (0,)), RateRow("", "always", (0,), call_class=direction)]
    charge = rate(tariff(PER_SECOND, rows=rows), at, 60, direction=direction, call_class="mobile")
    assert (charge.status, charge.rate_row) == ("rated", 1)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("half_up", "0.125", "0.13"),
        ("half_even", "0.125", "0.12"),
        ("half_even", "0.135", "0.14"),
        ("up", "0.1201", "0.13"),
        ("down", "0.129", "0.12"),
        ("half_up", "-0.125", "-0.13"),
        ("up", "-0.121", "-0.13"),
        ("down", "-0.129", "-0.12"),
        ("half_up", "1/3", "0.33"),
        ("up", "0.07", "0.07"),
    ],
)
def test_rounding_modes_are_mirrored_at_zero(mode, value, expected):
    """Two places; a value that is already exact moves in no mode."""
    assert round_exact(Fraction(value), mode, 2) == Fraction(expected)


def test_a_later_slice_of_a_call_does_not_pay_the_fee_again():
    """75 s at 60/6 without the fee: 0.13."""
    charge = rate(tariff(SIXTY_SIX), "2024-05-06T12:00", 75, connect_fee_due=False)
    assert charge.amount == Fraction("0.13")


def test_a_timing_without_windows_holds_always():
    """Its receipts name no window."""
    assert ALWAYS.windows == ()
    assert cuts(rate(tariff(PER_SECOND), "2024-12-31T23:59", 120)) == [(-1, 0, 120)]
