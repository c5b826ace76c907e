"""One simulated world from end to end: make it, write it, play it, know its truth."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bluewhale.cli.exceptions import InputError
from bluewhale.cli.output import note
from bluewhale.cli.simulate.play import Line, Sent, append_to_file, send_to_socket, write_files
from bluewhale.cli.simulate.printed import Printed
from bluewhale.cli.simulate.setup import write_configuration
from bluewhale.cli.simulate.truth import TrueCall, true_call, write_truth
from bluewhale.cli.simulate.world import SimCall, SimPbx, make_calls, make_pbxs

TRUTH_NAME = "truth.parquet"
SENT_NAME = "sent.json"
DIALECTS = ("avaya_cm", "cisco_cucm", "asterisk_csv")
GARBAGE = (
    b"\xff\xfe\x00\x9c not a record \xf0\x28\x8c\x28\r\n",
    b"%%% memory error 0x7f3a at line printer, restarting %%%\r\n",
    b"GET / HTTP/1.1\r\n",
    b'","","","\r\n',
)
RECORDS_PER_FILE = 60


@dataclass(slots=True)
class World:
    """PBXs, what each prints in order, and the truth."""

    folder: Path
    seed: int
    pbxs: list[SimPbx]
    lines: dict[str, list[Line]] = field(default_factory=dict)  # by pbx_uid
    truth: list[TrueCall] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        folder: Path,
        count: int,
        dialects: tuple[str, ...],
        calls: int,
        seed: int,
        garbage: int,
    ) -> World:
        """Make a world; everything follows from the arguments."""
        unknown = [d for d in dialects if d not in DIALECTS]
        if unknown:
            raise InputError(
                f"cannot simulate {', '.join(unknown)}; the simulator knows {', '.join(DIALECTS)}"
            )
        world = cls(folder, seed, make_pbxs(count, dialects))
        timed: dict[str, list[tuple[int, int, Line]]] = {p.pbx_uid: [] for p in world.pbxs}
        for call in make_calls(world.pbxs, calls, seed):
            printed = _print_call(call)
            world.truth.append(true_call(call, printed))
            timed[call.pbx.pbx_uid] += [(at, call.number, x) for at, x in printed.lines]
        for pbx in world.pbxs:
            in_order = [x for _, _, x in sorted(timed[pbx.pbx_uid], key=lambda t: t[:2])]
            world.lines[pbx.pbx_uid] = _with_garbage(in_order, garbage, seed, pbx)
        return world

    def write(self) -> Path:
        """Write configuration and truth; gives the path of the configuration."""
        path = write_configuration(self.folder, self.pbxs)
        write_truth(self.truth, self.folder / TRUTH_NAME)
        return path


def _print_call(call: SimCall) -> Printed:
    if call.pbx.dialect_id == "avaya_cm":
        from bluewhale.cli.simulate import avaya

        return avaya.print_call(call)
    if call.pbx.dialect_id == "cisco_cucm":
        from bluewhale.cli.simulate import cucm

        return cucm.print_call(call)
    from bluewhale.cli.simulate import asterisk

    return asterisk.print_call(call)


def _head(pbx: SimPbx) -> list[Line]:
    """Give what stands at the beginning of each file."""
    if pbx.dialect_id != "cisco_cucm":
        return []
    from bluewhale.cli.simulate import cucm

    return [Line(cucm.header(), "context")]


def _with_garbage(lines: list[Line], garbage: int, seed: int, pbx: SimPbx) -> list[Line]:
    r = random.Random(f"{seed} {pbx.pbx_uid}")
    out = list(lines)
    for k in range(garbage):
        out.insert(r.randint(1, len(out)), Line(GARBAGE[k % len(GARBAGE)], "garbage"))
    return [*_head(pbx), *out]


def write(world: World) -> None:
    """Write the world to its folder and say how to go on."""
    path = world.write()
    note(
        f"wrote {path}, {len(world.truth)} calls of {len(world.pbxs)} PBXs in {world.folder / TRUTH_NAME}\n"
        f"run:     bluewhale up --config {world.folder}\n"
        f"then:    bluewhale simulate {world.folder} --play (with the same options)\n"
        f"and:     bluewhale simulate {world.folder} --verify"
    )


def play_all(world: World) -> dict[str, Sent]:
    """Send every PBX's lines to its link; the runtime must be up (or start within seconds)."""
    import yaml

    links = {
        x["pbx_uid"]: x
        for x in yaml.safe_load((world.folder / "bluewhale.yaml").read_text())["links"]
    }
    sent: dict[str, Sent] = {}
    for pbx in world.pbxs:
        connector = links[pbx.pbx_uid]["connector"]
        lines = world.lines[pbx.pbx_uid]
        if connector["type"] == "tcp_server":
            sent[pbx.pbx_uid] = send_to_socket("127.0.0.1", connector["port"], lines, world.seed)
        elif connector.get("mode") == "tail":
            path = world.folder / connector["path"] / connector["pattern"]
            sent[pbx.pbx_uid] = append_to_file(path, lines, world.seed)
        else:
            name = "cdr_" + pbx.pbx_uid.replace("_", "-") + "_01_20260302{:04}_1"
            sent[pbx.pbx_uid] = write_files(
                world.folder / connector["path"], name, lines, RECORDS_PER_FILE
            )
    (world.folder / SENT_NAME).write_text(
        json.dumps({k: asdict(v) for k, v in sent.items()}, indent=1)
    )
    return sent


def play(world: World) -> None:
    """Play the world and say what was sent."""
    if not (world.folder / "bluewhale.yaml").exists():
        raise InputError(
            f"{world.folder} has no bluewhale.yaml; first run: bluewhale simulate {world.folder}"
        )
    for pbx_uid, sent in play_all(world).items():
        note(
            f"{pbx_uid}: {sent.records} records, {sent.repeated} sent again, {sent.garbage} lines of garbage"
        )


__all__ = ["World", "play", "play_all", "write"]
