"""Mistakes of a tariff, collected all at once, before anything changes.

Owns what a mistake is, the bounded list of them, and the error that carries
it. Does not own the rules: windows are checked by `coverage`, rows by
`ambiguity`, cells by `decks`, the document by `tariff_files`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bluewhale.capture.exceptions import PermanentError

MISTAKES_MAX = 1_000
"""So many mistakes are listed; all are counted."""

VALUE_CHARACTERS_MAX = 60


@dataclass(frozen=True, slots=True, order=True)
class TariffMistake:
    """One mistake: where it is, what was read, what is wrong, what to do.

    `line` counts from 1; 0 = the file as a whole. `value` is the text as read,
    None where something is absent.
    """

    file: str
    line: int
    field: str
    value: str | None
    problem: str
    remedy: str

    def text(self) -> str:
        """Give one line for people."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {_short(self.field)}" if self.field else ""
        value = "" if self.value is None else f' "{_short(self.value)}"'
        return f"{place}:{field}{value} {self.problem}. {self.remedy}"


class TariffError(PermanentError):
    """A tariff that was not loaded; nothing was changed.

    `mistakes` lists the first of them in the order of files and lines, `count`
    is how many there are.
    """

    code: ClassVar[str] = "tariff_invalid"

    def __init__(self, mistakes: Sequence[TariffMistake], count: int | None = None) -> None:
        self.mistakes = tuple(mistakes)
        self.count = len(self.mistakes) if count is None else count
        noun = "mistake" if self.count == 1 else "mistakes"
        lines = [f"the tariff has {self.count:,} {noun}; nothing was changed"]
        lines += [mistake.text() for mistake in self.mistakes]
        if self.count > len(self.mistakes):
            lines.append(f"... and {self.count - len(self.mistakes):,} more")
        super().__init__("\n".join(lines))


class Mistakes:
    """Collects mistakes and warnings while a tariff is read; bounded.

    A warning is something that loads and prices as written, and is perhaps not
    what was meant.
    """

    def __init__(self, limit: int = MISTAKES_MAX) -> None:
        self._limit = limit
        self._listed: list[TariffMistake] = []
        self._warnings: list[TariffMistake] = []
        self.count = 0
        self.files: list[str] = []

    def add(
        self, file: str, line: int, field: str, value: str | None, problem: str, remedy: str
    ) -> None:
        """Count one mistake, and list it while the list has room."""
        self.count += 1
        if len(self._listed) < self._limit:
            self._listed.append(TariffMistake(file, line, field, value, problem, remedy))

    def add_many(self, mistakes: Iterable[TariffMistake], count: int) -> None:
        """Count `count` mistakes of one kind, of which `mistakes` gives the first."""
        self.count += count
        self._listed.extend(mistakes)
        if len(self._listed) > 2 * self._limit:
            self._listed = self._in_order(self._listed)[: self._limit]

    def room(self) -> int:
        """How many mistakes of one kind are worth listing."""
        return self._limit

    def warn(
        self, file: str, line: int, field: str, value: str | None, problem: str, remedy: str
    ) -> None:
        """Keep one warning."""
        if len(self._warnings) < self._limit:
            self._warnings.append(TariffMistake(file, line, field, value, problem, remedy))

    @property
    def warnings(self) -> tuple[TariffMistake, ...]:
        """Warnings in the order of files and lines."""
        return tuple(self._in_order(self._warnings))

    @property
    def listed(self) -> tuple[TariffMistake, ...]:
        """The first mistakes in the order of files and lines."""
        return tuple(self._in_order(self._listed)[: self._limit])

    def error(self) -> TariffError:
        """Give everything found as one error."""
        return TariffError(self.listed, self.count)

    def raise_if_any(self) -> None:
        """Stop here if anything is wrong.

        Raises
        ------
        TariffError
            With every mistake found so far.
        """
        if self.count:
            raise self.error()

    def _in_order(self, mistakes: list[TariffMistake]) -> list[TariffMistake]:
        rank = {file: index for index, file in enumerate(self.files)}
        return sorted(mistakes, key=lambda m: (rank.get(m.file, len(rank)), m.line))


def _short(value: str) -> str:
    """Keep a wild value from filling the screen or driving the terminal."""
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    if len(clean) <= VALUE_CHARACTERS_MAX:
        return clean
    return clean[: VALUE_CHARACTERS_MAX - 3] + "..."
