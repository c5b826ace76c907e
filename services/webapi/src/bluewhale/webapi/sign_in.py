"""Signing in: the link of the first start, passwords, lock-out, sessions that rotate.

Owns how long things last and when a name is locked. Does not own the tables
(`bluewhale.database.users`), cookies (`cookies`) or rights (`access`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bluewhale.database import NotFoundError, StateError
from bluewhale.database.users import ACTIVE, ChangedError, LinkRefusedError, Session, User
from bluewhale.statecache import MemoryStateCache
from bluewhale.webapi.access import OWNER
from bluewhale.webapi.exceptions import Code, RefusedError
from bluewhale.webapi.limits import Limits
from bluewhale.webapi.passwords import check_strength

if TYPE_CHECKING:
    from bluewhale.configuration.web import WebSettings
    from bluewhale.database.users import Users
    from bluewhale.webapi.passwords import Passwords

LINK_MS = 24 * 3_600_000
ROTATE_MS = 15 * 60_000
OLD_TOKEN_MS = 60_000  # requests that were on their way when a session was rotated
SEEN_EVERY_MS = 60_000
KEPT_MS = 1_000  # a session in memory, where only a command ends some beside this process
SESSIONS_KEPT = 10_000
FAILURES_FREE = 4  # the fifth wrong password or code locks
LOCK_FIRST_MS, LOCK_MAX_MS = 60_000, 3_600_000
NAMES_MAX = 10_000
CHALLENGE_MS = 5 * 60_000  # from the right password to the code
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A session as it was read, while `state` was that of people and sessions."""

    state: object
    read_at_ms: int
    signed: SignedIn


