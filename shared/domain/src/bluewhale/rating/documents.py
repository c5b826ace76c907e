"""YAML with line numbers and exact text: the document of a tariff as sections.

Owns reading YAML into nodes that know their line, and typed access that
collects mistakes instead of stopping at the first. Every scalar stays the text
that was written: a price is never a float, 08:00 is never a number of base 60.
Does not own what a tariff means.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import yaml
from bluewhale.rating.validation import Mistakes

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
NODES_MAX = 1_000_000
DEPTH_MAX = 32
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?\Z", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,18}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the document: text, None, a list or a mapping, and its line."""

    value: str | list[Node] | dict[str, Node] | None
    line: int


def read_document(path: Path, file: str, mistakes: Mistakes) -> Node | None:
    """Read one YAML file.

    Returns
    -------
    The root node, or None after adding a mistake: not readable, not YAML, too
    big, or not a mapping.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        mistakes.add(file, 0, "", None, f"cannot be read: {reason}", "Check the path.")
        return None
    if len(data) > DOCUMENT_BYTES_MAX:
        mistakes.add(
            file,
            0,
            "",
            None,
            f"has {len(data):,} bytes, more than {DOCUMENT_BYTES_MAX:,}",
            "Put prices into a CSV deck; the document holds the rules only.",
        )
        return None
    try:
        root = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        mistakes.add(
            file, 0, "", None, f"is not UTF-8 at byte {error.start}", "Save it as UTF-8 text."
        )
        return None
    except RecursionError:
        mistakes.add(file, 0, "", None, "nests too deep", "Write it with fewer levels.")
        return None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or "not YAML"
        mistakes.add(
            file,
            0 if mark is None else mark.line + 1,
            "",
            None,
            f"is not valid YAML: {what}",
            "Check indentation, colons and quotes of this line.",
        )
        return None
    if not isinstance(root, yaml.MappingNode):
        mistakes.add(file, 0, "", None, "is not a mapping of fields", "Start with `tariff: NAME`.")
        return None
    return _Reader(file, mistakes).node(root, "", 0)


class _Reader:
    """Turns composed YAML into nodes, within limits."""

    def __init__(self, file: str, mistakes: Mistakes) -> None:
        self._file = file
        self._mistakes = mistakes
        self._seen = 0

    def node(self, source: yaml.Node, field: str, depth: int) -> Node:
        line = source.start_mark.line + 1
        self._seen += 1
        if self._seen > NODES_MAX or depth > DEPTH_MAX:
            if self._seen <= NODES_MAX + 1:
                self._mistakes.add(
                    self._file,
                    line,
                    field,
                    None,
                    "nests too deep or repeats too much",
                    "Write the values out, without anchors.",
                )
                self._seen = NODES_MAX + 1
            return Node(None, line)
        if isinstance(source, yaml.MappingNode):
            return self._mapping(source, field, depth, line)
        if isinstance(source, yaml.SequenceNode):
            items = [
                self.node(item, f"{field}[{index}]", depth + 1)
                for index, item in enumerate(source.value)
            ]
            return Node(items, line)
        text = str(source.value)
        plain = getattr(source, "style", None) is None
        return Node(None if plain and text in _NULLS else text, line)

    def _mapping(self, source: yaml.MappingNode, field: str, depth: int, line: int) -> Node:
        members: dict[str, Node] = {}
        for key, value in source.value:
            key_line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._mistakes.add(
                    self._file, key_line, field, None, "has a key that is no text", "Name it."
                )
                continue
            name = str(key.value)
            inner = f"{field}.{name}" if field else name
            if name in members:
                self._mistakes.add(
                    self._file,
                    key_line,
                    inner,
                    None,
                    f"is given twice, first on line {members[name].line}",
                    "Keep one of them.",
                )
                continue
            node = self.node(value, inner, depth + 1)
            # an empty value has no place of its own: the key's line is where people look
            members[name] = Node(node.value, key_line)
        return Node(members, line)


class Section:
    """Typed access to one mapping; every mistake names file, line and field.

    Parameters
    ----------
    node
        What stands there; anything but a mapping is a mistake and reads as empty.
    field
        The path of this section, e.g. "timings.standard"; "" = the document.
    """

    def __init__(self, file: str, node: Node, field: str, mistakes: Mistakes) -> None:
        self.file = file
        self.line = node.line
        self.field = field
        self.mistakes = mistakes
        self._asked: list[str] = []
        self._members: dict[str, Node] = {}
        if isinstance(node.value, dict):
            self._members = node.value
        elif node.value is not None:
            self.wrong_node(node, "is not a mapping of fields", "Write `name: value` lines.")

    def path(self, name: str) -> str:
        """Give the full field path of a member."""
        return f"{self.field}.{name}" if self.field else name

    def line_of(self, name: str) -> int:
        """Give the line of a member, or of the section where it is absent."""
        node = self._members.get(name)
        return self.line if node is None else node.line

    def names(self) -> list[str]:
        """Give the names of all members; they count as known."""
        self._asked.extend(self._members)
        return list(self._members)

    def has(self, name: str) -> bool:
        """Tell whether a member is given and not null."""
        node = self._members.get(name)
        return node is not None and node.value is not None

    def wrong(self, name: str, value: str | None, problem: str, remedy: str) -> None:
        """Add a mistake about a member."""
        line = self.line_of(name)
        self.mistakes.add(self.file, line, self.path(name), value, problem, remedy)

    def wrong_node(self, node: Node, problem: str, remedy: str) -> None:
        """Add a mistake about the section itself."""
        value = node.value if isinstance(node.value, str) else None
        self.mistakes.add(self.file, node.line, self.field, value, problem, remedy)

    def node(self, name: str) -> Node | None:
        """Give a member as it stands; None where absent or null."""
        self._asked.append(name)
        node = self._members.get(name)
        return None if node is None or node.value is None else node

    def required(self, name: str, remedy: str) -> Node | None:
        """Give a member that must be there."""
        node = self.node(name)
        if node is None:
            self.wrong(name, None, "is missing", remedy)
        return node

    def text(self, name: str, default: str = "", *, remedy: str = "") -> str:
        """Give a member as text; `remedy` makes it required."""
        node = self.required(name, remedy) if remedy else self.node(name)
        if node is None:
            return default
        if not isinstance(node.value, str):
            self.wrong(name, None, "is not a single value", "Write one value.")
            return default
        return node.value.strip()

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Give a member as a whole number from `least` to `most`."""
        text = self.text(name)
        if not text:
            return default
        remedy = f"Write a whole number from {least} to {most}."
        if not _INTEGER.match(text):
            self.wrong(name, text, "is not a whole number", remedy)
            return default
        if not least <= int(text) <= most:
            self.wrong(name, text, f"is outside {least} to {most}", remedy)
            return default
        return int(text)

    def choice(self, name: str, default: str, words: tuple[str, ...]) -> str:
        """Give a member that is one of `words`."""
        text = self.text(name)
        if not text:
            return default
        if text not in words:
            listed = ", ".join(word if word.isidentifier() else f'"{word}"' for word in words)
            self.wrong(name, text, "is not known", f"Write one of: {listed}.")
            return default
        return text

    def boolean(self, name: str, *, default: bool) -> bool:
        """Give a member as true or false."""
        text = self.text(name).lower()
        if not text:
            return default
        if text not in _TRUE and text not in _FALSE:
            self.wrong(name, text, "is neither true nor false", "Write true or false.")
            return default
        return text in _TRUE

    def section(self, name: str) -> Section:
        """Give a member as a section; absent reads as empty."""
        node = self.node(name) or Node(None, self.line_of(name))
        return Section(self.file, node, self.path(name), self.mistakes)

    def sections(self, name: str) -> list[Section]:
        """Give the entries of a list of mappings."""
        return [
            Section(self.file, item, f"{self.path(name)}[{index}]", self.mistakes)
            for index, item in enumerate(self.items(name))
        ]

    def items(self, name: str) -> list[Node]:
        """Give the entries of a list; a single value reads as a list of one."""
        node = self.node(name)
        if node is None:
            return []
        if isinstance(node.value, list):
            return node.value
        return [node]

    def texts(self, name: str) -> tuple[str, ...]:
        """Give the entries of a list of texts, each as it stands."""
        found = []
        for item in self.items(name):
            if isinstance(item.value, str):
                found.append(item.value.strip())
            else:
                self.wrong(name, None, "is not a list of texts", "Write one text per entry.")
        return tuple(found)

    def words(self, name: str) -> list[tuple[str, int]]:
        """Give the entries of a list of texts with their lines.

        A single text may hold several, separated by commas.
        """
        found: list[tuple[str, int]] = []
        for item in self.items(name):
            if isinstance(item.value, str):
                parts = (part.strip() for part in item.value.split(","))
                found.extend((part, item.line) for part in parts if part)
            else:
                self.wrong(name, None, "is not a list of words", "Write words or numbers.")
        return found

    def finish(self) -> None:
        """Add a mistake for each member that nobody asked for."""
        known = sorted(set(self._asked))
        for name in self._members:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
                self.wrong(name, None, "is not a known field", hint)


def read_decimal(text: str) -> Decimal | None:
    """Read plain decimal text exactly; None where it is anything else."""
    return Decimal(text) if _DECIMAL.match(text) else None
