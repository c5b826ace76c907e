"""Generate the Python code of every .proto beside it; `--check` only compares.

Run as `make fix`; `make check` compares. The code is checked in, so that nobody
needs a compiler to install, and a reviewer sees what a change of a contract does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent


def generate(target: Path) -> None:
    """Write messages, services and their types of all contracts below `target`."""
    sources = sorted(str(p.relative_to(HERE)) for p in HERE.glob("bluewhale/**/*.proto"))
    bin_folder = Path(sys.executable).parent
    done = protoc.main(
        [
            "protoc",
            f"-I{HERE}",
            f"-I{Path(protoc.__file__).parent / '_proto'}",
            f"--plugin=protoc-gen-mypy={bin_folder / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={bin_folder / 'protoc-gen-mypy_grpc'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            *sources,
        ]
    )
    if done != 0:
        raise SystemExit("protoc refused a contract; its message is above")
    for folder in {p.parent for p in target.glob("bluewhale/api/*/v1/*_pb2.py")}:
        (folder / "__init__.py").touch()
        (folder.parent / "__init__.py").touch()


def differences() -> list[str]:
    """Give the generated files that are not what the contracts say today."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch)
        generate(target)
        names = {p.relative_to(target) for p in target.rglob("*.py*")}
        kept = {
            p.relative_to(HERE)
            for p in (HERE / "bluewhale").rglob("*_pb2*.py*")
            if "__pycache__" not in p.parts
        }
        return sorted(
            str(n)
            for n in names | kept
            if not (target / n).exists()
            or not (HERE / n).exists()
            or (target / n).read_bytes() != (HERE / n).read_bytes()
        )


def main() -> None:
    """Generate, or compare and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, list what differs")
    if parser.parse_args().check:
        found = differences()
        if found:
            raise SystemExit("not what the contracts say; run `make fix`:\n  " + "\n  ".join(found))
        return
    generate(HERE)


if __name__ == "__main__":
    main()
