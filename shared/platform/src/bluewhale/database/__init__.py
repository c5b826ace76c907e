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
from bluewhale.database.exceptions import (
    ClaimLostError,
    NotFoundError,
    StateError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
)
from bluewhale.database.store import Store

__all__ = [
    "Batch",
    "Claim",
    "ClaimLostError",
    "ClaimStep",
    "CommitResult",
    "Heard",
    "Mark",
    "NotFoundError",
    "RejoinWork",
    "StateError",
    "Store",
    "StoreBusyError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreVersionError",
]
