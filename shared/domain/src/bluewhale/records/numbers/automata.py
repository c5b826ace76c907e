r"""Digit patterns of numbering plans compiled to tables that a kernel can walk.

Owns the small regular-expression subset that numbering metadata is written in
(digits, `\d`, classes, groups, `|`, `?`, `*`, `+`, `{m,n}`) and its compilation
to one deterministic automaton for many tagged patterns. Python's `re` is the
twin in the tests. Does not know countries.

>>> automaton = compile_patterns([(1, "11[02]"), (2, r"1\d{2}")], width=10)
>>> automaton.match("110")
3
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

DEAD = 0
START = 1
STATES_MAX = 60_000
_STAR = 10
_HASH = 11
SYMBOLS = "0123456789*#"


@dataclass(frozen=True, slots=True, eq=False)
class Automaton:
    """A deterministic automaton over digits; state 0 is dead, state 1 the start.

    `step[state, symbol]` is the next state; `accept[state]` the union of the
    tags of the patterns that match exactly the symbols read; `reach[state]` the
    union of the tags that some continuation could still match.
    """

    step: npt.NDArray[np.int32]
    accept: npt.NDArray[np.int32]
    reach: npt.NDArray[np.int32]

    def walk(self, digits: str) -> list[int]:
        """Give the state after each symbol, up to the first dead one."""
        states = []
        state = START
        for symbol in digits:
            state = int(self.step[state, SYMBOLS.index(symbol)])
            if state == DEAD:
                break
            states.append(state)
        return states

    def match(self, digits: str) -> int:
        """Give the tags of the patterns that match the whole text; 0 = none."""
        states = self.walk(digits)
        if len(states) < len(digits):
            return 0
        return int(self.accept[states[-1] if states else START])

    def prefix_lengths(self, digits: str) -> list[int]:
        """Give the lengths (>= 1, ascending) of the prefixes that some pattern matches."""
        return [i + 1 for i, state in enumerate(self.walk(digits)) if self.accept[state]]


# A parsed pattern: ("symbols", mask), ("sequence", parts), ("choice", parts), ("repeat", part, m, n)
_Node = tuple[Any, ...]


class PatternError(ValueError):
    """A pattern uses something outside the subset."""


class _Parser:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def parse(self) -> _Node:
        node = self._choice()
        if self.at != len(self.text):
            raise PatternError(f"unexpected {self.text[self.at]!r} at {self.at} of {self.text!r}")
        return node

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _choice(self) -> _Node:
        parts = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else ("choice", parts)

    def _sequence(self) -> _Node:
        parts = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeat(self._atom()))
        return ("sequence", parts)

    def _repeat(self, node: _Node) -> _Node:
        sign = self._peek()
        if sign == "?":
            self.at += 1
            return ("repeat", node, 0, 1)
        if sign == "*":
            self.at += 1
            return ("repeat", node, 0, None)
        if sign == "+":
            self.at += 1
            return ("repeat", node, 1, None)
        if sign == "{":
            end = self.text.index("}", self.at)
            low, comma, high = self.text[self.at + 1 : end].partition(",")
            self.at = end + 1
            least = int(low)
            most = least if not comma else int(high) if high else None
            return ("repeat", node, least, most)
        return node

    def _atom(self) -> _Node:
        sign = self._peek()
        self.at += 1
        if sign == "(":
            if self.text.startswith("?:", self.at):
                self.at += 2
            elif self._peek() == "?":
                raise PatternError(f"look-around in {self.text!r}")
            node = self._choice()
            if self._peek() != ")":
                raise PatternError(f"unclosed group in {self.text!r}")
            self.at += 1
            return node
        if sign == "[":
            return ("symbols", self._class())
        if sign == "\\" and self._peek() == "d":
            self.at += 1
            return ("symbols", 0x3FF)
        if sign in SYMBOLS:
            return ("symbols", 1 << SYMBOLS.index(sign))
        raise PatternError(f"unexpected {sign!r} in {self.text!r}")

    def _class(self) -> int:
        mask = 0
        while self._peek() != "]":
            low = self._peek()
            self.at += 1
            if low == "\\" and self._peek() == "d":
                self.at += 1
                mask |= 0x3FF
                continue
            high = low
            if self._peek() == "-":
                high = self.text[self.at + 1]
                self.at += 2
            if not (low.isdigit() and high.isdigit()):
                raise PatternError(f"class of {low!r} in {self.text!r}")
            for digit in range(int(low), int(high) + 1):
                mask |= 1 << digit
        self.at += 1
        return mask


class _Graph:
    """A non-deterministic automaton: edges by symbol mask, and empty edges."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[int, int]]] = []
        self.empty: list[list[int]] = []
        self.ends: dict[int, int] = {}  # node -> tags

    def node(self) -> int:
        self.edges.append([])
        self.empty.append([])
        return len(self.edges) - 1

    def build(self, node: _Node, start: int) -> int:
        """Add a parsed pattern behind `start`; give the node where it ends."""
        kind = node[0]
        if kind == "symbols":
            end = self.node()
            self.edges[start].append((node[1], end))
            return end
        if kind == "sequence":
            for part in node[1]:
                start = self.build(part, start)
            return start
        if kind == "choice":
            end = self.node()
            for part in node[1]:
                self.empty[self.build(part, start)].append(end)
            return end
        _, part, least, most = node
        for _ in range(least):
            start = self.build(part, start)
        if most is None:
            # A fresh node between keeps the loop from joining what stands before.
            loop = self.node()
            self.empty[start].append(loop)
            self.empty[self.build(part, loop)].append(loop)
            end = self.node()
            self.empty[loop].append(end)
            return end
        end = self.node()
        self.empty[start].append(end)
        for _ in range(most - least):
            start = self.build(part, start)
            self.empty[start].append(end)
        return end

    def closure(self, nodes: Iterable[int]) -> frozenset[int]:
        seen = set(nodes)
        stack = list(seen)
        while stack:
            for other in self.empty[stack.pop()]:
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return frozenset(n for n in seen if self.edges[n] or n in self.ends)


