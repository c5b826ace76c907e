"""Which calls each rule tells of: literal calls, one rule each."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from bluewhale.alerting import (
    BlacklistRule,
    EmergencyCallRule,
    ExpensiveCallRule,
    LongCallRule,
    NightPremiumRule,
    Rule,
    Rules,
    costs_of,
    evaluate,
)
from bluewhale.alerting.evaluate import Cost, finding
from bluewhale.records.findings import Finding
from bluewhale.records.schemas import CALL_SCHEMA, CHARGE_SCHEMA
from bluewhale.stages.pipeline import alerts_stage

MINUTE = 60_000
EUR = 1_000_000_000


def moment(text: str) -> datetime:
    """Read an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def call(number: int, **columns: Any) -> dict[str, Any]:
    """Make one call of 214 in Berlin to Spain, answered for a minute at noon UTC."""
    row: dict[str, Any] = dict.fromkeys(CALL_SCHEMA.names)
    row.update(
        call_id=number.to_bytes(16, "big"),
        leg_ids=[number.to_bytes(16, "big")],
        started_at=moment("2026-11-20 12:00"),
        ended_at=moment("2026-11-20 12:01"),
        site_zone="Europe/Berlin",
        site_uid="berlin",
        extension="214",
        calling_e164=4930123214,
        called_e164=34915550100,
        talk_ms=MINUTE,
    )
    row["class"] = "international"
    row.update(columns)
    return row


def calls(*rows: dict[str, Any]) -> pa.Table:
    """Make CALL_SCHEMA of rows."""
    return pa.Table.from_pylist(list(rows), schema=CALL_SCHEMA)


def told(
    rule: Rule, *rows: dict[str, Any], costs: dict[bytes, list[Cost]] | None = None
) -> list[int]:
    """Give the numbers of the calls that a rule tells of."""
    found = evaluate(calls(*rows), costs or {}, [rule])
    return [int.from_bytes(f.call_id or b"", "big") for f in found]


BLACKLIST = BlacklistRule(
    rule_uid="satellite",
    name="Satellite phones",
    numbers=frozenset({34915550100}),
    prefixes=frozenset({881, 8700, 120}),
)


@pytest.mark.parametrize(
    ("e164", "listed"),
    [
        (34915550100, True),  # the number itself
        (349155501001, False),  # one digit more is another number
        (88123456789, True),
        (870012345678, True),
        (870112345678, False),
        (881, True),
        (88, False),
        (12, False),  # shorter than the prefix 120, though its digits end in a zero
        (1201, True),
        (999_999_999_999_999, False),  # fifteen digits are the longest
    ],
)
def test_a_number_is_listed_whole_or_by_the_digits_it_begins_with(e164: int, listed: bool):
    """Numbers are compared whole, prefixes by their digits."""
    assert told(BLACKLIST, call(1, called_e164=e164)) == ([1] if listed else [])


def test_a_list_looks_at_the_side_that_it_names():
    """214 calls a listed number, 215 is called by one, 216 talks to nobody of the list."""
    rows = [
        call(1, called_e164=88199),
        call(2, calling_e164=88199, called_e164=4930123215),
        call(3),
    ]
    same = {"rule_uid": "r", "name": "R", "prefixes": frozenset({881})}
    assert told(BlacklistRule(**same), *rows) == [1, 2]
    assert told(BlacklistRule(**same, side="called"), *rows) == [1]
    assert told(BlacklistRule(**same, side="calling"), *rows) == [2]


