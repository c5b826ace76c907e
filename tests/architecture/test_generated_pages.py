"""Pages that are made from code are current."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bluewhale.cli.reference import PAGES, main
from bluewhale.configuration import Settings

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_reference_pages_match_the_code():
    """docs/reference is what the code says today; `make fix` rewrites it."""
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale.cli.reference", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_code_of_contracts_is_current():
    """What protos/ holds is what the compiler makes of its contracts today."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "protos" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_page_is_named_with_its_remedy_and_mended(tmp_path: Path, capsys):
    """One page changed by hand, one missing: both named; a write mends them and only them."""
    assert main(["--write", "--folder", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(PAGES)
    (tmp_path / "metrics.md").write_text("by hand")
    (tmp_path / "exit-codes.md").unlink()
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path}/exit-codes.md is not what the code says; run make fix\n"
        f"{tmp_path}/metrics.md is not what the code says; run make fix\n"
    )
    assert main(["--write", "--folder", str(tmp_path)]) == 0
    assert (
        capsys.readouterr().out == f"wrote {tmp_path}/exit-codes.md\nwrote {tmp_path}/metrics.md\n"
    )
    assert main(["--check", "--folder", str(tmp_path)]) == 0


def test_every_command_and_every_key_has_its_place():
    """The pages walk the whole tree: a nested command, a nested key, all codes."""
    commands = (REFERENCE / "commands.md").read_text()
    assert "\n## bluewhale suspense repair\n" in commands
    assert "\n## bluewhale receipts verify\n" in commands
    configuration = (REFERENCE / "configuration.md").read_text()
    for name in Settings.model_fields:
        assert f"| `{name}` |" in configuration
    assert "| `journal_quota_mib` | whole number, 1 or more | `1024` |" in configuration
    assert json.loads((REFERENCE / "bluewhale.schema.json").read_text())["title"] == "Settings"
