"""An installation with many calls stored: lines of two PBXs, imported by day, priced by two lists.

Five thousand people in fifty departments call one hundred thousand destinations for
four weeks. `python -m bench.stored_calls FOLDER CALLS [DATABASE]` makes one; the
group `web` does that in a process of its own, whose memory goes with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from bluewhale.cli.importer import import_files
from bluewhale.configuration import load
from bluewhale.database import Store
from bluewhale.jobs.preparing import prepare

from bench.data import (
    AVAYA_OPTIONS,
    AVAYA_STEP,
    BLOCK_LINES,
    CUCM_STEP,
    avaya_block,
    cucm_block,
    cucm_header,
    deck_prefixes,
    write_tariff,
)
from bench.importing import AVAYA_BLOCKS_MAX, CHUNK_BYTES, PRICE_LISTS

PREFIXES = 100_000
PERSONS, DEPARTMENTS = 5_000, 50
FIRST_EXTENSION = 2_000
LINKS = {"cucm-cdr": ("cucm", "cisco_cucm", {}), "avaya-cdr": ("avaya", "avaya_cm", AVAYA_OPTIONS)}


def write_installation(folder: Path) -> None:
    """Write configuration, directory and tariffs; lines come by import alone."""
    (folder / "tariffs").mkdir(parents=True)
    prefixes = deck_prefixes(PREFIXES)
    tariffs = [str(write_tariff(folder / "tariffs", n, prefixes)) for n in PRICE_LISTS]
    links = [
        {"link_uid": uid, "pbx_uid": pbx, "dialect": dialect, "options": dict(options),
         "connector": {"type": "import"}}
        for uid, (pbx, dialect, options) in LINKS.items()
    ]  # fmt: skip
    _yaml(folder / "bluewhale.yaml", {
        "data": "data", "directory": ["directory.yaml"], "tariffs": tariffs, "links": links,
        "payer_policy": "dialled_out", "monitor": {"port": 0}, "web": {"listen": "127.0.0.1:0", "requests_per_minute": 0},
    })  # fmt: skip
    people = range(PERSONS)
    _yaml(folder / "directory.yaml", {
        "version": 1, "zone": "Europe/Berlin",
        "sites": [{"site_uid": "berlin", "name": "Berlin", "zone": "Europe/Berlin", "country": "DE",
                   "area_code": "30", "extension_ranges": ["2000-6999"]}],
        "pbxs": [{"pbx_uid": p, "site_uid": "berlin", "name": p} for p, _, _ in LINKS.values()],
        "departments": [{"department_uid": f"d{n}", "name": f"Department {n}"}
                        for n in range(DEPARTMENTS)],
        "persons": [{"person_uid": f"p{n}", "name": f"Person {n}",
                     "department_uid": f"d{n % DEPARTMENTS}"} for n in people],
        "extensions": [{"site_uid": "berlin", "extension": str(FIRST_EXTENSION + n),
                        "person_uid": f"p{n}"} for n in people],
    })  # fmt: skip


def _yaml(path: Path, document: object) -> None:
    path.write_text(yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))


def portions(blocks: int) -> Iterator[tuple[str, bytes]]:
    """Give (link, bytes) of so many blocks, in order of time: half of them of each PBX."""
    prefixes = deck_prefixes(PREFIXES)
    avaya, cucm = avaya_block(["00" + p for p in prefixes]), cucm_block(prefixes)
    avaya_blocks = min(blocks // 2, AVAYA_BLOCKS_MAX)
    for n in range(max(avaya_blocks, blocks - avaya_blocks)):
        if n < blocks - avaya_blocks:
            yield "cucm-cdr", cucm_header() + cucm.shifted(n, CUCM_STEP).tobytes()
        if n < avaya_blocks:
            yield "avaya-cdr", avaya.shifted(n, AVAYA_STEP).tobytes()


def store_calls(folder: Path, store: Store, calls: int) -> int:
    """Import so many lines; gives the calls that they made."""
    configuration = load(folder)
    stages = prepare(configuration, store)
    made = 0
    for link_uid, data in portions(calls // BLOCK_LINES):
        path = folder / "lines"
        path.write_bytes(data)
        made += import_files(
            [path], configuration.profiles[link_uid], stages, store, chunk_bytes=CHUNK_BYTES
        ).calls
        path.unlink()
    return made


def main() -> None:
    folder, calls = Path(sys.argv[1]), int(sys.argv[2])
    where = sys.argv[3] if len(sys.argv) > 3 else folder / "data" / "store"
    segments = folder / "segments" if len(sys.argv) > 3 else None
    with Store.open(where, segments=segments) as store:
        print(store_calls(folder, store, calls))


if __name__ == "__main__":
    main()
