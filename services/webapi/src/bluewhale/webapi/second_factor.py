"""The second factor: codes of a device (TOTP, RFC 6238), and recovery codes.

    secret_text, uri = factor.start(signed, password)    # shown once
    recovery = factor.confirm(signed, code)              # from now on it is asked for
    signed = factor.finish(challenge, code, address)     # the second half of a sign-in

Owns what a code is and how often it holds: once. Does not own the tables
(`bluewhale.database.factors`) or locks (`sign_in`): a wrong code counts there as a
wrong password does.

Source: RFC 4226 section 5.3, RFC 6238 section 4; the address of a secret is that of
the Google Authenticator wiki, "Key Uri Format".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from bluewhale.database.users import ACTIVE
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.factor_keys import FactorKeyMissingError, FactorKeys

if TYPE_CHECKING:
    from bluewhale.database.factors import Factors
    from bluewhale.database.users import User
    from bluewhale.webapi.sign_in import SignedIn, SignIn

STEP_MS = 30_000
DIGITS = 6
DRIFT_STEPS = 1  # a device may be so far off, either way
SECRET_BYTES = 20  # as long as the hash, RFC 4226 section 4
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 bits: a plain hash is enough
ISSUER = "Bluewhale"


def code_at(secret: bytes, step: int) -> str:
    """Give the code of a time step: six digits."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    begin = mac[-1] & 0xF
    number = int.from_bytes(mac[begin : begin + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: bytes, code: str, at_ms: int) -> int | None:
    """Give the step near `at_ms` whose code this is; None = of none."""
    now = at_ms // STEP_MS
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def text_of(secret: bytes) -> str:
    """Give a secret as people type it."""
    return base64.b32encode(secret).decode()


def uri_of(name: str, secret: bytes) -> str:
    """Give what a device reads from the picture."""
    asked = urlencode({"secret": text_of(secret), "issuer": ISSUER})
    return f"otpauth://totp/{ISSUER}:{quote(name, safe='')}?{asked}"


def recovery_code() -> str:
    """Give a fresh recovery code, in groups of four."""
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def bare(code: str) -> str:
    """Give a code without what people put between its signs."""
    return "".join(c for c in code.upper() if c.isascii() and c.isalnum())


def hash_of(code: str) -> bytes:
    """Give what is stored of a recovery code."""
    return hashlib.sha256(bare(code).encode()).digest()


class SecondFactor:
    """Second factors of everybody; any thread, any number of processes."""

    def __init__(self, sign_in: SignIn, keys: FactorKeys) -> None:
        self._sign_in = sign_in
        self._keys = keys
        self._factors: Factors = sign_in.users.factors

    def start(self, signed: SignedIn, password: str) -> tuple[str, str]:
        """Offer a secret: as text, and as the address in the picture. Nothing else shows it.

        Raises
        ------
        RefusedError
            `sign_in_refused`: the password is wrong; `locked_out`.
        """
        self._sign_in.prove(signed.user, password)
        secret = secrets.token_bytes(SECRET_BYTES)
        self._factors.start(signed.user.user_id, self._keys.seal(signed.user.user_id, secret))
        return text_of(secret), uri_of(signed.user.name, secret)

    def confirm(self, signed: SignedIn, code: str) -> list[str]:
        """Let the offered secret hold; gives the recovery codes, which nothing shows again.

        Raises
        ------
        RefusedError
            `state_conflict`: nothing is offered; `code_refused`, `locked_out`.
        """
        user, at = signed.user, self._sign_in.now_ms()
        offered = self._factors.of(user.user_id).offered
        if offered is None:
            raise RefusedError("state_conflict", "no second factor is being set up")
        self._sign_in.check_lock(user)
        step = step_of(self._opened(user.user_id, offered)[0], bare(code), at)
        if step is None:
            raise self._sign_in.failed(user, "", "code_refused")
        codes = [recovery_code() for _ in range(RECOVERY_CODES)]
        hashes = [hash_of(one) for one in codes]
        if not self._factors.confirm(user.user_id, offered, step, hashes, now_ms=at, who=user.name):
            raise RefusedError("state_conflict", "another second factor is being set up meanwhile")
        return codes

    def off(self, signed: SignedIn, password: str, code: str) -> None:
        """Take one's own factor away.

        Raises
        ------
        RefusedError
            `sign_in_refused`, `code_refused`, `locked_out`.
        """
        self._sign_in.prove(signed.user, password)
        self._take(signed.user, code)
        self.reset(signed.user, who=signed.user)

    def reset(self, user: User, *, who: User) -> None:
        """Take the factor of somebody away, who lost device and recovery codes.

        Raises
        ------
        RefusedError
            `state_conflict`: there is none.
        """
        at = self._sign_in.now_ms()
        if not self._factors.remove(user.user_id, user.name, now_ms=at, who=who.name):
            raise RefusedError("state_conflict", f"{user.name} has no second factor")

    def finish(self, challenge: str, code: str, address: str) -> SignedIn:
        """Do the second half of a sign-in.

        Raises
        ------
        RefusedError
            `not_signed_in`: the first half is too old; `code_refused`, `locked_out`.
        """
        user = self._sign_in.challenged(challenge, address)
        self._take(user, code, address)
        if user.state != ACTIVE:
            raise RefusedError("sign_in_refused")
        return self._sign_in.answered(challenge, user)

    def _take(self, user: User, code: str, address: str = "") -> None:
        """Use up a code of the device, or a recovery code; a wrong one counts towards the lock."""
        self._sign_in.check_lock(user)
        at, given = self._sign_in.now_ms(), bare(code)
        if len(given) == DIGITS:
            stored = self._factors.of(user.user_id).secret
            if stored is not None:
                secret, newest = self._opened(user.user_id, stored)
                step = step_of(secret, given, at)
                if step is not None and self._factors.use_step(user.user_id, step):
                    if not newest:
                        sealed = self._keys.seal(user.user_id, secret)
                        self._factors.reseal(user.user_id, stored, sealed)
                    return
        elif self._factors.use_recovery(user.user_id, hash_of(given), now_ms=at, who=user.name):
            return
        raise self._sign_in.failed(user, address, "code_refused")

    def _opened(self, user_id: str, stored: bytes) -> tuple[bytes, bool]:
        try:
            return self._keys.opened(user_id, stored)
        except FactorKeyMissingError as error:
            raise RefusedError("state_conflict", str(error)) from error
