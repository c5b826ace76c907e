"""Console blocks of documents, run as a reader would run them.

`python -m tests.integration.docs.console docs/guides/getting-started.md` writes the
outputs anew. A block with a line `...` keeps its text: what stands there is not
the same at every run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bluewhale.cli.main import app
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = ("make ", "export PATH", "kubectl ", "helm ")  # done already, or on a cluster


@dataclass(frozen=True, slots=True)
class Step:
    """One command and the output that the document shows ("" = none shown)."""

    command: str
    output: str


def steps(text: str) -> list[Step]:
    """Give the commands of all console blocks in order."""
    found: list[Step] = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Step(command, output))
    return found


def ready(folder: Path) -> dict[str, str]:
    """Make a folder look like a fresh clone after `make setup`; gives the environment."""
    shutil.copytree(
        ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("data", "inbox")
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "160", "LC_ALL": "C.UTF-8"}


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run one command line; gives what it printed. `export` holds for the next ones."""
    exported = re.fullmatch(r"export (\w+)=(\S+)", command)
    if exported:
        environment[exported[1]] = exported[2]
        return ""
    words = shlex.split(command, comments=True)
    if words[0] == "bluewhale" and not set("|;<>()") & set(command):  # no shell: here, at once
        with contextlib.chdir(folder):
            answer = CliRunner().invoke(app, words[1:], env=environment)
        code, said = answer.exit_code, answer.output
    else:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        code, said = done.returncode, done.stdout
    assert code == 0, f"$ {command}\n{said}"
    return "".join(f"{line.rstrip()}\n" for line in said.strip("\n").splitlines())


def rewrite(document: Path) -> None:
    """Write the outputs of a document anew."""
    text = document.read_text("utf-8")
    at = 0
    with tempfile.TemporaryDirectory() as name:
        environment = ready(Path(name))
        for step in steps(text):
            at = text.index(f"$ {step.command}\n", at) + len(f"$ {step.command}\n")
            if step.command.startswith(NOT_RUN) or "...\n" in step.output:
                continue
            output = run(step.command, Path(name), environment)
            text = text[:at] + output + text[at + len(step.output) :]
    document.write_text(text, "utf-8")


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]))
