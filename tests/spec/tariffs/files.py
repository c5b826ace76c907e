"""Tariff files for the tests of this chapter: written, read, and their mistakes as text."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from bluewhale.rating.tariff import TariffVersion
from bluewhale.rating.tariff_files import check_tariff, load_tariff

HEAD = """\
tariff: t
price_list: carrier
currency: EUR
zone: Europe/Berlin
effective_from: 2026-01-01
"""

DECKS = """\
decks:
  - file: t.csv
    defaults: {increments: 60/6}
"""

ROWS = """\
prefix,price
49,0.10
"""


def write(folder: Path, document: str, deck: str | bytes = ROWS) -> Path:
    """Write t.yaml and t.csv."""
    path = folder / "t.yaml"
    path.write_text(dedent(document), encoding="utf-8")
    data = deck if isinstance(deck, bytes) else dedent(deck).encode()
    (folder / "t.csv").write_bytes(data)
    return path


def load(folder: Path, document: str = HEAD + DECKS, deck: str | bytes = ROWS) -> TariffVersion:
    """Write and load a tariff that must be good."""
    return load_tariff(write(folder, document, deck))


def mistakes(folder: Path, document: str = HEAD + DECKS, deck: str | bytes = ROWS) -> list[str]:
    """Write a tariff and give the text of everything that is wrong with it."""
    found = check_tariff(write(folder, document, deck))
    assert found.version is None or not found.mistakes
    return [mistake.text() for mistake in found.mistakes]
