"""What one call looks like on paper: its lines, and what they say of money."""

from __future__ import annotations

from dataclasses import dataclass, field

from bluewhale.cli.simulate.play import Line


@dataclass(frozen=True, slots=True)
class Span:
    """What is billable of a call, as precisely as its PBX prints it.

    `start_at_ms` is the answer time that a reader of the print would compute
    (setup where never answered), `quantity_ms` the printed connected time.
    """

    direction: str
    payer: str
    start_at_ms: int
    quantity_ms: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Printed:
    """Lines with the second they come out, how many legs they make, and the spans."""

    lines: list[tuple[int, Line]]
    legs: int
    spans: list[Span] = field(default_factory=list)


def line(at_s: int, data: bytes, call: int) -> tuple[int, Line]:
    """Make one record line of a call."""
    return at_s, Line(data, call=call)
