"""How soon a line that a PBX prints is a priced call of `bluewhale up`."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bluewhale.cli.simulate.session import World
from bluewhale.configuration import load
from bluewhale.database import CallFilter, Store

from bench.cluster import appear_ms, lines_of, spread
from bench.report import give, short

UP_PATIENCE_S = 90.0


def main() -> None:
    samples = 12 if short() else 200
    with tempfile.TemporaryDirectory(prefix="bluewhale-up-") as place:
        folder = Path(place)
        world = World.of(folder, 1, ("avaya_cm",), 8, 7, 0)
        world.write()
        (pbx,) = world.pbxs
        template = next(x.data for x in world.lines[pbx.pbx_uid] if b"*799" in x.data)
        lines = lines_of(template, pbx.place.first_extension, samples + 1)
        port = load(folder).link(pbx.link_uid).connector.port  # type: ignore[union-attr]
        with (folder / "up.log").open("wb") as log:
            up = subprocess.Popen(
                [sys.executable, "-c", "from bluewhale.cli.main import main; main()",
                 "up", "--config", str(folder)],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            waits = measure(folder, port, lines)
        except SystemExit:
            sys.stderr.write((folder / "up.log").read_text())
            raise
        finally:
            up.terminate()
            up.wait()
    method = f"PBX byte -> priced call in the store, {samples} single lines, `bluewhale up` idle"
    give(spread("up_idle_latency", "<= 200", waits, method))


def connected(port: int) -> socket.socket:
    """Connect as soon as somebody listens."""
    deadline = time.monotonic() + UP_PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit("bluewhale up does not listen") from None
            time.sleep(0.2)


def measure(folder: Path, port: int, lines: list[bytes]) -> list[float]:
    """Send single lines and look for their calls; the first one warms everything up."""
    waits = []
    with connected(port) as pbx, Store.open(folder / "data" / "store") as store:
        for line in lines:
            wanted = CallFilter(number=line.split()[4].decode())

            def visible(wanted: CallFilter = wanted) -> bool:
                return bool(store.search_calls(wanted, limit=1).num_rows)

            waits.append(appear_ms(lambda line=line: pbx.sendall(line), visible))  # type: ignore[misc]
            time.sleep(0.25 + 0.1 * (len(waits) % 3))
    return waits[1:]


if __name__ == "__main__":
    main()
