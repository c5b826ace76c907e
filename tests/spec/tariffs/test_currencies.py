"""Currencies with no, three and four decimals: places are the tariff's, amounts exact."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bluewhale.rating.preview import try_number

from tests.spec.tariffs.files import HEAD, load

AT = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("currency", "places", "price", "amount_nanos", "head"),
    [
        # 90 s at 13 a minute in seconds: 19.5 -> 20 yen
        ("JPY", 0, "13", 20_000_000_000, "20 JPY"),
        # 90 s at 0.0113 a minute: 0.01695 -> 0.017 dinar
        ("KWD", 3, "0.0113", 17_000_000, "0.017 KWD"),
        # 90 s at 0.0113 a minute: 0.01695 -> 0.02 euro
        ("EUR", 2, "0.0113", 20_000_000, "0.02 EUR"),
        # 90 s at 0.00000001 a minute: 0.000000015, nine places keep it
        ("EUR", 9, "0.00000001", 15, "0.000000015 EUR"),
    ],
)
def test_amount_is_rounded_to_the_places_of_the_tariff(
    tmp_path, currency, places, price, amount_nanos, head
):
    """One rounding, half up, to the places that the tariff names."""
    document = (
        HEAD.replace("EUR", currency)
        + f"rounding: {{places: {places}}}\ndecks:\n  - {{file: t.csv, defaults: {{increments: 1}}}}\n"
    )
    version = load(tmp_path, document, f"prefix,price\n49,{price}\n")
    (trial,) = try_number(version, "+49 30 1", at=AT, quantity_ms=90_000)
    assert trial.charge["amount_nanos"] == amount_nanos
    assert trial.charge["currency"] == currency
    assert trial.text.split(",")[0] == head
