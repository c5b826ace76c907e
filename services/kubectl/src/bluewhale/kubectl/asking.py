"""The program kubectl, as the few calls that this room needs.

Owns how it is called and what its errors mean for a person. Does not own access to
the cluster: context, KUBECONFIG, login plugins and proxies are kubectl's.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bluewhale.kubectl.exceptions import ClusterError, InputError, ProgramError, RightsError

REMOTE_UNITS = "remoteunits.bluewhale.dev"
REQUEST_TIMEOUT_S = 20
CALL_TIMEOUT_S = 120
_NO_DEFINITION = ("doesn't have a resource type", "could not find the requested resource")
_AWAY = (
    "Unable to connect",
    "was refused",
    "i/o timeout",
    "no configuration has been provided",
    "context deadline exceeded",
    "does not exist",  # a context that the file does not have; clients differ in words
    "Error in configuration",
    "no such file or directory",  # of --kubeconfig or KUBECONFIG
    "Unauthorized",
    "must be logged in",
)
# lines that kubectl logs beside its message, such as `E1122 11:52:53.9 1652 memcache.go:265] ...`
_LOGGED = re.compile(r"^[EWI]\d{4} \d\d:.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the person's choice of cluster and namespace; namespace "" = the context's."""

    context: str = ""
    kubeconfig: Path | None = None
    namespace: str = ""
    every_namespace: bool = False
    program: str = "kubectl"

    def objects(
        self,
        kind: str,
        *,
        selector: str = "",
        namespace: str | None = None,
        everywhere: bool = False,
    ) -> list[dict[str, Any]]:
        """Give all objects of a kind, where the person asked for unless told otherwise."""
        words = ["get", kind, "-o", "json"]
        if selector:
            words += ["-l", selector]
        found = json.loads(self.text(*words, *self._where(namespace, everywhere=everywhere)))
        return cast("list[dict[str, Any]]", found["items"])

    def one(self, kind: str, name: str, *, namespace: str | None = None) -> dict[str, Any] | None:
        """Give an object; None if there is none."""
        words = ["get", kind, name, "-o", "json", "--ignore-not-found"]
        text = self.text(*words, *self._where(namespace))
        return cast("dict[str, Any]", json.loads(text)) if text.strip() else None

    def annotate(self, name: str, namespace: str, changes: Mapping[str, str | None]) -> None:
        """Set annotations of a RemoteUnit; None removes one."""
        words = [f"{k}-" if v is None else f"{k}={v}" for k, v in changes.items()]
        self.text("annotate", REMOTE_UNITS, name, *words, "--overwrite", "-n", namespace)

    def text(self, *words: str) -> str:
        """Run kubectl; give what it printed.

        Raises
        ------
        ProgramError, ClusterError, RightsError, InputError
            With a remedy.
        """
        command = [self.program, *words, f"--request-timeout={REQUEST_TIMEOUT_S}s"]
        if self.context:
            command += ["--context", self.context]
        if self.kubeconfig is not None:
            command += ["--kubeconfig", str(self.kubeconfig)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=CALL_TIMEOUT_S
            )
        except OSError as error:
            raise ProgramError(
                f"{self.program} cannot be run ({error.strerror}); install it, and put it on PATH:"
                " https://kubernetes.io/docs/tasks/tools/"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ClusterError(
                f"kubectl did not end within {CALL_TIMEOUT_S} s; try: kubectl get --raw /readyz"
            ) from error
        if done.returncode != 0:
            raise explained(_LOGGED.sub("", done.stderr).strip(), words)
        return done.stdout

    def _where(self, namespace: str | None, *, everywhere: bool = False) -> list[str]:
        if everywhere or (self.every_namespace and namespace is None):
            return ["--all-namespaces"]
        chosen = self.namespace if namespace is None else namespace
        return ["-n", chosen] if chosen else []


def explained(said: str, words: Sequence[str]) -> ClusterError | RightsError | InputError:
    """Give the error for what kubectl said, with what a person can do."""
    asked = f"kubectl {' '.join(words[:3])}"
    if any(part in said for part in _NO_DEFINITION) and any(REMOTE_UNITS in w for w in words):
        return InputError(
            "this cluster knows no RemoteUnits: install the chart with operator.enabled=true, or"
            " charts/bluewhale-crds; is it the right cluster? kubectl config current-context"
        )
    if "Forbidden" in said or "forbidden" in said:
        return RightsError(
            f"you may not: {said}. A Role that lets you get, list and patch {REMOTE_UNITS} is enough"
            " for status and orders; docs/guides/troubleshooting.md has one"
        )
    if any(part in said for part in _AWAY):
        return ClusterError(
            f"the cluster does not answer: {said}. See kubectl config get-contexts and"
            " kubectl cluster-info; --context chooses another one"
        )
    if "NotFound" in said or "not found" in said:
        return InputError(f"{said}. All of them: kubectl bluewhale status -A")
    return ClusterError(f"{asked} failed: {said}")
