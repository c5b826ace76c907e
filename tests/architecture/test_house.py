"""What a reviewer would otherwise nag about, as tests over the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = sorted(
    p.parent
    for p in [
        *ROOT.glob("shared/*/pyproject.toml"),
        *ROOT.glob("services/*/pyproject.toml"),
        ROOT / "operator/pyproject.toml",
    ]
)
SOURCES = sorted(p for m in MEMBERS for p in (m / "src").rglob("*.py"))
ROOMS = sorted(
    {
        p
        for m in MEMBERS
        for p in (m / "src" / "bluewhale").iterdir()
        if p.is_dir() and p.name != "__pycache__"
    }
)
LINES_MAX = 600
GRAB_BAGS = {"utils", "util", "common", "helpers", "misc", "base", "core", "lib"}
# what the glossary says not to say; (word, say instead)
FORBIDDEN_WORDS = {
    "src_number": "calling_number",
    "dst_number": "called_number",
    "dead_letter": "suspense",
    "tenant_id": "none: an installation is a tenant",
    "cost_centre_uid": "cost_center_uid",
}
# written apart, so that a search for the words does not find this line
PROMISES = re.compile(r"\b(TO" "DO|FIX" "ME|NotImplemented" "Error)\b")


def tracked() -> list[Path]:
    """Files that git tracks; a tree without git (an archive) is walked instead."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [ROOT / x for x in done.stdout.decode().split("\0") if x]
    skip = {".venv", "build", ".git", "__pycache__"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not skip & set(p.parts)]


def test_no_member_hides_the_namespace_with_an_init():
    """A bluewhale/__init__.py in one member would hide all the others."""
    assert [p for m in MEMBERS for p in m.glob("src/bluewhale/__init__.py")] == []


def test_every_module_stays_under_six_hundred_lines():
    """One file never eats the domain."""
    long = {
        str(p.relative_to(ROOT)): n
        for p in SOURCES
        if (n := len(p.read_text().splitlines())) > LINES_MAX
    }
    assert long == {}


def test_no_module_is_a_grab_bag():
    """Shared means named: no utils, common, helpers, misc, base, core or lib."""
    bad = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if GRAB_BAGS
        & {
            *p.relative_to(ROOT / "shared" if "shared" in p.parts else ROOT)
            .with_suffix("")
            .parts[3:]
        }
    ]
    assert bad == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda p: p.name)
def test_every_room_says_what_it_owns_and_what_not(room: Path):
    """The README of a room opens with what it owns and what it does not own."""
    readme = room / "README.md"
    assert readme.exists(), f"{room.relative_to(ROOT)} has no README.md"
    text = readme.read_text().lower()
    assert "owns" in text
    assert "does not own" in text or "not own" in text


def test_names_follow_the_glossary():
    """A glossary term is the identifier; its rejected twins do not appear in code."""
    found = {
        f"{p.relative_to(ROOT)}: {word}": f"say {instead}"
        for p in SOURCES
        for word, instead in FORBIDDEN_WORDS.items()
        if word in p.read_text()
    }
    assert found == {}


def test_code_makes_no_promises():
    """Nothing in the code is left for later by a marker; open ends stand in the issue tracker."""
    found = [str(p.relative_to(ROOT)) for p in SOURCES if PROMISES.search(p.read_text())]
    assert found == []


def test_the_tree_names_no_machine_and_no_lock_with_an_index():
    """No path of one machine, no uv.lock, no index host in the pins."""
    names = {str(p.relative_to(ROOT)) for p in tracked()}
    assert "uv.lock" not in names
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > 100


@pytest.mark.parametrize("member", MEMBERS, ids=lambda p: p.name)
def test_every_dependency_has_its_reason(member: Path):
    """A line of dependencies without a comment has no reason to be there."""
    text = (member / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert block
    bare = [
        x for x in block[1].splitlines() if x.strip() and "#" not in x and "bluewhale-" not in x
    ]
    assert bare == []


def test_the_light_edge_loads_no_heavy_library():
    """A Remote Unit's rooms import neither Arrow, NumPy nor Polars, directly or through others."""
    code = (
        "import sys, bluewhale.capture, bluewhale.journal, bluewhale.connectors\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'pyarrow', 'polars', 'numba', 'sqlalchemy', 'pydantic', 'yaml'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
