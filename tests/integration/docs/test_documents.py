"""What the documents tell a reader to type works, and prints what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.docs.console import NOT_RUN, ROOT, Step, ready, run, steps

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


def test_the_five_minutes_of_the_readme_are_true(tmp_path: Path):
    """Every command of the section runs in a fresh clone; CALL is a call of the list."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.partition("## Five minutes to the first priced call of your own")[2].partition(
        "\n## "
    )[0]
    environment = ready(tmp_path)
    commands = [s.command for s in steps(section) if not s.command.startswith(NOT_RUN)]
    assert len(commands) == 8
    said = {}
    for command in commands:
        shown = re.sub(r"\s+#.*", "", command).replace("CALL", said.get("call", "CALL"))
        output = run(shown, tmp_path, environment)
        said[shown.split()[1]] = output
        found = re.search(r"^ *(\w{12,}) .* 06990009042 ", output, re.MULTILINE)
        if found:
            said["call"] = found[1]
    # 187 s to Frankfurt from 9:10:53 on a Wednesday: 60 + 22 x 6 = 192 s at 0.019 a minute
    assert "192 s" in said["explain"]
    assert "Result      0.0608 EUR" in said["explain"]
    assert "10 legs stored, 0 duplicates" in said["import"]


@pytest.mark.parametrize("document", ["getting-started.md", "vectors.md", "backup-and-restore.md"])
def test_a_guide_prints_what_it_shows(document: str, tmp_path: Path):
    """`python -m tests.integration.docs.console docs/guides/NAME` writes the outputs anew."""
    environment = ready(tmp_path)
    for step in steps((ROOT / "docs" / "guides" / document).read_text("utf-8")):
        if not step.command.startswith(NOT_RUN):
            assert _same(step, run(step.command, tmp_path, environment)), step.command


@pytest.mark.parametrize(
    "document", [*GUIDES, ROOT / "examples/small-site/README.md"], ids=lambda p: p.name
)
def test_links_between_documents_lead_somewhere(document: Path):
    """A relative link names a file of this tree."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    assert [t for t in targets if not (document.parent / t).exists()] == []


def _same(step: Step, output: str) -> bool:
    """Equal, or equal in the parts between lines of three dots; no output shown = any."""
    parts = [re.escape(p) for p in re.split(r"^\.\.\.\n", step.output, flags=re.MULTILINE)]
    return not step.output or re.fullmatch("(?:.*\n)*".join(parts), output) is not None
