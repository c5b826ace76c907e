"""Keys of programs: a token that is shown once, with rights of its own and an end.

Owns how long a key may live and what no key may do. Does not own the table
(`bluewhale.database.api_keys`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bluewhale.database import NotFoundError
from bluewhale.database.api_keys import ApiKey
from bluewhale.database.users import Session, User
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.sign_in import SignedIn, hashed, now_ms

if TYPE_CHECKING:
    from bluewhale.database.api_keys import ApiKeys

BEGIN = "bwk_"  # so that a key in a log or a repository is known for what it is
DAY_MS = 86_400_000
USED_EVERY_MS = 60_000
_TOKEN_BYTES = 32


class Keys:
    """All keys; any thread, any number of processes."""

    def __init__(self, keys: ApiKeys, clock_ms: Callable[[], int] = now_ms) -> None:
        self._keys = keys
        self._clock_ms = clock_ms

    def listed(self) -> list[ApiKey]:
        """Give all keys, the newest first."""
        return self._keys.listed()

    def make(
        self,
        name: str,
        role: str,
        sites: Sequence[str] | None,
        departments: Sequence[str] | None,
        *,
        days: int,
        who: User,
    ) -> tuple[ApiKey, str]:
        """Make a key; gives it and its token, which nobody can read again."""
        at, token = self._clock_ms(), BEGIN + secrets.token_urlsafe(_TOKEN_BYTES)
        key = ApiKey(
            key_id=f"k_{secrets.token_hex(8)}",
            name=name,
            role=role,
            sites=None if sites is None else tuple(sites),
            departments=None if departments is None else tuple(departments),
            created_by=who.name,
            created_at_ms=at,
            expires_at_ms=at + days * DAY_MS,
        )
        self._keys.add(key, hashed(token))
        return key, token

    def end(self, key_id: str, *, who: User) -> None:
        """End a key for good.

        Raises
        ------
        RefusedError
            `not_found`.
        """
        try:
            self._keys.end(key_id, now_ms=self._clock_ms(), who=who.name)
        except NotFoundError as error:
            raise RefusedError("not_found", str(error)) from error

    def of_token(self, token: str) -> SignedIn | None:
        """Give who a token stands for; None = nobody, or not any more."""
        at = self._clock_ms()
        key = self._keys.of_token(hashed(token), at)
        if key is None:
            return None
        if at - key.used_at_ms >= USED_EVERY_MS:
            self._keys.used(key.key_id, at)
        user = User(
            user_id=key.key_id,
            name=f"key {key.name}",
            display_name=key.name,
            role=key.role,
            sites=key.sites,
            departments=key.departments,
        )
        session = Session(
            session_id="",
            user_id=key.key_id,
            token_hash=b"",
            csrf="",
            created_at_ms=key.created_at_ms,
            rotated_at_ms=at,
            seen_at_ms=at,
            expires_at_ms=key.expires_at_ms,
        )
        return SignedIn(user, session)
