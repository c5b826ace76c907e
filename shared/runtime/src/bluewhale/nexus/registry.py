"""Services that are there now, by name and version; any thread may look."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from packaging.version import Version


class Registry:
    """What active plugins provide."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: dict[tuple[str, str], Any] = {}

    def provide(self, services: Mapping[str, Any], versions: Mapping[str, str]) -> None:
        """Add the services of one plugin under the versions of its manifest."""
        with self._lock:
            for name, service in services.items():
                assert (name, versions[name]) not in self._services, f"{name} is provided twice"
                self._services[name, versions[name]] = service

    def withdraw(self, versions: Mapping[str, str]) -> None:
        """Take the services of one plugin away."""
        with self._lock:
            for key in versions.items():
                self._services.pop(key, None)

    def get(self, name: str, version: str) -> Any:
        """Give a service; KeyError where it is not there now."""
        with self._lock:
            return self._services[name, version]

    def newest(self) -> dict[str, Any]:
        """Give every service that is there, the highest version of each."""
        with self._lock:
            ordered = sorted(self._services.items(), key=lambda x: Version(x[0][1]))
        return {name: service for (name, _), service in ordered}
