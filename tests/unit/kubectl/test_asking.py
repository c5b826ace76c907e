"""What the plugin makes of kubectl's errors: a remedy, and the right exit code."""

from __future__ import annotations

import pytest
from bluewhale.kubectl.asking import Kubectl, explained
from bluewhale.kubectl.exceptions import ClusterError, InputError, ProgramError, RightsError

GET = ["get", "remoteunits.bluewhale.dev", "-o"]


@pytest.mark.parametrize(
    ("said", "kind", "remedy"),
    [
        (
            'error: the server doesn\'t have a resource type "remoteunits"',
            InputError,
            "operator.enabled=true",
        ),
        (
            'Error from server (Forbidden): remoteunits.bluewhale.dev is forbidden: User "ada"',
            RightsError,
            "get, list and patch",
        ),
        (
            'Error from server (NotFound): namespaces "pbx" not found',
            InputError,
            "kubectl bluewhale status -A",
        ),
        (
            "The connection to the server 127.0.0.1:1 was refused",
            ClusterError,
            "kubectl cluster-info",
        ),
        ('error: context "nowhere" does not exist', ClusterError, "kubectl config get-contexts"),
        (
            "Error in configuration: context was not found for specified context: nowhere",
            ClusterError,
            "kubectl config get-contexts",
        ),
        ("something new", ClusterError, "kubectl get remoteunits.bluewhale.dev -o failed"),
    ],
)
def test_an_error_of_kubectl_names_its_remedy(said: str, kind: type[Exception], remedy: str):
    """What a person meets on the first day, each with what to do."""
    error = explained(said, GET)
    assert type(error) is kind
    assert remedy in str(error)


def test_a_missing_program_is_told_with_where_to_get_it():
    """The plugin was found, and kubectl is not on PATH: a strange shell, and a clear word."""
    with pytest.raises(ProgramError, match=r"https://kubernetes.io/docs/tasks/tools/"):
        Kubectl(program="/nowhere/kubectl").text("version")
