"""Operating errors of ingest.

BluewhaleError (bluewhale.capture.exceptions)
├── TemporaryError
│   ├── EnrolmentBusyError    too many attempts from one address; try again later
│   ├── ApiAwayError          the API server of Kubernetes does not answer
│   └── TermUnclearError      whether the term is still ours could not be learned
└── PermanentError
    ├── AuthorityError        the certificate authority's files cannot be used
    ├── ApiRefusedError       the API server of Kubernetes refuses us
    └── AdmissionError        this peer, or this request of it, is not admitted

Does not own bad frames: those are refused on their stream, with a message.
"""

from __future__ import annotations

from bluewhale.capture.exceptions import PermanentError, TemporaryError


class EnrolmentBusyError(TemporaryError):
    """Too many enrolments from one address, or too many addresses at once."""

    code = "enrolment_busy"


class ApiAwayError(TemporaryError):
    """The API server does not answer, or has trouble of its own."""

    code = "api_away"


class TermUnclearError(TemporaryError):
    """Neither place of the term said yes, and one did not answer."""

    code = "term_unclear"


class ApiRefusedError(PermanentError):
    """The API server, or the way to it, is not set up for us."""

    code = "api_refused"


class AuthorityError(PermanentError):
    """The certificate authority's folder is missing, unreadable, incomplete or exists already."""

    code = "authority_unusable"


class AdmissionError(PermanentError):
    """A peer that is not admitted; `reason` is a stable code, shown before the message."""

    code = "not_admitted"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
