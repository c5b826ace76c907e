"""Each distribution imports with only the dependencies that it declares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
API = ["protos", "shared/capture"]
RUNTIME = [*API, "shared/runtime"]
PLATFORM = [*RUNTIME, "shared/domain", "shared/platform"]
NEEDS = {  # distribution folder -> the distributions it stands on
    "shared/capture": [],
    "shared/edge": API,
    "shared/runtime": API,
    "shared/domain": ["shared/capture"],
    "shared/platform": [*RUNTIME, "shared/domain"],
    "services/remoteunit": [*RUNTIME, "shared/edge"],
    "services/ingest": [*PLATFORM, "shared/edge"],
    "services/parser": PLATFORM,
    "services/billing": PLATFORM,
    "services/storage": PLATFORM,
    "services/webapi": PLATFORM,
    "operator": RUNTIME,
    "services/kubectl": ["shared/capture"],
    "services/cli": [
        *PLATFORM,
        "shared/edge",
        *(
            f"services/{s}"
            for s in ("remoteunit", "ingest", "parser", "billing", "storage", "webapi")
        ),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("member", NEEDS)
def test_distribution_imports_with_only_its_own_dependencies(
    member: str, tmp_path_factory: pytest.TempPathFactory
):
    """An undeclared import works in the shared environment and fails at a user's; here it fails first."""
    base = tmp_path_factory.getbasetemp()
    venv = base / "venv"  # at one path, so that what one compiled the next one need not
    python = venv / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True
    )
    sources = [str(ROOT / m) for m in [*NEEDS[member], member]]
    subprocess.run(
        [
            UV,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "-c",
            str(ROOT / "requirements.lock"),
            *sources,
        ],
        check=True,
    )
    modules = [
        ".".join(p.relative_to(ROOT / member / "src").with_suffix("").parts).removesuffix(
            ".__init__"
        )
        for p in (ROOT / member / "src").rglob("*.py")
        # programs: one is run as such, the other only by Alembic
        if p.name != "__main__.py" and p.parts[-2:] != ("revisions", "env.py")
    ]
    program = f"import importlib\nfor m in {sorted(modules)!r}: importlib.import_module(m)"
    compiled = os.environ | {"PYTHONPYCACHEPREFIX": str(base / "bytecode")}
    subprocess.run([str(python), "-c", program], check=True, env=compiled)
