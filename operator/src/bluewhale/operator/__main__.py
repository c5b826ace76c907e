"""`python -m bluewhale.operator`: stand for election, follow RemoteUnits while leading."""

from __future__ import annotations

import sys


def main() -> int:
    """Run until SIGTERM, or until the lead is lost."""
    from bluewhale.capture import BluewhaleError
    from bluewhale.operator.process import run
    from bluewhale.operator.settings import read_settings

    try:
        return run(read_settings())
    except BluewhaleError as error:
        print(f"bluewhale.operator: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
