"""Errors that the command shows to a person, and the exit code of each.

BluewhaleError (bluewhale.capture.exceptions)
└── PermanentError
    ├── ConfigurationError   exit 2: what the person wrote is refused whole
    ├── InputError           exit 2: a file or argument cannot be used
    ├── NotFoundError        exit 3: the named thing does not exist
    └── CheckFailedError     exit 1: a verification found differences
"""

from __future__ import annotations

from bluewhale.capture.exceptions import ConfigurationError, InputError, PermanentError

__all__ = ["EXIT_CODES", "CheckFailedError", "ConfigurationError", "InputError", "NotFoundError"]

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "a check or verification found differences; they are listed",
    2: "the input (configuration, file, argument) is refused; nothing was changed",
    3: "the named call, link, tariff or record does not exist",
    4: "a resource is busy or full (database locked, disk full); try again later",
    5: "an error of Bluewhale itself; the traceback says where",
    130: "stopped by Ctrl-C",
}


class NotFoundError(PermanentError):
    """The named thing does not exist in the store."""

    code = "not_found"


class CheckFailedError(PermanentError):
    """A verification found differences."""

    code = "check_failed"
