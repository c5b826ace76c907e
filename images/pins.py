"""What goes into the image of a member: its workspace members and its pinned distributions.

The lists in images/members are made from pyproject.toml files and from the
comments of requirements.lock, which name who wants each pin:
`python images/pins.py --write`. In a build `python images/pins.py MEMBER` prints
those lines of requirements.lock, with their hashes, and `--folders MEMBER` the
folders to install. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = Path(__file__).resolve().parent / "members"
OURS = "bluewhale-"
IMAGES = ("cli", "remoteunit", "ingest", "parser", "billing", "storage", "webapi", "operator")
ALL = "all"  # an image that holds what all the others hold
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_WANTS = re.compile(r"^    #   (?:via )?([a-z0-9][a-z0-9._-]*)$|^    # via ([a-z0-9][a-z0-9._-]*)$")


def blocks(lock: str) -> dict[str, str]:
    """Give the lines of each distribution, by name; one with markers may stand twice."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if pin := _PIN.match(line):
            name = pin[1]
        if name:
            found[name] = found.get(name, "") + line
    return found


def members(root: Path) -> dict[str, tuple[str, list[str]]]:
    """Give folder and direct dependencies of each workspace member, by distribution."""
    found = {}
    for path in sorted([*root.glob("*/pyproject.toml"), *root.glob("*/*/pyproject.toml")]):
        project = tomllib.loads(path.read_text()).get("project", {})
        if project.get("name", "").startswith(OURS):
            needs = [_NAME.match(d)[0].lower() for d in project["dependencies"]]  # type: ignore[index]
            found[project["name"]] = (str(path.parent.relative_to(root)), needs)
    return found


def content(root: Path, member: str) -> tuple[list[str], list[str]]:
    """Give the folders and the pins that the image of a member holds."""
    ours = members(root)
    pins = blocks((root / "requirements.lock").read_text())
    wanted: dict[str, set[str]] = {}  # who wants what
    for name, block in pins.items():
        for line in block.splitlines():
            if by := _WANTS.match(line):
                wanted.setdefault(by[1] or by[2], set()).add(name)
    first = IMAGES if member == ALL else (member,)
    folders, chosen, open_ends = set(), set(), [OURS + name for name in first]
    while open_ends:
        name = open_ends.pop()
        if name in ours:
            if ours[name][0] in folders:
                continue
            folders.add(ours[name][0])
            open_ends += [need.replace("_", "-") for need in ours[name][1]]
        elif name in pins and name not in chosen:
            chosen.add(name)
            open_ends += wanted.get(name, ())
        elif name not in pins:
            raise SystemExit(f"{name} is not pinned in requirements.lock; make lock")
    return sorted(folders), sorted(chosen)


def written(member: str) -> str:
    """Give the text of a list."""
    folders, pins = content(ROOT, member)
    head = (
        f"# What the image {member} holds. Made by `python images/pins.py --write`; do not edit.\n"
    )
    return head + "".join([*(f"member {x}\n" for x in folders), *(f"pin {x}\n" for x in pins)])


def listed(member: str, kind: str) -> list[str]:
    """Give the names of one kind from a list, as it was written."""
    lines = (LISTS / f"{member}.txt").read_text().splitlines()
    return [x.removeprefix(kind + " ") for x in lines if x.startswith(kind + " ")]


def main(arguments: list[str]) -> None:
    """Write the lists, or print what a build asks for."""
    if arguments == ["--write"]:
        there = {Path(folder).name for folder, _ in members(ROOT).values()}
        for member in (*IMAGES, ALL):
            if member in there or member == ALL:
                (LISTS / f"{member}.txt").write_text(written(member))
    elif len(arguments) == 2 and arguments[0] == "--folders":
        print("\n".join(f"./{x}" for x in listed(arguments[1], "member")))
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        pins = blocks((ROOT / "requirements.lock").read_text())
        print("".join(pins[x] for x in listed(arguments[0], "pin")), end="")
    else:
        raise SystemExit("say --write, MEMBER, or --folders MEMBER")


if __name__ == "__main__":
    main(sys.argv[1:])
