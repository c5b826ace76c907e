"""The interface of a dialect: what it declares and which functions it gives.

Owns shapes only. A dialect is a value of `Dialect` in a room of its own; the
list of all is `bluewhale.dialects.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bluewhale.capture import FramingTable
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch
from bluewhale.records.enums import RejectReason

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Option:
    """One documented setting of a dialect.

    `choices` closes the list for kind "choice"; a "list" is checked by the
    dialect's own `check` function where its items have structure.
    """

    name: str
    kind: Literal["choice", "flag", "integer", "text", "list"]
    default: object
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """What one field of one record became; shown by `bluewhale dialect try`.

    `position` is as the vendor counts (1-based columns "19-33", a column name,
    a JSON path). `text` is the field as printed, `value` what it was read as.
    `span` is where its bytes stand in the record, half open; None = not in it.
    """

    name: str
    position: str
    text: str
    value: object
    meaning: str
    note: str = ""
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a record is not a leg: closed reason, place, and what was expected there."""

    reason: RejectReason
    field: str = ""
    position: str = ""
    expected: str = ""

    @property
    def detail(self) -> str:
        """Give the text of the suspense column `detail`."""
        place = " ".join(
            part
            for part in (
                self.field and f"field {self.field}",
                self.position and f"at {self.position}",
            )
            if part
        )
        if place and self.expected:
            return f"{place}: expected {self.expected}"
        return place or (f"expected {self.expected}" if self.expected else "")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A PBX format: its declaration and its functions; a room of its own.

    `version` rises whenever a record is read differently; `identity_version`
    only when day or native key of a record come from another place, which is a
    dated cut-over. The functions:

    framing(options): table shipped to the unit.
    parse(batch, profile): LEG_SCHEMA accepted, SUSPENSE_SCHEMA rejected; columnar.
    parse_one(record, context, profile, received_at_ms): the slow, obvious
    twin: the leg columns that this dialect sets, as plain values, or a Reject.
    fields(record, context, options): every field on demand, from raw bytes.
    check(options): mistakes that the option list alone cannot say, as text.
    assumed_context(record): the context that a lone pasted record most likely
    stood under, None = it needs none or nothing can be said. For trying lines
    out; never used for records of a link.
    """

    dialect_id: str
    title: str
    version: int
    identity_version: int
    options: tuple[Option, ...]
    framing: Callable[[Options], FramingTable]
    parse: Callable[[RawBatch, LinkProfile], Outcome]
    parse_one: Callable[[bytes, bytes | None, LinkProfile, int], dict[str, Any] | Reject]
    fields: Callable[[bytes, bytes | None, Options], list[Field]]
    room: Path
    check: Callable[[Options], Iterable[str]] = lambda _: ()
    assumed_context: Callable[[bytes], bytes | None] = lambda _: None

    def mistakes(self, options: Options) -> list[str]:
        """List every mistake in a link's options, each with its remedy; empty = good."""
        known = {option.name: option for option in self.options}
        found = [
            f"option {name!r} is not known to {self.dialect_id}; known: {', '.join(sorted(known))}"
            for name in options
            if name not in known
        ]
        for name, option in known.items():
            if name in options:
                found.extend(_option_mistake(option, options[name]))
        return found or list(self.check(options))


def option_value(dialect_options: tuple[Option, ...], options: Options, name: str) -> Any:
    """Give the configured value of an option, or its documented default."""
    for option in dialect_options:
        if option.name == name:
            return options.get(name, option.default)
    raise AssertionError(f"option {name} is not declared")


def _option_mistake(option: Option, value: object) -> list[str]:
    """Say what is wrong with one value, if anything."""
    if option.kind == "choice" and value not in option.choices:
        return [f"option {option.name!r} is {value!r}; choose one of: {', '.join(option.choices)}"]
    if option.kind == "flag" and not isinstance(value, bool):
        return [f"option {option.name!r} is {value!r}; write true or false"]
    if option.kind == "integer" and (isinstance(value, bool) or not isinstance(value, int)):
        return [f"option {option.name!r} is {value!r}; write a whole number"]
    if option.kind == "text" and not isinstance(value, str):
        return [f"option {option.name!r} is {value!r}; write text in quotes"]
    if option.kind == "list" and not isinstance(value, (list, tuple)):
        return [f"option {option.name!r} is {value!r}; write a list"]
    return []
