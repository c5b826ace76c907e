"""Phone numbers as a role may see them: the one place where digits are taken away.

A role without `numbers.see` gets numbers of seven digits and more without the
last three; extensions, short codes and emergency numbers stay. What is masked is
not sent. Does not own which role that is (`access`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bluewhale.webapi.shapes import Party

HIDDEN = 3
DIGITS_MIN = 7
SIGN = "•"
_LONG = re.compile(r"\+?\d(?:[ \-/().]?\d){6,}")


def hidden(number: str) -> str:
    """Give a number without its last digits, if it is long enough to be somebody's."""
    places = [i for i, sign in enumerate(number) if sign.isdigit()]
    if len(places) < DIGITS_MIN:
        return number
    taken = set(places[-HIDDEN:])
    return "".join(SIGN if i in taken else sign for i, sign in enumerate(number))


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

    def text(self, text: str) -> str:
        """Give text with every long number in it masked."""
        return _LONG.sub(lambda m: hidden(m.group()), text) if self.masks else text