@dataclass(frozen=True, slots=True)
class Challenged:
    """A right password of somebody who owes a code; `token` goes with it."""

    token: str
    expires_at_ms: int


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
            while len(self._failures) > NAMES_MAX:
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
        limits: Limits | None = None,
        *,
        kept_ms: int = 0,
    ) -> None:
        """`kept_ms`: how long a session may be known without asking the database.

        A change that this process makes is seen at once; one of another, so much later.
        """
        self.users = users
        self.passwords = passwords
        self.now_ms = clock_ms
        self.limits = limits or Limits(
            MemoryStateCache(), per_minute=0, clock=lambda: clock_ms() / 1_000
        )
        self._idle_ms = settings.session_idle_minutes * 60_000
        self._longest_ms = settings.session_hours * 3_600_000
        self._nobody = Nobody()
        self._kept_ms = kept_ms
        self._kept: dict[bytes, _Kept] = {}  # by hash of the token

    # ---- the first start -------------------------------------------------------------------

    def first_link(self) -> str | None:
        """Make a one-time token for the first owner; None = there is somebody already."""
        if self.users.exist():
            return None
        token, at = secrets.token_urlsafe(_TOKEN_BYTES), self.now_ms()
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
            self.users.use_link(hashed(token), user, now_ms=self.now_ms())
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

    def sign_in(self, name: str, password: str, address: str) -> SignedIn | Challenged:
        """Open a session, or ask for the code of the second factor.

        Raises
        ------
        RefusedError
            `sign_in_refused`, in the same words and time for a wrong name and a wrong
            password; `locked_out`.
        """
        self.limits.may_try(address)
        at = self.now_ms()
        user = self.users.named(name)
        locked = self._nobody.until(name) if user is None else user.locked_until_ms
        if locked > at:
            self.limits.failed(address)
            raise _locked((locked - at) // 1000 + 1)
        if self.passwords.right(user.password if user else None, password):
            assert user is not None
            if user.state != ACTIVE:
                raise RefusedError("sign_in_refused")
            if self.users.factors.of(user.user_id).secret is not None:
                return self._challenge(user)
            return self._opened(user)
        if user is not None:
            raise self.failed(user, address, "sign_in_refused")
        self.limits.failed(address)
        until = self._nobody.failed(name, at)
        if until:
            raise _locked((until - at) // 1000)
        raise RefusedError("sign_in_refused")

    def prove(self, user: User, password: str) -> None:
        """Go on only with the password of somebody who is signed in.

        Raises
        ------
        RefusedError
            `sign_in_refused`, `locked_out`: a stolen session guesses no password.
        """
        if not user.password:  # of a key, or of somebody whom a provider signs in
            raise RefusedError("sign_in_refused")
        self.check_lock(user)
        if not self.passwords.right(user.password, password):
            raise self.failed(user, "", "sign_in_refused")

    def check_lock(self, user: User) -> None:
        """Refuse whoever is locked.

        Raises
        ------
        RefusedError
            `locked_out`.
        """
        at, until = self.now_ms(), self.users.get(user.user_id).locked_until_ms
        if until > at:
            raise _locked((until - at) // 1000 + 1)

    def failed(self, user: User, address: str, code: Code) -> RefusedError:
        """Count a wrong password or code; gives the refusal."""
        if address:
            self.limits.failed(address)
        at = self.now_ms()
        _, until = self.users.failed(user.user_id, lambda n: locked_until(n, at), now_ms=at)
        return _locked((until - at) // 1000) if until else RefusedError(code)

    def _challenge(self, user: User) -> Challenged:
        token, at = secrets.token_urlsafe(_TOKEN_BYTES), self.now_ms()
        self.users.factors.challenge(
            hashed(token), user.user_id, now_ms=at, expires_at_ms=at + CHALLENGE_MS
        )
        return Challenged(token, at + CHALLENGE_MS)

    def challenged(self, token: str, address: str) -> User:
        """Give who owes a code.

        Raises
        ------
        RefusedError
            `not_signed_in`: nobody, or not any more; `locked_out`.
        """
        self.limits.may_try(address)
        user_id = self.users.factors.challenged(hashed(token), self.now_ms())
        if user_id is None:
            self.limits.failed(address)
            raise RefusedError("not_signed_in", "name and password are asked again")
        return self.users.get(user_id)

    def answered(self, token: str, user: User) -> SignedIn:
        """Open the session of whom the code was right of.

        Raises
        ------
        RefusedError
            `not_signed_in`: this sign-in was finished already.
        """
        if not self.users.factors.answered(hashed(token)):
            raise RefusedError("not_signed_in", "name and password are asked again")
        return self._opened(user)

    def enter(self, user: User) -> SignedIn:
        """Open the session of whom a provider vouches for."""
        return self._opened(user)

    def _opened(self, user: User) -> SignedIn:
        token, at = secrets.token_urlsafe(_TOKEN_BYTES), self.now_ms()
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

    def kept(self, token: str) -> SignedIn | None:
        """Give the session of a cookie from memory; None = the database has to be asked, or told."""
        held, at = hashed(token), self.now_ms()
        kept = self._kept.get(held)
        if kept is None:
            return None
        session = kept.signed.session
        holds = (
            kept.state is self.users.now
            and at - kept.read_at_ms < self._kept_ms
            and at < session.expires_at_ms
            and at - session.seen_at_ms < SEEN_EVERY_MS
            and at - session.rotated_at_ms < ROTATE_MS
        )
        if not holds:
            self._kept.pop(held, None)
            return None
        return kept.signed

    def of_token(self, token: str) -> SignedIn | None:
        """Give the session of a cookie; now and then it gets another token. None = there is none."""
        at, held, state = self.now_ms(), hashed(token), self.users.now
        found = self.users.session(held, at)
        if found is None:
            return None
        session, user = found
        if session.token_hash != held:  # on its way while another request rotated
            return SignedIn(user, session)
        if at - session.seen_at_ms >= SEEN_EVERY_MS:
            end = min(at + self._idle_ms, session.created_at_ms + self._longest_ms)
            self.users.seen(session, now_ms=at, expires_at_ms=end)
            session = dataclasses.replace(session, seen_at_ms=at, expires_at_ms=end)
        if at - session.rotated_at_ms < ROTATE_MS:
            signed = SignedIn(user, session)
            if self._kept_ms:
                self._keep(held, _Kept(state, at, signed))
            return signed
        fresh = secrets.token_urlsafe(_TOKEN_BYTES)
        mine = self.users.rotate(
            session.session_id, held, hashed(fresh), now_ms=at, old_until_ms=at + OLD_TOKEN_MS
        )
        return SignedIn(user, session, fresh if mine else None)

    def _keep(self, held: bytes, kept: _Kept) -> None:
        if len(self._kept) >= SESSIONS_KEPT:
            self._kept = {}  # whoever is there is asked for once more
        self._kept[held] = kept

    def known(self, token: str) -> bool:
        """Say whether a cookie holds a session; nothing of it changes."""
        return self.users.session(hashed(token), self.now_ms()) is not None

    def change_password(self, signed: SignedIn, old: str, new: str) -> None:
        """Replace one's own password; all other sessions end.

        Raises
        ------
        RefusedError
            `sign_in_refused`: the old one is wrong; `locked_out`, `password_weak`.
        """
        self.prove(signed.user, old)
        self.replace_password(signed.user, new, keep=signed.session.session_id, who=signed.user)

    def replace_password(self, user: User, new: str, *, keep: str, who: User) -> None:
        """Give somebody another password; all sessions but `keep` end."""
        check_strength(new, user.name)
        self.users.set_password(
            user.user_id,
            self.passwords.hash(new),
            keep=keep,
            now_ms=self.now_ms(),
            who=who.name,
        )

    def note(self, who: User, action: str, subject: str, detail: str) -> None:
        """Keep what somebody did in the audit trail."""
        self.users.audited(
            who=who.name, action=action, subject=subject, detail=detail, now_ms=self.now_ms()
        )

    def add(self, user: User, *, who: User) -> None:
        """Keep somebody new.

        Raises
        ------
        RefusedError
            `state_conflict`: the name is taken.
        """
        try:
            self.users.add(user, now_ms=self.now_ms(), who=who.name)
        except StateError as error:
            raise RefusedError("state_conflict", str(error)) from error

    def change(self, user: User, *, before: User, who: User) -> User:
        """Replace role, branch and state of somebody who is as `before` says.

        Raises
        ------
        RefusedError
            `state_conflict`: no active owner would be left; `not_found`: a key is nobody.
        ChangedError
            Somebody else changed it meanwhile.
        """
        try:
            return self.users.change(
                user, before=before, owner=OWNER, now_ms=self.now_ms(), who=who.name
            )
        except ChangedError:
            raise
        except NotFoundError as error:
            raise RefusedError("not_found", str(error)) from error
        except StateError as error:
            raise RefusedError("state_conflict", str(error)) from error


def _locked(seconds: int) -> RefusedError:
    return RefusedError(
        "locked_out",
        "too many wrong passwords or codes",
        params={"retry_after_s": seconds},
        retry_after_s=seconds,
    )
