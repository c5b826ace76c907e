"""Changes of the clock, in both hemispheres and by half an hour.

Berlin 2026: forward 29 March 01:00 UTC, back 25 October 01:00 UTC.
Sydney 2026: back 5 April (3:00 to 2:00, 4 April 16:00 UTC), forward 4 October (2:00 to 3:00).
Lord Howe 2026: back half an hour 5 April at 2:00 (15:00 UTC the day before), forward 4 October.
"""

import numpy as np
import pytest
from bluewhale.records.enums import Flag
from bluewhale.records.exceptions import ZoneError
from bluewhale.records.times import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NULL_MS,
    local_to_utc_ms,
    local_to_utc_one,
    repair_duration,
    span_from_local,
    span_from_local_one,
    utc_to_local_ms,
    utc_to_local_one,
    wall_ms,
    zone_table,
)

BERLIN, SYDNEY, LORD_HOWE = "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe"
LATE = wall_ms(2027, 6, 1)  # heard long after: an import


def _both(local, zone, received, previous=None):
    """One reading through column and twin."""
    column, flags = local_to_utc_ms(
        [local], zone, [NULL_MS if received is None else received], previous_utc_ms=previous
    )
    one, flag = local_to_utc_one(local, zone, received, previous)
    assert int(column[0]) == one
    assert int(flags[0]) == int(flag)
    return one, flag


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        (BERLIN, (2026, 1, 15, 12), (2026, 1, 15, 11)),  # +1
        (BERLIN, (2026, 7, 15, 12), (2026, 7, 15, 10)),  # +2
        (BERLIN, (2026, 3, 29, 1, 59, 59), (2026, 3, 29, 0, 59, 59)),
        (BERLIN, (2026, 3, 29, 3, 0, 0), (2026, 3, 29, 1, 0, 0)),
        (BERLIN, (2026, 10, 25, 1, 59, 59), (2026, 10, 24, 23, 59, 59)),
        (BERLIN, (2026, 10, 25, 3, 0, 0), (2026, 10, 25, 2, 0, 0)),
        (SYDNEY, (2026, 1, 15, 12), (2026, 1, 15, 1)),  # +11
        (SYDNEY, (2026, 7, 15, 12), (2026, 7, 15, 2)),  # +10
        (LORD_HOWE, (2026, 1, 15, 12), (2026, 1, 15, 1)),  # +11
        (LORD_HOWE, (2026, 7, 15, 12), (2026, 7, 15, 1, 30)),  # +10:30
        ("America/New_York", (2026, 7, 15, 12), (2026, 7, 15, 16)),  # -4
        ("Asia/Kolkata", (2026, 7, 15, 12), (2026, 7, 15, 6, 30)),  # +5:30
        ("UTC", (2026, 7, 15, 12), (2026, 7, 15, 12)),
    ],
)
def test_an_ordinary_reading_has_one_instant(zone, local, utc):
    """And the instant has that reading."""
    assert _both(wall_ms(*local), zone, LATE) == (wall_ms(*utc), Flag(0))
    assert utc_to_local_ms([wall_ms(*utc)], zone)[0] == wall_ms(*local)
    assert utc_to_local_one(wall_ms(*utc), zone) == wall_ms(*local)


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        # Berlin 02:30 was skipped; the clock was late: 02:30 - 1 h = 01:30 UTC.
        (BERLIN, (2026, 3, 29, 2, 30), (2026, 3, 29, 1, 30)),
        # Sydney 02:30 on 4 October: 02:30 - 10 h = 16:30 UTC the day before.
        (SYDNEY, (2026, 10, 4, 2, 30), (2026, 10, 3, 16, 30)),
        # Lord Howe 02:15 on 4 October: 02:15 - 10:30 = 15:45 UTC the day before.
        (LORD_HOWE, (2026, 10, 4, 2, 15), (2026, 10, 3, 15, 45)),
    ],
)
def test_a_skipped_reading_is_a_late_clock(zone, local, utc):
    """Read with the offset before the change, and flagged."""
    assert _both(wall_ms(*local), zone, LATE) == (wall_ms(*utc), Flag.DST_SKIPPED_HOUR)


# The two instants of a repeated reading.
REPEATED = [
    (BERLIN, (2026, 10, 25, 2, 30), (2026, 10, 25, 0, 30), (2026, 10, 25, 1, 30)),
    (SYDNEY, (2026, 4, 5, 2, 30), (2026, 4, 4, 15, 30), (2026, 4, 4, 16, 30)),
    (LORD_HOWE, (2026, 4, 5, 1, 45), (2026, 4, 4, 14, 45), (2026, 4, 4, 15, 15)),
]


