"""A slow, late, lossy line between this network namespace and another one.

Two TUN devices and a thread between them: real TCP of the kernel, packets
delayed, dropped and metered as `tc netem` would, on kernels without it, too.
Needs root, `ip` and /dev/net/tun; `missing()` says what is not there.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PACKETS_MAX = 1_000  # waiting per direction, as netem's limit


def missing() -> str:
    """Say what a slow line needs and is not here; "" = nothing."""
    if os.geteuid() != 0:
        return "root"
    if shutil.which("ip") is None:
        return "the program ip"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun"
    return ""


class SlowLine:
    """The line; `here` and `there` are its two addresses, `namespace` the far end's."""

    def __init__(self, *, bits_per_second: int, delay_s: float, loss: float, seed: int = 1) -> None:
        self.rate, self.delay_s, self.loss = bits_per_second / 8, delay_s, loss
        self.namespace = f"bw{os.getpid()}"
        net = os.getpid() % 250 + 1
        self.here, self.there = f"10.77.{net}.1", f"10.77.{net}.2"
        self._rng = random.Random(seed)
        self._over = threading.Event()
        self.packets = self.lost = 0

    def __enter__(self) -> Self:
        near, far = f"{self.namespace}a", f"{self.namespace}b"
        self._files = [_tun(near), _tun(far)]
        ip("netns", "add", self.namespace)
        ip("link", "set", far, "netns", self.namespace)
        ip("addr", "add", self.here, "peer", self.there, "dev", near)
        ip("link", "set", near, "up")
        inside = ("netns", "exec", self.namespace, "ip")
        ip(*inside, "addr", "add", self.there, "peer", self.here, "dev", far)
        ip(*inside, "link", "set", far, "up")
        ip(*inside, "link", "set", "lo", "up")
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        for file in self._files:
            os.close(file)
        ip("netns", "del", self.namespace)

    def _carry(self) -> None:
        """Read packets at either end; hand them over when their time has come."""
        free_at = dict.fromkeys(self._files, 0.0)
        waiting: list[tuple[float, int, int, bytes]] = []
        queued = dict.fromkeys(self._files, 0)
        near, far = self._files
        while not self._over.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, target, packet = heapq.heappop(waiting)
                queued[target] -= 1
                try:
                    os.write(target, packet)
                except OSError:
                    self.lost += 1  # the far device is not up
            patience = min(0.05, waiting[0][0] - now) if waiting else 0.05
            ready, _, _ = select.select(self._files, [], [], max(0.0, patience))
            for source in ready:
                packet = os.read(source, 65_536)
                target = far if source == near else near
                self.packets += 1
                if self._rng.random() < self.loss or queued[target] >= _PACKETS_MAX:
                    self.lost += 1
                    continue
                begin = max(time.monotonic(), free_at[target])
                free_at[target] = begin + len(packet) / self.rate
                queued[target] += 1
                arrives = free_at[target] + self.delay_s
                heapq.heappush(waiting, (arrives, self.packets, target, packet))


def ip(*arguments: str) -> None:
    """Run `ip`; its complaint is the error."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def _tun(name: str) -> int:
    file = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22s", name.encode(), _IFF_TUN | _IFF_NO_PI, b""))
    return file
