"""`python -m tests.charts.regenerate`: examples/*/rendered and the copy of the definitions, anew."""

from __future__ import annotations

import sys

from tests.charts import cases
from tests.support.helm import MISSING, Helm, program

if __name__ == "__main__":
    path = program()
    if path is None:
        sys.exit(MISSING)
    cases.write(Helm(path))
