"""What kopf is told: handlers, settings, what is kept of watched objects."""

from __future__ import annotations

import subprocess
import sys

import kopf
from bluewhale.operator.handlers import register, tune
from bluewhale.operator.observed import ObjectId, PodReport
from bluewhale.operator.rights import RIGHTS
from bluewhale.operator.watching import KINDS, Watched, pod_report

from tests.support.remoteunits import SETTINGS, resource


def test_names_in_storage_are_our_own_from_the_first_day():
    """Changed later, every handler would run again."""
    settings = kopf.OperatorSettings()
    tune(settings, SETTINGS)
    assert settings.persistence.finalizer == "bluewhale.dev/drain"
    assert settings.persistence.progress_storage.prefix == "operator.bluewhale.dev"
    assert settings.persistence.diffbase_storage.prefix == "operator.bluewhale.dev"
    assert settings.posting.enabled is False


def test_a_watch_that_hangs_is_begun_anew():
    """Load balancers drop quiet connections without a word."""
    settings = kopf.OperatorSettings()
    tune(settings, SETTINGS)
    watching = settings.watching
    assert (watching.server_timeout, watching.client_timeout) == (300, 310)
    assert (watching.connect_timeout, watching.inactivity_timeout) == (30, 70.0)


def test_only_our_own_objects_are_sent_by_the_api_server():
    """A cluster has thousands of ConfigMaps, and a Lease per node that changes every 10 s."""
    settings = kopf.OperatorSettings()
    tune(settings, SETTINGS)
    selectors = settings.watching.label_selectors
    ours = "app.kubernetes.io/component=remoteunit,app.kubernetes.io/managed-by=bluewhale-operator"
    assert {selectors[where] for where in (*KINDS.values(), ("", "v1", "pods"))} == {ours}


def test_namespaces_and_definitions_are_listed_in_the_clusterwide_mode_alone():
    """Strict clusters forbid it."""
    one, every = kopf.OperatorSettings(), kopf.OperatorSettings()
    tune(one, SETTINGS)
    tune(every, SETTINGS.model_copy(update={"watch": "*"}))
    assert (one.scanning.disabled, every.scanning.disabled) == (True, False)


def test_create_update_resume_timer_and_delete_lead_to_a_look():
    """Level-based: whatever happened, the same question."""
    registry = kopf.OperatorRegistry()
    register(registry, SETTINGS)
    changing = registry._changing._handlers
    found = {(str(handler.id), str(handler.reason)) for handler in changing}
    assert {reason.rpartition(".")[2].lower() for name, reason in found if name == "look"} >= {
        "create",
        "update",
    }
    assert {name for name, _ in found} == {"look", "drain"}
    assert [str(handler.id) for handler in registry._spawning._handlers] == ["resync"]


def test_kopf_finds_the_handlers_by_the_name_of_the_package():
    """`kopf run -m bluewhale.operator`, for development."""
    program = (
        "import kopf, bluewhale.operator as o;"
        "print(len(kopf.get_default_registry()._changing._handlers))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "4", done.stderr


def test_every_kind_that_is_watched_may_be_watched():
    """A watch without the right would wait for ever."""
    allowed = {(r.group, r.resource) for r in RIGHTS if r.where == "units" and "watch" in r.verbs}
    watched = {(group, plural) for group, _, plural in KINDS.values()}
    assert watched <= allowed


def test_of_a_pod_its_place_and_why_it_does_not_run_are_kept():
    """Enough for a message, little for memory."""
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    assert pod_report(
        {
            "spec": {"nodeName": "n1"},
            "status": {"hostIP": "10.0.0.1", "containerStatuses": [{"state": pulling}]},
        }
    ) == PodReport("n1", "10.0.0.1", ready=False, waiting="ImagePullBackOff: no such image")
    unplaced = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "x",
    }
    assert pod_report({"status": {"conditions": [unplaced]}}).waiting == "Unschedulable: x"


def test_objects_of_others_and_managed_fields_are_not_kept():
    """1,000 resources in 256 MiB."""
    store = Watched(SETTINGS)
    store.saw_resource(resource())
    mine = {"bluewhale.dev/remoteunit": "berlin"}
    meta = {"namespace": "pbx", "name": "a", "managedFields": [{}], "uid": "u"}
    store.saw_child("Service", {"metadata": {**meta, "labels": mine}}, gone=False)
    store.saw_child("Service", {"metadata": {**meta, "name": "b"}}, gone=False)
    kept = store.children(("pbx", "berlin"))
    assert list(kept) == [ObjectId("Service", "pbx", "a")]
    assert kept[ObjectId("Service", "pbx", "a")]["metadata"] == {
        "namespace": "pbx",
        "name": "a",
        "labels": mine,
    }
    store.saw_child("Service", {"metadata": {**meta, "labels": mine}}, gone=True)
    assert store.children(("pbx", "berlin")) == {}
