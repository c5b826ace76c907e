"""Passwords: argon2id hashes, and which password is too weak.

Owns the cost of a hash and how many are made at once. Does not own whose they are.
"""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from bluewhale.webapi.exceptions import RefusedError

LETTERS_MIN = 12
DIFFERENT_MIN = 5
MEMORY_KIB = 19 * 1024  # with two passes: what OWASP names as the least
AT_ONCE = 2  # each takes a core for tens of milliseconds


class Passwords:
    """Makes and verifies hashes; any thread."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._places = threading.Semaphore(AT_ONCE)
        # verified where there is nobody of that name: both answers take the same time
        self._nobody = self.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Give the hash of a password."""
        with self._places:
            return self._hasher.hash(password)

    def right(self, stored: str | None, password: str) -> bool:
        """Say whether a password belongs to a hash; None = there is nobody, never right."""
        with self._places:
            try:
                self._hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None


def check_strength(password: str, name: str) -> None:
    """Refuse a password that is quickly guessed; length counts, signs do not.

    Raises
    ------
    RefusedError
        `password_weak`.
    """
    if len(password) < LETTERS_MIN:
        raise RefusedError(
            "password_weak", f"at least {LETTERS_MIN} letters", params={"letters_min": LETTERS_MIN}
        )
    if len(set(password)) < DIFFERENT_MIN:
        raise RefusedError("password_weak", f"at least {DIFFERENT_MIN} different letters")
    if len(name) > 2 and name.lower() in password.lower():
        raise RefusedError("password_weak", "it must not contain the name")
