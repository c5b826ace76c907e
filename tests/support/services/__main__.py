"""Run a command with real services: `python -m tests.support.services COMMAND ...`.

What the environment does not name is started as for tests, told to the command
by the same variables, and ended behind it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.services import shared


def main(command: list[str]) -> int:
    """Start what is missing, run the command, end what was started; gives its exit code."""
    shared.begin()
    print(shared.header(), file=sys.stderr)
    environment = dict(os.environ)
    try:
        for service, names in shared.ENVIRONMENT.items():
            if shared.choices()[service].way == "missing":
                continue
            found = shared.endpoint(service)
            environment[names[0]] = found["url"]
            if len(names) > 1:
                environment[names[1]] = found["query"]
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        shared.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
