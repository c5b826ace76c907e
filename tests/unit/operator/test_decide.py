"""What the operator does about one RemoteUnit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bluewhale.operator.claims import Conflict
from bluewhale.operator.decide import Configure, Decision, HandOver, MintToken, Revoke, decide
from bluewhale.operator.observed import Centre, ObjectId, PodReport, UnitReport

from tests.support.remoteunits import (
    NOW,
    SETTINGS,
    YEAR_MS,
    applied,
    centre,
    link,
    pair,
    resource,
    seen,
    well,
)

PAUSED = {"log_level": "info", "journal_quota_mib": 1024, "paused_links": ["hq-avaya"]}
GONE = {"deletionTimestamp": "2026-11-22T08:00:00Z"}


def kinds(decision: Decision) -> list[str]:
    """What is applied."""
    return [f"{made['kind']} {made['metadata']['name']}" for made in decision.apply]


def reason(decision: Decision, name: str = "Ready") -> tuple[str, str]:
    """Status and reason of a condition."""
    found = {c["type"]: c for c in decision.status["conditions"]}[name]
    return found["status"], found["reason"]


def selector(decision: Decision) -> str:
    """The unit that the Service leads to."""
    services = [made for made in decision.apply if made["kind"] == "Service"]
    return services[0]["spec"]["selector"]["bluewhale.dev/unit"]


def test_a_new_resource_gets_its_objects_and_a_token_when_ingest_knows_its_unit():
    """The first look at a resource."""
    said = centre(UnitReport("berlin", "declared", links=("hq-avaya",)))
    decision = decide(resource(), seen(said), SETTINGS)
    assert kinds(decision) == [
        "ConfigMap berlin-unit",
        "StatefulSet berlin",
        "Service link-hq-avaya",
    ]
    assert decision.calls == (
        MintToken("berlin"),
        Configure("berlin", {"log_level": "info", "journal_quota_mib": 1024}),
    )
    assert reason(decision) == ("False", "WaitingForUnit")


def test_no_token_is_made_before_ingest_knows_the_unit():
    """Ingest follows the published links within seconds."""
    decision = decide(resource(), seen(centre()), SETTINGS)
    assert decision.calls == ()
    assert reason(decision) == ("False", "RolesBehind")
    assert reason(decision, "Enrolled") == ("False", "NotDeclaredYet")


def test_nothing_is_asked_of_an_ingest_that_does_not_answer_but_objects_are_made():
    """Pods do not wait for the centre."""
    decision = decide(resource(), seen(Centre(problem="connection refused")), SETTINGS)
    assert decision.calls == ()
    assert len(decision.apply) == 3
    assert {c["status"] for c in decision.status["conditions"]} == {"Unknown"}


@pytest.mark.parametrize(
    ("left", "minted"), [(timedelta(minutes=11), False), (timedelta(minutes=9), True)]
)
def test_a_token_that_waits_is_made_anew_before_it_ends(left: timedelta, minted: bool):
    """Ten minutes are left for a pod to start."""
    until = (NOW + left).isoformat().replace("+00:00", "Z")
    waiting = resource(status={"units": [{"name": "berlin", "tokenExpires": until}]})
    said = centre(UnitReport("berlin", "declared", links=("hq-avaya",)))
    assert (MintToken("berlin") in decide(waiting, seen(said), SETTINGS).calls) is minted


def test_the_secret_of_a_token_goes_when_its_unit_has_enrolled():
    """A used token has no use."""
    waiting = resource(
        status={"units": [{"name": "berlin", "tokenExpires": "2026-11-22T09:30:00Z"}]}
    )
    decision = decide(waiting, seen(centre(well("berlin"))), SETTINGS)
    assert decision.delete == (ObjectId("Secret", "pbx", "berlin-token"),)
    assert "tokenExpires" not in decision.status["units"][0]


def test_a_revoked_unit_gets_a_token_by_order_alone():
    """A person revoked it, a person admits it again."""
    said = centre(well("berlin", state="revoked", certificate_not_after_ms=0))
    assert decide(resource(), seen(said), SETTINGS).calls == ()
    ordered = resource(annotations={"bluewhale.dev/enrol": "berlin"})
    decision = decide(ordered, seen(said), SETTINGS)
    assert decision.calls == (MintToken("berlin"),)
    assert decision.remove_annotations == ("bluewhale.dev/enrol",)


def test_all_is_well():
    """Every condition is good, nothing is to be done."""
    decision = decide(pair(), seen(centre(well("berlin-1"), well("berlin-2"))), SETTINGS)
    assert reason(decision) == ("True", "Ready")
    assert decision.status["owner"] == "berlin-1"
    assert decision.calls == ()


def test_a_standby_that_is_missing_does_not_stop_records_and_is_said():
    """Ready means that records arrive."""
    said = centre(well("berlin-1"), well("berlin-2", state="enrolled"), ready=("berlin-1",))
    assert reason(decide(pair(), seen(said), SETTINGS)) == ("True", "StandbyMissing")


def test_why_a_pod_does_not_run_is_part_of_the_message():
    """A person need not look at the pod."""
    said = centre(well("berlin", state="enrolled"), owner="")
    pods = {"berlin": PodReport(waiting="ImagePullBackOff: no such image")}
    decision = decide(resource(), seen(said, pods=pods), SETTINGS)
    connected = decision.status["conditions"][2]
    assert connected["message"] == "not connected: berlin (berlin: ImagePullBackOff: no such image)"


def test_the_service_follows_the_entitled_unit_and_stays_where_nobody_is():
    """A move of the link is one change of the selector."""
    units = well("berlin-1"), well("berlin-2")
    first = decide(pair(), seen(centre(*units, owner="berlin-2")), SETTINGS)
    assert selector(first) == "berlin-2"
    children = applied(first.apply)
    later = decide(pair(), seen(centre(*units, owner=""), children=children), SETTINGS)
    assert [k for k in kinds(later) if k.startswith("Service")] == []
    moved = decide(pair(), seen(centre(*units, owner="berlin-1"), children=children), SETTINGS)
    assert selector(moved) == "berlin-1"
    assert kinds(moved) == ["Service link-hq-avaya", "Lease link-hq-avaya"]


def test_a_mirror_keeps_the_owner_while_ingest_does_not_answer():
    """Nothing is known to have changed."""
    units = well("berlin-1"), well("berlin-2")
    children = applied(decide(pair(), seen(centre(*units, owner="berlin-2")), SETTINGS).apply)
    later = decide(pair(), seen(Centre(problem="away"), children=children), SETTINGS)
    assert later.apply == ()
    assert later.delete == ()


def test_a_fence_pauses_the_links_of_every_unit():
    """The order of a person reaches all units."""
    fenced = pair(annotations={"bluewhale.dev/fenced": "true"})
    decision = decide(fenced, seen(centre(well("berlin-1"), well("berlin-2"))), SETTINGS)
    assert decision.calls == (Configure("berlin-1", PAUSED), Configure("berlin-2", PAUSED))
    assert reason(decision, "Owned") == ("False", "Fenced")


def test_without_the_fence_the_links_are_read_again():
    """What is in the spec is all there is."""
    said = centre(well("berlin", overrides=PAUSED))
    decision = decide(resource(), seen(said), SETTINGS)
    assert decision.calls == (
        Configure("berlin", {"log_level": "info", "journal_quota_mib": 1024}),
    )


def test_a_switch_over_is_ordered_once_and_the_order_goes_when_it_is_done():
    """An annotation is an order, not a state."""
    ordered = pair(annotations={"bluewhale.dev/switchover-to": "berlin-2"})
    units = well("berlin-1"), well("berlin-2")
    before = decide(ordered, seen(centre(*units)), SETTINGS)
    assert before.calls == (HandOver("hq-avaya", "berlin-2"),)
    assert before.remove_annotations == ()
    under_way = decide(ordered, seen(centre(*units, moving_to="berlin-2")), SETTINGS)
    assert under_way.calls == ()
    after = decide(ordered, seen(centre(*units, owner="berlin-2")), SETTINGS)
    assert after.calls == ()
    assert after.remove_annotations == ("bluewhale.dev/switchover-to",)
    assert after.events[-1].reason == "SwitchedOver"


def test_a_switch_over_to_a_stranger_is_refused_with_the_names_that_are_known():
    """An order that cannot be carried out does not stay."""
    ordered = pair(annotations={"bluewhale.dev/switchover-to": "paris"})
    decision = decide(ordered, seen(centre(well("berlin-1"), well("berlin-2"))), SETTINGS)
    assert decision.remove_annotations == ("bluewhale.dev/switchover-to",)
    assert decision.events[-1].message == "paris is no unit of it; berlin-1, berlin-2 are"


def test_a_resource_in_conflict_changes_nothing_and_says_who_has_it():
    """What was in force stays in force."""
    conflict = Conflict(
        "LinkTaken", "link hq-avaya", "link hq-avaya belongs to RemoteUnit pbx/a; x"
    )
    decision = decide(resource(), seen(centre(), conflicts=(conflict,)), SETTINGS)
    assert (decision.apply, decision.calls, decision.delete) == ((), (), ())
    assert reason(decision) == ("False", "LinkTaken")


def test_what_the_api_server_refuses_is_said():
    """A node port that is taken, a quota that is used up."""
    said = centre(well("berlin"))
    decision = decide(resource(), seen(said, refused="Service x: port is taken"), SETTINGS)
    assert reason(decision) == ("False", "Refused")


def test_a_service_of_a_link_that_went_is_removed():
    """Objects follow the spec both ways."""
    said = centre(well("berlin"))
    two = resource(links=[link(), link("other", type="tcp_server", port=9001)])
    children = applied(decide(two, seen(said), SETTINGS).apply)
    decision = decide(resource(), seen(said, children=children), SETTINGS)
    assert decision.delete == (ObjectId("Service", "pbx", "link-other"),)


def test_a_unit_that_is_no_longer_named_goes_when_its_journal_is_empty():
    """Scaling in loses nothing."""
    status = {"units": [{"name": "berlin-1"}, {"name": "berlin-2"}]}
    units = well("berlin-1"), well("berlin-2")
    children = applied(decide(pair(), seen(centre(*units)), SETTINGS).apply)
    alone = resource(units={"preferred": "berlin-1"}, status=status)

    full = centre(well("berlin-1"), well("berlin-2", backlog_records=7))
    waits = decide(alone, seen(full, children=children), SETTINGS)
    assert waits.calls == (Configure("berlin-2", PAUSED),)
    assert ObjectId("StatefulSet", "pbx", "berlin-2") not in waits.delete
    assert [unit["name"] for unit in waits.status["units"]] == ["berlin-1", "berlin-2"]

    empty = centre(well("berlin-1"), well("berlin-2", overrides=PAUSED))
    gone = decide(alone, seen(empty, children=children), SETTINGS)
    assert gone.calls == (Revoke("berlin-2"),)
    assert ObjectId("StatefulSet", "pbx", "berlin-2") in gone.delete
    assert ObjectId("PersistentVolumeClaim", "pbx", "journal-berlin-2-0") in gone.delete


def test_a_deletion_pauses_then_waits_for_every_record_then_revokes_and_lets_go():
    """The only use of the finalizer."""
    deleted = resource(meta=GONE)
    reading = decide(deleted, seen(centre(well("berlin", backlog_records=9))), SETTINGS)
    assert (reading.calls, reading.released) == ((Configure("berlin", PAUSED),), False)
    assert reason(reading) == ("False", "Draining")
    assert "berlin holds 9 records" in reading.status["conditions"][0]["message"]

    draining = centre(well("berlin", overrides=PAUSED, backlog_records=9))
    assert decide(deleted, seen(draining), SETTINGS).released is False

    drained = decide(deleted, seen(centre(well("berlin", overrides=PAUSED))), SETTINGS)
    assert (drained.calls, drained.released, drained.status_changed) == ((), False, True)
    assert drained.status["drainedTime"] == "2026-11-22T09:00:00Z"

    written = resource(meta=GONE, status=drained.status)
    let_go = decide(written, seen(centre(well("berlin", overrides=PAUSED))), SETTINGS)
    assert let_go.released is True
    assert let_go.calls == (Revoke("berlin"),)
    assert let_go.delete == (ObjectId("PersistentVolumeClaim", "pbx", "journal-berlin-0"),)

    revoked = centre(well("berlin", state="revoked", backlog_records=None))
    again = decide(written, seen(revoked), SETTINGS)  # the operator ended in between
    assert (again.calls, again.released) == ((), True)


@pytest.mark.parametrize(
    "said",
    [
        Centre(problem="away"),
        centre(well("berlin", overrides=PAUSED, state="enrolled")),
        centre(well("berlin", overrides=PAUSED, backlog_records=None)),
        centre(well("berlin", overrides=PAUSED, wrong={"configuration": "not in effect yet"})),
    ],
    ids=["ingest away", "unit away", "backlog unknown", "not paused yet"],
)
def test_what_is_not_known_to_be_delivered_holds_a_deletion(said: Centre):
    """A doubt is for the records."""
    assert decide(resource(meta=GONE), seen(said), SETTINGS).released is False


def test_a_forced_deletion_lets_go_keeps_the_volumes_and_says_so():
    """The records can still be brought in from the volumes."""
    forced = resource(meta=GONE, annotations={"bluewhale.dev/force-delete": "true"})
    decision = decide(forced, seen(Centre(problem="away")), SETTINGS)
    assert (decision.released, decision.delete, decision.calls) == (True, (), ())
    assert decision.events[-1].reason == "ForceDeleted"


def test_a_namespace_that_is_deleted_is_not_held_by_a_journal():
    """Its pods and volumes go anyway; nobody ordered it by force, so nobody is told so."""
    ending = seen(centre(well("berlin", backlog_records=7)), namespace_ending=True)
    decision = decide(resource(meta=GONE), ending, SETTINGS)
    assert (decision.released, decision.delete) == (True, ())
    assert "ForceDeleted" not in [event.reason for event in decision.events]


def test_a_unit_that_never_enrolled_holds_no_deletion():
    """It has no record of any link."""
    said = centre(UnitReport("berlin", "declared", links=("hq-avaya",)))
    assert decide(resource(meta=GONE), seen(said), SETTINGS).released is True


def test_a_deletion_never_touches_a_unit_of_another_resource():
    """A resource in conflict has nothing to drain."""
    conflict = Conflict("UnitTaken", "unit berlin", "unit berlin belongs to RemoteUnit pbx/a; x")
    decision = decide(
        resource(meta=GONE), seen(centre(well("berlin")), conflicts=(conflict,)), SETTINGS
    )
    assert (decision.released, decision.calls, decision.delete) == (True, (), ())


def test_figures_are_written_once_a_minute_and_turns_at_once():
    """1,000 resources do not keep the API server busy."""
    said = centre(well("berlin", clock_skew_ms=5))
    status = decide(resource(), seen(said), SETTINGS).status
    skewed = centre(well("berlin", clock_skew_ms=6))
    known = resource(status=status)
    soon, later = NOW + timedelta(seconds=30), NOW + timedelta(seconds=60)
    assert decide(known, seen(said, now=later), SETTINGS).status_changed is False
    assert decide(known, seen(skewed, now=soon), SETTINGS).status_changed is False
    assert decide(known, seen(skewed, now=later), SETTINGS).status_changed is True
    away = centre(well("berlin", state="enrolled"), owner="")
    assert decide(known, seen(away, now=soon), SETTINGS).status_changed is True


def test_an_event_tells_a_turn_of_ready_and_no_more():
    """Events explain and never storm."""
    said = centre(well("berlin"))
    first = decide(resource(), seen(said), SETTINGS)
    assert [(e.type, e.reason) for e in first.events] == [("Normal", "Ready")]
    known = resource(status=first.status)
    assert decide(known, seen(said), SETTINGS).events == ()
    full = centre(well("berlin", journal_ratio=0.9))
    assert [(e.type, e.reason) for e in decide(known, seen(full), SETTINGS).events] == [
        ("Warning", "FillingUp")
    ]


def test_timings_that_ingest_does_not_follow_yet_are_said():
    """What the spec asks for and what is in force are not mixed up."""
    fast = resource(failover={"leaseSeconds": 6, "renewDeadlineSeconds": 4, "retrySeconds": 1})
    late = "ingest follows spec.failover of berlin within seconds"
    for spec, in_force, said in (
        (fast, None, late),
        (fast, (6.0, 4.0, 1.0), ""),
        (resource(), None, ""),
        (resource(), (6.0, 4.0, 1.0), late),
    ):
        observed = seen(centre(well("berlin", failover=in_force)))
        found = decide(spec, observed, SETTINGS).status["conditions"][3]
        assert (found["type"], found["status"]) == ("ConfigSynced", "True")
        assert found["message"] == said


def test_links_that_another_unit_reads_are_named_with_when_they_go_back():
    """hq-avaya prefers berlin-2 and is read by berlin-1; lan prefers berlin-1, as units do."""
    links = [{**link(), "preferred": "berlin-2"}, link("lan", type="tcp_server", port=9001)]
    said = centre(
        *(well(name, links=("hq-avaya", "lan")) for name in ("berlin-1", "berlin-2")),
        owner="berlin-1",
    )
    away = "hq-avaya is read by berlin-1, not berlin-2. "
    for failback, when in (
        (None, "Each goes back as the installation has it (failback_hold_s)"),
        ({"mode": "Automatic", "holdSeconds": 60}, "Each goes back after 60 s of presence"),
        ({"mode": "Manual"}, "Each goes back by order alone"),
    ):
        spec = pair(links=links, **({"failback": failback} if failback else {}))
        found = decide(spec, seen(said), SETTINGS).status["conditions"][4]
        assert (found["type"], found["status"]) == ("Owned", "True")
        assert found["message"] == away + when


def test_a_service_leads_to_the_preferred_unit_of_its_link_until_somebody_reads():
    """Links spread over units from the first moment."""
    links = [{**link(), "preferred": "berlin-2"}, link("lan", type="tcp_server", port=9001)]
    nobody = centre(well("berlin-1"), well("berlin-2"), owner="")
    made = decide(pair(links=links), seen(nobody), SETTINGS).apply
    leads = {
        o["metadata"]["name"]: o["spec"]["selector"]["bluewhale.dev/unit"]
        for o in made
        if o["kind"] == "Service"
    }
    assert leads == {"link-hq-avaya": "berlin-2", "link-lan": "berlin-1"}


MINUTE_MS = 60_000
NOW_MS = int(NOW.timestamp() * 1000)


def ready_of(said: Centre) -> tuple[str, str, str]:
    """Status, reason and message of Ready."""
    found = decide(resource(), seen(said), SETTINGS).status["conditions"][0]
    return found["status"], found["reason"], found["message"]


def test_records_that_are_not_stored_for_minutes_are_said_with_the_room_that_is_left():
    """A backlog of seconds is usual; five minutes are a story."""
    late = {"backlog_records": 345, "waiting_since_ms": NOW_MS - 12 * MINUTE_MS, "days_left": 2.5}
    assert ready_of(centre(well("berlin", **late))) == (
        "False",
        "NotStored",
        (
            "berlin holds 345 records that are not stored, the oldest for 12m, with room for 2.5"
            " days. Look at storage, then at parser and billing"
        ),
    )
    soon = {"backlog_records": 345, "waiting_since_ms": NOW_MS - 2 * MINUTE_MS}
    assert ready_of(centre(well("berlin", **soon)))[:2] == ("True", "Ready")


@pytest.mark.parametrize(
    ("given", "reason", "text"),
    [
        ({"gaps": 3}, "RecordsLost", "3 records will never come"),
        ({"days_left": 0.4}, "SmallBuffer", "lasts 0.4 days without the centre"),
        ({"wrong": {"clock": "its clock is 75 s behind"}}, "ClockWrong", "berlin: its clock"),
        ({"wrong": {"copies": "runs 2 times"}}, "RunsTwice", "berlin: runs 2 times"),
        ({"wrong": {"link": "link a: refused"}}, "PbxAway", "berlin: link a: refused"),
    ],
)
def test_what_somebody_should_look_at_is_said_though_records_arrive(
    given: dict, reason: str, text: str
):
    """Ready stays True, so that no alert fires; the reason is in the column."""
    status, found, message = ready_of(centre(well("berlin", **given)))
    assert (status, found) == ("True", reason)
    assert text in message


def test_a_mistake_that_the_roles_found_is_told_with_its_field_and_remedy():
    """Nobody reads the log of ingest; the mistakes of other resources are not ours."""
    wrong = (
        (
            "/etc/bluewhale-units/pbx.berlin.yaml:3: links.0 (hq-avaya): dialect: 'avayacm' is not"
            " known; one of avaya_cm"
        ),
        "/etc/bluewhale-units/pbx.paris.yaml:9: links.0 (paris): pbx_uid: nowhere",
    )
    said = replace(centre(UnitReport("berlin", "undeclared")), wrong=wrong)
    found = decide(resource(), seen(said), SETTINGS).status["conditions"]
    for condition in (found[0], found[3]):
        assert (condition["status"], condition["reason"]) == ("False", "Invalid")
        assert condition["message"] == (
            "links.0 (hq-avaya): dialect: 'avayacm' is not known; one of avaya_cm."
            " The roles go on with what they had"
        )


def test_figures_of_a_dashboard():
    """Sums over units, the worst of each; what a unit told before it went away stays."""
    told = {"received_through": 40, "stored_through": 30, "gaps": 1, "days_left": 3.0}
    said = centre(
        well("berlin-1", backlog_records=10, waiting_since_ms=NOW_MS - 90_000, **told),
        well("berlin-2", **told),
        last_record_ms=NOW_MS - 5_000,
    )
    status = decide(pair(), seen(said), SETTINGS).status
    assert {k: v for k, v in status.items() if k not in {"conditions", "units", "links"}} == {
        "observedGeneration": 3,
        "reportedTime": "2026-11-22T09:00:00Z",
        "owner": "berlin-1",
        "version": "0.1.0",
        "lastRecordTime": "2026-11-22T08:59:55Z",
        "backlogAge": "1m",
        "backlogRecords": 10,
        "receivedThrough": 80,
        "storedThrough": 60,
        "gaps": 2,
        "clockSkewMilliseconds": 0,
        "bufferDaysLeft": "3.0",
    }
    assert [u["backlogAge"] for u in status["units"]] == ["1m", "0s"]
    away = centre(well("berlin-1", state="enrolled", backlog_records=None), owner="")
    after = decide(pair(status=status), seen(away), SETTINGS).status
    assert after["lastRecordTime"] == "2026-11-22T08:59:55Z"
    assert after["links"][0]["lastRecordTime"] == "2026-11-22T08:59:55Z"
    assert "backlogRecords" not in after


def test_a_unit_that_lost_its_volume_keeps_its_token_until_it_has_another_certificate():
    """Ingest knows the old certificate all the while."""
    status = decide(resource(), seen(centre(well("berlin"))), SETTINGS).status
    ordered = resource(status=status, annotations={"bluewhale.dev/enrol": "berlin"})
    first = decide(ordered, seen(centre(well("berlin"))), SETTINGS)
    assert first.calls == (MintToken("berlin"),)
    minted = dict(first.status) | {
        "units": [first.status["units"][0] | {"tokenExpires": "2026-11-22T10:00:00Z"}]
    }
    known = resource(status=minted)
    secret = ObjectId("Secret", "pbx", "berlin-token")
    waiting = decide(known, seen(centre(well("berlin", state="enrolled"))), SETTINGS)
    assert secret not in waiting.delete
    assert waiting.status["units"][0]["tokenExpires"] == "2026-11-22T10:00:00Z"
    again = well("berlin", certificate_not_after_ms=YEAR_MS + 1_000)
    enrolled = decide(known, seen(centre(again)), SETTINGS)
    assert secret in enrolled.delete
    assert "tokenExpires" not in enrolled.status["units"][0]
    late = seen(centre(well("berlin")), now=NOW + timedelta(hours=2))
    assert secret in decide(known, late, SETTINGS).delete


def test_the_backlog_of_a_resource_that_is_fenced_is_written_at_once():
    """A person waits for the last record to be stored."""
    fenced = {"annotations": {"bluewhale.dev/fenced": "true"}}
    said = centre(well("berlin", backlog_records=9))
    status = decide(resource(**fenced), seen(said), SETTINGS).status
    less = seen(centre(well("berlin", backlog_records=8)), now=NOW + timedelta(seconds=1))
    assert decide(resource(status=status, **fenced), less, SETTINGS).status_changed is True
    assert decide(resource(status=status, **fenced), seen(said), SETTINGS).status_changed is False


BEFORE_MS = int(datetime(2026, 10, 31, tzinfo=UTC).timestamp() * 1000)  # the resource is of 11-01


def revoked(name: str = "berlin", at_ms: int = BEFORE_MS) -> UnitReport:
    """A unit that was revoked, with the resource that had its name before."""
    return well(
        name,
        state="revoked",
        certificate_not_after_ms=0,
        revoked_at_ms=at_ms,
        backlog_records=None,
    )


def test_a_resource_made_again_gets_its_units_back_without_a_word():
    """`kubectl delete`, then `kubectl apply` of the same file."""
    decision = decide(resource(), seen(centre(revoked())), SETTINGS)
    assert MintToken("berlin") in decision.calls
    assert reason(decision) == ("False", "WaitingForUnit")
    by_hand = centre(revoked(at_ms=NOW_MS))
    decision = decide(resource(), seen(by_hand), SETTINGS)
    assert MintToken("berlin") not in decision.calls
    assert reason(decision) == ("False", "Revoked")


def test_a_unit_that_never_ran_under_a_resource_holds_no_deletion_and_keeps_its_old_volume():
    """Revoked with an earlier resource of that name: what that one left is not ours to remove."""
    gone = decide(resource(meta=GONE), seen(centre(revoked())), SETTINGS)
    assert (gone.released, gone.delete) == (True, ())
    own = seen(centre(revoked()), own_volumes=frozenset({"berlin"}))
    claim = ObjectId("PersistentVolumeClaim", "pbx", "journal-berlin-0")
    assert decide(resource(meta=GONE), own, SETTINGS).delete == (claim,)
    by_hand = decide(resource(meta=GONE), seen(centre(revoked(at_ms=NOW_MS))), SETTINGS)
    assert by_hand.released is False
    assert "berlin is revoked, not connected" in by_hand.status["conditions"][0]["message"]
