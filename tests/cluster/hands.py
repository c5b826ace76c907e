"""Signals to the process of a container, as the kernel of its node would send them.

A process is number 1 of its container and ignores what comes from within; a pod on the
same node that shares the node's process ids is outside of it.
"""

from __future__ import annotations

from typing import Any

from tests.cluster.kube import Kube, is_ready

SIGNAL = """
import os, sys, time
from pathlib import Path
container, number = sys.argv[1], int(sys.argv[2])
found = []
for path in Path("/proc").glob("[0-9]*/cgroup"):
    try:
        if container in path.read_text():
            found.append(int(path.parent.name))
    except OSError:
        pass
print(time.time(), flush=True)
for pid in sorted(found):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
sys.exit(not found)
"""
KILL, CONT, STOP = 9, 18, 19


class Hands:
    """A pod on each node that may signal what runs there."""

    def __init__(self, kube: Kube, image: str, nodes: list[str]) -> None:
        self.kube, self.image, self.nodes = kube, image, nodes

    def start(self) -> None:
        """Make the namespace and the pods."""
        self.kube.made()
        self.kube.apply(*(self._pod(node) for node in self.nodes))
        self.kube.until("hands", lambda: self.kube.ready("app=hand", len(self.nodes)))

    def end(self) -> None:
        """Remove them."""
        self.kube.gone()

    def signal(self, pod: dict[str, Any], number: int) -> float:
        """Signal the processes of a pod; gives when, in seconds since 1970."""
        container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        hand = f"hand-{pod['spec']['nodeName']}"
        self.kube.until(hand, lambda: is_ready(self.kube.get("pod", hand)))
        said = self.kube.execute(
            hand, "/opt/bluewhale/bin/python", "-c", SIGNAL, container, str(number)
        )
        return float(said.split()[0])

    def _pod(self, node: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"hand-{node}", "labels": {"app": "hand"}},
            "spec": {
                "nodeName": node,
                "hostPID": True,
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 0,
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {
                        "name": "hand",
                        "image": self.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": [
                            "/opt/bluewhale/bin/python",
                            "-c",
                            "import signal; signal.pause()",
                        ],
                        "securityContext": {"privileged": True, "runAsUser": 0},
                    }
                ],
            },
        }
