"""Signing in: the link of the first start, passwords, lock-out, sessions that rotate.

Owns how long things last and when a name is locked. Does not own the tables
(`bluewhale.database.users`), cookies (`cookies`) or rights (`access`).
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bluewhale.database import NotFoundError, StateError
from bluewhale.database.users import ACTIVE, LinkRefusedError, Session, User
from bluewhale.webapi.access import OWNER
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.passwords import check_strength

if TYPE_CHECKING:
    from bluewhale.configuration.web import WebSettings
    from bluewhale.database.users import Users
    from bluewhale.webapi.passwords import Passwords

LINK_MS = 24 * 3_600_000
ROTATE_MS = 15 * 60_000
OLD_TOKEN_MS = 60_000  # requests that were on their way when a session was rotated
SEEN_EVERY_MS = 60_000
FAILURES_FREE = 4  # the fifth wrong password locks
LOCK_FIRST_MS, LOCK_MAX_MS = 60_000, 3_600_000
ATTEMPTS_PER_MINUTE = 30  # of one address
ADDRESSES_MAX = 10_000
_TOKEN_BYTES = 32


def now_ms() -> int:
    """Give the wall clock in milliseconds since 1970."""
    return int(time.time() * 1000)


def hashed(token: str) -> bytes:
    """Give what is stored of a token: it has 256 bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def locked_until(failures: int, at_ms: int) -> int:
    """Give until when so many wrong passwords in a row lock a name; 0 = not at all."""
    if failures <= FAILURES_FREE:
        return 0
    return at_ms + min(LOCK_FIRST_MS << min(failures - FAILURES_FREE - 1, 10), LOCK_MAX_MS)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with its person; `token` = what the cookie must hold now, None = as it is."""

    user: User
    session: Session
    token: str | None = None


class Attempts:
    """How often one address tried lately, in this process; the oldest are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> None:
        """Count an attempt.

        Raises
        ------
        RefusedError
            `locked_out`: more than the rate.
        """
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(address, (float(ATTEMPTS_PER_MINUTE), now))
            left = min(left + (now - at) * ATTEMPTS_PER_MINUTE / 60, float(ATTEMPTS_PER_MINUTE))
            self._left[address] = (max(left - 1, 0.0), now)
            while len(self._left) > ADDRESSES_MAX:
                self._left.popitem(last=False)
        if left < 1:
            raise _locked("too many attempts from your address", 60 // ATTEMPTS_PER_MINUTE + 1)

    def give_back(self, address: str) -> None:
        """Forget an attempt that was right: a whole office may come from one address."""
        with self._lock:
            left, at = self._left.get(address, (0.0, 0.0))
            self._left[address] = (left + 1, at)


class Nobody:
    """Wrong passwords for names that nobody has: they lock as others do, so that none stands out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def until(self, name: str) -> int:
        """Give until when a name is locked."""
        with self._lock:
            return self._failures.get(name, (0, 0))[1]

    def failed(self, name: str, at_ms: int) -> int:
        """Count a wrong password; gives the end of the lock, 0 = none."""
        with self._lock:
            count = self._failures.pop(name, (0, 0))[0] + 1
            until = locked_until(count, at_ms)
            self._failures[name] = (count, until)
            while len(self._failures) > ADDRESSES_MAX:
                self._failures.popitem(last=False)
        return until


class SignIn:
    """Everything about sessions; any thread, any number of processes."""

    def __init__(
        self,
        users: Users,
        passwords: Passwords,
        settings: WebSettings,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.users = users
        self.passwords = passwords
        self._idle_ms = settings.session_idle_minutes * 60_000
        self._longest_ms = settings.session_hours * 3_600_000
        self._clock_ms = clock_ms
        self._attempts = Attempts()
        self._nobody = Nobody()

    # ---- the first start -------------------------------------------------------------------

    def first_link(self) -> str | None:
        """Make a one-time token for the first owner; None = there is somebody already."""
        if self.users.exist():
            return None
        token, at = secrets.token_urlsafe(_TOKEN_BYTES), self._clock_ms()
        self.users.make_link(hashed(token), now_ms=at, expires_at_ms=at + LINK_MS)
        return token

    def welcome(self, token: str, name: str, password: str, display_name: str) -> SignedIn:
        """Make the first owner and sign in.

        Raises
        ------
        RefusedError
            `link_refused`, `password_weak`.
        """
        check_strength(password, name)
        user = self.made(name, password, display_name, OWNER)
        try:
            self.users.use_link(hashed(token), user, now_ms=self._clock_ms())
        except LinkRefusedError as error:
            raise RefusedError("link_refused", str(error)) from error
        return self._opened(user)

    def made(self, name: str, password: str, display_name: str, role: str) -> User:
        """Give somebody new, with the hash of the password; nothing is stored."""
        return User(
            user_id=f"u_{secrets.token_hex(8)}",
            name=name,
            display_name=display_name or name,
            role=role,
            password=self.passwords.hash(password),
        )

    # ---- sessions --------------------------------------------------------------------------

    def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Open a session.

        Raises
        ------
        RefusedError
            `sign_in_refused`, in the same words and time for a wrong name and a wrong
            password; `locked_out`.
        """
        self._attempts.take(address)
        at = self._clock_ms()
        user = self.users.named(name)
        locked = self._nobody.until(name) if user is None else user.locked_until_ms
        if locked > at:
            raise _locked("too many wrong passwords", (locked - at) // 1000 + 1)
        if self.passwords.right(user.password if user else None, password):
            assert user is not None
            if user.state == ACTIVE:
                self._attempts.give_back(address)
                return self._opened(user)
            raise RefusedError("sign_in_refused")
        if user is None:
            until = self._nobody.failed(name, at)
        else:
            _, until = self.users.failed(
                user.user_id, lambda count: locked_until(count, at), now_ms=at
            )
        if until:
            raise _locked("too many wrong passwords", (until - at) // 1000)
        raise RefusedError("sign_in_refused")

    def _opened(self, user: User) -> SignedIn:
        token, at = secrets.token_urlsafe(_TOKEN_BYTES), self._clock_ms()
        session = Session(
            session_id=secrets.token_hex(16),
            user_id=user.user_id,
            token_hash=hashed(token),
            csrf=secrets.token_urlsafe(_TOKEN_BYTES),
            created_at_ms=at,
            rotated_at_ms=at,
            seen_at_ms=at,
            expires_at_ms=at + min(self._idle_ms, self._longest_ms),
        )
        self.users.open_session(session, now_ms=at)
        return SignedIn(user, session, token)

    def of_token(self, token: str) -> SignedIn | None:
        """Give the session of a cookie; now and then it gets another token. None = there is none."""
        at, held = self._clock_ms(), hashed(token)
        found = self.users.session(held, at)
        if found is None:
            return None
        session, user = found
        if session.token_hash != held:  # on its way while another request rotated
            return SignedIn(user, session)
        if at - session.seen_at_ms >= SEEN_EVERY_MS:
            end = min(at + self._idle_ms, session.created_at_ms + self._longest_ms)
            self.users.seen(session, now_ms=at, expires_at_ms=end)
        if at - session.rotated_at_ms < ROTATE_MS:
            return SignedIn(user, session)
        fresh = secrets.token_urlsafe(_TOKEN_BYTES)
        mine = self.users.rotate(
            session.session_id, held, hashed(fresh), now_ms=at, old_until_ms=at + OLD_TOKEN_MS
        )
        return SignedIn(user, session, fresh if mine else None)

    def known(self, token: str) -> bool:
        """Say whether a cookie holds a session; nothing of it changes."""
        return self.users.session(hashed(token), self._clock_ms()) is not None

    def change_password(self, signed: SignedIn, old: str, new: str) -> None:
        """Replace one's own password; all other sessions end.

        Raises
        ------
        RefusedError
            `sign_in_refused`: the old one is wrong; `password_weak`.
        """
        if not self.passwords.right(signed.user.password, old):
            raise RefusedError("sign_in_refused", "the old password is wrong")
        self.replace_password(signed.user, new, keep=signed.session.session_id, who=signed.user)

    def replace_password(self, user: User, new: str, *, keep: str, who: User) -> None:
        """Give somebody another password; all sessions but `keep` end."""
        check_strength(new, user.name)
        self.users.set_password(
            user.user_id,
            self.passwords.hash(new),
            keep=keep,
            now_ms=self._clock_ms(),
            who=who.name,
        )

    def note(self, who: User, action: str, subject: str, detail: str) -> None:
        """Keep what somebody did in the audit trail."""
        self.users.audited(
            who=who.name, action=action, subject=subject, detail=detail, now_ms=self._clock_ms()
        )

    def add(self, user: User, *, who: User) -> None:
        """Keep somebody new.

        Raises
        ------
        RefusedError
            `state_conflict`: the name is taken.
        """
        try:
            self.users.add(user, now_ms=self._clock_ms(), who=who.name)
        except StateError as error:
            raise RefusedError("state_conflict", str(error)) from error

    def change(self, user: User, *, who: User) -> User:
        """Replace role, branch and state of somebody.

        Raises
        ------
        RefusedError
            `state_conflict`: no active owner would be left; `not_found`: a key is nobody.
        """
        try:
            return self.users.change(user, owner=OWNER, now_ms=self._clock_ms(), who=who.name)
        except NotFoundError as error:
            raise RefusedError("not_found", str(error)) from error
        except StateError as error:
            raise RefusedError("state_conflict", str(error)) from error


def _locked(detail: str, seconds: int) -> RefusedError:
    return RefusedError(
        "locked_out", detail, params={"retry_after_s": seconds}, retry_after_s=seconds
    )
