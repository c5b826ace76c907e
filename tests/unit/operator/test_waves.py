"""The order in which units get a new image."""

from __future__ import annotations

from bluewhale.operator.waves import UnitState, admitted_now, next_image

OLD, NEW = "unit:1", "unit:2"
WELL, BUSY = UnitState(NEW, ready=True), UnitState(NEW, ready=False)
BEHIND = UnitState(OLD, ready=True)


def turn(states: dict[str, UnitState], owners: set[str], *, admitted: bool = True) -> list[str]:
    """The units that would have the new image now."""
    order = list(states)
    return [
        unit
        for unit in order
        if next_image(unit, NEW, order, states, owners, admitted=admitted) == NEW
    ]


def test_a_unit_that_was_never_made_gets_the_image_at_once():
    """There is nothing to upgrade."""
    assert turn({"a": UnitState("", ready=False)}, set(), admitted=False) == ["a"]


def test_the_standby_goes_first_and_the_owner_last():
    """One move of the link instead of two."""
    assert turn({"a": BEHIND, "b": BEHIND, "c": BEHIND}, {"a"}) == ["c"]
    assert turn({"a": BEHIND, "b": BEHIND, "c": WELL}, {"a"}) == ["b", "c"]
    assert turn({"a": BEHIND, "b": WELL, "c": WELL}, {"a"}) == ["a", "b", "c"]


def test_the_next_one_waits_until_the_one_before_is_ready():
    """A bad image stops at the first unit."""
    assert turn({"a": BEHIND, "b": BUSY}, {"a"}) == ["b"]


def test_a_resource_that_is_not_admitted_keeps_what_it_has():
    """Waves go over resources, too."""
    assert turn({"a": BEHIND}, {"a"}, admitted=False) == []


def test_one_resource_is_tried_before_all_others():
    """The canary: nobody else until it runs well."""
    fleet = {("ns", f"{i:02}"): [BEHIND] for i in range(40)}
    assert admitted_now(fleet, NEW) == {("ns", "00")}
    fleet["ns", "00"] = [BUSY]
    assert admitted_now(fleet, NEW) == {("ns", "00")}


def test_after_the_canary_a_tenth_goes_at_a_time():
    """40 resources: four under way."""
    fleet = {("ns", f"{i:02}"): [BEHIND] for i in range(40)}
    fleet["ns", "00"] = [WELL]
    assert admitted_now(fleet, NEW) == {("ns", f"{i:02}") for i in (1, 2, 3, 4)}
    fleet["ns", "01"] = fleet["ns", "02"] = [BUSY]
    assert admitted_now(fleet, NEW) == {("ns", f"{i:02}") for i in (1, 2, 3, 4)}


def test_units_outside_the_cluster_prove_no_image():
    """They have no pod that the operator made."""
    assert admitted_now({("ns", "a"): [], ("ns", "b"): [BEHIND]}, NEW) == {("ns", "b")}
