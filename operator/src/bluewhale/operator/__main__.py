"""`python -m bluewhale.operator`: stand for election, follow RemoteUnits while leading."""

from __future__ import annotations

import sys


def main() -> int:
    """Run until SIGTERM, or until the lead is lost."""
    # kopf imports every Kubernetes client that it finds; the half without asyncio is not
    # used here and costs a second and 25 MB
    sys.modules.setdefault("kubernetes.client", None)  # type: ignore[arg-type]
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
