"""What two RemoteUnits cannot both have."""

from __future__ import annotations

import pytest
from bluewhale.operator.claims import conflicts_of
from bluewhale.operator.resource import RemoteUnit

from tests.support.remoteunits import link, resource

LATER = {"creationTimestamp": "2026-11-02T00:00:00Z"}


def reasons(*resources: RemoteUnit) -> dict[str, list[str]]:
    """Why each resource loses, by name."""
    found = conflicts_of(resources)
    return {key[1]: [conflict.reason for conflict in found[key]] for key in found}


def test_resources_that_want_different_things_are_in_no_conflict():
    """Two ports of the nodes are two ports."""
    one = resource("a", links=[link("a")], reach={"type": "HostPort"})
    two = resource("b", links=[link("b", type="tcp_server", port=9001)], reach={"type": "HostPort"})
    assert reasons(one, two) == {}


def test_the_same_port_behind_two_services_is_no_conflict():
    """Each Service has an address of its own."""
    assert reasons(resource("a", links=[link("a")]), resource("b", links=[link("b")])) == {}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"links": [link("x")], "units": {"preferred": "u"}}, ["UnitTaken", "LinkTaken"]),
        ({"links": [link("x")]}, ["LinkTaken"]),
    ],
)
def test_the_elder_one_keeps_what_two_claim(given: dict, reason: list[str]):
    """A new mistake takes nothing that works."""
    elder, younger = resource("z", **given), resource("a", meta=LATER, **given)
    assert reasons(younger, elder) == {"a": reason}


def test_a_port_of_the_nodes_belongs_to_one():
    """The message names who has it and what to do."""
    one = resource("a", links=[link("a")], reach={"type": "HostPort"})
    two = resource("b", links=[link("b")], reach={"type": "HostPort"}, meta=LATER)
    found = conflicts_of([one, two])["pbx", "b"]
    assert found[0].message == (
        "port 9000/TCP of the nodes belongs to RemoteUnit pbx/a; choose another connector.port"
    )


def test_tcp_and_udp_ports_are_different_ports():
    """514 of both is common for syslog."""
    one = resource("a", links=[link("a", type="syslog_tcp", port=514)], reach={"type": "HostPort"})
    two = resource("b", links=[link("b", type="syslog_udp", port=514)], reach={"type": "HostPort"})
    assert reasons(one, two) == {}


def test_a_pbx_that_we_connect_to_belongs_to_one_however_it_is_written():
    """Many PBXs admit a single connection."""
    one = resource("a", links=[link("a", type="tcp_client", address="PBX.example", port=4000)])
    two = resource(
        "b", links=[link("b", type="tcp_client", address="pbx.example", port=4000)], meta=LATER
    )
    assert reasons(one, two) == {"b": ["PbxTaken"]}


def test_a_spec_in_force_keeps_its_link_from_an_elder_one_that_was_edited():
    """Age decides only between equals."""
    working = resource("young", links=[link("x")], meta=LATER, status={"observedGeneration": 3})
    edited = resource("old", links=[link("x")], status={"observedGeneration": 2})
    assert reasons(working, edited) == {"old": ["LinkTaken"]}


def test_a_loser_stays_the_loser_when_its_generation_was_observed():
    """Otherwise it would win by having been told."""
    told = {
        "observedGeneration": 3,
        "conditions": [{"type": "ConfigSynced", "status": "False", "reason": "LinkTaken"}],
    }
    working = resource("young", links=[link("x")], meta=LATER, status={"observedGeneration": 3})
    assert reasons(working, resource("old", links=[link("x")], status=told)) == {
        "old": ["LinkTaken"]
    }


def test_nobody_owns_a_thing_twice_whatever_the_order():
    """The order of a listing means nothing."""
    resources = [resource(name, links=[link("x")]) for name in "abc"]
    assert reasons(*resources) == reasons(*reversed(resources))
    assert len(reasons(*resources)) == 2
