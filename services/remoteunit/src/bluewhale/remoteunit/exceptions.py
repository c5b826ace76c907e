"""The errors of the Remote Unit.

TemporaryError
`- EnrolmentError        no certificate could be had now: the unit collects and tries again
PermanentError
|- UnitSettingsError     the unit's own file is missing or wrong
`- DocumentRefusedError  a document of the centre is damaged or asks for what it may not
"""

from __future__ import annotations

from typing import ClassVar

from bluewhale.capture import PermanentError, TemporaryError


class EnrolmentError(TemporaryError):
    """No certificate could be had; `reason` is the centre's code, or ours."""

    code: ClassVar[str] = "enrolment"

    def __init__(self, message: str, *, reason: str = "", retry_after_s: float = 3.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason


class UnitSettingsError(PermanentError):
    """The unit's own settings cannot be used."""

    code: ClassVar[str] = "unit_settings"


class DocumentRefusedError(PermanentError):
    """A document is damaged, or has a key that is not on the list."""

    code: ClassVar[str] = "document_refused"
