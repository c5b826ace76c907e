"""Runs a file of rating vectors through both engines and compares every key.

Owns the schema `rating-vectors/1`, the comparison and the report. A vector
passes when both engines give every key of its `exact_expected`; a key that is
not understood is a failure. Families that need what this product does not
rate yet (balances, bundles ...) are skipped by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from bluewhale.rating.vector_cases import Answers, Beginning, VectorFile, answer
from bluewhale.rating.vector_engines import ColumnarEngine, Engine, ExactEngine
from bluewhale.rating.vector_tariffs import VectorError

SCHEMA: Final = "rating-vectors/1"
SKIPPED_FAMILIES: Final = {
    "balance": "balances are not rated",
    "bundle": "bundles are not rated",
    "max_duration": "calls are not authorised",
    "proration": "subscriptions are not billed",
    "rerating": "corrections are the ledger's, not the rater's",
}
_MISSING: Final = "(no such answer)"


@dataclass(frozen=True, slots=True)
class VectorResult:
    """How one vector went in one engine; `engine` is "-" where skipped."""

    id: str
    family: str
    engine: str
    status: str  # passed, failed, skipped
    expected: Mapping[str, Any]
    got: Mapping[str, Any]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Results of a run, one per vector and engine."""

    results: tuple[VectorResult, ...]

    def _count(self, status: str) -> int:
        failed = {r.id for r in self.results if r.status == "failed"}
        if status == "failed":
            return len(failed)
        return len({r.id for r in self.results if r.status == status} - failed)

    @property
    def passed(self) -> int:
        """Count of vectors that passed in both engines."""
        return self._count("passed")

    @property
    def failed(self) -> int:
        """Count of vectors that failed in an engine."""
        return self._count("failed")

    @property
    def skipped(self) -> int:
        """Count of vectors skipped by family."""
        return self._count("skipped")

    @property
    def summary(self) -> str:
        """The last line: `N passed, N failed, N skipped`."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def lines(self) -> list[str]:
        """Give one line per failure, one per skipped family, and the summary."""
        lines = [
            f"FAILED {r.id} ({r.family}, {r.engine}): expected {_text(r.expected)},"
            f" got {_text(r.got)}" + (f" [{r.detail}]" if r.detail else "")
            for r in self.results
            if r.status == "failed"
        ]
        for family, why in SKIPPED_FAMILIES.items():
            count = sum(r.family == family for r in self.results)
            if count:
                lines.append(f"skipped {count} of {family}: {why}")
        return [*lines, self.summary]


def run_file(path: str | Path) -> Report:
    """Run all vectors of one file.

    Raises
    ------
    VectorError
        The file is not of this schema.
    """
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    return run_document(document)


def run_files(paths: Iterable[str | Path]) -> Report:
    """Run several files; the report has all their results."""
    return Report(tuple(result for path in paths for result in run_file(path).results))


def run_document(document: Mapping[str, Any]) -> Report:
    """Run the vectors of a file that was read."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise VectorError(f"not a file of the schema {SCHEMA}")
    tiers: dict[str, Mapping[str, Any]] = {}
    for vector in document["vectors"]:
        if "tiers" in vector["input"]:
            tiers.setdefault(_path(vector), vector["input"])
    file = VectorFile(document.get("tariffs", {}), tiers)
    engines = (ExactEngine(), ColumnarEngine())
    results: list[VectorResult] = []
    for vector in document["vectors"]:
        if vector["family"] in SKIPPED_FAMILIES:
            why = SKIPPED_FAMILIES[vector["family"]]
            results.append(
                VectorResult(vector["id"], vector["family"], "-", "skipped", {}, {}, why)
            )
            continue
        results.extend(_run(file, vector, engine) for engine in engines)
    return Report(tuple(results))


def _path(vector: Mapping[str, Any]) -> str:
    return str(vector.get("source", {}).get("path", ""))


def _run(file: VectorFile, vector: Mapping[str, Any], engine: Engine) -> VectorResult:
    expected = vector["exact_expected"]
    got: Answers = {}
    detail = ""
    try:
        answers = answer(file, vector["input"], _path(vector), engine)
    except (ValueError, KeyError, ArithmeticError, TypeError) as error:
        detail = f"{type(error).__name__}: {error}"
        same = False
    else:
        got = {key: answers.get(key, _MISSING) for key in expected}
        same = bool(expected) and all(_same(expected[key], got[key]) for key in expected)
        if not same and "reason" in answers:
            detail = str(answers["reason"])
    return VectorResult(
        vector["id"],
        vector["family"],
        engine.name,
        "passed" if same else "failed",
        expected,
        got,
        detail,
    )


def _same(expected: Any, got: Any) -> bool:
    """Compare one value: numbers by value, texts by letter, all keys of a map."""
    if isinstance(expected, Mapping):
        return isinstance(got, Mapping) and all(
            key in got and _same(value, got[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        if not isinstance(got, list):
            return False
        if isinstance(got, Beginning):
            got = got[: len(expected)]
        return len(expected) == len(got) and all(map(_same, expected, got))
    if isinstance(expected, bool) or isinstance(got, bool) or expected is None or got is None:
        return expected is got
    if isinstance(got, (int, Fraction)):
        number = _number(expected)
        return number is not None and number == got
    return str(expected) == got


def _number(value: Any) -> Fraction | None:
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None


def _text(value: Any) -> str:
    """Show a value with numbers as decimals or n/d."""
    return json.dumps(value, default=str, ensure_ascii=False)
