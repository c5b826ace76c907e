"""The dashboard of the plugin: a line per resource, and what to do about what is not well."""

from __future__ import annotations

from datetime import UTC, datetime

from bluewhale.kubectl import resources
from bluewhale.kubectl.dashboard import OperatorSeen, detail, overview
from bluewhale.kubectl.resources import Resource, read_resource
from bluewhale.operator import conditions, status
from bluewhale.operator import resource as operators
from bluewhale.operator.specs.token import EXPIRES

from tests.support.remoteunits import NOW, body, centre, link, pair, seen, well

PAIR = {"units": {"preferred": "berlin-1", "standby": ["berlin-2"]}}
LEADS = [OperatorSeen("bluewhale/bluewhale-operator", "pod-a", "2026-11-22T08:59:58.000000Z")]


def told(said, **spec) -> Resource:
    """Give a resource of two units with the status that the operator writes for it."""
    read = pair(**spec)
    observed = seen(said)
    found = conditions.findings(read, observed)
    made = body(**PAIR, **spec) | {"status": status.status_of(read, observed, found)}
    return read_resource(made)


def shown(*read: Resource, operators=LEADS) -> str:
    """Give the dashboard at NOW."""
    return overview(list(read), operators, now=NOW)


def test_the_annotations_that_it_writes_are_those_that_the_operator_reads():
    """The plugin does not import the operator: the names are held together here."""
    for name in ("FENCED", "SWITCHOVER", "ENROL", "FORCE_DELETE"):
        assert getattr(resources, name) == getattr(operators, name)
    assert resources.TOKEN_EXPIRES == EXPIRES


def test_a_well_resource_is_one_line():
    """Owner, units that are connected, what waits: all in the table, and no more is said."""
    text = shown(told(centre(well("berlin-1"), well("berlin-2"))))
    assert text.splitlines() == [
        "Operator: pod-a leads, renewed 2s ago",
        "",
        "NAMESPACE   NAME     READY   REASON   OWNER      UNITS   LAST RECORD   BACKLOG   BUFFER   VERSION   AGE",
        "pbx         berlin   True    Ready    berlin-1   2/2     -             0         -        0.1.0     21d",
        "",
        "1 of 1 well.",
    ]


def test_what_is_not_well_stands_below_with_its_remedy():
    """A journal that fills up: the condition, its reason and what to do, in the operator's words."""
    text = shown(told(centre(well("berlin-1", journal_ratio=0.8), well("berlin-2"))))
    assert "0 of 1 well. Not well:" in text
    assert "pbx/berlin\n  SpoolHealthy: FillingUp\n" in text
    assert "spec.buffer.quotaMiB" in text


def test_one_cause_is_told_once():
    """Ingest is away: six conditions have one message, and it is said once."""
    text = shown(told(centre(problem="connection refused")))
    assert text.count("ingest does not answer (connection refused)") == 1


def test_a_missing_standby_is_not_well_though_records_arrive():
    """Ready is True, and yet nobody would take over."""
    read = told(centre(well("berlin-1"), well("berlin-2", state="enrolled")))
    assert [c.reason for c in read.not_well] == ["StandbyMissing"]
    assert "True    StandbyMissing   berlin-1   1/2" in shown(read)


def test_a_deletion_says_what_it_waits_for():
    """Nothing but the drain is told of a resource that is on its way out."""
    gone = {"deletionTimestamp": "2026-11-22T08:59:00Z"}
    read = told(centre(well("berlin-1", backlog_records=1204), well("berlin-2")), meta=gone)
    assert [c.reason for c in read.not_well] == ["Draining"]
    assert "berlin-1 holds 1204 records" in shown(read)


def test_a_resource_that_no_operator_saw_says_where_to_look():
    """No status is no answer of "all well"."""
    read = read_resource(body(status={}))
    assert [c.reason for c in read.not_well] == ["NotSeen"]
    assert "app.kubernetes.io/component=operator" in shown(read, operators=[])