def test_a_call_is_long_from_the_declared_minute_on():
    """Two hours are 7,200,000 ms; a millisecond less is not long; not known is not long."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=120 * MINUTE)
    rows = [call(1, talk_ms=7_200_000), call(2, talk_ms=7_199_999), call(3, talk_ms=None)]
    assert told(rule, *rows) == [1]
    found = evaluate(calls(*rows), {}, [rule])[0]
    assert dict(found.measured) == {"talk_ms": "7200000", "talk_min_ms": "7200000"}


def test_a_call_is_expensive_by_one_list_in_one_currency():
    """20.00 EUR of one list; 15 and 15 of two lists are not 30; dollars are no euros."""
    rule = ExpensiveCallRule(rule_uid="dear", name="Dear", cost_min_nanos={"EUR": 20 * EUR})
    key = [n.to_bytes(16, "big") for n in range(5)]
    costs = {
        key[1]: [Cost("carrier", "EUR", 20 * EUR)],
        key[2]: [Cost("carrier", "EUR", 15 * EUR), Cost("internal", "EUR", 15 * EUR)],
        key[3]: [Cost("carrier", "USD", 30 * EUR)],
    }
    rows = [call(n) for n in (1, 2, 3, 4)]
    assert told(rule, *rows, costs=costs) == [1]
    of_list = ExpensiveCallRule(
        rule_uid="dear", name="Dear", cost_min_nanos={"EUR": 20 * EUR}, price_list="internal"
    )
    assert told(of_list, *rows, costs=costs) == []


def test_charges_of_one_call_are_summed_before_they_are_compared():
    """12 + 9 EUR of the spans of one call are 21; what a reversal takes back does not count."""
    plain: dict[str, Any] = dict.fromkeys(CHARGE_SCHEMA.names)
    plain |= {"price_list": "carrier", "currency": "EUR", "entry": "charge"}
    one, other = (n.to_bytes(16, "big") for n in (1, 2))
    charges = pa.Table.from_pylist(
        [
            {**plain, "call_id": one, "amount_nanos": 12 * EUR},
            {**plain, "call_id": one, "amount_nanos": 9 * EUR},
            {**plain, "call_id": other, "amount_nanos": 5 * EUR},
            {**plain, "call_id": other, "amount_nanos": 30 * EUR, "entry": "reversal"},
        ],
        schema=CHARGE_SCHEMA,
    )
    assert costs_of(charges) == {
        one: [Cost("carrier", "EUR", 21 * EUR)],
        other: [Cost("carrier", "EUR", 5 * EUR)],
    }


def test_every_emergency_call_is_told_by_itself():
    """Two calls of one telephone on one day are two alerts; a call to a friend is none."""
    rule = EmergencyCallRule(rule_uid="help", name="Help")
    rows = [call(1, **{"class": "emergency"}), call(2, **{"class": "emergency"}), call(3)]
    found = evaluate(calls(*rows), {}, [rule])
    assert [f.call_id for f in found] == [rows[0]["call_id"], rows[1]["call_id"]]
    assert found[0].alert_id != found[1].alert_id


NIGHT = NightPremiumRule(
    rule_uid="night",
    name="Night",
    from_minute=22 * 60,
    until_minute=6 * 60,
    prefixes=frozenset({49137}),
)


@pytest.mark.parametrize(
    ("started", "zone", "night"),
    [
        ("2026-11-20 20:59", "Europe/Berlin", None),  # 21:59 there
        ("2026-11-20 21:00", "Europe/Berlin", "2026-11-20"),  # 22:00
        ("2026-11-21 04:59", "Europe/Berlin", "2026-11-20"),  # 05:59 of the next day
        ("2026-11-21 05:00", "Europe/Berlin", None),  # 06:00
        ("2026-11-21 04:59", "Europe/London", "2026-11-20"),
        ("2026-11-21 04:59", "America/Lima", "2026-11-20"),  # 23:59 of the day before
        ("2026-07-20 20:30", "Europe/Berlin", "2026-07-20"),  # 22:30 in summer
    ],
)
def test_night_is_by_the_clock_of_the_site(started: str, zone: str, night: str | None):
    """From 22:00 to 06:00 where the telephone stands; one night is one window."""
    at = moment(started)
    rows = [call(1, started_at=at, ended_at=at, site_zone=zone, **{"class": "premium"})]
    found = evaluate(calls(*rows), {}, [NIGHT])
    assert [f.window for f in found] == ([] if night is None else [night])


def test_premium_is_what_the_number_plan_says_and_what_the_rule_adds():
    """A premium class, a declared prefix, and neither, all at three in the morning."""
    at = moment("2026-11-20 02:00")
    rows = [
        call(1, started_at=at, **{"class": "premium"}),
        call(2, started_at=at, called_e164=4913799999),
        call(3, started_at=at),
    ]
    assert told(NIGHT, *rows) == [1, 2]


def test_a_rule_of_some_sites_passes_over_the_others():
    """The same call in Berlin and in Madrid; the rule is of Madrid."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=1, sites=frozenset({"madrid"}))
    assert told(rule, call(1), call(2, site_uid="madrid")) == [2]


