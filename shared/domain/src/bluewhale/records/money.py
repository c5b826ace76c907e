"""Money as whole nanos, and its text.

Owns the conversion between nanos (10^-9 of a currency unit, int64) and decimal
text, and the digits of currencies. Does not round prices: that happens once, in
rating, with a named mode. Nothing here ever is a float.

>>> format_money(1_234_500_000, "EUR")
'1.2345 EUR'

Source: ISO 4217 list one (minor units).
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.records.exceptions import MoneyError

NANOS_PER_UNIT = 1_000_000_000
NANOS_DIGITS = 9
NANOS_MAX = 2**63 - 1
_DECIMAL = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

_MINOR_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_MINOR_DIGITS_USUAL = 2


def minor_digits(currency: str) -> int:
    """Give how many decimal places a currency has: 0 (JPY), 2 (EUR), 3 (KWD), 4 (CLF)."""
    return _MINOR_DIGITS.get(currency, _MINOR_DIGITS_USUAL)


def is_currency(code: str) -> bool:
    """Say whether a text has the form of an ISO 4217 code."""
    return _CURRENCY.fullmatch(code) is not None


def nanos_from_text(text: str) -> int:
    """Give the nanos of decimal text such as "-0.0125".

    Raises
    ------
    MoneyError
        Not a decimal number, more than 9 places that are not zero, or more than
        int64 holds (about 9.2 thousand million units).
    """
    found = _DECIMAL.fullmatch(text.strip())
    if found is None:
        raise MoneyError(f"{text!r} is no amount: write digits with a point, such as 12.50")
    sign, whole, places = found[1], found[2], found[3] or ""
    if places[NANOS_DIGITS:].strip("0"):
        raise MoneyError(f"{text!r} has more than {NANOS_DIGITS} decimal places")
    nanos = int(whole) * NANOS_PER_UNIT + int(places[:NANOS_DIGITS].ljust(NANOS_DIGITS, "0"))
    if nanos > NANOS_MAX:
        raise MoneyError(f"{text!r} is larger than this system can hold")
    return -nanos if sign == "-" else nanos


def text_from_nanos(nanos: int, *, places_min: int = 0) -> str:
    """Give the exact decimal text of nanos, with at least so many places."""
    sign = "-" if nanos < 0 else ""
    whole, rest = divmod(abs(nanos), NANOS_PER_UNIT)
    places = f"{rest:09d}".rstrip("0").ljust(places_min, "0")
    return f"{sign}{whole}.{places}" if places else f"{sign}{whole}"


def format_money(nanos: int, currency: str) -> str:
    """Give an amount for people: exact, at least the currency's places, code behind it."""
    return f"{text_from_nanos(nanos, places_min=minor_digits(currency))} {currency}"


def nanos_column_text(nanos: Any) -> pa.StringArray:
    """Give decimal texts with 9 places of an int64 column; null stays null."""
    array = nanos.combine_chunks() if isinstance(nanos, pa.ChunkedArray) else nanos
    size = pc.abs(array)
    units = pc.divide(size, NANOS_PER_UNIT)
    rest = pc.subtract(size, pc.multiply(units, NANOS_PER_UNIT)).cast(pa.string())
    places = pc.utf8_lpad(rest, NANOS_DIGITS, "0")
    sign = pc.if_else(pc.less(array, 0), "-", "")
    return pc.binary_join_element_wise(sign, units.cast(pa.string()), ".", places, "")
