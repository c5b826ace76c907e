"""What the operator may do."""

from __future__ import annotations

import asyncio

import pytest
from bluewhale.operator.exceptions import RightsError
from bluewhale.operator.rights import RIGHTS, check_rights, wanted_rights

from tests.support.remoteunits import SETTINGS


def test_no_right_is_a_wildcard_and_no_secret_can_be_read():
    """Minimal: every verb by name."""
    assert [r for r in RIGHTS if "*" in (r.group, r.resource, *r.verbs)] == []
    verbs = {verb for r in RIGHTS if r.resource == "secrets" for verb in r.verbs}
    assert verbs == {"create", "patch", "delete"}


def test_rights_are_looked_for_where_they_are_needed():
    """All namespaces for resources, one for what is the operator's own."""
    everywhere = SETTINGS.model_copy(update={"watch": "*"})
    places = {r[3] for r in wanted_rights(everywhere) if r[2] == "remoteunits"}
    assert places == {""}
    assert {r[3] for r in wanted_rights(SETTINGS)} == {"bluewhale"}
    elsewhere = SETTINGS.model_copy(update={"watch": "pbx"})
    assert {r[3] for r in wanted_rights(elsewhere) if r[2] == "services"} == {"bluewhale", "pbx"}
    assert ("update", "coordination.k8s.io", "leases", "bluewhale") in set(
        wanted_rights(everywhere)
    )


def test_every_missing_right_is_named_before_the_first_watch():
    """Kopf would wait for ever without a word."""

    async def ask(verb: str, group: str, resource: str, namespace: str) -> bool:
        return (verb, resource) not in {("watch", "pods"), ("patch", "remoteunits/status")}

    with pytest.raises(RightsError) as caught:
        asyncio.run(check_rights(ask, SETTINGS))
    assert "patch remoteunits/status.bluewhale.dev in bluewhale, watch pods in bluewhale" in str(
        caught.value
    )
