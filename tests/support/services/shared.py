"""One set of services for a whole test run, however many processes run it.

Owns the choice (endpoints of the environment, else containers, else local
programs) and starting lazily: whoever needs a service first starts its keeper
under a file lock, all others read the endpoint that the keeper wrote. The
keeper ends its service when the run's first process asks it to, or is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.services import containers, kafka, postgres, redis

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "kafka": ("KAFKA_BOOTSTRAP",),
    "postgres": ("POSTGRES_DSN",),
    "redis": ("REDIS_URL",),
    "jaeger": ("OTLP_GRPC_ENDPOINT", "JAEGER_URL"),
}
LOCAL = {"kafka": kafka.missing, "postgres": postgres.missing, "redis": redis.missing}
FOLDER, OWNER, CHOICES = "BLUEWHALE_TEST_SERVICES", "BLUEWHALE_TEST_RUN", "BLUEWHALE_TEST_CHOICES"
KEEPER_TIMEOUT_S = 1500  # the first start fetches jars or images


@dataclass(frozen=True)
class Choice:
    """Where a service comes from: environment, container, program, or missing and why."""

    way: str
    detail: str = ""


def choices() -> dict[str, Choice]:
    """Give the choice for each service; made once per run, inherited by its workers."""
    if CHOICES in os.environ:
        return {k: Choice(**v) for k, v in json.loads(os.environ[CHOICES]).items()}
    made: dict[str, Choice] = {}
    engine: bool | None = None
    for service, names in ENVIRONMENT.items():
        if all(os.environ.get(name) for name in names):
            made[service] = Choice("environment", ", ".join(names))
            continue
        engine = containers.engine_runs() if engine is None else engine
        why = LOCAL[service]() if service in LOCAL else "no Docker engine runs"
        if engine:
            made[service] = Choice("container")
        elif not why:
            made[service] = Choice("program")
        else:
            made[service] = Choice("missing", f"{why}, or set {' and '.join(names)}")
    os.environ[CHOICES] = json.dumps({k: asdict(v) for k, v in made.items()})
    return made


def header() -> str:
    """Say in one line which services tests use, and how to get what is missing."""
    parts = []
    for service, choice in choices().items():
        said = f"{choice.way} ({choice.detail})" if choice.detail else choice.way
        parts.append(f"{service}: {said}")
    return "services: " + "; ".join(parts)


def begin() -> None:
    """Mark this process as the run's first one; workers inherit it."""
    os.environ[OWNER] = str(os.getpid())
    os.environ[FOLDER] = str(Path(tempfile.gettempdir()) / f"bluewhale-services-{os.getpid()}")


def end() -> None:
    """End what this run started; called by its first process."""
    if os.environ.get(OWNER) != str(os.getpid()):
        return
    folder = Path(os.environ[FOLDER])
    if not folder.is_dir():
        return
    pids = [int(p.read_text()) for p in folder.glob("*.pid")]
    for pid in pids:
        _signal(pid)
    deadline = time.monotonic() + 60
    while any(map(_runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def endpoint(service: str) -> dict[str, str]:
    """Give the endpoint of a service, starting it if nobody has; raises with the remedy."""
    choice = choices()[service]
    if choice.way == "environment":
        values = [os.environ[name] for name in ENVIRONMENT[service]]
        return {"url": values[0], "query": values[-1]}
    if choice.way == "missing":
        raise RuntimeError(f"{service} is needed and {choice.detail}")
    folder = Path(os.environ[FOLDER])
    folder.mkdir(exist_ok=True)
    answer = folder / f"{service}.json"
    with (folder / f"{service}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            _keep(service, choice.way, folder, answer)
    found: dict[str, str] = json.loads(answer.read_text())
    if "error" in found:
        raise RuntimeError(f"{service} did not start: {found['error']}")
    return found


def _keep(service: str, way: str, folder: Path, answer: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    log = folder / f"{service}.keeper.log"
    words = ["-m", "tests.support.services.keeper", service, way, str(folder), os.environ[OWNER]]
    with log.open("wb") as out:
        keeper = subprocess.Popen(
            [sys.executable, *words],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=root,
        )
    (folder / f"{service}.pid").write_text(str(keeper.pid))
    deadline = time.monotonic() + KEEPER_TIMEOUT_S
    while not answer.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-1500:]
            answer.write_text(json.dumps({"error": said or "its keeper ended"}))
        time.sleep(0.05)
    keeper.returncode = 0  # it outlives us on purpose: do not warn about it


def _signal(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _runs(pid: int) -> bool:
    try:
        done, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # another process of the run started it
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return done == 0
