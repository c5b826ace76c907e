"""Operating errors of the main database.

    BluewhaleError (bluewhale.capture.exceptions)
    |- TemporaryError
    |  |- StoreBusyError          another writer holds the database, or won a conflict
    |  `- StoreAwayError          no connection, or it broke: repeating is safe, even a commit
    `- PermanentError
       `- StoreError
          |- ClaimLostError       another worker took over; this one must stop (zombie)
          |- StoreFullError       no space left; nothing of the transaction was applied
          |- StoreCorruptError    a file is not what the manifest says, or not a database
          |- StoreVersionError    written by a newer release
          |- NotFoundError        no such call, suspense row, tariff
          `- StateError           the thing is not in the state that the change needs

Does not own bad data: that is a row of suspense.
"""

from __future__ import annotations

from typing import ClassVar

from bluewhale.capture.exceptions import PermanentError, TemporaryError


class StoreBusyError(TemporaryError):
    """Another process is writing and did not finish within the busy time-out."""

    code: ClassVar[str] = "store_busy"


class StoreAwayError(TemporaryError):
    """The database cannot be reached, or the connection broke in the middle.

    A commit whose answer never came may stand or not. Repeating it is safe: its
    claim is then past these records, or its records are replays.
    """

    code: ClassVar[str] = "store_away"


class StoreError(PermanentError):
    """Something about the main database that repeating does not mend."""

    code: ClassVar[str] = "store_error"


class ClaimLostError(StoreError):
    """The claim belongs to another worker, or its offset is already past this batch."""

    code: ClassVar[str] = "claim_lost"


class StoreFullError(StoreError):
    """The disk or the allowed size of the database is used up; nothing was applied."""

    code: ClassVar[str] = "store_full"


class StoreCorruptError(StoreError):
    """A file of the store is damaged or missing."""

    code: ClassVar[str] = "store_corrupt"


class StoreVersionError(StoreError):
    """The store was written by a newer release than this one."""

    code: ClassVar[str] = "store_version"


class NotFoundError(StoreError):
    """The named thing does not exist."""

    code: ClassVar[str] = "not_found"


class StateError(StoreError):
    """The thing is not in the state that the change needs."""

    code: ClassVar[str] = "wrong_state"
