"""Keeps one service up for a test run: `python -m tests.support.services.keeper ...`.

Owns its life: it starts it, writes the endpoint, waits for SIGTERM or for the
end of the run's first process, and ends it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.support.services.containers import Container
from tests.support.services.kafka import KafkaCluster
from tests.support.services.postgres import PostgresServer
from tests.support.services.redis import RedisServer


def made(service: str, way: str) -> AbstractContextManager[Any]:
    """Give the service, not started yet."""
    if way == "container":
        return Container(service)
    return {"kafka": KafkaCluster, "postgres": PostgresServer, "redis": RedisServer}[service]()


def address(running: Any) -> dict[str, str]:
    """Give what clients need."""
    if isinstance(running, Container):
        return running.endpoint
    if isinstance(running, KafkaCluster):
        return {"url": running.bootstrap}
    return {"url": running.url}


def main(service: str, way: str, folder: str, owner: str) -> None:
    """Keep it up until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    answer = Path(folder) / f"{service}.json"
    with made(service, way) as running:
        half = answer.with_suffix(".half")
        half.write_text(json.dumps(address(running)))
        half.rename(answer)
        while not stop.wait(0.5):
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
