"""The decisions on prices where systems disagree: from files to the amount, in both engines."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from bluewhale.rating.book import PriceBook
from bluewhale.rating.exact import RatingInput, rate_exact
from bluewhale.rating.preview import Selectors, international_digits, try_number
from bluewhale.rating.window_rules import milliseconds

from tests.spec.tariffs.files import HEAD, load

BERLIN = ZoneInfo("Europe/Berlin")
NUMBER = "+49 30 23125 100"
SECONDS = "decks:\n  - {file: t.csv, defaults: {increments: 1}}\n"
PEAK = (
    "timings:\n  a:\n    windows:\n"
    "      - {rate: peak, days: mon-fri, from: 08:00, until: 18:00}\n"
    "      - {rate: low, priority: 0}\n"
)


def nanos(version, at, quantity_ms, number=NUMBER, selectors=None):
    """Price one call by the columnar engine; the exact one must say the same."""
    chosen = selectors or Selectors()
    (trial,) = try_number(version, number, at=at, quantity_ms=quantity_ms, selectors=chosen)
    exact = rate_exact(
        version,
        RatingInput(
            start_at_ms=milliseconds(at),
            quantity_ms=quantity_ms,
            digits=international_digits(number) or None,
            direction=chosen.direction,
            call_class=chosen.call_class,
            carrier=chosen.carrier,
        ),
    )
    assert exact.amount_nanos == trial.charge["amount_nanos"]
    assert str(exact.status) == trial.charge["status"]
    return trial.charge["amount_nanos"]


def local(*parts, fold=0):
    """Give a moment of Berlin's wall clock."""
    return datetime(*parts, tzinfo=BERLIN, fold=fold)


def test_increments_step_after_the_block_or_count_from_the_start(tmp_path):
    """30/20, 45 s at 0.60 a minute: 30 + 20 = 50 s = 0.50, or 3 x 20 = 60 s = 0.60."""
    deck = "decks:\n  - {file: t.csv, defaults: {increments: 30/20}RULE}\n"
    steps = load(tmp_path, HEAD + deck.replace("RULE", ""), "prefix,price\n49,0.60\n")
    assert nanos(steps, local(2026, 3, 4, 12), 45_000) == 500_000_000
    whole = load(
        tmp_path,
        HEAD + deck.replace("RULE", ", increment_rule: whole_duration"),
        "prefix,price\n49,0.60\n",
    )
    assert nanos(whole, local(2026, 3, 4, 12), 45_000) == 600_000_000


def test_block_that_has_started_keeps_its_price(tmp_path):
    """60/60 from 17:59:30, 75 s: 1.20 until 18:00:30, then a minute at 0.60."""
    document = HEAD + PEAK + "decks:\n  - {file: t.csv, defaults: {increments: 60}}\n"
    version = load(tmp_path, document, "prefix,price_peak,price_low\n49,1.20,0.60\n")
    assert nanos(version, local(2026, 3, 4, 17, 59, 30), 75_000) == 1_800_000_000


def test_clock_of_steps_runs_on_over_a_change_of_window(tmp_path):
    """30 s peak at 1.2, 30 s low at 0.6, 30 s of low's second step at 0.3: 0.6 + 0.3 + 0.15."""
    document = (
        HEAD
        + PEAK
        + "schedules:\n"
        + "  p: {slots: [{from_seconds: 0, price: 1.2, increments: 1}, {from_seconds: 60, price: 0.9, increments: 1}]}\n"
        + "  l: {slots: [{from_seconds: 0, price: 0.6, increments: 1}, {from_seconds: 60, price: 0.3, increments: 1}]}\n"
        + SECONDS
    )
    version = load(tmp_path, document, "prefix,schedule_peak,schedule_low\n49,p,l\n")
    assert nanos(version, local(2026, 3, 4, 17, 59, 30), 90_000) == 1_050_000_000


def test_end_call_limits_authorisation_only(tmp_path):
    """10 minutes at 1 with a limit of 5: cap makes 5, end_call leaves 10."""
    deck = "prefix,price,max_cost,max_cost_action\n49,1,5,cap\n44,1,5,end_call\n"
    version = load(tmp_path, HEAD + SECONDS, deck)
    at = local(2026, 3, 4, 12)
    assert nanos(version, at, 600_000) == 5_000_000_000
    assert nanos(version, at, 600_000, "+44 20 7946 0100") == 10_000_000_000


