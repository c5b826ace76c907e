"""The end of the profile standard: the truth of all that happened, the times, the uninstall."""

from __future__ import annotations

import pytest

from tests.cluster.kube import table
from tests.cluster.places import RELEASE
from tests.cluster.standard import LIMITS, NORTH, SOUTH

pytestmark = pytest.mark.needs("services")


def test_every_call_that_the_pbxs_printed_is_there_once_with_its_price(
    roles, tmp_path, record_property
):
    """After every fault: 0 lost, 0 double, every price equal to the truth."""
    roles.units()
    roles.settled()
    roles.wait_ready(SOUTH)
    printed = roles.place.stop_switches()
    took = roles.truth(tmp_path, printed)
    record_property("figure", f"standard: {printed} calls printed; 0 lost, 0 double ({took:.0f} s)")
    assert min(printed.values()) > 100


def test_units_took_over_within_their_budgets(roles, record_property):
    """Seconds from the fault until a unit reads the PBX, beside what was promised."""
    record_property("figure", f"failover on the cluster, s\n{table(roles.seconds, LIMITS)}")
    late = {
        kind: [s for s in found if s > LIMITS[kind]]
        for kind, found in roles.seconds.items()
        if kind in LIMITS
    }
    assert {kind: found for kind, found in late.items() if found} == {}


def test_after_the_uninstall_only_what_is_kept_on_purpose_is_left(roles):
    """RemoteUnits first, then the release: nothing hangs, the authority and the volume stay."""
    roles.kube.run("delete", "ru", NORTH, SOUTH, "--timeout", "180s")
    roles.place.helm.run("uninstall", RELEASE, "--wait", "--timeout", "300s")
    selector = f"app.kubernetes.io/instance={RELEASE}"
    roles.kube.until(
        "pods to go", lambda: not [p for p in roles.kube.list("pods") if "role" not in p["metadata"]["labels"]]
    )  # fmt: skip
    kinds = "deployments,statefulsets,services,networkpolicies,serviceaccounts,roles,cronjobs"
    left = [x["metadata"]["name"] for x in roles.kube.list(kinds, selector)]
    assert left == []
    assert [c["metadata"]["name"] for c in roles.kube.list("pvc")] == [f"{RELEASE}-segments"]
    assert roles.kube.exists("secret", f"{RELEASE}-authority")
