"""Bring the main database to this release, one at a time: an advisory lock of the database orders them."""

import os
import sys
import time
from pathlib import Path

from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.database import Store

ends_at = time.monotonic() + float(os.environ["BLUEWHALE_MIGRATE_SECONDS"])
while True:
    try:
        Store.open(
            os.environ["BLUEWHALE_CLUSTER__DATABASE__URL"], segments=Path("/tmp/segments")
        ).close()
        sys.exit(0)
    except TemporaryError as error:
        print(f"database: {error}", file=sys.stderr, flush=True)
        if time.monotonic() > ends_at:
            sys.exit(4)
        time.sleep(2)
    except BluewhaleError as error:
        sys.exit(f"database: {error}")
