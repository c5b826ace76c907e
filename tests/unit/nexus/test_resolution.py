from __future__ import annotations

import pytest
from bluewhale.nexus import Manifest, PluginsUnresolvedError
from bluewhale.nexus.resolution import resolve
from pydantic import ValidationError


def manifest(name: str, **facts) -> Manifest:
    """Give a manifest that nobody starts."""
    return Manifest(symbolic_name=name, version="1.0", activator="plugins:start", **facts)


def order(*manifests: Manifest, layers=()) -> list[str]:
    """Give the names in the order of start."""
    return [m.symbolic_name for m in resolve(manifests, layers).order]


def test_what_is_required_starts_first_whatever_its_run_level():
    """The journal is of run level 9, but the uplink needs it."""
    assert order(
        manifest("uplink", requires={"journal": ""}, run_level=1),
        manifest("journal", provides={"journal": "1.0"}, run_level=9),
    ) == ["journal", "uplink"]


def test_run_level_then_name_decide_among_plugins_that_do_not_need_each_other():
    """Level 2 before 5; within 5 by the alphabet."""
    assert order(manifest("b"), manifest("c", run_level=2), manifest("a")) == ["c", "a", "b"]


def test_a_configured_layer_starts_before_all_plugins_that_it_does_not_need():
    """No call goes without the layer: even run level 0 waits, except for what the layer requires."""
    assert order(
        manifest("early", run_level=0),
        manifest("audit", provides={"layer.audit": "1.0"}, requires={"clock": ""}),
        manifest("clock", provides={"clock": "1.0"}, run_level=9),
        layers=["audit"],
    ) == ["clock", "audit", "early"]


def test_the_highest_version_in_range_is_chosen():
    """1.4 and 2.0 are there; who asks for <2 gets 1.4, who asks for anything 2.0."""
    plan = resolve(
        [
            manifest("old", provides={"query": "1.4"}),
            manifest("new", provides={"query": "2.0"}),
            manifest("careful", requires={"query": ">=1,<2"}),
            manifest("easy", requires={"query": ""}),
        ]
    )
    assert plan.bindings == {("careful", "query"): "1.4", ("easy", "query"): "2.0"}


def test_every_problem_is_named_at_once():
    """Missing, out of range, provided twice, there twice, a layer nobody has, a circle: six sentences."""
    with pytest.raises(PluginsUnresolvedError) as caught:
        resolve(
            [
                manifest("a", requires={"store": ">=1"}),
                manifest("b", requires={"query": ">=2"}, provides={"query": "1.0"}),
                manifest("c", provides={"query": "1.0"}),
                manifest("c"),
                manifest("hen", requires={"chicken": ""}, provides={"egg": "1.0"}),
                manifest("egg", requires={"egg": ""}, provides={"chicken": "1.0"}),
            ],
            ["audit"],
        )
    assert caught.value.problems == [
        "query 1.0 is provided by b and by c; leave one out",
        "c is there twice; keep one",
        "a requires store >=1, but nobody provides it",
        "b requires query >=2, but there is only 1.0",
        "the layer audit is configured, but nobody provides it",
        "egg -> hen -> egg need each other in a circle; one must do without",
    ]


def test_a_manifest_with_mistakes_names_each():
    """A name with capitals, no version, a range that is none, a run level of 10."""
    with pytest.raises(ValidationError) as caught:
        Manifest(
            symbolic_name="Store",
            version="one",
            requires={"query": "about 2"},
            run_level=10,
            activator="start",
        )
    assert [e["loc"][0] for e in caught.value.errors()] == [
        "symbolic_name",
        "version",
        "requires",
        "run_level",
        "activator",
    ]
