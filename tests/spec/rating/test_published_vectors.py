"""The published vectors pass in both engines; what is not understood fails."""

import copy
import json
from pathlib import Path

import pytest
from bluewhale.rating.vector_tariffs import VectorError
from bluewhale.rating.vectors import run_document, run_file

FILE = Path(__file__).parent / "vectors" / "rating-vectors.json"


def _one(**changes):
    document = json.loads(FILE.read_text(encoding="utf-8"))
    vector = next(v for v in document["vectors"] if v["id"] == "cr-043")
    vector = copy.deepcopy(vector)
    vector["input"].update(changes.get("input", {}))
    vector["exact_expected"].update(changes.get("exact_expected", {}))
    return run_document({**document, "vectors": [vector]})


def test_every_published_vector_passes_in_both_engines():
    """131 vectors of nine families pass, 35 of five families are skipped by name."""
    report = run_file(FILE)
    assert report.lines()[-1] == "131 passed, 0 failed, 35 skipped"
    engines = [r.engine for r in report.results if r.status == "passed"]
    assert engines.count("exact") == engines.count("columnar") == 131


def test_a_wrong_expectation_fails_in_both_engines_and_shows_both_values():
    """A cent too much is two failures of one vector."""
    report = _one(exact_expected={"cost": "0.635"})
    assert report.summary == "0 passed, 1 failed, 0 skipped"
    assert [r.engine for r in report.results] == ["exact", "columnar"]
    assert 'expected {"cost": "0.635"' in report.lines()[0]
    assert 'got {"cost": "5/8"' in report.lines()[0]


def test_an_expected_key_that_nobody_answers_fails():
    """An unknown key is never passed by being ignored."""
    report = _one(exact_expected={"colour": "blue"})
    assert report.failed == 1


def test_an_input_key_that_nobody_reads_fails():
    """An input that means more than was understood is not a pass."""
    report = _one(input={"discount_percent": "10"})
    assert report.failed == 1
    assert "unknown key discount_percent" in report.lines()[0]


def test_an_unknown_rounding_mode_fails():
    """A mode that no rule names is refused by name."""
    report = run_document(
        {
            "schema": "rating-vectors/1",
            "vectors": [
                {
                    "id": "x",
                    "family": "rounding",
                    "input": {"value": "1.5", "places": 0, "mode": "sideways"},
                    "exact_expected": {"value": "2"},
                }
            ],
        }
    )
    assert report.failed == 1
    assert "sideways" in report.lines()[0]


def test_another_schema_is_refused():
    """A file of another schema is an error, not zero vectors."""
    with pytest.raises(VectorError, match="rating-vectors/1"):
        run_document({"schema": "other/1", "vectors": []})
