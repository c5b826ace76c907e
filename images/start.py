#!/opt/bluewhale/bin/python
"""What an image runs: the role of its member, or the command `bluewhale`.

The image `all` holds every member; the environment says which one a container is.

Kernels that the build compiled lie in the image. Numba uses only folders that it
may write to, so the writable one gets links to them; what is missing there is
compiled as anywhere. Standard library only: it is in every image.
"""

import os
import runpy
import sys
from pathlib import Path

CODE = Path("/opt/code")
KERNELS = Path("/opt/kernels")


def link_kernels(compiled: Path, used: Path) -> int:
    """Make links in `used` to all of `compiled` that is not there yet; give how many."""
    made = 0
    for path in compiled.rglob("*.nb[ic]"):
        link = used / path.relative_to(compiled)
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)  # of an image before this one
            link.symlink_to(path)
            made += 1
    return made


def main() -> None:
    """Start what BLUEWHALE_MEMBER names, or else the image's own member."""
    member = os.environ.get("BLUEWHALE_MEMBER") or (CODE / "member").read_text().strip()
    link_kernels(KERNELS, Path(os.environ["NUMBA_CACHE_DIR"]))
    if member in ("cli", "all"):
        sys.argv[0] = "bluewhale"
        from bluewhale.cli.main import main as command

        command()
    else:
        runpy.run_module(f"bluewhale.{member}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
