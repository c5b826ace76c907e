"""The end of the profile standard: the truth of all that happened, the times, the uninstall."""

from __future__ import annotations

import time

import pytest
from bluewhale.cli.borrowing import borrowed_database

from tests.cluster import surroundings
from tests.cluster.kube import table
from tests.cluster.places import BACKUPS, RELEASE, SMALL, charges, doubled_legs, stored_legs
from tests.cluster.standard import LIMITS, NORTH, SLACK, SOUTH

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


def test_a_backup_that_a_job_made_fills_another_database_by_a_job(roles, record_property):
    """Roles run on; every leg and charge of PostgreSQL is in the other one, behind it sealed files."""
    roles.kube.apply(BACKUPS)
    roles.place.values |= {
        "backup": {"enabled": True, "existingClaim": "backups", "resources": SMALL},
    }
    roles.place.put("upgrade")
    began = time.monotonic()
    path = roles.place.backup_job("backup-now").partition(":")[0]
    took = time.monotonic() - began
    assert path.startswith("/backups/bluewhale-")
    with borrowed_database(surroundings.given("POSTGRES_DSN")) as other:
        said = roles.place.backup_job(
            "restore", ["restore", path],
            {
                "BLUEWHALE_CLUSTER__DATABASE__URL": other,
                "BLUEWHALE_CLUSTER__DATABASE__SEGMENTS": "/backups/segments",
            },
        )  # fmt: skip
        assert said.startswith(f"{path}: restored into ")
        kept = stored_legs(other), charges(other), doubled_legs(other)
    assert kept == (stored_legs(roles.database), charges(roles.database), 0)
    assert kept[0] > 100
    roles.kube.run("delete", "job", "backup-now", "restore", "--ignore-not-found")
    roles.kube.run("delete", "pvc", "backups")
    record_property("figure", f"standard: backup of {kept[0]} legs by job {took:.0f} s")


def test_units_took_over_within_their_budgets(roles, record_property):
    """Seconds from the fault until a unit reads the PBX, beside what was promised."""
    record_property("figure", f"failover on the cluster, s\n{table(roles.seconds, LIMITS)}")
    late = {
        kind: [s for s in found if s > LIMITS[kind] * SLACK]
        for kind, found in roles.seconds.items()
        if kind in LIMITS
    }
    assert {kind: found for kind, found in late.items() if found} == {}


def test_after_the_uninstall_only_what_is_kept_on_purpose_is_left(roles):
    """RemoteUnits first, then the release: nothing hangs, the authority and the volume stay."""
    roles.kube.run("delete", "ru", NORTH, SOUTH, "--timeout", "180s")
    roles.place.helm.run("uninstall", RELEASE, "--wait", "--timeout", "300s")
    selector = f"app.kubernetes.io/instance={RELEASE}"
    ours = f"{selector},app.kubernetes.io/component!=test"  # Helm leaves the pod of `helm test`
    roles.kube.until("pods to go", lambda: not roles.kube.list("pods", ours))
    kinds = "deployments,statefulsets,services,networkpolicies,serviceaccounts,roles,cronjobs"
    left = [x["metadata"]["name"] for x in roles.kube.list(kinds, selector)]
    assert left == []
    assert [c["metadata"]["name"] for c in roles.kube.list("pvc")] == [f"{RELEASE}-segments"]
    assert roles.kube.exists("secret", f"{RELEASE}-authority")
