"""Print the program that an image starts: the role of its member, or the command `bluewhale`."""

from __future__ import annotations

import sys

COMMAND = """#!/opt/bluewhale/bin/python
import sys

from bluewhale.cli.main import main

sys.argv[0] = "bluewhale"
main()
"""
ROLE = """#!/opt/bluewhale/bin/python
import runpy

runpy.run_module("bluewhale.{member}", run_name="__main__", alter_sys=True)
"""


def program(member: str) -> str:
    """Give the text of the program."""
    return COMMAND if member == "cli" else ROLE.format(member=member)


if __name__ == "__main__":
    print(program(sys.argv[1]), end="")
