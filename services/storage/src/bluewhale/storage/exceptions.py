"""Operating errors of the storage role.

    BluewhaleError (bluewhale.capture.exceptions)
    `- PermanentError
       `- InvalidRequestError     a request that cannot be answered as asked

Does not own the errors of the main database (`bluewhale.database.exceptions`).
"""

from __future__ import annotations

from typing import ClassVar

from bluewhale.capture.exceptions import PermanentError


class InvalidRequestError(PermanentError):
    """A field of a request is out of range or not readable; the text names it."""

    code: ClassVar[str] = "invalid_request"
