"""`python -m bluewhale.billing --config PATH`: this role as a process."""

from __future__ import annotations

import sys

from bluewhale.billing.plugin import MANIFESTS
from bluewhale.configuration.roles import main

if __name__ == "__main__":
    sys.exit(main("billing", MANIFESTS))
