"""Page tokens: a keyset place, and the places of the pages before it.

    pages = Pages.read(after)        # None = the first page
    pages.place                      # what the query service goes on behind
    pages.next(place), pages.prev()  # tokens for both directions

A token names places in the list, not numbers of rows, so new calls shift nothing.
Owns the token. Does not own what is on a page.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Self

from bluewhale.webapi.exceptions import RefusedError

PAGES_MAX = 100  # back from any page; the oldest are forgotten
FIRST = ""


@dataclass(frozen=True, slots=True)
class Pages:
    """Where a page begins, and where those before it did; "" = the newest."""

    place: str = FIRST
    before: tuple[str, ...] = ()

    @classmethod
    def read(cls, token: str | None) -> Self:
        """Read a token.

        Raises
        ------
        RefusedError
            `page_token_invalid`.
        """
        if not token:
            return cls()
        try:
            places = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (binascii.Error, ValueError) as error:
            raise RefusedError("page_token_invalid") from error
        fine = isinstance(places, list) and 0 < len(places) <= PAGES_MAX + 1
        if not fine or not all(isinstance(p, str) and len(p) <= 64 for p in places):
            raise RefusedError("page_token_invalid")
        return cls(places[-1], tuple(places[:-1]))

    def next(self, place: str) -> str | None:
        """Give the token of the page behind `place`; "" = there is none."""
        return _token([*self.before, self.place, place]) if place else None

    def prev(self) -> str | None:
        """Give the token of the page before this one; None = this is the first."""
        return _token(list(self.before)) if self.before else None


def _token(places: list[str]) -> str:
    text = json.dumps(places[-PAGES_MAX:], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
