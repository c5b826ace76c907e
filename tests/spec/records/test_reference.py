"""The reference page says what the schemas say."""

from pathlib import Path

import pyarrow as pa
from bluewhale.records import schemas
from bluewhale.records.reference import main, page
from bluewhale.records.reference_words import COLUMNS, FLAGS, REASONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "records.md"


def test_the_committed_page_is_current():
    """`python -m bluewhale.records.reference docs/reference/records.md` mends it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_is_written_or_printed(tmp_path, capsys):
    """With a file name, and without."""
    main([str(tmp_path / "records.md")])
    main([])
    assert capsys.readouterr().out == (tmp_path / "records.md").read_text(encoding="utf-8")


def test_no_meaning_is_left_over():
    """A column that is gone keeps no text."""
    kinds = [v for v in vars(schemas).values() if isinstance(v, pa.Schema)]
    names = {name for schema in kinds for name in schema.names}
    assert {key.rpartition(".")[2] for key in COLUMNS} == names


def test_reasons_and_flags_are_on_the_page_with_remedies():
    """Every code once, each remedy a sentence."""
    text = page()
    for code, (meaning, remedy) in REASONS.items():
        assert text.count(f"| `{code}` | {meaning} | {remedy} |") == 1
        assert remedy.endswith(".")
    for name in FLAGS:
        assert f"`{name}`" in text
