"""Amounts are exact from text to nanos and back."""

import pyarrow as pa
import pytest
from bluewhale.records.exceptions import MoneyError
from bluewhale.records.money import (
    format_money,
    is_currency,
    minor_digits,
    nanos_column_text,
    nanos_from_text,
    text_from_nanos,
)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("1", 1_000_000_000),
        ("0.0125", 12_500_000),
        ("-0.0125", -12_500_000),
        ("+12.50", 12_500_000_000),
        (" 3.000000001 ", 3_000_000_001),
        ("0.0000000010000", 1),
        ("9223372036.854775807", 9_223_372_036_854_775_807),
    ],
)
def test_text_is_whole_nanos(text, nanos):
    """One unit is 10^9 nanos."""
    assert nanos_from_text(text) == nanos


@pytest.mark.parametrize(
    "text",
    ["", "-", "1,5", "1.", ".5", "1e3", "1.0000000001", "9223372036.854775808", "\u0663", "x"],
)
def test_text_that_is_no_amount_is_refused(text):
    """Never rounded, never guessed."""
    with pytest.raises(MoneyError):
        nanos_from_text(text)


@pytest.mark.parametrize(
    ("nanos", "currency", "text"),
    [
        (1_234_500_000, "EUR", "1.2345 EUR"),
        (1_200_000_000, "EUR", "1.20 EUR"),
        (0, "EUR", "0.00 EUR"),
        (-50_000_000, "EUR", "-0.05 EUR"),
        (1_200_000_000_000, "JPY", "1200 JPY"),
        (1_500_000_000, "JPY", "1.5 JPY"),
        (1_500_000_000, "KWD", "1.500 KWD"),
        (1_500_000_000, "CLF", "1.5000 CLF"),
    ],
)
def test_amounts_are_shown_exactly_with_the_places_of_the_currency(nanos, currency, text):
    """0 places for JPY, 2 for EUR, 3 for KWD, 4 for CLF; more only if the amount has more."""
    assert format_money(nanos, currency) == text


def test_exact_text_has_no_trailing_zeros():
    """Unless asked for."""
    assert text_from_nanos(1_250_000_000) == "1.25"
    assert text_from_nanos(2_000_000_000) == "2"
    assert text_from_nanos(2_000_000_000, places_min=2) == "2.00"
    assert minor_digits("EUR") == 2
    assert is_currency("EUR")
    assert not is_currency("eur")


def test_a_column_of_nanos_has_nine_places():
    """The extremes of int64 and null too."""
    column = pa.chunked_array([[1_250_000_000, None, -1], [9_223_372_036_854_775_807]], pa.int64())
    assert nanos_column_text(column).to_pylist() == [
        "1.250000000",
        None,
        "-0.000000001",
        "9223372036.854775807",
    ]
