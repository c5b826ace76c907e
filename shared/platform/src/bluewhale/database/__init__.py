"""The main database: what is stored, decided once, found again.

Owns tables, the one transaction, sealed segments, queries. Does not own joins,
prices or formats: those are pure rooms that it asks.
"""

from bluewhale.database.batch import (
    Batch,
    Claim,
    ClaimStep,
    CommitResult,
    Heard,
    Mark,
    RejoinWork,
)
from bluewhale.database.bulk import Prepared
from bluewhale.database.call_filter import CallFilter
from bluewhale.database.compaction import Compacted
from bluewhale.database.completeness import Completeness
from bluewhale.database.exceptions import (
    ClaimLostError,
    NotFoundError,
    StateError,
    StoreAwayError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
)
from bluewhale.database.exports import readable, write_csv, write_parquet
from bluewhale.database.reports import REPORT_KINDS, ReportBy
from bluewhale.database.schemas import CALL_COLUMNS
from bluewhale.database.sealing import Sealed
from bluewhale.database.search import PAGE_KEY_COLUMNS, CallDetail, page_key
from bluewhale.database.store import Store
from bluewhale.database.suspense import SuspenseFilter
from bluewhale.database.versions import StoredTariff

__all__ = [
    "CALL_COLUMNS",
    "PAGE_KEY_COLUMNS",
    "REPORT_KINDS",
    "Batch",
    "CallDetail",
    "CallFilter",
    "Claim",
    "ClaimLostError",
    "ClaimStep",
    "CommitResult",
    "Compacted",
    "Completeness",
    "Heard",
    "Mark",
    "NotFoundError",
    "Prepared",
    "RejoinWork",
    "ReportBy",
    "Sealed",
    "StateError",
    "Store",
    "StoreAwayError",
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreVersionError",
    "StoredTariff",
    "SuspenseFilter",
    "page_key",
    "readable",
    "write_csv",
    "write_parquet",
]
