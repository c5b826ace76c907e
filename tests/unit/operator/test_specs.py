"""Objects of the cluster that follow from a RemoteUnit."""

from __future__ import annotations

import yaml
from bluewhale.operator import specs

from tests.support.remoteunits import SETTINGS, link, pair, resource

IMAGE = "bluewhale/remoteunit:1"


def pod(made: dict) -> dict:
    """The pod of a StatefulSet."""
    return made["spec"]["template"]["spec"]


def test_the_part_of_a_resource_is_what_a_person_would_write_into_bluewhale_yaml():
    """Roles read resources and files in one form."""
    made = pair(
        site="berlin",
        trace=True,
        links=[
            {**link(), "options": {"layout": "custom-114"}, "mergeDomain": "hq"},
            {
                **link("lan", type="tcp_client", address="10.0.0.5", port=4000),
                "preferred": "berlin-2",
            },
        ],
        failover={"leaseSeconds": 6, "renewDeadlineSeconds": 4, "retrySeconds": 1},
        failback={"mode": "Automatic", "holdSeconds": 60},
    )
    failover = {"lease_s": 6, "deadline_s": 4, "retry_s": 1}
    failback = {"mode": "automatic", "hold_s": 60}
    assert yaml.safe_load(specs.fragment_text(made)) == {
        "links": [
            {
                "link_uid": "hq-avaya",
                "pbx_uid": "hq",
                "dialect": "avaya_cm",
                "options": {"layout": "custom-114"},
                "connector": {"type": "tcp_server", "host": "0.0.0.0", "port": 9000},
                "merge_domain": "hq",
                "failback": failback,
            },
            {
                "link_uid": "lan",
                "pbx_uid": "hq",
                "dialect": "avaya_cm",
                "connector": {"type": "tcp_client", "host": "10.0.0.5", "port": 4000},
                "preferred": "berlin-2",
                "failback": failback,
            },
        ],
        "units": [
            {
                "unit_uid": "berlin-1",
                "name": "pbx/berlin",
                "links": ["hq-avaya", "lan"],
                "site_uid": "berlin",
                "trace": True,
                "failover": failover,
            },
            {
                "unit_uid": "berlin-2",
                "name": "pbx/berlin",
                "links": ["hq-avaya", "lan"],
                "site_uid": "berlin",
                "trace": True,
                "failover": failover,
            },
        ],
    }


def test_what_a_resource_does_not_say_of_failover_is_left_to_the_installation():
    """No key at all: its profile and hold are those of bluewhale.yaml."""
    made = yaml.safe_load(specs.fragment_text(resource()))
    assert "failover" not in made["units"][0]
    assert not {"preferred", "failback"} & made["links"][0].keys()
    manual = yaml.safe_load(specs.fragment_text(resource(failback={"mode": "Manual"})))
    assert manual["links"][0]["failback"] == {"mode": "manual"}


def test_a_unit_that_leaves_stays_declared_behind_the_others():
    """An undeclared unit could not deliver what it still holds."""
    units = yaml.safe_load(specs.fragment_text(resource(), ["old-1"]))["units"]
    assert [unit["unit_uid"] for unit in units] == ["berlin", "old-1"]


def test_a_folder_in_the_cluster_lies_on_its_volume_and_outside_where_it_says():
    """Paths of a pod begin at the volume of the link."""
    files = [
        link("files", type="folder", path="/in/", archive="done", claimName="cucm", mode="whole")
    ]
    inside = yaml.safe_load(specs.fragment_text(resource(links=files)))["links"][0]["connector"]
    assert inside == {
        "type": "folder",
        "path": "/links/files/in",
        "mode": "whole",
        "archive": "/links/files/done",
    }
    files[0]["connector"].pop("claimName")
    outside = yaml.safe_load(specs.fragment_text(resource(links=files, runs="Outside")))
    assert outside["links"][0]["connector"]["path"] == "/in/"


def test_the_configmap_of_the_roles_has_a_part_per_resource_and_a_mark_of_its_content():
    """The mark tells a part that was taken out."""
    one = specs.units_configmap(SETTINGS, {"pbx.a.yaml": "a"})
    two = specs.units_configmap(SETTINGS, {"pbx.a.yaml": "b"})
    assert one["metadata"]["name"] == "bluewhale-units"
    assert one["data"] == {"pbx.a.yaml": "a"}
    assert (
        one["metadata"]["annotations"][specs.WANTED] != two["metadata"]["annotations"][specs.WANTED]
    )


def test_no_two_resources_have_the_same_part():
    """A namespace has no dot, so the first dot ends it."""
    assert specs.fragment_name(("a", "b")) == "a.b.yaml"
    assert specs.fragment_name(("a-b", "c")) != specs.fragment_name(("a", "b-c"))


def test_a_unit_in_the_cluster_is_one_pod_with_a_journal_that_outlives_it():
    """Only a drained deletion removes the volume."""
    made = specs.stateful_set(resource(), "berlin", SETTINGS, image=IMAGE)
    assert made["metadata"]["name"] == "berlin"
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    claim = made["spec"]["volumeClaimTemplates"][0]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
    }
    assert specs.journal_claim("berlin") == "journal-berlin-0"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-berlin"


