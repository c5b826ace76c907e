"""Alerts are neither lost nor doubled, on every engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bluewhale.database import Batch, NotFoundError, StateError, pbx_hours
from bluewhale.database.alerts import AlertFilter, Alerts
from bluewhale.records.batches import Proposals
from bluewhale.records.findings import Finding

from tests.spec.database.build import leg_row, legs, proposals
from tests.support.stores import StoreFactory

NOW = 1_790_000_000_000
HOUR = 3_600_000


def finding(*rows: dict[str, Any], **changes: Any) -> Finding:
    """Say that the rule `long` minds the call of these legs."""
    ids = tuple(sorted(row["cdr_id"] for row in rows)) or (bytes(16),)
    found = Finding(
        rule_uid="long", name="Long calls", kind="long_call", severity="warning",
        object_kind="extension", object_uid="214", site_uid="berlin", department_uid="sales",
        window="2026-09-21", at_ms=NOW, call_id=ids[0], leg_ids=ids,
        measured={"talk_ms": "7200000"}, to=("soc", "mail"),
    )  # fmt: skip
    return replace(found, **changes)


def found_in(*rows: dict[str, Any], **changes: Any) -> Proposals:
    """Propose the call of these legs with what the rule says of it."""
    return replace(proposals(rows), findings=(finding(*rows, **changes),))


OPEN = AlertFilter(states=frozenset({"open"}))


def test_an_alert_stands_with_its_call_and_each_channel_is_told_once(store_factory: StoreFactory):
    """Proposed twice, in two processes: one alert, one call, two messages."""
    a = leg_row(1)
    with store_factory() as store:
        assert store.commit(Batch(now_ms=NOW, legs=legs(a), proposals=found_in(a))).alerts == 1
    with store_factory() as store:
        again = Batch(now_ms=NOW + 5, legs=legs(a), proposals=found_in(a))
        assert store.commit(again).alerts == 0
        alerts = Alerts(store.db)
        (one,) = alerts.listed(OPEN, limit=10, now_ms=NOW)
        assert (one.rule_uid, one.object_uid, one.calls, one.openings) == ("long", "214", 1, 1)
        assert dict(one.measured) == {"talk_ms": "7200000"}
        assert alerts.calls_of(one.alert_id) == [a["cdr_id"]]
        assert [d.channel for d in alerts.due(now_ms=NOW)] == ["mail", "soc"]


def test_what_is_about_no_stored_call_tells_nobody(store_factory: StoreFactory):
    """A proposal whose leg is not stored is refused, and what it says with it."""
    a = leg_row(1)
    with store_factory() as store:
        result = store.commit(Batch(now_ms=NOW, proposals=found_in(a)))
        assert (result.refused, result.alerts) == (1, 0)
        assert Alerts(store.db).count(AlertFilter(), now_ms=NOW) == 0
        # the leg comes, and its call is proposed again
        assert store.commit(Batch(now_ms=NOW, legs=legs(a), proposals=found_in(a))).alerts == 1


def test_a_call_that_grows_under_another_name_is_told_once(store_factory: StoreFactory):
    """Leg 2 is a call and an alert; with leg 1 it is the same call by a smaller id."""
    a, b = leg_row(1), leg_row(2)
    with store_factory() as store:
        store.commit(Batch(now_ms=NOW, legs=legs(b), proposals=found_in(b)))
        grown = found_in(a, b, window="2026-09-20", measured={"talk_ms": "9000000"})
        result = store.commit(Batch(now_ms=NOW, legs=legs(a), proposals=grown))
        assert (result.grown, result.alerts) == (1, 0)
        alerts = Alerts(store.db)
        (one,) = alerts.listed(OPEN, limit=10, now_ms=NOW)
        assert one.calls == 1
        assert dict(one.measured) == {"talk_ms": "9000000"}
        assert alerts.calls_of(one.alert_id) == [a["cdr_id"]]
        assert len(alerts.due(now_ms=NOW)) == 2


def test_a_call_of_a_sealed_batch_opens_an_alert_too(store_factory: StoreFactory):
    """A backlog is stored as a segment of its own; what rules find in it counts."""
    a = leg_row(1)
    with store_factory() as store:
        batch = Batch(now_ms=NOW, legs=legs(a), proposals=found_in(a))
        assert store.commit(batch, seal=True).alerts == 1


def test_a_call_more_joins_an_alert_and_opens_a_closed_one(store_factory: StoreFactory):
    """The second call counts silently; the third, after somebody closed it, is told again."""
    rows = [leg_row(n) for n in (1, 2, 3)]
    with store_factory() as store:
        alerts = Alerts(store.db)
        for row in rows[:2]:
            store.commit(Batch(now_ms=NOW, legs=legs(row), proposals=found_in(row)))
        (one,) = alerts.listed(OPEN, limit=10, now_ms=NOW)
        assert (one.calls, one.openings, len(alerts.due(now_ms=NOW))) == (2, 1, 2)
        alerts.change(one.alert_id, "closed", who="ana", now_ms=NOW + 1)
        assert alerts.listed(OPEN, limit=10, now_ms=NOW) == []
        later = Batch(now_ms=NOW + 9, legs=legs(rows[2]), proposals=found_in(rows[2]))
        assert store.commit(later).alerts == 0
        (one,) = alerts.listed(OPEN, limit=10, now_ms=NOW)
        assert (one.calls, one.openings, one.opened_at_ms) == (3, 2, NOW + 9)
        assert [d.opening for d in alerts.due(now_ms=NOW + 9)] == [1, 1, 2, 2]


def test_an_alert_changes_hands_audited_and_a_snooze_ends(store_factory: StoreFactory):
    """Seen, put off for an hour, open again by itself; closed it takes no other state."""
    a = leg_row(1)
    with store_factory() as store:
        store.commit(Batch(now_ms=NOW, legs=legs(a), proposals=found_in(a)))
        alerts = Alerts(store.db)
        alert_id = finding(a).alert_id
        before = alerts.stamp()
        assert (
            alerts.change(alert_id, "acknowledged", who="ana", now_ms=NOW + 1).state
            == "acknowledged"
        )
        assert alerts.stamp() > before
        alerts.change(alert_id, "snoozed", who="ben", now_ms=NOW + 2, until_ms=NOW + HOUR)
        assert alerts.get(alert_id, now_ms=NOW + HOUR - 1).state == "snoozed"
        assert alerts.get(alert_id, now_ms=NOW + HOUR).state == "open"
        assert alerts.count(OPEN, now_ms=NOW + HOUR - 1) == 0
        assert alerts.count(OPEN, now_ms=NOW + HOUR) == 1
        alerts.change(alert_id, "closed", who="ben", now_ms=NOW + 3)
        with pytest.raises(StateError):
            alerts.change(alert_id, "acknowledged", who="ana", now_ms=NOW + 4)
        with pytest.raises(NotFoundError):
            alerts.change(bytes(16), "closed", who="ana", now_ms=NOW + 4)
        assert [row[1:3] for row in store.audit()] == [
            ("ben", "alert_closed"),
            ("ben", "alert_snoozed"),
            ("ana", "alert_acknowledged"),
        ]


def test_pages_and_branches_of_alerts(store_factory: StoreFactory):
    """Three alerts at two sites, page by page; a branch sees its own."""
    with store_factory() as store:
        for n, site in ((1, "berlin"), (2, "berlin"), (3, "madrid")):
            row = leg_row(n)
            made = found_in(row, window=str(n), site_uid=site)
            store.commit(Batch(now_ms=NOW + n, legs=legs(row), proposals=made))
        alerts = Alerts(store.db)
        first = alerts.listed(AlertFilter(), limit=2, now_ms=NOW)
        assert [a.opened_at_ms - NOW for a in first] == [3, 2]
        place = (first[-1].opened_at_ms, first[-1].alert_id)
        rest = alerts.listed(AlertFilter(), limit=2, now_ms=NOW, after=place)
        assert [a.opened_at_ms - NOW for a in rest] == [1]
        assert alerts.count(AlertFilter(sites=frozenset({"madrid"})), now_ms=NOW) == 1
        assert alerts.count(AlertFilter(departments=frozenset({"none"})), now_ms=NOW) == 0


def test_a_message_is_taken_by_one_and_is_free_again_where_nobody_says_what_became_of_it(
    store_factory: StoreFactory,
):
    """Two workers see it, one takes it; that one dies, and after its time it is due again."""
    a = leg_row(1)
    with store_factory() as store:
        store.commit(Batch(now_ms=NOW, legs=legs(a), proposals=found_in(a, to=("soc",))))
        alerts = Alerts(store.db)
        (seen,) = alerts.due(now_ms=NOW)
        assert alerts.take(seen, until_ms=NOW + 60_000, now_ms=NOW)
        assert not alerts.take(seen, until_ms=NOW + 60_000, now_ms=NOW)
        assert alerts.due(now_ms=NOW + 59_999) == []
        (again,) = alerts.due(now_ms=NOW + 60_000)
        assert again.attempts == 1
        assert alerts.take(again, until_ms=NOW + 120_000, now_ms=NOW + 60_000)
        alerts.settle(again, error="", again_at_ms=None, now_ms=NOW + 60_001)
        assert alerts.due(now_ms=NOW + HOUR) == []
        assert alerts.deliveries(seen.alert_id) == [("soc", 1, "sent", 2, NOW + 60_001, "")]


def test_hours_of_a_pbx_are_counted_once_per_record(store_factory: StoreFactory):
    """Two records in one hour, one in the next; sent again they count nothing."""
    rows = [leg_row(n, received_at=NOW + at) for n, at in ((1, 0), (2, 5_000), (3, HOUR))]
    with store_factory() as store:
        for _ in range(2):
            store.commit(Batch(now_ms=NOW, legs=legs(*rows)))
        (heard,) = store.run_read(lambda tx: pbx_hours.heard(tx, NOW + HOUR)).values()
        assert heard[0] == NOW + HOUR
        assert heard[1] == {NOW // HOUR: 2, NOW // HOUR + 1: 1}
        store.run_write(lambda tx: pbx_hours.forget(tx, NOW + 36 * 24 * HOUR))
        assert store.run_read(lambda tx: pbx_hours.heard(tx, NOW)) == {}


def test_a_silence_closes_when_the_pbx_speaks(store_factory: StoreFactory):
    """It opens once; a record of later closes it, and nobody is named."""
    silent = finding(
        kind="silent_pbx", object_kind="pbx", object_uid="berlin-1", call_id=None, leg_ids=()
    )
    with store_factory() as store:
        alerts = Alerts(store.db)
        assert len(alerts.note([silent], now_ms=NOW).opened) == 1
        assert alerts.note([silent], now_ms=NOW + 5).opened == []
        assert alerts.heard_again("berlin-1", silent.at_ms, now_ms=NOW) == 0
        assert alerts.heard_again("berlin-1", silent.at_ms + 1, now_ms=NOW + 6) == 1
        assert alerts.get(silent.alert_id, now_ms=NOW).state == "closed"


def test_old_alerts_go_with_their_messages_and_a_lasting_silence_stays(store_factory: StoreFactory):
    """What nobody changed since goes; a call more, or a person, makes an alert young again."""
    a, b, c = leg_row(1), leg_row(2), leg_row(3)
    silent = finding(kind="silent_pbx", rule_uid="quiet", object_uid="hq", leg_ids=(), to=("soc",))
    with store_factory() as store:
        for row, uid in ((a, "201"), (b, "202"), (c, "203")):
            proposed = found_in(row, object_uid=uid)
            store.commit(Batch(now_ms=NOW, legs=legs(row), proposals=proposed))
        alerts = Alerts(store.db)
        alerts.note([silent], now_ms=NOW)
        ids = {x.object_uid: x.alert_id for x in alerts.listed(OPEN, limit=9, now_ms=NOW)}
        alerts.change(ids["202"], "closed", who="ana", now_ms=NOW + HOUR)
        assert alerts.forget(NOW) == 0
        assert alerts.forget(NOW + 1, limit=1) == 1
        assert alerts.forget(NOW + 1) == 1
        left = alerts.listed(AlertFilter(), limit=9, now_ms=NOW)
        assert sorted(x.object_uid for x in left) == ["202", "hq"]
        assert (alerts.calls_of(ids["201"]), alerts.deliveries(ids["203"])) == ([], [])
        assert {d.alert_id for d in alerts.due(now_ms=NOW)} == {ids["202"], ids["hq"]}
        assert alerts.forget(NOW + HOUR + 1) == 1
        alerts.heard_again("hq", NOW + 1, now_ms=NOW + HOUR)
        assert alerts.forget(NOW + HOUR + 1) == 1
