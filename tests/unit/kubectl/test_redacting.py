"""What leaves the cluster in a bundle: no passwords, keys, tokens, people."""

from __future__ import annotations

import json

import pytest
from bluewhale.kubectl.redacting import text, thing

PLANTED = "hunter2-PLANTED"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"postgresql://bluewhale:{PLANTED}@db/calls", "postgresql://bluewhale:***@db/calls"),
        (f"redis://:{PLANTED}@cache:6379/0", "redis://:***@cache:6379/0"),
        (f"password={PLANTED} host=db", "password=*** host=db"),
        (f"sasl_password: {PLANTED}\nport: 1", "sasl_password: ***\nport: 1"),
        (f'{{"api_key": "{PLANTED}", "a": 1}}', '{"api_key": ***, "a": 1}'),
        (f'{{\\"password\\": \\"{PLANTED}\\", \\"a\\": 1}}', '{\\"password\\": ***, \\"a\\": 1}'),
        (f"PGPASSWORD='{PLANTED} with blanks'", "PGPASSWORD=***"),
        (f"Authorization: Bearer {PLANTED}", "Authorization: *** ***"),
        (f"token bw1.berlin-1.{PLANTED}.pin was used", "token *** was used"),
        (f"eyJhbGciOi.{PLANTED}.x", "***"),
        (PEM, "***"),
        (PEM.replace("-----END EC PRIVATE KEY-----", "cut"), "***"),
    ],
)  # fmt: skip
def test_a_secret_is_replaced_and_what_stands_around_it_stays(said: str, left: str):
    """The kinds of places where persons and programs put secrets."""
    assert PLANTED not in text(said)
    assert text(said) == left


@pytest.mark.parametrize(
    "said",
    [
        "http://collector.observability.svc:4317",
        "token_file: /etc/bluewhale/token/token",
        "secretName: bluewhale-database",
        "tokenExpires: 2026-11-22T10:00:00Z",
        "the token of unit berlin-1 was used by another key",
        "kafka-0.example.net:9092",
    ],
)
def test_what_is_no_secret_is_left_readable(said: str):
    """Names of Secrets, files and moments are what one needs to find a mistake."""
    assert text(said) == said


def test_a_secret_among_objects_keeps_its_name_alone():
    """Nobody asks for one; if one came all the same, nothing of it would leave."""
    secret = {
        "kind": "Secret",
        "metadata": {"name": "db", "annotations": {"x": PLANTED}},
        "data": {},
    }
    assert thing(secret) == {"kind": "Secret", "metadata": {"name": "db"}}


def test_variables_of_others_are_not_told_and_ours_without_passwords():
    """A value may be anything; its name stays, since a missing one is what is looked for."""
    pod = {
        "kind": "Pod",
        "spec": {
            "containers": [
                {
                    "env": [
                        {"name": "CORPORATE_PROXY", "value": PLANTED},
                        {"name": "BLUEWHALE_SASL_PASSWORD", "value": PLANTED},
                        {
                            "name": "BLUEWHALE_DATABASE__URL",
                            "value": f"postgresql://a:{PLANTED}@b/c",
                        },
                        {"name": "BLUEWHALE_LOG_LEVEL", "value": "info"},
                        {
                            "name": "URL",
                            "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}},
                        },
                    ]
                }
            ]
        },
    }
    found = thing(pod)
    values = {e["name"]: e.get("value") for e in found["spec"]["containers"][0]["env"]}
    assert values == {
        "CORPORATE_PROXY": "***",
        "BLUEWHALE_SASL_PASSWORD": "***",
        "BLUEWHALE_DATABASE__URL": "postgresql://a:***@b/c",
        "BLUEWHALE_LOG_LEVEL": "info",
        "URL": None,
    }
    reference = found["spec"]["containers"][0]["env"][4]["valueFrom"]
    assert reference == {"secretKeyRef": {"name": "db", "key": "url"}}


def test_a_configuration_keeps_its_links_and_loses_people_prices_and_what_was_applied_last():
    """The annotation of kubectl holds the whole object a second time."""
    last = "kubectl.kubernetes.io/last-applied-configuration"
    made = {
        "kind": "ConfigMap",
        "metadata": {"annotations": {last: PLANTED}, "managedFields": [PLANTED]},
        "data": {
            "bluewhale.yaml": f"links: []\ncluster: {{database: {{url: 'postgresql://a:{PLANTED}@b'}}}}",
            "directory.yaml": f"people: [{PLANTED}]",
        },
    }
    found = thing(made)
    assert PLANTED not in json.dumps(found)
    assert found["data"]["bluewhale.yaml"].startswith("links: []")
    assert found["data"]["directory.yaml"] == "(25 characters left out)"


def test_what_remote_units_declare_is_kept_under_whatever_name():
    """Parts of the operator's ConfigMap are named after their resources."""
    made = {
        "kind": "ConfigMap",
        "metadata": {"labels": {"app.kubernetes.io/component": "remoteunit"}},
        "data": {"pbx.berlin.yaml": "links: [{link_uid: hq}]"},
    }
    assert thing(made)["data"] == {"pbx.berlin.yaml": "links: [{link_uid: hq}]"}
