"""Deciding what to do about any RemoteUnit, whatever is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bluewhale.operator.claims import claims_of, conflicts_of
from bluewhale.operator.conditions import TYPES
from bluewhale.operator.decide import Configure, Decision, HandOver, MintToken, Revoke, decide
from bluewhale.operator.observed import Centre, LinkReport, Observed, PodReport, UnitReport
from bluewhale.operator.resource import RemoteUnit, read_resource
from bluewhale.operator.waves import UnitState, next_image
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.remoteunits import NOW, SETTINGS, YEAR_MS, applied, body, link

NAMES = ("u1", "u2", "u3")
connectors = st.sampled_from(
    [
        {"type": "tcp_server", "port": 9000},
        {"type": "tcp_client", "address": "pbx", "port": 4000},
        {"type": "syslog_udp", "port": 514},
        {"type": "tcp_server", "port": 9001},
        {"type": "folder", "path": "in", "claimName": "files"},
    ]
)
links = st.lists(connectors, min_size=1, max_size=3).map(
    lambda found: [link(f"l{i}", **connector) for i, connector in enumerate(found)]
)
units = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
orders = st.dictionaries(
    st.sampled_from(["fenced", "switchover-to", "enrol", "force-delete"]).map(
        "bluewhale.dev/{}".format
    ),
    st.sampled_from(["true", *NAMES, "stranger"]),
    max_size=2,
)


@st.composite
def bodies(draw: st.DrawFn, name: str = "berlin") -> dict[str, Any]:
    """A resource that the API server would admit."""
    named = draw(units)
    inside = draw(st.integers(0, 3)) > 0
    given_links = draw(links)
    spec: dict[str, Any] = {"units": {"preferred": named[0], "standby": named[1:]}}
    if inside:
        spec["reach"] = {"type": draw(st.sampled_from(["ClusterIP", "NodePort", "HostPort"]))}
    else:
        spec["runs"] = "Outside"
    meta: dict[str, Any] = {"generation": draw(st.integers(1, 3))}
    if draw(st.integers(0, 3)) == 0:
        meta["deletionTimestamp"] = "2026-11-22T08:00:00Z"
    before = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    return body(
        name,
        links=given_links,
        annotations=draw(orders),
        meta=meta,
        status={"units": [{"name": unit} for unit in before]} if before else {},
        **spec,
    )


@st.composite
def answers(draw: st.DrawFn, made: RemoteUnit) -> Centre:
    """Anything that ingest may say."""
    if draw(st.integers(0, 9)) == 0:
        return Centre(problem="away")
    names = tuple(one.name for one in made.links)
    known = {}
    for unit in NAMES:
        state = draw(
            st.sampled_from(["declared", "enrolled", "connected", "revoked", "undeclared", None])
        )
        if state is None:
            continue
        enrolled = state in {"enrolled", "connected"}
        known[unit] = UnitReport(
            unit,
            state,
            version=draw(st.sampled_from(["", "1", "2"])),
            journal_ratio=draw(st.sampled_from([0.0, 0.5, 0.99])),
            backlog_records=draw(st.sampled_from([None, 0, 5])),
            certificate_not_after_ms=YEAR_MS if enrolled else 0,
            wrong=draw(st.sampled_from([{}, {"configuration": "rolled_back: x"}])),
            links=draw(st.sampled_from([names, ()])),
        )
    found = {
        name: LinkReport(
            owner=draw(st.sampled_from(["", *NAMES, *made.units])),
            ready=tuple(draw(st.lists(st.sampled_from(NAMES), unique=True))),
            shared=len(made.units) > 1,
        )
        for name in names
        if draw(st.integers(0, 5))
    }
    return Centre(known, found, (15.0, 10.0, 2.0), problem="")


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, Any], Observed]:
    """A resource and what is seen of it."""
    given_body = draw(bodies())
    pods = {unit: PodReport(ready=draw(st.booleans())) for unit in NAMES if draw(st.booleans())}
    said = draw(answers(read_resource(given_body)))
    return given_body, Observed(now=NOW, centre=said, pods=pods)


def obeyed(said: Centre, decision: Decision) -> Centre:
    """Ingest after it did what it was asked."""
    known, found = dict(said.units), dict(said.links)
    for call in decision.calls:
        match call:
            case Configure(unit, overrides):
                known[unit] = replace(known[unit], overrides=overrides)
            case Revoke(unit):
                known[unit] = replace(known[unit], state="revoked", certificate_not_after_ms=0)
            case HandOver(name, to):
                found[name] = replace(found[name], owner=to)
            case MintToken():
                pass
    return replace(said, units=known, links=found)


def done(
    given_body: dict[str, Any], observed: Observed, decision: Decision
) -> tuple[dict[str, Any], Observed]:
    """The world after a decision was carried out."""
    children = applied(decision.apply, observed.children)
    for name in decision.delete:
        children.pop(name, None)
    status = dict(decision.status) or given_body["status"]
    minted = {call.unit for call in decision.calls if isinstance(call, MintToken)}
    told = [
        unit | ({"tokenExpires": "2026-11-22T10:00:00Z"} if unit["name"] in minted else {})
        for unit in status.get("units", ())
    ]
    annotations = {
        key: value
        for key, value in given_body["metadata"]["annotations"].items()
        if key not in decision.remove_annotations
    }
    after = {
        **given_body,
        "metadata": {**given_body["metadata"], "annotations": annotations},
        "status": {**status, "units": told} if told else status,
    }
    return after, replace(observed, children=children, centre=obeyed(observed.centre, decision))


@settings(max_examples=150, deadline=None)
@given(situations())
def test_deciding_on_what_was_done_soon_decides_nothing_more(situation):
    """A few looks settle any resource: the operator never runs in circles."""
    given_body, observed = situation
    for _ in range(6):
        decision = decide(read_resource(given_body), observed, SETTINGS)
        if decision.released:
            return
        given_body, observed = done(given_body, observed, decision)
    last = decide(read_resource(given_body), observed, SETTINGS)
    assert last.apply == ()
    assert last.delete == ()
    assert [call for call in last.calls if not isinstance(call, HandOver)] == []
    assert last.status_changed is False
    assert [event for event in last.events if event.reason != "SwitchoverWaits"] == []


@settings(max_examples=150, deadline=None)
@given(situations())
def test_the_status_always_has_all_seven_conditions_of_the_generation(situation):
    """Also on the first look, and when nothing is known."""
    given_body, observed = situation
    decision = decide(read_resource(given_body), observed, SETTINGS)
    if decision.released:
        return
    conditions = decision.status["conditions"]
    generation = given_body["metadata"]["generation"]
    assert [condition["type"] for condition in conditions] == list(TYPES)
    assert {condition["observedGeneration"] for condition in conditions} == {generation}
    assert decision.status["observedGeneration"] == generation
    assert all(condition["reason"].isalpha() for condition in conditions)
    assert all(condition["message"] for condition in conditions if condition["status"] == "False")


@settings(max_examples=400, deadline=None)
@given(situations())
def test_a_service_leads_to_one_unit_of_the_resource_and_to_the_owner_if_there_is_one(situation):
    """Never to two, never to a stranger."""
    given_body, observed = situation
    made = read_resource(given_body)
    for service in decide(made, observed, SETTINGS).apply:
        if service["kind"] != "Service":
            continue
        to = service["spec"]["selector"]["bluewhale.dev/unit"]
        name = service["metadata"]["name"].removeprefix("link-")
        report = observed.centre.links.get(name)
        assert to in made.units
        if report is not None and report.owner in made.units:
            assert to == report.owner


@settings(max_examples=150, deadline=None)
@given(situations())
def test_nothing_is_released_that_may_hold_records(situation):
    """Unless a person ordered it."""
    given_body, observed = situation
    made = read_resource(given_body)
    decision = decide(made, observed, SETTINGS)
    if not decision.released or made.forced:
        return
    assert made.deleting
    assert observed.centre.problem == ""
    for unit in made.units:
        report = observed.centre.units.get(unit)
        assert report is None or report.backlog_records == 0 or not report.certificate_not_after_ms


@settings(max_examples=60, deadline=None)
@given(st.lists(bodies(), min_size=2, max_size=4))
def test_no_thing_has_two_owners_and_every_conflict_has_a_winner(many):
    """Of those that claim a thing, exactly one is followed."""
    resources = [
        read_resource({**one, "metadata": {**one["metadata"], "name": f"r{i}", "uid": f"{i}"}})
        for i, one in enumerate(many)
    ]
    lost = {
        (key, conflict.reason, conflict.what)
        for key, conflicts in conflicts_of(resources).items()
        for conflict in conflicts
    }
    wanted: dict[tuple[str, str], list[Any]] = {}
    for made in resources:
        for claim in claims_of(made):
            holders = wanted.setdefault((claim.reason, claim.what), [])
            if made.key not in holders:
                holders.append(made.key)
    for (reason, what), keys in wanted.items():
        assert len([key for key in keys if (key, reason, what) not in lost]) == 1


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["", "old", "new"]), st.booleans()), min_size=1, max_size=5),
    st.sets(st.integers(0, 4)),
)
def test_an_upgrade_stops_one_unit_at_a_time_and_always_ends(found, owners):
    """Whatever the units are like, and if pods become ready."""
    order = [f"u{i}" for i in range(len(found))]
    states = {u: UnitState(image, ready) for u, (image, ready) in zip(order, found, strict=True)}
    reading = {f"u{i}" for i in owners}
    for _ in range(2 * len(order)):
        images = {u: next_image(u, "new", order, states, reading, admitted=True) for u in order}
        stopped = [u for u in order if states[u].image not in {"", images[u]}]
        assert len(stopped) <= 1
        assert not stopped or all(states[u].ready for u in order if u not in stopped)
        states = {u: UnitState(images[u], ready=True) for u in order}
    assert {state.image for state in states.values()} == {"new"}
