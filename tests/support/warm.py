"""A process that has imported Bluewhale and forks the `bluewhale` command on request.

Imports and compiled kernels cost seconds at each start; a test that starts the
command two hundred times pays them once. The parent opens nothing of an
installation and has no threads: each child begins where the command begins.

Standard input: one request a line, in JSON. `{"folder", "arguments"}` starts a
child and answers its process id; `{"wait_for", "timeout_s"}` answers its exit
code (negative: the signal that ended it; "late": it still runs).
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bluewhale.records.directory import Site

POLL_S = 0.002


def serve() -> None:
    """Answer requests until standard input ends."""
    _import_all()
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait_for" in request:
            print(_wait(request["wait_for"], request["timeout_s"]), flush=True)
        else:
            print(_fork(Path(request["folder"]), request["arguments"]), flush=True)


def _wait(pid: int, timeout_s: float) -> int | str:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_S)
    return "late"


def _import_all() -> None:
    import bluewhale.cli.importer
    import bluewhale.cli.main
    import bluewhale.cli.runtime
    import bluewhale.rating.tariff_files
    import bluewhale.records.directory_files
    import bluewhale.telemetry  # noqa: F401 - imported for the children
    from bluewhale.dialects import DIALECTS, get_dialect
    from bluewhale.records.numbers import compile_plan

    for name in DIALECTS:
        get_dialect(name)
    for zone, country in (
        ("Europe/Berlin", "DE"),
        ("America/New_York", "US"),
        ("Australia/Sydney", "AU"),
    ):
        compile_plan(Site("warm", "warm", zone, country))
    load_kernels()


def load_kernels() -> None:
    """Load every compiled kernel of the modules imported so far."""
    from numba.core.dispatcher import Dispatcher

    for name, module in list(sys.modules.items()):
        if name.startswith("bluewhale."):
            for kernel in vars(module).values():
                if isinstance(kernel, Dispatcher):
                    _load_compiled(kernel)


def _load_compiled(kernel: Any) -> None:
    """Load what an earlier run compiled of a kernel; nothing is compiled here."""
    with suppress(Exception):  # a cache of another release of Numba: the child compiles
        for signature, *_ in kernel._cache._cache_file._load_index():
            kernel.compile(signature)


def _fork(folder: Path, arguments: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    log = os.open(folder / "up.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, nothing), (1, log), (2, log)):
        os.dup2(file, number)
    sys.argv = ["bluewhale", *arguments]
    from bluewhale.cli.main import main

    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise AssertionError


if __name__ == "__main__":
    serve()
