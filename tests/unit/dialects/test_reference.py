"""The reference page of dialects is current."""

from pathlib import Path

from bluewhale.dialects.reference import dialects_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "dialects.md"


def test_the_reference_page_is_made_from_the_declarations():
    """After a change of options: python -m bluewhale.dialects.reference > docs/reference/dialects.md."""
    assert PAGE.read_text() == dialects_page()
