"""The command in this process, as a person at a pipe sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluewhale.cli.main import app
from typer.testing import CliRunner


@dataclass(frozen=True, slots=True)
class Answer:
    """Exit code and both outputs of one run."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """Give JSON output: one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def bluewhale(*arguments: str | Path, stdin: bytes | None = None) -> Answer:
    """Run a command; an exception other than an exit is a failure of Bluewhale."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)
