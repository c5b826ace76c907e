"""Sums that must balance, and how an imbalance reads."""

from bluewhale.records.control_totals import ControlTotals, imbalances

WHOLE = ControlTotals(
    heard=100,
    journaled=100,
    lost=2,
    received=98,
    parsed=95,
    suspended=1,
    duplicate=2,
    merged=95,
    chargeable=120,
    rated=100,
    free=15,
    unrated=5,
)


def test_a_complete_day_balances():
    """100 = 98 + 2; 98 = 95 + 1 + 2; 95 = 95 + 0; 120 = 100 + 15 + 5."""
    assert imbalances(WHOLE) == ()
    assert WHOLE.in_flight == 0


def test_days_add_up():
    """The sum of balanced days is balanced."""
    assert imbalances(WHOLE + WHOLE) == ()
    assert (WHOLE + WHOLE).heard == 200


def test_what_is_missing_is_said_with_its_number():
    """Three legs in no call, one charge too many, seven records under way."""
    broken = ControlTotals(
        heard=17, journaled=17, received=10, parsed=10, merged=7, chargeable=1, rated=2
    )
    assert broken.in_flight == 7
    assert [i.text() for i in imbalances(broken)] == [
        "7 missing: journaled = received + lost (every journaled record arrived, or is named lost)",
        "3 missing: parsed = merged + unmerged (every leg is in one call, or waits for one)",
        (
            "1 too many: chargeable = rated + free + unrated "
            "(every span has one charge of each price list)"
        ),
    ]
