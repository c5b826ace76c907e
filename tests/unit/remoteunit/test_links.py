"""Links as tasks: what stops stays stopped."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from bluewhale.cli.simulate.setup import free_port
from bluewhale.journal import Journal
from bluewhale.remoteunit.links import Links

from tests.support.unit_process import link


def listening(port: int, uid: str, stream_id: int) -> dict:
    """Give the entry of a TCP link."""
    return link(uid, stream_id, {"type": "tcp_server", "port": port})


def test_no_link_is_started_again_while_the_others_stop(tmp_path: Path) -> None:
    """One link is stopped at once, one is slow since its PBX still talks; ownership asks to follow."""
    ports = free_port(), free_port()

    async def main() -> list[bool]:
        with Journal.open(tmp_path / "journal.db", quota_bytes=1 << 22) as journal:
            links = Links(journal, lambda _uid: True)
            entries = {f"l{i}": listening(port, f"l{i}", i + 1) for i, port in enumerate(ports)}
            await links.use(entries)
            while any(links.address_of(uid) is None for uid in entries):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(links.stop())
            while not stopping.done():
                links.follow()  # as the guard and the ownership client do
                await asyncio.sleep(0)
            links.follow()
            await links.use(entries)
            await asyncio.sleep(0.3)
            return [answers(port) for port in ports]

    assert asyncio.run(main()) == [False, False]


def answers(port: int) -> bool:
    """Say whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return False
    return True
