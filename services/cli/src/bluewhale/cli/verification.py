"""Prices computed again: stored legs and stored tariffs, through both engines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from bluewhale.cli.tariff_store import stored_version
from bluewhale.merge import build_calls, components
from bluewhale.rating.receipts import Verification, verify

if TYPE_CHECKING:
    from bluewhale.database import Store

BATCH_CALLS = 20_000