@pytest.mark.parametrize(("zone", "local", "first", "second"), REPEATED)
def test_a_record_heard_live_means_the_pass_it_was_heard_in(zone, local, first, second):
    """Received some seconds after one of the two instants, whatever came before."""
    reading = wall_ms(*local)
    for instant in (wall_ms(*first), wall_ms(*second)):
        assert _both(reading, zone, instant + 5_000) == (instant, Flag.DST_REPEATED_HOUR)
        assert _both(reading, zone, instant + 5_000, previous=0)[0] == instant


@pytest.mark.parametrize(("zone", "local", "first", "second"), REPEATED)
def test_an_imported_record_keeps_the_order_of_its_source(zone, local, first, second):
    """Heard long after: the earlier instant that is not before its predecessor."""
    reading, early, late = wall_ms(*local), wall_ms(*first), wall_ms(*second)
    assert _both(reading, zone, LATE, previous=early - MINUTE_MS)[0] == early
    assert _both(reading, zone, LATE, previous=early + 5 * MINUTE_MS)[0] == late
    # A predecessor of the same minute does not push it an hour on.
    assert _both(reading, zone, LATE, previous=early + MINUTE_MS)[0] == early


@pytest.mark.parametrize(("zone", "local", "first", "second"), REPEATED)
def test_a_single_record_is_read_as_near_as_possible_to_its_receipt(zone, local, first, second):
    """Without neighbours: heard later means the later pass, heard earlier the earlier one."""
    assert _both(wall_ms(*local), zone, LATE)[0] == wall_ms(*second)
    assert _both(wall_ms(*local), zone, wall_ms(2026, 1, 1))[0] == wall_ms(*first)
    assert _both(wall_ms(*local), zone, None)[0] == wall_ms(*first)


