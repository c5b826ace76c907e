"""When the silence of a PBX is worth a word: against what is usual in this hour of the week."""

from __future__ import annotations

import pytest
from bluewhale.alerting import Heard, SilentPbxRule, silence, usual_records

MINUTE, HOUR = 60_000, 3_600_000
WEEK = 7 * 24
NOW = 500_000 * HOUR + 30 * MINUTE  # half past some hour
RULE = SilentPbxRule(rule_uid="silent", name="Silent", silent_ms=20 * MINUTE, records_min=5)


def heard(minutes_ago: float, **hours: int) -> Heard:
    """Give a PBX that was heard so long ago; `w1=40` = 40 records in this hour a week before."""
    before = {500_000 - int(week[1:]) * WEEK: count for week, count in hours.items()}
    return Heard("berlin-1", "berlin", NOW - round(minutes_ago * MINUTE), before)


def test_usual_is_the_median_of_this_hour_in_four_weeks():
    """40, 44, 1 (a holiday) and 36 records: usual are 38."""
    assert usual_records(heard(0, w1=40, w2=44, w3=1, w4=36).hours, NOW) == 38.0


def test_weeks_before_the_first_record_are_not_silence():
    """A PBX that was connected two weeks ago is compared with two weeks."""
    assert usual_records(heard(0, w1=40, w2=20).hours, NOW) == 30.0


def test_nobody_knows_what_is_usual_in_the_first_week():
    """Records of yesterday say nothing about this hour of the week."""
    assert usual_records({500_000 - 24: 40}, NOW) is None
    assert usual_records({}, NOW) is None


@pytest.mark.parametrize(
    ("minutes", "usual", "told"),
    [
        (22, 40, True),  # 40 an hour are 13 in 20 minutes
        (20, 40, True),
        (19.9, 40, False),
        (22, 15, True),  # 15 an hour are 5 in 20 minutes
        (22, 14, False),  # 4.7: such a pause is nothing
    ],
)
def test_silence_is_told_where_records_are_usual(minutes: float, usual: int, told: bool):
    """Twenty minutes without a record, where five are usual in them."""
    found = silence(RULE, heard(minutes, w1=usual), NOW)
    assert (found is not None) is told


def test_one_silence_is_one_alert_however_long_it_lasts():
    """After 22 and after 40 minutes it has one id; the next silence has another."""
    early, late = (silence(RULE, heard(m, w1=40), NOW + more) for m, more in ((22, 0), (40, 0)))
    same = silence(RULE, heard(22, w1=40), NOW + 18 * MINUTE)
    assert early is not None
    assert late is not None
    assert same is not None
    assert early.alert_id == same.alert_id != late.alert_id
    assert early.measured["usual_per_hour"] == "40"


def test_a_declared_rate_needs_no_history():
    """30 records an hour are declared; nothing was ever heard but the last one."""
    rule = SilentPbxRule(
        rule_uid="s", name="S", silent_ms=10 * MINUTE, records_min=5, usual_per_hour=30.0
    )
    assert silence(rule, heard(11), NOW) is not None
    assert silence(rule, heard(9), NOW) is None


def test_a_rule_of_some_pbxs_or_sites_passes_over_the_others():
    """The PBX that is silent is berlin-1 of Berlin."""
    same = {"rule_uid": "s", "name": "S", "silent_ms": MINUTE, "records_min": 1.0}
    of = [
        SilentPbxRule(**same, pbxs=frozenset({"madrid-1"})),
        SilentPbxRule(**same, sites=frozenset({"madrid"})),
        SilentPbxRule(**same, pbxs=frozenset({"berlin-1"}), sites=frozenset({"berlin"})),
    ]
    assert [silence(rule, heard(5, w1=600), NOW) is not None for rule in of] == [False, False, True]