def test_calls_of_one_telephone_and_day_are_one_alert():
    """Two calls of 214 on one day, one on the next, one of 215: three alerts."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=1)
    found = evaluate(
        calls(
            call(1),
            call(2, started_at=moment("2026-11-20 15:00")),
            call(3, started_at=moment("2026-11-20 23:30")),  # 00:30 of the next day in Berlin
            call(4, extension="215"),
        ),
        {},
        [rule],
    )
    assert found[0].alert_id == found[1].alert_id
    assert len({f.alert_id for f in found}) == 3


def test_an_alert_is_about_the_extension_else_the_trunk_else_the_site():
    """What is known best names it."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=1)
    rows = [call(1), call(2, extension=None, trunk_out="T1"), call(3, extension=None)]
    found = evaluate(calls(*rows), {}, [rule])
    assert [(f.object_kind, f.object_uid) for f in found] == [
        ("extension", "214"),
        ("trunk", "T1"),
        ("site", "berlin"),
    ]


def test_calls_of_the_day_before_yesterday_tell_nobody():
    """It ended at 12:01; a day and a second later it is history, a day later it is not yet."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=1)
    noon = 1_795_262_460_000  # 2026-11-21 12:01:00 UTC
    assert datetime.fromtimestamp(noon / 1000, UTC) == moment("2026-11-21 12:01")
    charges = CHARGE_SCHEMA.empty_table()
    assert len(alerts_stage(calls(call(1)), charges, Rules((rule,)), now_ms=noon)) == 1
    assert alerts_stage(calls(call(1)), charges, Rules((rule,)), now_ms=noon + 1_000) == []


def test_a_rule_that_is_not_live_is_tried_and_tells_nobody():
    """It is among all rules, and not among those that judge calls as they come."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=1, live=False)
    rules = Rules((rule,))
    assert rules.live == ()
    assert rules.get("long") is rule


def test_a_finding_travels_whole():
    """Packed as JSON and read back it is the same; it holds no number of a phone."""
    rule = LongCallRule(rule_uid="long", name="Long", talk_min_ms=1, to=("soc",))
    found = evaluate(calls(call(1)), {}, [rule])[0]
    assert Finding.unpacked(found.packed()) == found
    assert "34915550100" not in str(found.packed())


def test_columns_sort_out_no_call_that_the_plain_rule_minds():
    """A thousand calls of every kind: columns and one call at a time find the same."""
    dice = random.Random(7)
    rows = [
        call(
            n,
            called_e164=dice.choice(
                [None, 88123, 12, 120, 8700, 87009, 34915550100, dice.randrange(1, 10**15)]
            ),
            calling_e164=dice.choice([None, 881, 4930123214]),
            talk_ms=dice.choice([None, 0, MINUTE, 120 * MINUTE]),
            started_at=moment(f"2026-11-20 {dice.randrange(24):02}:{dice.randrange(60):02}"),
            **{"class": dice.choice([None, "premium", "emergency", "local"])},
        )
        for n in range(1_000)
    ]
    costs = {
        row["call_id"]: [Cost("carrier", "EUR", dice.randrange(40) * EUR)] for row in rows[::3]
    }
    rules: list[Rule] = [
        BLACKLIST,
        LongCallRule(rule_uid="long", name="Long", talk_min_ms=MINUTE),
        ExpensiveCallRule(rule_uid="dear", name="Dear", cost_min_nanos={"EUR": 20 * EUR}),
        EmergencyCallRule(rule_uid="help", name="Help"),
        NIGHT,
    ]
    plain = [
        found
        for rule in rules
        for row in calls(*rows).to_pylist()
        if (found := finding(rule, row, costs.get(row["call_id"], ()))) is not None
    ]
    assert evaluate(calls(*rows), costs, rules) == plain
    assert len({f.rule_uid for f in plain}) == 5