def compile_patterns(patterns: Sequence[tuple[int, str]], *, width: int = 10) -> Automaton:
    """Compile tagged patterns into one automaton.

    Parameters
    ----------
    patterns
        (tag, pattern) pairs; tags are bits of an int32. Patterns match whole
        texts, as with `re.fullmatch`.
    width
        Count of symbols: 10 digits, or 12 with `*` and `#`.

    Raises
    ------
    PatternError
        A pattern uses something outside the subset, or the automaton would
        have more than `STATES_MAX` states.
    """
    graph = _Graph()
    root = graph.node()
    for tag, pattern in patterns:
        start = graph.node()
        graph.empty[root].append(start)
        end = graph.build(_Parser(pattern).parse(), start)
        graph.ends[end] = graph.ends.get(end, 0) | tag
    first = graph.closure([root])
    if not first:
        nothing = np.zeros(2, np.int32)
        return Automaton(np.zeros((2, width), np.int32), nothing, nothing.copy())
    numbers = {frozenset[int](): DEAD, first: START}
    order = [first]
    rows: list[list[int]] = []
    for nodes in order:
        targets: list[set[int]] = [set() for _ in range(width)]
        for n in nodes:
            for mask, target in graph.edges[n]:
                for symbol in range(width):
                    if mask >> symbol & 1:
                        targets[symbol].add(target)
        row = []
        known: dict[frozenset[int], int] = {}
        for reached in targets:
            raw = frozenset(reached)
            if raw not in known:
                closed = graph.closure(raw)
                if closed not in numbers:
                    numbers[closed] = len(numbers)
                    order.append(closed)
                    if len(numbers) > STATES_MAX:
                        raise PatternError("the patterns need too many states")
                known[raw] = numbers[closed]
            row.append(known[raw])
        rows.append(row)
    step = np.zeros((len(numbers), width), np.int32)
    accept = np.zeros(len(numbers), np.int32)
    step[1:] = rows
    for nodes, number in numbers.items():
        for n in nodes:
            accept[number] |= graph.ends.get(n, 0)
    step, accept = _minimise(step, accept)
    return Automaton(step=step, accept=accept, reach=_reach(step, accept))


def _minimise(
    step: npt.NDArray[np.int32], accept: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Merge states that nothing can tell apart (Moore's refinement)."""
    _, block = np.unique(accept, return_inverse=True)
    count = int(block.max()) + 1
    while True:
        signature = np.column_stack([block, block[step]])
        _, refined = np.unique(signature, axis=0, return_inverse=True)
        refined = refined.reshape(-1)
        refined_count = int(refined.max()) + 1
        if refined_count == count:
            break
        block, count = refined, refined_count
    # Dead stays 0 and the start 1, whatever the refinement numbered them.
    dead, start = int(block[DEAD]), int(block[START])
    if dead == start:
        return np.zeros((2, step.shape[1]), np.int32), np.zeros(2, np.int32)
    number = np.full(count, -1, np.int64)
    number[dead], number[start] = DEAD, START
    rest = np.flatnonzero(number < 0)
    number[rest] = np.arange(2, 2 + len(rest))
    small = np.zeros((count, step.shape[1]), np.int32)
    tags = np.zeros(count, np.int32)
    names = number[block]
    small[names] = names[step]
    tags[names] = accept
    return small, tags


def _reach(step: npt.NDArray[np.int32], accept: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Give, per state, the tags that it or a state behind it accepts."""
    reach = accept.copy()
    while True:
        wider = reach | np.bitwise_or.reduce(reach[step], axis=1)
        if np.array_equal(wider, reach):
            return reach
        reach = wider
