"""Counts per site and day at every stage, and the sums that must balance.

Owns the names of the stages, the equations and the words for an imbalance.
After "journaled" the counts come from stored rows, never from what a stage says
about itself. Does not own the counting.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """Records of one site and day, counted at each stage; all >= 0.

    `heard`: framed by a unit. `journaled`: given a sequence number. `lost`:
    named as lost by the unit. `received`: seen by the main database. `parsed`:
    stored legs. `suspended`: waiting or dismissed. `duplicate`: kept beside
    their twin. `merged`: legs that are in a live call. `unmerged`: legs that
    wait for one. `rated`, `free`, `unrated`: live charges by status;
    `chargeable`: what should have been charged (spans x price lists).
    """

    heard: int = 0
    journaled: int = 0
    lost: int = 0
    received: int = 0
    parsed: int = 0
    suspended: int = 0
    duplicate: int = 0
    merged: int = 0
    unmerged: int = 0
    chargeable: int = 0
    rated: int = 0
    free: int = 0
    unrated: int = 0

    def __add__(self, other: ControlTotals) -> ControlTotals:
        """Add counts, stage by stage."""
        return ControlTotals(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def in_flight(self) -> int:
        """Journaled records that the main database has neither stored nor seen as lost."""
        return self.journaled - self.received - self.lost


@dataclass(frozen=True, slots=True)
class Equation:
    """A sum that must hold: `left` = sum of `right`."""

    left: str
    right: tuple[str, ...]
    meaning: str


EQUATIONS = (
    Equation("heard", ("journaled",), "every record that was heard is in the journal"),
    Equation("journaled", ("received", "lost"), "every journaled record arrived, or is named lost"),
    Equation(
        "received",
        ("parsed", "suspended", "duplicate"),
        "every record became a leg, a suspended record or a duplicate",
    ),
    Equation("parsed", ("merged", "unmerged"), "every leg is in one call, or waits for one"),
    Equation(
        "chargeable", ("rated", "free", "unrated"), "every span has one charge of each price list"
    ),
)


@dataclass(frozen=True, slots=True)
class Imbalance:
    """An equation that does not hold; `missing` > 0: the right side is too small."""

    equation: Equation
    missing: int

    def text(self) -> str:
        """Say it in one line."""
        side = "missing" if self.missing > 0 else "too many"
        right = " + ".join(self.equation.right)
        return (
            f"{abs(self.missing)} {side}: {self.equation.left} = {right} ({self.equation.meaning})"
        )


def imbalances(totals: ControlTotals) -> tuple[Imbalance, ...]:
    """Give every equation that does not hold; () = complete and balanced."""
    found = []
    for equation in EQUATIONS:
        missing = getattr(totals, equation.left) - sum(
            getattr(totals, name) for name in equation.right
        )
        if missing:
            found.append(Imbalance(equation, missing))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class DayTotals:
    """The totals of one site and day."""

    site_uid: str
    day: date
    totals: ControlTotals
