"""Compile in the build what the first records of a process would otherwise wait for.

`NUMBA_CACHE_DIR=... NUMBA_CPU_NAME=generic python images/kernels.py FOLDER...` takes
the samples of all dialects that the configurations in the folders have links for
through parsing, merging, pricing, storing and reading back. What is not compiled here is
compiled when it is needed, as anywhere. An image without Numba has no kernels.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from pathlib import Path


def compile_all(site: Path) -> None:
    """Run the samples once through every stage."""
    import pyarrow as pa
    from bluewhale.configuration import load
    from bluewhale.database import Batch, CallFilter, Store
    from bluewhale.database.copying import copy_bytes
    from bluewhale.jobs.warming import warm_billing, warm_parsing
    from bluewhale.stages import Stages, propose

    configuration = load(site)
    warm_billing(configuration)
    stages = Stages.of(
        configuration.directory, configuration.tariffs, configuration.settings.payer_policy
    )
    now_ms = int(time.time() * 1000)
    for seal in (False, True):
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
            for legs in warm_parsing(configuration):
                proposals = propose(legs, stages, rated_at_ms=now_ms)
                store.commit(Batch(now_ms=now_ms, legs=legs, proposals=proposals), seal=seal)
            store.search_calls(CallFilter())
    number, text = pa.array([1, None]), pa.array([b"1", None])
    copy_bytes([(number, "int8"), (number.cast("int32"), "int4"), (text, "bytes")])


if __name__ == "__main__":
    if importlib.util.find_spec("numba") is None:
        print("no kernels in this image")
    else:
        started = time.monotonic()
        for site in sys.argv[1:]:
            compile_all(Path(site))
        print(f"kernels compiled in {time.monotonic() - started:.0f} s")
