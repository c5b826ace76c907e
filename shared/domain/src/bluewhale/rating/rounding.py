"""Rounding an exact amount once: four modes, any number of decimal places.

Owns the meaning of the modes for rationals; `kernels.round_scaled` is the same
rule on integers. Modes are mirrored at zero, so that a correction of -x rounds
to the opposite of x: `up` is away from zero, `down` towards it, `half_up` sends
a half away from zero, `half_even` to the even neighbour.

>>> round_exact(Fraction(-5, 1000), "half_up", 2)
Fraction(-1, 100)
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, get_args

from bluewhale.rating.tariff import RoundingMode

MODES: Final[tuple[str, ...]] = get_args(RoundingMode)
NANOS: Final = 1_000_000_000
INT64_MAX: Final = 2**63 - 1


def round_exact(value: Fraction, mode: str, places: int) -> Fraction:
    """Round `value` to `places` decimals (negative places: tens, hundreds ...).

    12.49 up at 1 place: 124.9 -> 125 -> 12.5; 0.07 down at 2 places: exactly
    7 hundredths, which stays 0.07 in every mode.

    Raises
    ------
    ValueError
        The mode is none of `MODES`.
    """
    if mode not in MODES:
        raise ValueError(f"rounding mode {mode!r}; expected one of {', '.join(MODES)}")
    unit = Fraction(10) ** -places
    whole, rest = divmod(abs(value) / unit, 1)
    count = int(whole)
    if mode == "up":
        grows = rest > 0
    elif mode == "half_up":
        grows = rest >= Fraction(1, 2)
    elif mode == "half_even":
        grows = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and count % 2 == 1)
    else:
        grows = False
    rounded = (count + grows) * unit
    return -rounded if value < 0 else rounded


def canonical(value: Fraction) -> tuple[int, int] | None:
    """Give `value` as the pair that receipts keep, or None where it leaves int64.

    The value in nanos is reduced to a/q; the pair is (a, q x 10^9). So every
    amount that is whole in nanos has the denominator 10^9, and equal amounts
    have equal pairs. 0.25 -> (250000000, 1000000000).
    """
    nanos = value * NANOS
    numerator, denominator = nanos.numerator, nanos.denominator * NANOS
    if abs(numerator) > INT64_MAX or denominator > INT64_MAX:
        return None
    return numerator, denominator
