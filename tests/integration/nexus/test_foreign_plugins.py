from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import World

ROOT = Path(__file__).resolve().parents[3]
UV = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
PROGRAM = """
import asyncio, sys
from bluewhale.nexus import Nexus, installed
from tests.unit.nexus.actors import plugin
from tests.unit.nexus.echo import ECHO, Echo, struct

def ask(nexus):
    return nexus.peer("echo", caller="tests", contract=ECHO).One(struct())["name"]

async def main():
    ours = [plugin("echo", "echoing", provides={"echo": "1.0"}), plugin("journal", "listing", provides={"journal": "1.4"})]
    theirs = installed()
    print([(m.symbolic_name, m.version, m.vendor) for m in theirs])
    LAYERS
    async with Nexus([*ours, *theirs], settings=Echo(), layers=layers) as nexus:
        print([name for name in nexus.states()])
        link = await nexus.lookup("acme_link")
        print(link.hear("line 1"), link.hear("line 2"), nexus.service("journal"))
        try:
            print(await asyncio.to_thread(ask, nexus))
        except Exception as error:
            print(error.code().name, error.details())
    from acme_audit.layer import NOTED
    print(NOTED)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build ACME's plugin out of the tree and install it into a folder, without any index."""
    folder = tmp_path_factory.mktemp("acme")
    shutil.copytree(Path(__file__).parent / "acme", folder / "source")
    build = [UV, "build", "--quiet", "--offline", "--wheel", "-o", str(folder / "dist")]
    subprocess.run([*build, str(folder / "source")], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    install = [UV, "pip", "install", "--quiet", "--offline", "--no-index", "--no-deps"]
    target = folder / "site"
    subprocess.run(
        [*install, "--python", sys.executable, "--target", str(target), str(wheel)], check=True
    )
    return target


def run(site: Path, layers: str) -> list[str]:
    """Run the program with that line of configuration; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("LAYERS", f"layers = {layers}")],
        env={**os.environ, "PYTHONPATH": f"{site}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if "Plugin moved" not in line]


def test_a_plugin_from_outside_the_tree_is_found_started_and_used(installed: Path):
    """Its link gets our journal, in the version range that its manifest states."""
    found, order, heard, *_ = run(installed, "[]")
    assert found == ("[('com.acme.audit', '2.1.0', 'ACME'), ('com.acme.link', '2.1.0', 'ACME')]")
    assert order == "['com.acme.audit', 'echo', 'journal', 'com.acme.link']"
    assert heard == "1 2 ['line 1', 'line 2']"


def test_a_foreign_layer_is_one_line_of_configuration(installed: Path):
    """Without the line requests pass unnoted; with it they are noted; its settings are its own."""
    assert run(installed, "[]")[-2:] == ["echo", "[]"]
    assert run(installed, '[{"layer": "audit", "holiday": False}]')[-2:] == [
        "echo",
        "['plugin/tests asked Echo/One']",
    ]
    assert run(installed, '[{"layer": "audit", "holiday": True}]')[-2:] == [
        "UNAVAILABLE ACME is on holiday; ask tomorrow",
        "['plugin/tests asked Echo/One']",
    ]


def test_a_foreign_plugin_that_cannot_be_loaded_stops_the_start(installed: Path, tmp_path: Path):
    """Which entry point, why, what to do."""
    broken = tmp_path / "site"
    shutil.copytree(installed, broken)
    (broken / "acme_audit" / "link.py").write_text("import nowhere\n")
    program = "from bluewhale.nexus import installed\ninstalled()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(broken)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "acme_link = acme_audit.link:MANIFEST: No module named 'nowhere'" in done.stderr
    assert "repair or uninstall them" in done.stderr


UP = """
import sys, threading
from pathlib import Path
from bluewhale.api.query.v1 import query_pb2
from bluewhale.cli.runtime import Runtime
from bluewhale.configuration import load
from tests.support.running import wait_until

runtime = Runtime(load(Path(sys.argv[1])))
runner = threading.Thread(target=runtime.run)
runner.start()
try:
    wait_until(lambda: runtime.role.health.started, 120, "the start")
    query = runtime.role.nexus.peer("query", caller="tests")
    list(query.SearchCalls(query_pb2.SearchCallsRequest()))
finally:
    runtime.stop()
    runner.join(60)
from acme_audit.layer import NOTED
print(NOTED, file=sys.stderr)
"""


def test_two_lines_of_the_configuration_put_a_foreign_layer_into_the_embedded_installation(
    installed: Path, tmp_path: Path
):
    """The plugin under `plugins`, its layer under `layers`: `bluewhale up` notes who asked what."""
    World.of(tmp_path, 1, ("avaya_cm",), 3, 4, 0).write()
    path = tmp_path / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["cluster"] = {
        "plugins": ["com.acme.audit"],
        "layers": [{"layer": "audit", "holiday": False}],
    }
    path.write_text(yaml.safe_dump(document), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", UP, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{installed}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "['plugin/tests asked Query/SearchCalls']"
