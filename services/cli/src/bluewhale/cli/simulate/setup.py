"""Write a complete configuration for a simulated world: links, directory, tariffs."""

from __future__ import annotations

import itertools
import secrets
import socket
from contextlib import suppress
from pathlib import Path

import yaml
from bluewhale.cli.simulate import avaya
from bluewhale.cli.simulate.prices import TARIFFS, write_tariff
from bluewhale.cli.simulate.world import DEPARTMENTS, SimPbx

OPTIONS = {"avaya_cm": avaya.OPTIONS, "cisco_cucm": {}, "asterisk_csv": {"columns": "21"}}
_PORTS = range(20_000, 30_000)
_turns = itertools.count(secrets.randbelow(len(_PORTS)))
TRUNK = {"cisco_cucm": "SIP-Trunk-{}", "asterisk_csv": "trunk-{}"}


def free_port() -> int:
    """Give a TCP port that nobody uses right now, and no connection takes by itself.

    Systems give connections that go out ports from 32768 on, so a port of those
    that is free now may be taken before somebody listens there. Nobody in this process
    gets the same one soon again.
    """
    while True:
        port = _PORTS[next(_turns) % len(_PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def write_configuration(folder: Path, pbxs: list[SimPbx], *, monitor_port: int = 0) -> Path:
    """Write bluewhale.yaml, the directory and the tariffs; gives the path of the first.

    Avaya links listen on a free port of this machine, CUCM links watch a folder
    for whole files, Asterisk links follow a growing file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tariffs = [write_tariff(t, folder / "tariffs").relative_to(folder) for t in TARIFFS]
    (folder / "directory.yaml").write_text(_yaml(_directory(pbxs)), "utf-8")
    document = {
        "data": "data",
        "directory": ["directory.yaml"],
        "tariffs": [str(t) for t in tariffs],
        "links": [_link(pbx) for pbx in pbxs],
        "monitor": {"port": monitor_port},
        "limits": {"window_ms": 1500},
    }
    path = folder / "bluewhale.yaml"
    path.write_text(_yaml(document), "utf-8")
    return path


def _yaml(document: object) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _link(pbx: SimPbx) -> dict[str, object]:
    connectors: dict[str, dict[str, object]] = {
        "avaya_cm": {"type": "tcp_server", "port": free_port()},
        "cisco_cucm": {"type": "folder", "path": f"spool/{pbx.pbx_uid}", "pattern": "c?r_*"},
        "asterisk_csv": {
            "type": "folder", "path": f"spool/{pbx.pbx_uid}", "pattern": "Master.csv", "mode": "tail",
        },
    }  # fmt: skip
    return {
        "link_uid": pbx.link_uid,
        "pbx_uid": pbx.pbx_uid,
        "dialect": pbx.dialect_id,
        "options": OPTIONS[pbx.dialect_id],
        "connector": connectors[pbx.dialect_id],
    }


def _directory(pbxs: list[SimPbx]) -> dict[str, object]:
    places = {pbx.place.key: pbx.place for pbx in pbxs}
    sites = [
        {
            "site_uid": pbx.site_uid,
            "name": pbx.place.city,
            "zone": pbx.place.zone,
            "country": pbx.place.country,
            "area_code": pbx.place.area_code,
            # Avaya prints the number without the access code
            "access_codes": [] if pbx.dialect_id == "avaya_cm" else [pbx.place.access_code],
            "extension_lengths": [4],
            "extension_ranges": f"{pbx.place.first_extension}-{pbx.place.first_extension + 999}",
        }
        for pbx in pbxs
    ]
    departments: list[dict[str, object]] = [{"department_uid": "company", "name": "Company"}]
    for place in places.values():
        departments.append(
            {"department_uid": place.key, "name": place.city, "parent_uid": "company"}
        )
        departments += [
            {
                "department_uid": f"{place.key}-{d}",
                "name": f"{d} {place.city}",
                "parent_uid": place.key,
            }
            for d in DEPARTMENTS
        ]
    people = [(pbx, extension) for pbx in pbxs for extension in pbx.extensions()]
    return {
        "sites": sites,
        "pbxs": [{"pbx_uid": p.pbx_uid, "site_uid": p.site_uid, "name": p.pbx_uid} for p in pbxs],
        "departments": departments,
        "persons": [
            {
                "person_uid": f"{pbx.site_uid}-{extension}",
                "name": f"Person {extension} {pbx.place.city}",
                "department_uid": pbx.department_of(extension),
            }
            for pbx, extension in people
        ],
        "extensions": [
            {
                "site_uid": pbx.site_uid,
                "extension": extension,
                "person_uid": f"{pbx.site_uid}-{extension}",
            }
            for pbx, extension in people
        ],
    }