def test_holiday_that_begins_during_a_call_counts(tmp_path):
    """24 December 23:59:30, 60 s: 30 s at 0.6 and 30 s of Christmas at 0.2: 0.3 + 0.1."""
    document = (
        HEAD
        + (
            "calendars:\n  h: [every 12-25]\n"
            "timings:\n  a:\n    windows:\n      - {rate: day}\n"
            "      - {rate: holiday, calendar: h, priority: 20}\n"
        )
        + SECONDS
    )
    version = load(tmp_path, document, "prefix,price_day,price_holiday\n49,0.6,0.2\n")
    assert nanos(version, local(2026, 12, 24, 23, 59, 30), 60_000) == 400_000_000


def test_rounding_happens_once_per_call(tmp_path):
    """Two windows of 0.004 each: 0.008 -> 0.01; rounded by part it would be 0."""
    document = HEAD + "rounding: {places: 2}\n" + PEAK + SECONDS
    version = load(tmp_path, document, "prefix,price\n49,0.008\n")
    assert nanos(version, local(2026, 3, 4, 17, 59, 30), 60_000) == 10_000_000


def test_milliseconds_count_up_to_the_next_increment(tmp_path):
    """60/6 at 0.60: 60.000 s is 0.60, 60.001 s is 66 s = 0.66, 0.001 s is a minute."""
    version = load(tmp_path, deck="prefix,price\n49,0.60\n")
    at = local(2026, 3, 4, 12)
    assert nanos(version, at, 60_000) == 600_000_000
    assert nanos(version, at, 60_001) == 660_000_000
    assert nanos(version, at, 1) == 600_000_000


def test_windows_follow_the_clock_of_the_tariff_when_it_is_put_back(tmp_path):
    """25 October 2026: from 2:59:30 summer time the clock shows 2:00 again.

    Window `early` ends at 3:00: the call of 60 s stays in it, as 2:59:30 is followed by 2:00.
    An hour later, 60 s from 2:59:30 winter time cross into `late`: 30 s at 0.6, 30 s at 1.2.
    """
    document = (
        HEAD
        + (
            "timings:\n  a:\n    windows:\n      - {rate: early, until: 03:00, priority: 20}\n"
            "      - {rate: late}\n"
        )
        + SECONDS
    )
    version = load(tmp_path, document, "prefix,price_early,price_late\n49,0.6,1.2\n")
    assert nanos(version, local(2026, 10, 25, 2, 59, 30), 60_000) == 600_000_000
    assert nanos(version, local(2026, 10, 25, 2, 59, 30, fold=1), 60_000) == 900_000_000


def test_half_hour_change_of_the_clock(tmp_path):
    """Lord Howe goes from 2:00 to 2:30 on 4 October 2026: 30 s each side at 0.6 and 1.2."""
    zone = ZoneInfo("Australia/Lord_Howe")
    document = (
        HEAD.replace("Europe/Berlin", "Australia/Lord_Howe")
        + (
            "timings:\n  a:\n    windows:\n      - {rate: early, until: 02:15, priority: 20}\n"
            "      - {rate: late}\n"
        )
        + SECONDS
    )
    version = load(tmp_path, document, "prefix,price_early,price_late\n49,0.6,1.2\n")
    assert nanos(version, datetime(2026, 10, 4, 1, 59, 30, tzinfo=zone), 60_000) == 900_000_000


def test_longest_prefix_in_force_wins(tmp_path):
    """4930 holds from March on; before, its calls cost what 49 costs."""
    version = load(
        tmp_path, HEAD + SECONDS, "prefix,price,effective_from\n49,1,\n4930,2,2026-03-01\n"
    )
    assert nanos(version, local(2026, 2, 28, 23, 59, 59), 60_000) == 1_000_000_000
    assert nanos(version, local(2026, 3, 1), 60_000) == 2_000_000_000


def test_row_with_most_selectors_wins_among_equal_prefixes(tmp_path):
    """Carrier and class before carrier before none."""
    deck = "prefix,price,carrier,call_class\n49,3,,\n49,2,north,\n49,1,north,national\n"
    version = load(tmp_path, HEAD + SECONDS, deck)
    at = local(2026, 3, 4, 12)
    assert nanos(version, at, 60_000) == 3_000_000_000
    assert nanos(version, at, 60_000, selectors=Selectors(carrier="north")) == 2_000_000_000
    both = Selectors(carrier="north", call_class="national")
    assert nanos(version, at, 60_000, selectors=both) == 1_000_000_000


