"""The page of `bluewhale demo`: over the calls that it stored, with alerts to look at.

The demo's calls are of another day, and those tell nobody. So while the page is served
the Avaya makes three more, now: one to 112, a long one, a dear one; and as nobody
speaks after them, its silence is told, too. Owns those calls and their rules.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from bluewhale.cli.simulate import avaya
from bluewhale.cli.simulate.play import send_to_socket
from bluewhale.cli.simulate.world import Kind, SimCall, SimPbx

if TYPE_CHECKING:
    from collections.abc import Sequence

RULES = """\
# The demo's rules; docs/guides/alerts.md names all kinds.
rules:
  - {rule: help, name: Somebody called for help, kind: emergency_call, severity: critical}
  - {rule: long, name: Calls over two hours, kind: long_call, talk_minutes_min: 120, severity: info}
  - {rule: dear, name: Dear calls, kind: expensive_call, cost_min: {EUR: "4.00"}}
  - {rule: silent, name: Silent PBX, kind: silent_pbx, silent_minutes: 2, usual_per_hour: 600}
"""
# whom the extensions call: dialled after the access code, class, and how long, in seconds
_CALLS = (
    ("23125042", "493023125042", "local", 2 * 3600 + 540),
    ("0061491570156", "61491570156", "international", 47 * 60),
    ("112", "", "emergency", 95),
)
_ENDED_S = (540, 300, 120)  # before now


def serve_page(folder: Path, pbxs: Sequence[SimPbx]) -> None:
    """Serve the page over what the demo stored, until Ctrl-C."""
    from bluewhale.cli.runtime import Runtime
    from bluewhale.configuration import load
    from bluewhale.configuration.roles import log_level
    from bluewhale.telemetry import configure_logs

    configure_logs(level=log_level())
    prepare(folder)
    print("the page is served over these calls; Ctrl-C ends it")
    threading.Thread(target=_call_now, args=(folder, pbxs), name="demo-calls", daemon=True).start()
    Runtime(load(folder)).run()


def prepare(folder: Path) -> None:
    """Declare the page and the rules of alerts."""
    document = _document(folder)
    (folder / "alerts.yaml").write_text(RULES, "utf-8")
    document |= {"web": {}, "monitor": {"port": 0}, "alerts": "alerts.yaml"}
    path = folder / "bluewhale.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")


def call_now(folder: Path, pbxs: Sequence[SimPbx]) -> None:
    """Let the Avaya print its three calls; waits until its link listens."""
    pbx = next(p for p in pbxs if p.dialect_id == "avaya_cm")
    links = {link["pbx_uid"]: link for link in _document(folder)["links"]}
    port = links[pbx.pbx_uid]["connector"]["port"]
    lines = [
        line for call in _calls(pbx, int(time.time())) for _, line in avaya.print_call(call).lines
    ]
    send_to_socket("127.0.0.1", port, lines, 1, reconnects=0)


def _call_now(folder: Path, pbxs: Sequence[SimPbx]) -> None:
    with contextlib.suppress(OSError):  # the page may be ended before its link listens
        call_now(folder, pbxs)


def _calls(pbx: SimPbx, now_s: int) -> list[SimCall]:
    extensions = pbx.extensions()
    return [
        SimCall(
            number=number,
            pbx=pbx,
            kind=Kind.OUTBOUND,
            extension=extensions[number],
            colleague=extensions[0],
            dialled=dialled,
            e164=e164,
            call_class=call_class,
            start_s=now_s - ended_s - talk_s - 5,
            ring_s=5,
            talk_s=(talk_s,),
            trunk_member=number,
        )
        for number, ((dialled, e164, call_class, talk_s), ended_s) in enumerate(
            zip(_CALLS, _ENDED_S, strict=True), 1
        )
    ]


def _document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "bluewhale.yaml").read_text("utf-8"))
    return found
