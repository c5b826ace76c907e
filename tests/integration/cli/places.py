"""Small installations for tests of the command: a world with files, or one PBX by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from bluewhale.cli.simulate.session import DIALECTS, World

from tests.integration.cli.door import bluewhale

CALLS = 150
AGAIN = 2  # lines of the first Avaya file that come in a second one too


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a configuration, a store, and the truth about it."""

    folder: Path
    world: World

    def ask(self, *arguments: str | Path):
        """Run a command on this installation."""
        return bluewhale(*arguments, "--config", self.folder)


def build(folder: Path) -> Place:
    """Simulate three PBXs and import what each printed; two Avaya lines come twice."""
    world = World.of(folder, 3, DIALECTS, CALLS, 5, 2)
    world.write()
    place = Place(folder, world)
    for pbx in world.pbxs:
        file = folder / f"{pbx.pbx_uid}.cdr"
        file.write_bytes(b"".join(x.data for x in world.lines[pbx.pbx_uid]))
        answer = place.ask("import", "--link", pbx.link_uid, file)
        assert answer.code == 0, answer.err
    again = [x for x in world.lines[world.pbxs[0].pbx_uid] if x.kind == "record"][:AGAIN]
    file = folder / "again.cdr"
    file.write_bytes(b"".join(x.data for x in again))
    assert place.ask("import", "--link", world.pbxs[0].link_uid, file).code == 0
    return place


def change(folder: Path, **keys: object) -> None:
    """Replace top-level keys of the configuration."""
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document.update(keys)
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
