"""A cluster as tests use it: kubectl, its doors, and waiting."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

PATIENCE_S = 120.0
LOG_LINES = 30
HELD_S = 20.0


class KubeError(Exception):
    """What kubectl said."""


class Kube:
    """One namespace of a cluster; the path of kubectl, KUBECONFIG by environment."""

    def __init__(self, kubectl: str, namespace: str) -> None:
        self.kubectl, self.namespace = kubectl, namespace

    def run(self, *words: str, given: str | None = None, timeout_s: float = 120) -> str:
        """Run kubectl in the namespace; gives its output."""
        command = [self.kubectl, "--namespace", self.namespace, *words]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, check=False, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise KubeError(f"{' '.join(words)}: no answer within {timeout_s:.0f} s") from error
        if done.returncode != 0:
            raise KubeError(
                f"{' '.join(words)}: {done.stderr.strip()}{done.stdout.strip()[-2000:]}"
            )
        return done.stdout

    # ---- objects ---------------------------------------------------------------------------

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Give an object."""
        return json.loads(self.run("get", kind, name, "-o", "json"))

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Give the objects of a kind."""
        words = ["get", kind, "-o", "json", *(["-l", selector] if selector else [])]
        return json.loads(self.run(*words))["items"]

    def exists(self, kind: str, name: str) -> bool:
        """Say whether there is such an object."""
        return bool(self.run("get", kind, name, "--ignore-not-found", "-o", "name").strip())

    def apply(self, *objects: dict[str, Any]) -> str:
        """Apply objects; gives what the API server said."""
        return self.run("apply", "-f", "-", given=yaml.safe_dump_all(objects))

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """Merge a change into an object."""
        self.run("patch", kind, name, "--type", "merge", "-p", json.dumps(change))

    def made(self) -> None:
        """Make the namespace anew."""
        self.gone()
        self.run("create", "namespace", self.namespace)

    def gone(self) -> None:
        """Remove the namespace and wait until nothing of it is left; what holds it is let go."""
        if not self.exists("namespace", self.namespace):
            return
        self.run("delete", "namespace", self.namespace, "--wait=false")
        began = time.monotonic()

        def went() -> bool:
            if not self.exists("namespace", self.namespace):
                return True
            if time.monotonic() - began > HELD_S:  # by a RemoteUnit whose operator went first
                for one in self.list("remoteunits"):
                    self.patch("ru", one["metadata"]["name"], {"metadata": {"finalizers": None}})
            return False

        self.until("the namespace to go", went)

    # ---- pods ------------------------------------------------------------------------------

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Give pods that are not on their way out."""
        return [p for p in self.list("pods", selector) if "deletionTimestamp" not in p["metadata"]]

    def ready(self, selector: str, count: int = 1) -> bool:
        """Say whether so many pods are ready, and no other is there."""
        found = self.pods(selector)
        return len(found) == count and all(is_ready(p) for p in found)

    def pod(self, selector: str) -> dict[str, Any]:
        """Give the one pod that a selector finds."""
        found = self.pods(selector)
        assert len(found) == 1, [p["metadata"]["name"] for p in found]
        return found[0]

    def execute(self, pod: str, *command: str, timeout_s: float = 60) -> str:
        """Run a command in a pod."""
        return self.run("exec", pod, "--", *command, timeout_s=timeout_s)

    def door(self, pod: str, port: int, path: str) -> str:
        """Ask a door of a pod by way of the API server."""
        return self.run(
            "get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy{path}",
            timeout_s=15,
        )  # fmt: skip

    def post(self, path: str, body: dict[str, Any] | None = None) -> str:
        """Post to the API server."""
        return self.run("create", "--raw", path, "-f", "-", given=json.dumps(body or {}))

    # ---- waiting ---------------------------------------------------------------------------

    def until(self, what: str, happens: Callable[[], Any], patience_s: float = PATIENCE_S) -> float:
        """Wait until something is true; gives the seconds. Tells what stands if it never is."""
        began, last = time.monotonic(), ""
        while True:
            try:
                if happens():
                    return time.monotonic() - began
                last = ""
            except (KubeError, LookupError, ValueError) as error:
                last = str(error)
            if time.monotonic() - began > patience_s:
                raise AssertionError(
                    f"waited {patience_s:.0f} s in vain for {what}; {last}\n{self.story()}"
                )
            time.sleep(0.4)

    def story(self) -> str:
        """Give what a person would look at: pods, units, last events, last lines of logs."""
        parts = []
        for words in (
            ("get", "pods", "-o", "wide"),
            ("get", "ru", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
        ):
            try:
                parts.append("\n".join(self.run(*words).splitlines()[-LOG_LINES:]))
            except KubeError as error:
                parts.append(str(error))
        try:
            for pod in self.list("pods"):
                if not is_ready(pod) and pod["status"]["phase"] != "Succeeded":
                    name = pod["metadata"]["name"]
                    parts.append(f"--- {name}\n{self.run('logs', name, f'--tail={LOG_LINES}')}")
        except KubeError as error:
            parts.append(str(error))
        return "\n".join(parts)


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether a pod (or node) is ready, and stays."""
    if "deletionTimestamp" in pod.get("metadata", {}):
        return False
    found = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found)


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """Give a condition of a resource; one that speaks of an older spec counts as none."""
    for found in resource.get("status", {}).get("conditions", ()):
        if found["type"] == kind:
            if found.get("observedGeneration") != resource["metadata"]["generation"]:
                break
            return found
    return {"type": kind, "status": "", "reason": "", "message": ""}


@contextmanager
def timed(seconds: dict[str, list[float]], name: str) -> Iterator[None]:
    """Note how long a block took."""
    began = time.monotonic()
    yield
    seconds.setdefault(name, []).append(time.monotonic() - began)


def table(seconds: dict[str, list[float]], limits: dict[str, float]) -> str:
    """Give distributions as lines of text, each with its budget."""
    lines = [f"{'':22} rounds    p50    p95    max  budget"]
    for name, found in seconds.items():
        ranked = sorted(found)
        p50, p95 = ranked[len(ranked) // 2], ranked[min(len(ranked) - 1, len(ranked) * 95 // 100)]
        limit = f"{limits[name]:6.1f}" if name in limits else "     -"
        lines.append(f"{name:22} {len(ranked):6} {p50:6.2f} {p95:6.2f} {ranked[-1]:6.2f}  {limit}")
    return "\n".join(lines)