def test_a_pod_may_do_nothing_that_the_restricted_profile_forbids():
    """Units run where Pod Security is enforced."""
    made = pod(specs.stateful_set(resource(), "berlin", SETTINGS, image=IMAGE))
    assert made["automountServiceAccountToken"] is False
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert made["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "sysctls" not in made["securityContext"]


def test_only_a_low_port_asks_for_the_sysctl_that_lets_a_plain_user_open_it():
    """Syslog has port 514, and no pod runs as root."""
    syslog = resource(links=[link(type="syslog_udp", port=514)])
    made = pod(specs.stateful_set(syslog, "berlin", SETTINGS, image=IMAGE))
    assert made["securityContext"]["sysctls"] == [
        {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
    ]
    assert made["containers"][0]["ports"][1] == {
        "name": "udp-514",
        "containerPort": 514,
        "protocol": "UDP",
    }


def test_a_pod_collects_without_the_centre_so_only_a_dead_loop_ends_it():
    """Liveness does not ask for the centre."""
    container = pod(specs.stateful_set(resource(), "berlin", SETTINGS, image=IMAGE))["containers"][
        0
    ]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["args"] == ["--config", "/etc/bluewhale/unit/unit.yaml"]


def test_host_port_opens_the_port_of_the_node_and_makes_no_service():
    """The PBX is given the addresses of nodes."""
    made = resource(reach={"type": "HostPort"})
    ports = pod(specs.stateful_set(made, "berlin", SETTINGS, image=IMAGE))["containers"][0]["ports"]
    assert ports[1]["hostPort"] == 9000
    assert specs.unit_service(made, made.links[0], entitled="berlin") is None


def test_a_level_or_a_link_elsewhere_changes_no_pod():
    """What travels as configuration restarts nothing."""
    before = specs.stateful_set(resource(), "berlin", SETTINGS, image=IMAGE)
    after = specs.stateful_set(
        resource(logLevel="debug", trace=True), "berlin", SETTINGS, image=IMAGE
    )
    assert before == after


def test_the_service_of_a_link_leads_to_the_entitled_unit_alone():
    """A unit that does not read has no open port."""
    made = pair()
    service = specs.unit_service(made, made.links[0], entitled="berlin-2")
    assert service["metadata"]["name"] == "link-hq-avaya"
    assert service["spec"] == {
        "type": "ClusterIP",
        "selector": {
            "bluewhale.dev/remoteunit": "berlin",
            "bluewhale.dev/unit": "berlin-2",
        },
        "publishNotReadyAddresses": True,
        "ports": [{"name": "records", "port": 9000, "targetPort": 9000, "protocol": "TCP"}],
    }


def test_a_node_port_keeps_the_source_address_where_it_is_asked_to():
    """Peers can only be checked against true addresses."""
    listener = link(type="tcp_server", port=9000, nodePort=30900)
    plain = resource(links=[listener], reach={"type": "NodePort"})
    kept = resource(links=[listener], reach={"type": "NodePort", "keepSourceAddress": True})
    made = specs.unit_service(plain, plain.links[0], entitled="berlin")["spec"]
    assert made["externalTrafficPolicy"] == "Cluster"
    assert made["ports"][0]["nodePort"] == 30900
    assert (
        specs.unit_service(kept, kept.links[0], entitled="berlin")["spec"]["externalTrafficPolicy"]
        == "Local"
    )


def test_a_load_balancer_gets_its_class_ranges_and_annotations():
    """What a cloud needs is passed on."""
    made = resource(
        reach={
            "type": "LoadBalancer",
            "loadBalancerClass": "metal",
            "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "annotations": {"cloud/internal": "true"},
        }
    )
    service = specs.unit_service(made, made.links[0], entitled="berlin")
    assert service["spec"]["loadBalancerClass"] == "metal"
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    assert service["metadata"]["annotations"]["cloud/internal"] == "true"


def test_a_link_that_connects_and_a_unit_outside_need_no_service():
    """Nobody comes to them through the cluster."""
    client = resource(links=[link(type="tcp_client", address="pbx", port=1)])
    outside = resource(runs="Outside")
    assert specs.unit_service(client, client.links[0], entitled="berlin") is None
    assert specs.unit_service(outside, outside.links[0], entitled="berlin") is None


def test_unit_yaml_names_the_centre_and_where_a_token_waits():
    """Everything else comes from the centre."""
    made = specs.unit_configmap(resource(buffer={"quotaMiB": 64}), "berlin", SETTINGS)
    assert yaml.safe_load(made["data"]["unit.yaml"]) == {
        "unit_uid": "berlin",
        "centre": "bluewhale-ingest.bluewhale.svc:7440",
        "enrolment": "bluewhale-ingest.bluewhale.svc:7444",
        "data": "/var/lib/bluewhale",
        "token_file": "/etc/bluewhale/token/token",
        "journal_quota_mib": 64,
        "log_level": "info",
        "health_host": "0.0.0.0",
        "health_port": 8081,
    }


def test_units_trace_as_the_installation_does():
    """The trace of a call begins at its unit."""
    settings = SETTINGS.model_copy(
        update={"otlp_endpoint": "http://jaeger:4317", "sample_ratio": 1.0}
    )
    made = yaml.safe_load(specs.unit_configmap(resource(), "berlin", settings)["data"]["unit.yaml"])
    assert (made["otlp_endpoint"], made["sample_ratio"]) == ("http://jaeger:4317", 1.0)
