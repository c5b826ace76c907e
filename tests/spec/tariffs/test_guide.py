"""The examples of docs/guides/tariffs.md and the shipped ones load as printed."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import bluewhale.rating.tariff_files
from bluewhale.rating.tariff import deck_row
from bluewhale.rating.tariff_files import check_tariff, load_tariff

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "tariffs.md"
EXAMPLES = Path(bluewhale.rating.tariff_files.__file__).parent / "examples"


def blocks() -> list[tuple[str, str]]:
    """Give the fenced blocks of the guide as (language, text)."""
    return re.findall(r"```(yaml|csv)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_complete_example_of_the_guide_loads(tmp_path):
    """The first document and deck are a tariff without mistakes or warnings."""
    (_, document), (_, deck) = blocks()[:2]
    (tmp_path / "carrier-2026.yaml").write_text(document, encoding="utf-8")
    (tmp_path / "carrier-2026.csv").write_text(deck, encoding="utf-8")
    check = check_tariff(tmp_path / "carrier-2026.yaml")
    assert check.mistakes == ()
    assert check.warnings == ()
    version = check.version
    assert version is not None
    assert version.deck["prefix"].to_pylist() == ["49", "4915", "4915", "49118", "44", ""]
    enquiries = version.schedules[deck_row(version.deck, 3).schedules[0]]
    assert enquiries.name == "directory-enquiries"
    assert [slot.price for slot in enquiries.slots] == [Fraction(199, 100), Fraction(99, 100)]


def test_carriers_own_deck_of_the_guide_loads(tmp_path):
    """Preamble, semicolons, decimal commas, split prefixes and German dates are read."""
    (_, document), (_, deck) = blocks()[2:]
    (tmp_path / "n.yaml").write_text(document, encoding="utf-8")
    (tmp_path / "northline.csv").write_bytes(deck.encode("windows-1252"))
    version = load_tariff(tmp_path / "n.yaml")
    rows = [deck_row(version.deck, index) for index in range(3)]
    assert [row.prefix for row in rows] == ["49", "4915", "43"]
    assert [row.destination for row in rows] == [
        "Deutschland",
        "Deutschland Mobilfunk",
        "Österreich",
    ]
    assert [row.source_line for row in rows] == [4, 5, 6]
    first = version.schedules[rows[0].schedules[0]]
    assert first.slots[0].price == Fraction(125, 10_000)
    assert [slot.increment_ms for slot in first.slots] == [60_000, 6_000]
    # 1 February 2026 00:00 in Berlin is 31 January 23:00 UTC
    assert rows[1].active_from.isoformat() == "2026-01-31T23:00:00+00:00"


def test_shipped_examples_load_without_warnings():
    """The two tariffs that the demo prices with have no mistake and no warning."""
    carrier = check_tariff(EXAMPLES / "carrier-2026.yaml")
    internal = check_tariff(EXAMPLES / "internal-2026.yaml")
    assert carrier.mistakes + carrier.warnings + internal.mistakes + internal.warnings == ()
    assert carrier.version is not None
    assert internal.version is not None
    assert (carrier.version.price_list, internal.version.price_list) == ("carrier", "internal")
    assert carrier.version.deck.num_rows == 361
    assert internal.version.deck.num_rows == 11
