"""What a person sees by `kubectl bluewhale` of an installation that works, under load."""

from __future__ import annotations

import base64
import os
import re
import tarfile

import pytest

from tests.cluster.standard import NORTH, SOUTH
from tests.support.kubectl import Plugin, Said

pytestmark = pytest.mark.needs("services")
SHORT = 8  # a value of a Secret that is shorter says nothing of its own


@pytest.fixture(autouse=True)
def _units(roles):
    """Both RemoteUnits stand, both PBXs talk."""
    roles.units()


@pytest.fixture
def person(roles):
    """Somebody at a terminal, in the namespace of the installation."""
    plugin = Plugin(os.environ["KUBECONFIG"])

    def run(*words: str) -> Said:
        return plugin.run(*words, "-n", roles.kube.namespace)

    return run


def test_the_dashboard_is_well_and_says_who_leads(roles, person, record_property):
    """Two resources, two units each, and an operator that renewed its Lease seconds ago."""
    roles.settled()
    for name in (NORTH, SOUTH):
        said = person("status", name)
        assert said.code == 0, said.out
        assert "1 of 1 well." in said.out
        assert re.search(r"bluewhale-operator-\S+ leads, renewed \d+s ago", said.out)
    shown = person("status").out.rstrip()
    record_property("figure", f"kubectl bluewhale status\n{shown}")


def test_no_secret_of_the_installation_is_in_a_bundle(roles, person, tmp_path, record_property):
    """Neither the address of the database nor a key: no value of any Secret of the namespace."""
    path = tmp_path / "bundle.tar.gz"
    said = person("diagnose", "--to", str(path))
    assert said.code == 0, said
    with tarfile.open(path) as archive:
        files = {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}
    values = {
        (secret["metadata"]["name"], key): base64.b64decode(value).decode("utf-8", "replace")
        for secret in roles.kube.list("secrets")
        for key, value in (secret.get("data") or {}).items()
    }
    hidden = {name: value for name, value in values.items() if len(value) > SHORT}
    assert len(hidden) > 10  # database, authority, keys and certificates of each role
    found = {
        (name, file)
        for name, value in hidden.items()
        for file, text in files.items()
        if value in text or base64.b64encode(value.encode()).decode() in text
    }
    assert found == set()
    names = {name.split("/", 2)[2] for name in files if name.count("/") > 1}
    assert {"remoteunits.json", "pods.json", "events.json", "configmaps.json"} <= names
    assert any(name.startswith(f"logs/{NORTH}-1-0/") for name in names)
    assert any("-storage-" in name for name in names)
    assert f'"name": "{SOUTH}"' in files[f"bundle/{roles.kube.namespace}/remoteunits.json"]
    size = path.stat().st_size
    record_property("figure", f"a bundle: {len(files)} files, {size / 1024:.0f} KiB")
