"""Operating errors of the records room.

BluewhaleError (bluewhale.capture.exceptions)
└── PermanentError
    └── RecordsError
        ├── DirectoryError       a directory file with mistakes, all listed
        ├── NumberPlanError      a site whose numbering cannot be compiled
        ├── ZoneError            a time zone that does not exist
        ├── IdTextError          text that is not the text of an id
        └── MoneyError           text that is not an amount
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bluewhale.capture.exceptions import PermanentError
from typing_extensions import override


class RecordsError(PermanentError):
    """Something about records that only a person can mend."""

    code: ClassVar[str] = "records_error"


class NumberPlanError(RecordsError):
    """A site names a country or dialling rule that cannot be compiled."""

    code: ClassVar[str] = "number_plan_invalid"


class ZoneError(RecordsError):
    """A time zone name that the zone database does not know."""

    code: ClassVar[str] = "zone_unknown"


class IdTextError(RecordsError):
    """Text that is not 26 characters of the id alphabet."""

    code: ClassVar[str] = "id_text_invalid"


class MoneyError(RecordsError):
    """Text that is not an amount this system can hold."""

    code: ClassVar[str] = "amount_invalid"


@dataclass(frozen=True, slots=True, order=True)
class DirectoryMistake:
    """One mistake of a directory file: where it is, what it is, what to do.

    `line` counts from 1; 0 = the file as a whole.
    """

    file: str
    line: int
    field: str
    problem: str
    remedy: str

    @override
    def __str__(self) -> str:
        """Give one line for people."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        return f"{place}:{field} {self.problem}. {self.remedy}"


class DirectoryError(RecordsError):
    """A directory that was not loaded; `mistakes` lists every reason at once."""

    code: ClassVar[str] = "directory_invalid"

    def __init__(self, mistakes: Sequence[DirectoryMistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"the directory has {count} mistake{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(str(m) for m in self.mistakes)]))
