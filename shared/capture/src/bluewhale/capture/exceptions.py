"""The root of every operating error, and the errors of capture.

    BluewhaleError
    |- TemporaryError          the same call may succeed later: retry after `retry_after_s`
    `- PermanentError          repeating changes nothing: a person or another input is needed
       |- FrameCorruptError    bytes that should be a packed frame are not one
       |- ConfigurationError   what a person wrote is refused whole
       `- InputError           a file or argument cannot be used

Every distribution derives its own errors from `TemporaryError` or
`PermanentError`. Bad data is never an exception (it is a rejected row) and a
programmer's error is an `assert`. Does not own the mapping to exit codes, HTTP
or gRPC status: doors do that from `code`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class BluewhaleError(Exception):
    """An operating error. `code` is stable snake_case and fit for machines."""

    code: ClassVar[str] = "bluewhale_error"


class TemporaryError(BluewhaleError):
    """The same call may succeed later.

    `retry_after_s` is the shortest sensible wait in seconds, >= 0.
    """

    code: ClassVar[str] = "temporary_error"

    def __init__(self, message: str = "", *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentError(BluewhaleError):
    """Repeating the call changes nothing."""

    code: ClassVar[str] = "permanent_error"


class FrameCorruptError(PermanentError):
    """Bytes that should be a packed frame are not one: cut, changed, or of another version."""

    code: ClassVar[str] = "frame_corrupt"


class ConfigurationError(PermanentError):
    """The configuration is refused whole; every mistake is listed.

    Each mistake names file, line, field and remedy.
    """

    code: ClassVar[str] = "configuration_invalid"

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"{count} mistake{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n  ".join([f"{head}:", *self.mistakes]))


class InputError(PermanentError):
    """A file or argument cannot be used; says which and what to do."""

    code: ClassVar[str] = "input_invalid"
