"""What the charts render to: lint, the kept examples, and what must hold for every pod."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from bluewhale.configuration import load
from bluewhale.configuration.roles import process_settings
from bluewhale.operator.reconcile import FOLLOWERS
from bluewhale.operator.rights import RIGHTS
from bluewhale.operator.settings import read_settings

from tests.charts import cases
from tests.support.helm import CHART, CRDS_CHART, Helm, pod_specs

REGENERATE = "python -m tests.charts.regenerate"
KINDS_OF_OTHERS = {
    "ServiceMonitor", "PrometheusRule", "ScaledObject", "Certificate", "Issuer", "HTTPRoute",
}  # fmt: skip
ROLES = ("ingest", "parser", "billing", "storage", "webapi")


@pytest.mark.parametrize("case", cases.CASES)
def test_lint_finds_nothing(helm: Helm, case: str):
    """`helm lint --strict` with the values of each example."""
    values = cases.arguments(case)[:2]
    if case != "standard-everything":  # lint knows no --api-versions
        helm.run("lint", "--strict", CHART, *values)
    helm.run("lint", "--strict", CRDS_CHART)


@pytest.mark.parametrize("case", cases.CASES)
def test_an_example_renders_to_what_is_kept_beside_it(helm: Helm, case: str):
    """A change of the chart shows in the change of its examples."""
    assert cases.rendered(helm, case) == cases.kept(case), REGENERATE


@pytest.mark.parametrize("pair", cases.definitions().items(), ids=lambda p: p[0].stem)
def test_both_charts_hold_the_same_definitions(pair):
    """One source, one copy."""
    source, copy = pair
    assert copy.read_bytes() == source.read_bytes(), REGENERATE


@pytest.mark.parametrize("case", cases.CASES)
def test_every_pod_is_restricted(helm: Helm, case: str):
    """Pod Security `restricted`, a read-only root, no token for those that ask the API nothing."""
    for name, spec in pod_specs(helm.objects(CHART, *cases.arguments(case))).items():
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        if case != "single-node-openshift":
            assert pod["runAsUser"] >= 10000, name
        else:
            assert not {"runAsUser", "runAsGroup", "fsGroup"} & pod.keys(), name
        for container in spec["containers"] + spec.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "memory" in container["resources"]["limits"], name
            assert "cpu" not in container["resources"]["limits"], name
            assert not container["image"].endswith(":latest"), name
            names = Counter(v["name"] for v in container.get("env", []))
            assert max(names.values(), default=1) == 1, name  # server-side apply refuses twins
        asks = {"certificates", "operator", "Deployment/bluewhale-ingest"}
        assert spec["automountServiceAccountToken"] is any(x in name for x in asks), name
        volumes = {v for each in spec["volumes"] for v in each.keys() - {"name"}}
        plain = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim"}
        assert volumes <= plain, name


@pytest.mark.parametrize("case", cases.CASES)
def test_every_object_has_a_name_of_its_own_a_namespace_and_labels(helm: Helm, case: str):
    """Nothing is rendered twice; what belongs to a namespace says which."""
    objects = helm.objects(CHART, *cases.arguments(case))
    names = Counter((o["kind"], o["metadata"]["name"]) for o in objects)
    assert max(names.values()) == 1
    for one in objects:
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "bluewhale"
        wide = one["kind"] in {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
        assert wide or one["metadata"]["namespace"] == "calls"


@pytest.mark.parametrize("case", cases.CASES)
def test_a_service_finds_pods_and_their_ports(helm: Helm, case: str):
    """Selectors and target ports of Services and disruption budgets are those of pods."""
    objects = helm.objects(CHART, *cases.arguments(case))
    pods = [
        (o["spec"]["template"]["metadata"]["labels"], o["spec"]["template"]["spec"])
        for o in objects
        if o["kind"] in {"Deployment", "StatefulSet"}
    ]
    for service in (o for o in objects if o["kind"] == "Service"):
        chosen = [s for labels, s in pods if service["spec"]["selector"].items() <= labels.items()]
        assert len(chosen) == 1, service["metadata"]["name"]
        ports = {p["name"] for p in chosen[0]["containers"][0]["ports"]}
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports


def test_the_default_needs_nothing_that_a_bare_cluster_has_not(helm: Helm):
    """One pod, its volume and Services; no custom resource of anybody, nothing cluster-wide."""
    kinds = Counter(o["kind"] for o in helm.objects(CHART))
    assert kinds == {
        "ServiceAccount": 1,
        "ConfigMap": 1,
        "Service": 3,
        "StatefulSet": 1,
        "NetworkPolicy": 3,
        "Pod": 1,
    }


OWN = ("--set", "certificates.mode=own", "--set", "web.httpRoute.enabled=false")


def test_what_others_define_is_rendered_only_where_it_exists(helm: Helm):
    """ServiceMonitor and ScaledObject wait for a cluster that has them; copies are then counted here."""
    values = cases.arguments("standard-everything")[:2]
    objects = helm.objects(CHART, *values, *OWN)
    assert not {o["kind"] for o in objects} & KINDS_OF_OTHERS
    replicas = {
        o["metadata"]["name"]: o["spec"].get("replicas")
        for o in objects
        if o["kind"] == "Deployment"
    }
    assert replicas == {
        "bluewhale-storage": 2,
        "bluewhale-parser": 2,
        "bluewhale-billing": 2,
        "bluewhale-ingest": None,  # an HPA needs nothing of others
        "bluewhale-webapi": None,
    }


def test_nobody_counts_copies_that_a_scaler_counts(helm: Helm):
    """With HPA and KEDA no Deployment says how many copies there are."""
    objects = helm.objects(CHART, *cases.arguments("standard-everything"))
    deployments = [o for o in objects if o["kind"] == "Deployment"]
    assert len(deployments) == len(ROLES)
    assert [o["metadata"]["name"] for o in deployments if "replicas" in o["spec"]] == []
    scaled = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "ScaledObject"}
    trigger = scaled["bluewhale-parser"]["triggers"][0]["metadata"]
    assert trigger["consumerGroup"] == "prod.parser"
    assert trigger["topic"] == "prod.cdr.raw"
    assert scaled["bluewhale-parser"]["maxReplicaCount"] == 12


def test_links_and_prices_may_change_without_a_restart_of_the_roles(helm: Helm, tmp_path):
    """Roles follow them; the checksum of their pods is of the rest. The single node restarts."""

    def checksum(kind: str, text: str, *more: str) -> str:
        values = tmp_path / "values.yaml"
        values.write_text(json.dumps({"installation": {"files": {"bluewhale.yaml": text}}}))
        objects = helm.objects(CHART, "--values", values, *more)
        one = next(o for o in objects if o["kind"] == kind)
        return one["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    standard = cases.arguments("standard")
    before, link = "limits: {window_ms: 3000}\nlinks: []\n", "links: [{link_uid: a}]\n"
    changed = before.replace("links: []\n", link)
    other = before.replace("3000", "2000")
    assert checksum("Deployment", before, *standard) == checksum("Deployment", changed, *standard)
    assert checksum("Deployment", before, *standard) != checksum("Deployment", other, *standard)
    assert checksum("StatefulSet", before) != checksum("StatefulSet", changed)


def test_a_pod_is_reached_where_its_links_listen(helm: Helm):
    """Ports of the PBX Service come from the configuration; UDP stays UDP."""
    objects = helm.objects(CHART, *cases.arguments("single-node-own"))
    named = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    service = named["Service", "bluewhale-pbx"]
    assert [(p["port"], p["protocol"]) for p in service["spec"]["ports"]] == [
        (9000, "TCP"),
        (5514, "UDP"),
    ]
    assert service["spec"]["externalTrafficPolicy"] == "Local"


def test_roles_find_each_other_and_trust_only_certificates(helm: Helm):
    """Every role is told the same addresses; its own layers ask for certificates."""
    specs = pod_specs(helm.objects(CHART, *cases.arguments("standard")))
    for role in ROLES:
        env = {
            v["name"]: v.get("value")
            for v in specs[f"Deployment/bluewhale-{role}"]["containers"][0]["env"]
        }
        assert env["BLUEWHALE_CLUSTER__STORAGE__ADVERTISED"] == (
            "dns:///bluewhale-storage.calls.svc:7442"
        )
        assert env["BLUEWHALE_CLUSTER__INGEST__ADVERTISED"] == "$(POD_IP):7440"
        layers = {x["layer"]: x for x in json.loads(env["BLUEWHALE_CLUSTER__LAYERS"])}
        assert layers["encryption"]["certificate"] == "/var/run/bluewhale/tls/tls.crt"
        assert {"callers": ["role/*", "plugin/*", "operator/*", "local"]} in layers["access"][
            "policy"
        ]


WAYS_TO_THE_PAGE = {
    "a forwarded port": ([], "http://localhost:8480", None),
    "an ingress": (
        [
            "web.ingress.enabled=true", "web.ingress.host=calls.example.net",
            "web.proxies={10.1.0.0/16,10.2.0.1}",
        ],
        "https://calls.example.net", [],
    ),
    "a route": (
        [
            "web.httpRoute.enabled=true", "web.httpRoute.hosts[0]=calls.example.net",
            "web.httpRoute.parentRefs[0].name=public",
        ],
        "https://calls.example.net", [],
    ),
    "its own certificate": (
        ["web.tls.existingSecret=calls-tls", "web.service.type=LoadBalancer"],
        "https://localhost:8480", [],
    ),
    "a proxy of yours": (
        ["web.publicUrl=https://calls.example.net/", "networkPolicy.webFrom[0].podSelector.a=b"],
        "https://calls.example.net", [{"podSelector": {"a": "b"}}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ["single-node", "standard"])
def test_who_signs_in_how_is_a_matter_of_values(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, case: str
):
    """A provider with its secret, limits, the keys of second factors; unsaid, the file decides."""
    told = (
        "web.limits.requestsPerMinute=0", "web.secondFactor.existingSecret=factors",
        "web.oidc.issuer=https://login.example.net:8443/realms/work", "web.oidc.clientId=calls",
        "web.oidc.existingSecret=provider", "web.oidc.grants[0].value=staff",
        "web.oidc.grants[0].role=analyst", "web.oidc.grants[0].sites={berlin}",
    )  # fmt: skip
    objects = helm.objects(
        CHART, *cases.arguments(case), *[x for one in told for x in ("--set", one)]
    )
    kind = "StatefulSet/bluewhale" if case == "single-node" else "Deployment/bluewhale-webapi"
    spec = pod_specs(objects)[kind]
    env = {v["name"]: v.get("value", "") for v in spec["containers"][0]["env"]}
    with monkeypatch.context() as patch:
        for name, value in env.items():
            if name.startswith("BLUEWHALE_WEB__"):
                patch.setenv(name, value)
        web = load(CHART / "files" / "demo").settings.web
    assert (web.requests_per_minute, web.session_hours) == (0, 12)
    assert "BLUEWHALE_WEB__SESSION_HOURS" not in env
    (grant,) = web.oidc.grants
    assert (web.oidc.client_id, grant.role, grant.sites) == ("calls", "analyst", ("berlin",))
    secrets = {v["name"]: v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
    mounts = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
    for file, secret in (
        (web.factor_keys_file, "factors"), (web.oidc.client_secret_file, "provider"),
    ):  # fmt: skip
        assert secrets[mounts[str(file.parent)]] == secret
    named = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    egress = named["NetworkPolicy", "bluewhale-provider"]["spec"]["egress"]
    assert egress == [{"ports": [{"port": 8443}]}]


@pytest.mark.parametrize("case", ["single-node", "standard"])
@pytest.mark.parametrize("way", WAYS_TO_THE_PAGE)
def test_each_way_to_the_page_is_safe_and_open_no_wider(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, case: str, way: str
):
    """The pod takes its variables; nobody but the release comes in before the page has an address."""
    chosen, url, let_in = WAYS_TO_THE_PAGE[way]
    told = [x for one in chosen for x in ("--set", one)]
    objects = helm.objects(
        CHART, *cases.arguments(case), *told, "--api-versions", "gateway.networking.k8s.io/v1"
    )
    kind = "StatefulSet/bluewhale" if case == "single-node" else "Deployment/bluewhale-webapi"
    spec = pod_specs(objects)[kind]
    env = {v["name"]: v.get("value", "") for v in spec["containers"][0]["env"]}
    mounts = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
    assert env["BLUEWHALE_WEB__PUBLIC_URL"] == url
    secure = way == "its own certificate"
    assert ("/var/run/bluewhale/web" in mounts) is secure
    with monkeypatch.context() as patch:
        for name, value in env.items():
            if name.startswith("BLUEWHALE_WEB__"):
                patch.setenv(name, value)
        web = load(CHART / "files" / "demo").settings.web
    assert web.proxies == (("10.1.0.0/16", "10.2.0.1") if way == "an ingress" else ())
    assert (web.certificate is not None, web.secure) == (secure, url.startswith("https://"))
    named = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    policy = named.get(("NetworkPolicy", "bluewhale-web"))
    rules = policy["spec"]["ingress"] if policy else [{"from": None}]
    assert rules[0].get("from", []) == let_in
    (port,) = named["Service", "bluewhale-web"]["spec"]["ports"]
    assert (port["port"], port["appProtocol"]) == (8480, "https" if secure else "http")
    test = named["Pod", "bluewhale-test"]["spec"]["containers"][0]["env"]
    page = {v["name"]: v.get("value") for v in test}["BLUEWHALE_TEST_PAGE"]
    assert page == f"{port['appProtocol']}://bluewhale-web.calls.svc:8480"
    behind = [o["spec"] for o in objects if o["kind"] in {"Ingress", "HTTPRoute"}]
    assert all("bluewhale-web" in json.dumps(o) for o in behind)
    assert len(behind) == (1 if way in {"an ingress", "a route"} else 0)


def test_billing_reads_the_segments_that_storage_seals(helm: Helm):
    """One claim in both; a volume of one node brings billing to the node of storage."""
    for case, pinned in (("standard", True), ("standard-everything", False)):
        specs = pod_specs(helm.objects(CHART, *cases.arguments(case)))
        billing, storage = (specs[f"Deployment/bluewhale-{r}"] for r in ("billing", "storage"))
        claims = [
            (mount["mountPath"], mount.get("subPath"))
            for spec in (storage, billing)
            for volume in spec["volumes"]
            if volume.get("persistentVolumeClaim") == {"claimName": "bluewhale-segments"}
            for mount in spec["containers"][0]["volumeMounts"]
            if mount["name"] == volume["name"]
        ]
        assert claims == [
            ("/var/lib/bluewhale", None),
            ("/var/lib/bluewhale/segments", "segments"),
        ]
        assert ("affinity" in billing) is pinned


def test_what_a_pod_of_a_role_is_told_makes_a_valid_configuration(
    helm: Helm, monkeypatch: pytest.MonkeyPatch
):
    """The variables of every pod over the files of the demonstration; each learns where all others are."""
    specs = pod_specs(helm.objects(CHART, *cases.arguments("standard")))
    for role in ROLES:
        told = specs[f"Deployment/bluewhale-{role}"]["containers"][0]["env"]
        with monkeypatch.context() as patch:
            for one in told:
                secret = "postgresql://user:password@host/database"
                patch.setenv(one["name"], one.get("value", secret).replace("$(POD_IP)", "10.1.2.3"))
            configuration = load(CHART / "files" / "demo")
            process = process_settings(configuration, role)
        term = configuration.cluster.ingest.ownership.term.kubernetes
        assert (term and term.lease) == ("bluewhale-ownership" if role == "ingest" else None)
        assert process.health_port == 9465
        assert process.listen.startswith("0.0.0.0:")
        page = configuration.settings.web
        assert (page and page.listen) == ("0.0.0.0:8480" if role == "webapi" else None)
        assert process.peers["query"] == "dns:///bluewhale-storage.calls.svc:7442"
        assert [x["layer"] for x in process.layers][-2:] == ["encryption", "balancing"]


FILES = "/var/run/bluewhale"


def _files(spec: dict) -> dict[str, tuple[str, str]]:
    """Give the files that a pod gets from Secrets: path -> (Secret, key)."""
    found = {}
    mounts = {m["name"]: m["mountPath"] for m in spec["containers"][0]["volumeMounts"]}
    for volume in spec["volumes"]:
        secret = volume.get("secret", {})
        sources = [{"name": secret.get("secretName"), "items": secret.get("items", [])}]
        sources += [s["secret"] for s in volume.get("projected", {}).get("sources", [])]
        for source in sources:
            for item in source["items"]:
                path = f"{mounts[volume['name']]}/{item['path']}"
                found[path] = (source["name"], item["key"])
    return found


def test_the_address_of_the_database_is_a_file_of_those_that_open_it(helm: Helm):
    """Ingest, billing, storage, webapi, the migrations; the parser has nothing to do with it."""
    specs = pod_specs(helm.objects(CHART, *cases.arguments("standard")))
    wanted = {f"{FILES}/database/url": ("bluewhale-database", "url")}
    for name in ("ingest", "billing", "storage", "webapi"):
        spec = specs[f"Deployment/bluewhale-{name}"]
        assert _files(spec).items() >= wanted.items()
    assert _files(specs["Job/bluewhale-migrations"]) == wanted
    assert _files(specs["Deployment/bluewhale-parser"]) == {}
    for name, spec in specs.items():
        assert "secretKeyRef" not in json.dumps(spec), name


WAYS_TO_KAFKA = {
    "ssl": (
        ["protocol=ssl", "caSecret=ca"],
        {"SECURITY": "ssl", "CA": f"{FILES}/kafka/ca"},
        {f"{FILES}/kafka/ca": ("ca", "ca.crt")},
    ),
    "ssl with our certificate": (
        ["protocol=ssl", "caSecret=ca", "userSecret=us", "keys.certificate=user.crt"],
        {
            "SECURITY": "ssl", "CA": f"{FILES}/kafka/ca",
            "CERTIFICATE": f"{FILES}/kafka/certificate", "KEY": f"{FILES}/kafka/key",
        },
        {
            f"{FILES}/kafka/ca": ("ca", "ca.crt"),
            f"{FILES}/kafka/certificate": ("us", "user.crt"),
            f"{FILES}/kafka/key": ("us", "tls.key"),
        },
    ),
    "sasl": (
        ["protocol=sasl_ssl", "username=me", "userSecret=us", "mechanism=PLAIN"],
        {
            "SECURITY": "sasl_ssl", "MECHANISM": "PLAIN", "USERNAME": "me",
            "PASSWORD_FILE": f"{FILES}/kafka/password",
        },
        {f"{FILES}/kafka/password": ("us", "password")},
    ),
    "in the clear": ([], {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS_TO_KAFKA)
def test_each_way_to_kafka_is_told_with_its_files(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, way: str
):
    """The variables make a valid configuration; every file that they name is mounted."""
    chosen, wanted, files = WAYS_TO_KAFKA[way]
    told = [x for one in chosen for x in ("--set", f"kafka.security.{one}")]
    specs = pod_specs(helm.objects(CHART, *cases.arguments("standard"), *told))
    begins = "BLUEWHALE_CLUSTER__KAFKA__"
    usual = {"BOOTSTRAP", "PREFIX", "PARTITIONS", "REPLICATION"}
    for role in ("ingest", "parser", "billing", "storage"):
        spec = specs[f"Deployment/bluewhale-{role}"]
        env = {v["name"]: v.get("value", "") for v in spec["containers"][0]["env"]}
        said = {k.removeprefix(begins): v for k, v in env.items() if k.startswith(begins)}
        assert {k: v for k, v in said.items() if k not in usual} == wanted
        mounted = {k: v for k, v in _files(spec).items() if "/kafka/" in k}
        assert mounted == files
    assert "kafka" not in {v["name"] for v in specs["Deployment/bluewhale-webapi"]["volumes"]}
    with monkeypatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value.replace("$(POD_IP)", "10.1.2.3"))
        kafka = load(CHART / "files" / "demo").cluster.kafka
    assert kafka.security == wanted.get("SECURITY", "plaintext")


def test_ingest_alone_may_touch_its_own_lease_and_no_other(helm: Helm):
    """Without the value nobody asks the API server, and there are no rights."""
    objects = helm.objects(CHART, *cases.arguments("standard"))
    ours = [o for o in objects if o["metadata"]["name"] == "bluewhale-ingest"]
    (role,) = [o for o in ours if o["kind"] == "Role"]
    assert [(r["verbs"], r.get("resourceNames")) for r in role["rules"]] == [
        (["create"], None),
        (["get", "update"], ["bluewhale-ownership"]),
    ]
    (binding,) = [o for o in ours if o["kind"] == "RoleBinding"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "bluewhale-ingest", "namespace": "calls"}
    ]
    spec = pod_specs(objects)["Deployment/bluewhale-ingest"]
    assert spec["serviceAccountName"] == "bluewhale-ingest"
    values = [*cases.arguments("standard"), "--set", "ingest.lease=false"]
    without = helm.objects(CHART, *values)
    kinds = {o["kind"] for o in without if o["metadata"]["name"] == "bluewhale-ingest"}
    assert kinds == {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget"}
    spec = pod_specs(without)["Deployment/bluewhale-ingest"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (
        "bluewhale",
        False,
    )


def test_the_own_authority_names_each_role_as_others_call_it(helm: Helm):
    """The Job is told the names that stand in `advertised`, and may touch its Secrets alone."""
    objects = helm.objects(CHART, *cases.arguments("standard"))
    job = next(o for o in objects if o["kind"] == "Job" and "certificates" in o["metadata"]["name"])
    env = {
        v["name"]: v.get("value") for v in job["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    names = json.loads(env["BLUEWHALE_NAMES"])
    assert names["storage"][0] == "bluewhale-storage.calls.svc"
    assert names["ingest"][0] == "bluewhale-ingest-internal.calls.svc"
    role = next(
        o for o in objects if o["kind"] == "Role" and "certificates" in o["metadata"]["name"]
    )
    assert role["rules"][0]["verbs"] == ["create"]
    assert role["rules"][1]["resourceNames"] == [
        "bluewhale-authority",
        *(
            f"bluewhale-tls-{r}"
            for r in ("billing", "ingest", "parser", "storage", "test", "webapi")
        ),
    ]


@pytest.mark.parametrize("watch", ["", "*", "sites"])
def test_the_operator_may_do_what_it_looks_for_at_start_and_nothing_else(helm: Helm, watch: str):
    """Its roles are its own list of rights; cluster-wide mode adds what its framework watches."""
    values = [*cases.arguments("operator"), "--set-string", f"operator.watch={watch}"]
    objects = helm.objects(CHART, *values)
    given = {
        (o["kind"], o["metadata"].get("namespace"), group, resource, verb)
        for o in objects
        if o["kind"] in {"Role", "ClusterRole"} and "operator" in o["metadata"]["name"]
        for rule in o["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    wide = ("ClusterRole", None)
    units = wide if watch == "*" else ("Role", watch or "calls")
    wanted = {
        (*(units if right.where == "units" else ("Role", "calls")), right.group, right.resource, v)
        for right in RIGHTS
        for v in right.verbs
    }
    if watch == "*":
        wanted |= {
            (*wide, group, resource, verb)
            for group, resource in (
                ("", "namespaces"),
                ("apiextensions.k8s.io", "customresourcedefinitions"),
            )
            for verb in ("list", "watch")
        }
    assert given == wanted


def test_the_operator_is_told_settings_that_it_knows(helm: Helm):
    """Every variable is a setting; none that it needs is missing."""
    objects = helm.objects(CHART, *cases.arguments("operator"))
    spec = pod_specs(objects)["Deployment/bluewhale-operator"]
    told = {v["name"]: v.get("value", "x") for v in spec["containers"][0]["env"]}
    settings = read_settings(told)
    known = {f"BLUEWHALE_OPERATOR_{name.upper()}" for name in type(settings).model_fields}
    assert {n for n in told if n.startswith("BLUEWHALE_OPERATOR_")} <= known
    assert settings.ingest == "bluewhale-ingest.calls.svc:7440"
    assert settings.watched is None
    ratio = helm.objects(CHART, *cases.arguments("operator"), "--set", "telemetry.sampleRatio=1")
    env = pod_specs(ratio)["Deployment/bluewhale-operator"]["containers"][0]["env"]
    assert {v["name"]: v.get("value") for v in env}["BLUEWHALE_OPERATOR_SAMPLE_RATIO"] == "1"


def test_roles_follow_the_links_that_the_operator_publishes(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    """The ConfigMap that it writes is the folder that they include; their pods have its label."""
    objects = helm.objects(CHART, *cases.arguments("operator"))
    specs = pod_specs(objects)
    operator = specs["Deployment/bluewhale-operator"]["containers"][0]
    told = {v["name"]: v.get("value", "x") for v in operator["env"]}
    for role in ROLES:
        deployment = next(
            o
            for o in objects
            if (o["kind"], o["metadata"]["name"]) == ("Deployment", f"bluewhale-{role}")
        )
        name, _, value = FOLLOWERS.partition("=")
        assert deployment["spec"]["template"]["metadata"]["labels"][name] == value
        spec = specs[f"Deployment/bluewhale-{role}"]
        volume = next(v for v in spec["volumes"] if v["name"] == "units")
        # pods start before the first RemoteUnit is there
        assert volume["configMap"] == {"name": read_settings(told).configmap, "optional": True}
        container = spec["containers"][0]
        mount = next(m for m in container["volumeMounts"] if m["name"] == "units")
        variable = next(v for v in container["env"] if v.get("value") == mount["mountPath"])
        own = tmp_path / role
        own.mkdir()
        document = yaml.safe_load((CHART / "files/demo/bluewhale.yaml").read_text())
        document |= {"include": ["mine"], "directory": [str(CHART / "files/demo/directory.yaml")]}
        (own / "bluewhale.yaml").write_text(yaml.safe_dump(document | {"tariffs": []}))
        monkeypatch.setenv(variable["name"], variable["value"])
        # what a person includes stays
        assert load(own).settings.include == [own / "mine", Path("/etc/bluewhale-units")]
    for one in pod_specs(helm.objects(CHART, *cases.arguments("standard"))).values():
        assert "units" not in {v["name"] for v in one["volumes"]}


def test_definitions_of_custom_resources_outlive_the_release(helm: Helm):
    """Both charts keep them; without the operator the chart has none."""
    for objects in (
        helm.objects(CHART, *cases.arguments("operator")),
        helm.objects(CRDS_CHART),
    ):
        found = [o for o in objects if o["kind"] == "CustomResourceDefinition"]
        assert [o["metadata"]["name"] for o in found] == ["remoteunits.bluewhale.dev"]
        assert found[0]["metadata"]["annotations"] == {
            "helm.sh/resource-policy": "keep",
            "bluewhale.dev/definition": hashlib.sha256(
                next((CRDS_CHART / "files").glob("*.yaml")).read_bytes()
            ).hexdigest(),
        }
    assert not [
        o
        for o in helm.objects(CHART, *cases.arguments("standard"))
        if o["kind"] == "CustomResourceDefinition"
    ]


def test_the_packaged_chart_renders_as_the_folder_does(helm: Helm, tmp_path):
    """What is installed is the archive: nothing that it needs stays behind."""
    helm.run("package", CHART, "--destination", tmp_path)
    (archive,) = tmp_path.glob("bluewhale-*.tgz")
    values = cases.arguments("operator")
    assert list(yaml.safe_load_all(helm.render(archive, *values))) == list(
        yaml.safe_load_all(helm.render(CHART, *values))
    )
