"""The cases of charts/bluewhale/examples: values in, objects out, kept beside each other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.helm import CHART, CRDS_CHART, Helm

EXAMPLES = CHART / "examples"
CASES = sorted(p.parent.name for p in EXAMPLES.glob("*/values.yaml"))
_SOURCE = re.compile(r"^# Source: bluewhale/templates/(\S+)\.yaml$", re.MULTILINE)


def arguments(case: str) -> list[str]:
    """Give what Helm is told for a case."""
    folder = EXAMPLES / case
    more = folder / "arguments"
    return [
        "--values",
        str(folder / "values.yaml"),
        *(more.read_text().split() if more.exists() else []),
    ]


def rendered(helm: Helm, case: str) -> dict[str, str]:
    """Render a case: name of a file -> its text."""
    files: dict[str, str] = {}
    for document in re.split(r"^---$", helm.render(CHART, *arguments(case)), flags=re.MULTILINE):
        source = _SOURCE.search(document)
        if source is None:
            continue
        name = source[1].replace("/", "-") + ".yaml"
        lines = [x.rstrip() for x in document.splitlines() if x.strip()]
        lines = [x for x in lines if not x.startswith("# Source: ")]
        files[name] = files.get(name, "") + "---\n" + "\n".join(lines) + "\n"
    return files


def kept(case: str) -> dict[str, str]:
    """Give what a case rendered to when it was made last."""
    folder = EXAMPLES / case / "rendered"
    return {p.name: p.read_text() for p in sorted(folder.glob("*.yaml"))}


def definitions() -> dict[Path, Path]:
    """Give each definition of a custom resource and where its copy lies."""
    copies = CHART / "files" / "crds"
    return {p: copies / p.name for p in sorted((CRDS_CHART / "files").glob("*.yaml"))}


def write(helm: Helm) -> None:
    """Copy the definitions and render every case anew."""
    for source, copy in definitions().items():
        shutil.copyfile(source, copy)
    for case in CASES:
        folder = EXAMPLES / case / "rendered"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in rendered(helm, case).items():
            (folder / name).write_text(text)
