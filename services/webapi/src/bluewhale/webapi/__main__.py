"""`python -m bluewhale.webapi --config PATH`: this role as a process."""

from __future__ import annotations

import sys

from bluewhale.configuration.roles import main
from bluewhale.webapi.plugin import MANIFEST

if __name__ == "__main__":
    sys.exit(main("webapi", [MANIFEST]))
