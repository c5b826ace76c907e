"""The definition of RemoteUnit against the code that reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from bluewhale.operator.conditions import TYPES
from bluewhale.operator.definition import STATUS_FIELDS, check_definition, status_fields
from bluewhale.operator.exceptions import DefinitionError
from bluewhale.operator.resource import GROUP, KIND, PLURAL, VERSION, read_resource
from bluewhale.operator.status import status_of

from tests.support.remoteunits import NOW, centre, pair, resource, seen, well

ROOT = Path(__file__).resolve().parents[3]
DEFINITION = ROOT / "charts/bluewhale-crds/files/remoteunits.bluewhale.dev.yaml"
CRD = yaml.safe_load(DEFINITION.read_text())
ONLY = CRD["spec"]["versions"][0]
SCHEMA = ONLY["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]["properties"]
STATUS = SCHEMA["properties"]["status"]["properties"]


def rules(schema: Any) -> list[dict[str, str]]:
    """Every CEL rule of a schema, at any depth."""
    if isinstance(schema, list):
        return [rule for entry in schema for rule in rules(entry)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("x-kubernetes-validations", [])
    return [
        *own,
        *(r for k, v in schema.items() if k != "x-kubernetes-validations" for r in rules(v)),
    ]


def test_names_are_those_that_the_operator_watches():
    """Group, version and names of the resource."""
    assert (CRD["spec"]["group"], ONLY["name"]) == (GROUP, VERSION)
    names = CRD["spec"]["names"]
    assert (names["kind"], names["plural"]) == (KIND, PLURAL)
    assert (names["shortNames"], names["categories"]) == (["ru"], ["bluewhale"])
    assert "status" in ONLY["subresources"]


def test_defaults_are_those_of_the_code():
    """A resource without any key means the same to the API server and to the operator."""
    read = resource(failover={}, failback={})
    failover, buffer = SPEC["failover"]["properties"], SPEC["buffer"]["properties"]
    assert read.failover is not None
    assert read.failback is not None
    assert (read.failover.lease_s, read.failover.renew_deadline_s, read.failover.retry_s) == tuple(
        failover[name]["default"]
        for name in ("leaseSeconds", "renewDeadlineSeconds", "retrySeconds")
    )
    assert (read.buffer.quota_mib, read.buffer.storage) == (
        buffer["quotaMiB"]["default"],
        buffer["storage"]["default"],
    )
    assert read.in_cluster is (SPEC["runs"]["default"] == "InCluster")
    assert read.log_level == SPEC["logLevel"]["default"]
    assert read.trace is SPEC["trace"]["default"]
    assert read.reach.type == SPEC["reach"]["properties"]["type"]["default"]
    assert read.failback.hold_s == SPEC["failback"]["properties"]["holdSeconds"]["default"]
    assert read.failback.automatic is (
        SPEC["failback"]["properties"]["mode"]["default"] == "Automatic"
    )
    unsaid = resource()  # as the installation has it
    assert (unsaid.failover, unsaid.failback) == (None, None)
    assert "default" not in SPEC["failover"]
    assert "default" not in SPEC["failback"]


def test_every_rule_says_what_to_do():
    """The API server shows the message alone."""
    found = rules(SCHEMA)
    assert len(found) == 26
    assert [rule["rule"] for rule in found if len(rule.get("message", "")) < 20] == []


def test_every_text_and_list_that_a_rule_reads_has_a_bound():
    """Without bounds the API server refuses the rules as too costly."""
    links = SPEC["links"]
    assert links["maxItems"] == 64
    names = links["items"]["properties"]["name"]
    assert names["maxLength"] == 50
    assert links["items"]["properties"]["preferred"]["maxLength"] == 52
    units = SPEC["units"]["properties"]
    assert (units["standby"]["maxItems"], units["standby"]["items"]["maxLength"]) == (7, 52)
    assert SPEC["buffer"]["properties"]["storage"]["maxLength"] == 16


def test_every_field_of_the_spec_is_described():
    """`kubectl explain ru.spec` is the reference."""
    assert [name for name, field in SPEC.items() if "description" not in field] == []


def test_the_status_that_is_written_is_the_one_that_is_declared():
    """An undeclared field would be pruned without a word."""
    from bluewhale.operator.conditions import findings

    observed = seen(
        centre(
            well(
                "berlin-1",
                backlog_records=2,
                waiting_since_ms=int(NOW.timestamp() * 1000) - 5_000,
                days_left=3.25,
                received_through=11,
                stored_through=9,
                gaps=0,
            ),
            well(
                "berlin-2",
                days_left=9.0,
                received_through=1,
                stored_through=1,
                gaps=0,
            ),
            last_record_ms=1_700_000_000_000,
        )
    )
    made = status_of(pair(), observed, findings(pair(), observed))
    assert sorted(set(STATUS) - set(made)) == ["drainedTime"]  # of a deletion
    assert sorted(set(made) - set(STATUS)) == []
    for part in ("units", "links", "conditions"):
        declared = STATUS[part]["items"]["properties"]
        assert [key for entry in made[part] for key in entry if key not in declared] == []
    assert (made["backlogAge"], made["bufferDaysLeft"]) == ("5s", "3.2")
    assert made["lastRecordTime"] == "2023-11-14T22:13:20Z"


def published(status: Any) -> dict[str, Any]:
    """What an API server says of a definition."""
    schema = {
        "properties": {"status": {"properties": status}},
        "x-kubernetes-group-version-kind": [{"group": GROUP, "kind": KIND, "version": VERSION}],
    }
    return {"components": {"schemas": {"dev.bluewhale.v1alpha1.RemoteUnit": schema}}}


def test_a_definition_of_an_older_release_is_found_at_start_with_what_it_lacks():
    """It stays when a release is uninstalled; every status would be refused."""
    assert status_fields(published(STATUS)) == STATUS_FIELDS
    check_definition(published(STATUS))
    older = {k: v for k, v in STATUS.items() if k != "drainedTime"}
    with pytest.raises(DefinitionError, match=r"lacks drainedTime; install or upgrade the chart"):
        check_definition(published(older))
    with pytest.raises(DefinitionError, match="this cluster has no definition of RemoteUnit; "):
        check_definition(None)


def test_conditions_are_a_list_map_with_the_seven_types_in_the_description():
    """Two writers of different conditions do not overwrite each other."""
    conditions = STATUS["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions["description"] == f"{', '.join(TYPES)}."


def test_the_columns_of_kubectl_are_fields_of_the_status():
    """`kubectl get ru` is a dashboard."""
    columns = {c["name"]: c for c in ONLY["additionalPrinterColumns"]}
    shown = [name for name, column in columns.items() if not column.get("priority")]
    assert shown == ["Ready", "Reason", "Owner", "Last Record", "Backlog", "Version", "Age"]
    fields = [c["jsonPath"].removeprefix(".status.") for c in columns.values()]
    plain = [f for f in fields if "." not in f and "[" not in f]
    assert [f for f in plain if f not in STATUS] == []


def test_a_resource_as_kubectl_sends_it_is_read():
    """The smallest one that is valid: no generation, no status, no defaults."""
    read = read_resource(
        {
            "metadata": {"name": "berlin", "namespace": "pbx"},
            "spec": {
                "links": [
                    {
                        "name": "a",
                        "pbx": "hq",
                        "dialect": "avaya_cm",
                        "connector": {"type": "tcp_server", "port": 9000},
                    }
                ]
            },
        }
    )
    assert (read.units, read.links[0].port, read.links[0].listens) == (("berlin",), 9000, True)
