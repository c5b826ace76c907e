"""What a person wrote cannot be used.

BluewhaleError (bluewhale.capture.exceptions)
└── PermanentError
    ├── ConfigurationError   the configuration is refused whole
    └── InputError           a file or argument cannot be used
"""

from __future__ import annotations

from collections.abc import Sequence

from bluewhale.capture.exceptions import PermanentError


class ConfigurationError(PermanentError):
    """The configuration is refused whole; every mistake is listed.

    Each mistake names file, line, field and remedy.
    """

    code = "configuration_invalid"

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"{count} mistake{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n  ".join([f"{head}:", *self.mistakes]))


class InputError(PermanentError):
    """A file or argument cannot be used; says which and what to do."""

    code = "input_invalid"
