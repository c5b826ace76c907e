"""Phone numbers in logs: enough to recognise, not enough to call.

Owns the rule. A number keeps its first two and last two digits; anything of
five digits or fewer (extensions, emergency) stays as it is.
"""

from __future__ import annotations

import re

_KEEP_WHOLE = 5
_NUMBER = re.compile(r"\+?\d[\d \-/().]{4,}\d")


def mask_number(number: str) -> str:
    """Give the number with its middle digits replaced by `*`."""
    places = [i for i, sign in enumerate(number) if sign.isdigit()]
    if len(places) <= _KEEP_WHOLE:
        return number
    hidden = set(places[2:-2])
    return "".join("*" if i in hidden else sign for i, sign in enumerate(number))


def mask_text(text: str) -> str:
    """Give text with everything in it that looks like a phone number masked."""
    return _NUMBER.sub(lambda found: mask_number(found.group()), text)
