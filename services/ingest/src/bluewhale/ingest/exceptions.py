"""Operating errors of ingest.

BluewhaleError (bluewhale.capture.exceptions)
├── TemporaryError
│   └── EnrolmentBusyError    too many attempts from one address; try again later
└── PermanentError
    ├── AuthorityError        the certificate authority's files cannot be used
    └── AdmissionError        this peer, or this request of it, is not admitted

Does not own bad frames: those are refused on their stream, with a message.
"""

from __future__ import annotations

from bluewhale.capture.exceptions import PermanentError, TemporaryError


class EnrolmentBusyError(TemporaryError):
    """Too many enrolments from one address, or too many addresses at once."""

    code = "enrolment_busy"


class AuthorityError(PermanentError):
    """The certificate authority's folder is missing, unreadable, incomplete or exists already."""

    code = "authority_unusable"


class AdmissionError(PermanentError):
    """A peer that is not admitted; `reason` is a stable code, shown before the message."""

    code = "not_admitted"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