def test_a_file_of_the_repeated_hour_is_read_in_two_passes():
    """01:50, 02:10, 02:50 (first pass), 02:05, 02:55 (second), 03:05: strictly rising."""
    day = wall_ms(2026, 10, 25)
    printed = [110, 130, 170, 125, 175, 185]  # minutes since local midnight
    utc, flags = local_to_utc_ms(
        [day + m * MINUTE_MS for m in printed], BERLIN, [LATE] * len(printed)
    )
    # First pass is UTC + 2 h, second UTC + 1 h.
    expected = [110 - 120, 130 - 120, 170 - 120, 125 - 60, 175 - 60, 185 - 60]
    assert [(int(u) - day) // MINUTE_MS for u in utc] == expected
    assert [int(f) for f in flags] == [0, 8, 8, 8, 8, 0]


def test_missing_times_pass_through_and_do_not_disturb_the_order():
    """NULL_MS in, NULL_MS out, no flag."""
    day = wall_ms(2026, 10, 25)
    utc, flags = local_to_utc_ms(
        [day + 170 * MINUTE_MS, NULL_MS, day + 130 * MINUTE_MS], BERLIN, [NULL_MS] * 3
    )
    assert utc.tolist() == [day + 50 * MINUTE_MS, NULL_MS, day + 70 * MINUTE_MS]
    assert flags.tolist() == [8, 0, 8]
    assert utc_to_local_ms([NULL_MS], BERLIN).tolist() == [NULL_MS]


# zone, start, end (printed), duration in seconds, flags
SPANS = [
    (BERLIN, (2026, 7, 1, 23, 59, 50), (2026, 7, 2, 0, 0, 10), 20, Flag(0)),
    # Autumn, 20 minutes: 02:50 (first pass) to 02:10 (second): -40 min + 1 h.
    (
        BERLIN,
        (2026, 10, 25, 2, 50),
        (2026, 10, 25, 2, 10),
        1200,
        Flag.DST_REPAIRED | Flag.DST_REPEATED_HOUR,
    ),
    # 01:30 to 03:30: two hours in wall clock, three in truth.
    (BERLIN, (2026, 10, 25, 1, 30), (2026, 10, 25, 3, 30), 10800, Flag.DST_REPAIRED),
    # 02:50 to 03:05: the shorter reading, 15 minutes.
    (BERLIN, (2026, 10, 25, 2, 50), (2026, 10, 25, 3, 5), 900, Flag.DST_REPEATED_HOUR),
    # Spring: 01:59:50 to 03:00:10 is 20 seconds, not 3,620.
    (BERLIN, (2026, 3, 29, 1, 59, 50), (2026, 3, 29, 3, 0, 10), 20, Flag.DST_REPAIRED),
    # Sydney spring: 01:50 to 03:10 is 20 minutes.
    (SYDNEY, (2026, 10, 4, 1, 50), (2026, 10, 4, 3, 10), 1200, Flag.DST_REPAIRED),
    # Sydney autumn: 02:55 to 02:05 is 10 minutes.
    (
        SYDNEY,
        (2026, 4, 5, 2, 55),
        (2026, 4, 5, 2, 5),
        600,
        Flag.DST_REPAIRED | Flag.DST_REPEATED_HOUR,
    ),
    # Lord Howe autumn, step 30 minutes: 01:55 to 01:35 is -20 + 30 = 10 minutes.
    (
        LORD_HOWE,
        (2026, 4, 5, 1, 55),
        (2026, 4, 5, 1, 35),
        600,
        Flag.DST_REPAIRED | Flag.DST_REPEATED_HOUR,
    ),
    # No change of the clock: a negative span stays negative.
    (BERLIN, (2026, 7, 1, 12, 0, 10), (2026, 7, 1, 12, 0, 0), -10, Flag(0)),
]


@pytest.mark.parametrize(("zone", "start", "end", "seconds", "flags"), SPANS)
def test_a_span_of_two_local_times_is_mended(zone, start, end, seconds, flags):
    """End minus start in wall clock is off by the step; the instants are not."""
    one, two = wall_ms(*start), wall_ms(*end)
    columns = span_from_local([one], [two], zone, [NULL_MS])
    found = span_from_local_one(one, two, zone, None)
    assert [int(c[0]) for c in columns] == [int(v) for v in found]
    assert (found[2], found[3]) == (seconds * 1000, flags)


def test_a_span_without_one_end_has_no_duration():
    """Nothing is invented."""
    start, end, duration, flags = span_from_local(
        [NULL_MS, wall_ms(2026, 7, 1, 12)], [wall_ms(2026, 7, 1, 12), NULL_MS], BERLIN, [0, 0]
    )
    assert start.tolist() == [NULL_MS, wall_ms(2026, 7, 1, 10)]
    assert end.tolist() == [wall_ms(2026, 7, 1, 10), NULL_MS]
    assert duration.tolist() == [NULL_MS, NULL_MS]
    assert flags.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("start", "true_seconds", "printed_seconds", "mended_seconds", "flag"),
    [
        # Autumn: the PBX subtracts its clocks and prints 3,600 less.
        ((2026, 10, 25, 0, 50), 1200, -2400, 1200, Flag.DST_REPAIRED),
        ((2026, 10, 25, 0, 50), 1201, -2400, 1200, Flag.DST_REPAIRED),  # a second of rounding
        # Spring: 3,600 more.
        ((2026, 3, 29, 0, 59, 50), 20, 3620, 20, Flag.DST_REPAIRED),
        # A real switch timer is right and is left alone.
        ((2026, 3, 29, 0, 59, 50), 20, 20, 20, Flag(0)),
        # No change of the clock: whatever is printed stays.
        ((2026, 7, 1, 12), 20, 3620, 3620, Flag(0)),
    ],
)
def test_a_printed_difference_is_mended_by_the_step(
    start, true_seconds, printed_seconds, mended_seconds, flag
):
    """Only where the clock moved during the call, and only if that explains it."""
    begin = wall_ms(*start)
    duration, flags = repair_duration(
        [printed_seconds * 1000], [begin], [begin + true_seconds * 1000], BERLIN
    )
    assert duration.tolist() == [mended_seconds * 1000]
    assert flags.tolist() == [int(flag)]


def test_an_unknown_zone_is_named():
    """A typo in a configuration is a clear error, not a traceback."""
    for name in ("Europe/Berlinn", "../etc/passwd", ""):
        with pytest.raises(ZoneError, match="zone database"):
            zone_table(name)


def test_a_year_of_hours_agrees_with_the_zone_database():
    """Every hour of 2026 in five zones, there and back."""
    hours = np.arange(wall_ms(2026, 1, 1), wall_ms(2027, 1, 1), HOUR_MS // 2)
    for zone in (BERLIN, SYDNEY, LORD_HOWE, "America/Sao_Paulo", "Africa/Casablanca"):
        local = utc_to_local_ms(hours, zone)
        for i in range(0, len(hours), 97):
            assert local[i] == utc_to_local_one(int(hours[i]), zone)
        back, _ = local_to_utc_ms(local, zone, hours)
        assert np.array_equal(back, hours)
    assert DAY_MS == 24 * HOUR_MS