def test_a_status_of_an_earlier_spec_is_not_taken_for_the_present():
    """The operator is behind: its conditions are True and speak of something else."""
    read = told(centre(well("berlin-1"), well("berlin-2")))
    later = read_resource(
        body(**PAIR, meta={"generation": 4}) | {"status": dict(read.status)},
    )
    assert [c.reason for c in later.not_well] == ["SpecChanged"]
    assert later.is_so("Owned") is False


def test_an_operator_that_is_silent_makes_the_table_old():
    """Its Lease was renewed a minute ago: what it wrote may be wrong by now."""
    late = [OperatorSeen("b/b-operator", "pod-a", "2026-11-22T08:59:00.000000Z")]
    read = told(centre(well("berlin-1"), well("berlin-2")))
    assert "renewed 1m ago; it is silent, what stands below is old" in shown(read, operators=late)
    assert "Operator: none" in shown(read, operators=[])
    assert "Operator: not seen from here" in shown(read, operators=None)
    assert "b/b-operator has no leader" in shown(
        read, operators=[OperatorSeen("b/b-operator", "", "")]
    )


def test_orders_that_are_in_force_are_told():
    """A fence that somebody forgot is what explains the silence."""
    read = told(
        centre(well("berlin-1"), well("berlin-2"), owner=""),
        annotations={"bluewhale.dev/fenced": "true", "bluewhale.dev/switchover-to": "berlin-2"},
    )
    text = overview([read], LEADS, now=NOW)
    assert "kubectl bluewhale unfence berlin -n pbx" in text
    assert "berlin is being switched over to berlin-2" in text


def test_one_resource_shows_its_units_and_where_the_pbx_sends_to():
    """A link that nobody reads says so; figures that are not known are no zeros."""
    said = centre(well("berlin-1", backlog_records=1204), well("berlin-2", state="enrolled"))
    text = detail(told(said, links=[link(), link("hq-new", type="tcp_server", port=9001)]), now=NOW)
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:4] == ["berlin-1", "connected", "1,204", "0%"]
    assert rows[2][:4] == ["berlin-2", "enrolled", "0", "-"]
    assert rows[5][:3] == ["hq-avaya", "berlin-1", "connected"]
    assert rows[6][:2] == ["hq-new", "nobody"]


def test_no_resource_at_all_says_how_to_begin():
    """An empty table would be a riddle."""
    assert "charts/bluewhale/examples/remoteunit.yaml" in overview(
        [], [], now=datetime(2026, 11, 22, tzinfo=UTC)
    )


def test_what_is_worth_a_look_is_shown_and_is_well():
    """Ready is True with a word beside it: shown, and the exit code stays 0."""
    ready = {"type": "Ready", "status": "True", "reason": "PbxAway", "message": "the PBX is away"}
    made = body(status={"observedGeneration": 3, "conditions": [ready]})
    text = shown(read_resource(made))
    assert (
        "1 of 1 well.\n\nWorth a look:\n\npbx/berlin\n  Ready: PbxAway\n    the PBX is away" in text
    )
    assert read_resource(made).not_well == []


def test_a_unit_tells_how_long_it_could_go_on_and_what_is_lost():
    """Age of the oldest record, days of room, sequence numbers that will never come."""
    unit = {
        "name": "berlin", "state": "connected", "backlogRecords": 1204, "backlogAge": "3m",
        "journalPercent": 4, "bufferDaysLeft": "12.5", "gaps": 2,
    }  # fmt: skip
    text = detail(read_resource(body(status={"units": [unit]})), now=NOW)
    assert text.splitlines()[1].split()[:7] == [
        "berlin", "connected", "1,204", "(3m)", "4%", "12.5d", "2",
    ]  # fmt: skip


def test_what_many_resources_have_alike_is_told_once():
    """Ingest is away for a hundred of them: one text, five names and how many more."""
    many = [read_resource(body(f"site-{i:02}", status={})) for i in range(100)]
    text = shown(*many)
    assert text.count("the operator has not looked at it yet") == 1
    assert "pbx/site-00, pbx/site-01, pbx/site-02, pbx/site-03, pbx/site-04 and 95 more" in text
