"""Phone numbers as a role may see them: the one place where digits are taken away.

A role without `numbers.see` gets numbers of seven digits and more without the
last three; extensions, short codes and emergency numbers stay. What is masked is
not sent. Does not own which role that is (`access`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.webapi.shapes import Party

HIDDEN = 3
DIGITS_MIN = 7
SIGN = "•"
_LAST = "[0-9]([^0-9]*)" * HIDDEN + "$"
_TAKEN = "".join(f"{SIGN}\\{n + 1}" for n in range(HIDDEN))
_LONG = re.compile(r"\+?\d(?:[ \-/().]?\d){6,}")


def hidden(number: str) -> str:
    """Give a number without its last digits, if it is long enough to be somebody's."""
    places = [i for i, sign in enumerate(number) if sign.isdigit()]
    if len(places) < DIGITS_MIN:
        return number
    taken = set(places[-HIDDEN:])
    return "".join(SIGN if i in taken else sign for i, sign in enumerate(number))


def hidden_column(numbers: pa.Array) -> pa.Array:
    """Give a column of numbers without their last digits; twin of `hidden`."""
    strange = pc.match_substring_regex(numbers, r"[^\x00-\x7f]").fill_null(False)
    long = pc.match_substring_regex(numbers, rf"(?:[0-9][^0-9]*){{{DIGITS_MIN}}}")
    said = pc.if_else(long, pc.replace_substring_regex(numbers, _LAST, _TAKEN), numbers)
    if not pc.any(strange).as_py():
        return said
    # digits of other scripts, which Arrow's expressions do not know
    others = pa.array([hidden(n) for n in numbers.filter(strange).to_pylist()], pa.string())
    return pc.replace_with_mask(said, strange, others)


@dataclass(frozen=True, slots=True)
class Masker:
    """How numbers are shown to one person."""

    masks: bool

    def party(self, number: str | None, e164: str | None = None) -> Party | None:
        """Give a number as it is shown; `e164` = digits without plus."""
        if not number and not e164:
            return None
        whole = f"+{e164}" if e164 else None
        shown = number or whole or ""
        if not self.masks or (hidden(shown) == shown and (whole is None or hidden(whole) == whole)):
            return Party(shown=shown, e164=whole, masked=False)
        return Party(shown=hidden(shown), e164=None, masked=True)

    def columns(self, number: pa.Array, e164: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Give columns of numbers as they are shown: shown, e164, masked; twin of `party`.

        number, e164: text, null = not known; `e164` with its plus. All three are
        null where neither is known.
        """
        shown = pc.coalesce(number, e164)
        masked = pc.if_else(shown.is_valid(), False, None)
        if self.masks:
            said = hidden_column(shown)
            whole = hidden_column(e164)
            masked = pc.or_(
                pc.not_equal(said, shown),
                pc.not_equal(whole, e164).fill_null(False),
            )
            e164 = pc.if_else(masked, None, e164)
            shown = said
        return shown, e164, masked

    def text(self, text: str) -> str:
        """Give text with every long number in it masked."""
        return _LONG.sub(lambda m: hidden(m.group()), text) if self.masks else text