def test_newer_version_replaces_the_whole(tmp_path):
    """44 is only in version 1: under version 2 its calls are unrated, not priced by the old."""
    old = load(tmp_path, HEAD + SECONDS, "prefix,price\n49,1\n44,1\n")
    new = load(
        tmp_path,
        HEAD.replace("2026-01-01", "2026-07-01") + "version: 2\n" + SECONDS,
        "prefix,price\n49,2\n",
    )
    (trial,) = try_number(
        PriceBook([old, new]), "+44 20 7946 0100", at=local(2026, 8, 1), quantity_ms=1
    )
    assert (trial.charge["status"], trial.charge["reason"]) == ("unrated", "no_rate")
    assert trial.charge["tariff_version"] == 2


def test_emergency_internal_and_inbound_calls_cost_only_what_a_row_selects(tmp_path):
    """Free without a row of their class; 0.10 a minute where the deck names it."""
    free = load(tmp_path, HEAD + SECONDS, "prefix,price\n*,1\n")
    priced = load(
        tmp_path,
        HEAD + SECONDS,
        "prefix,price,call_class\n*,1,\n*,0.10,inbound\n*,0.20,internal\n*,0.30,emergency\n",
    )
    at = local(2026, 3, 4, 12)
    for selectors, amount in (
        (Selectors(direction="inbound"), 100_000_000),
        (Selectors(direction="internal"), 200_000_000),
        (Selectors(call_class="emergency"), 300_000_000),
    ):
        assert nanos(free, at, 60_000, "112", selectors) == 0
        assert nanos(priced, at, 60_000, "112", selectors) == amount


def test_attempts_are_free_unless_the_tariff_charges_them(tmp_path):
    """Zero duration: 0, or the connect fee of 0.07."""
    deck = "decks:\n  - {file: t.csv, defaults: {increments: 1, connect_fee: 0.07}RULE}\n"
    rows = "prefix,price\n49,1\n"
    free = load(tmp_path, HEAD + deck.replace("RULE", ""), rows)
    charged = load(tmp_path, HEAD + deck.replace("RULE", ", charge_attempts: true"), rows)
    at = local(2026, 3, 4, 12)
    assert nanos(free, at, 0) == 0
    assert nanos(charged, at, 0) == 70_000_000


def test_calls_of_a_day_and_of_three_days(tmp_path):
    """24 h in peak and low: 10 h at 0.60 and 14 h at 0.30 = 612; 72 h of it over a leap day.

    Monday 28 February 2028 noon to Thursday noon: three times 612 = 1,836.
    """
    document = HEAD + PEAK + "decks:\n  - {file: t.csv, defaults: {increments: 60}}\n"
    version = load(tmp_path, document, "prefix,price_peak,price_low\n49,0.60,0.30\n")
    day = 24 * 3_600_000
    assert nanos(version, local(2028, 2, 28, 12), day) == 612_000_000_000
    assert nanos(version, local(2028, 2, 28, 12), 3 * day) == 1_836_000_000_000


def test_call_over_the_end_of_a_year(tmp_path):
    """Windows of 2026 and later: 30 s at 0.6 and 30 s at 1.2 = 0.3 + 0.6."""
    document = (
        HEAD
        + (
            "timings:\n  a:\n    windows:\n      - {rate: old, years: 2026, priority: 20}\n"
            "      - {rate: new}\n"
        )
        + SECONDS
    )
    version = load(tmp_path, document, "prefix,price_old,price_new\n49,0.6,1.2\n")
    assert nanos(version, local(2026, 12, 31, 23, 59, 30), 60_000) == 900_000_000


def test_window_shorter_than_an_increment_is_jumped_over(tmp_path):
    """A window of 10 s inside a block of 60 s never gets a block."""
    document = HEAD + (
        "timings:\n  a:\n    windows:\n"
        "      - {rate: odd, from: '12:00:10', until: '12:00:20', priority: 20}\n"
        "      - {rate: day}\n"
        "decks:\n  - {file: t.csv, defaults: {increments: 60}}\n"
    )
    version = load(tmp_path, document, "prefix,price_odd,price_day\n49,9,0.6\n")
    assert nanos(version, local(2026, 3, 4, 12), 60_000) == 600_000_000


def test_price_of_a_third_is_exact_until_the_rounding(tmp_path):
    """1 per 7 s, 3 s counted: 3/7 = 0.428571..., up to 4 places 0.4286."""
    document = HEAD + "rounding: {mode: up, places: 4}\n" + SECONDS
    version = load(tmp_path, document, "prefix,price,per_seconds\n49,1,7\n")
    assert nanos(version, local(2026, 3, 4, 12), 3_000) == 428_600_000
