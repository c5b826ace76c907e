"""Secrets of second factors, encrypted where they are stored (AES-256-GCM).

    keys = FactorKeys.read(path)                 # or FactorKeys.made(path): made at the first start
    stored = keys.seal(user_id, secret)
    secret, newest = keys.opened(user_id, stored)    # not newest: seal it anew

A file of keys has one a line, 32 bytes as base64: the first encrypts, all decrypt, so a
new one is put before the old one. What is stored is bound to its user: moved to somebody
else's row it does not open. A secret that an older release stored as it is opens, too.
Owns form and keys. Does not own where secrets lie (`bluewhale.database.factors`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from bluewhale.capture.exceptions import InputError, PermanentError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_FORM = b"\x01"
_NAME_BYTES, _NONCE_BYTES = 4, 12
_HEAD = len(_FORM) + _NAME_BYTES + _NONCE_BYTES
_PLAIN_BYTES_MAX = 32  # what an older release stored: 20 bytes, and no head

_MISSING = (
    "no key opens this second factor: put the key it was made with back into the file of"
    " web.factor_keys_file, sign in by a recovery code, or let the factor be reset"
)


class FactorKeyMissingError(PermanentError):
    """A secret was encrypted by a key that is not in the file any more."""

    code = "factor_key_missing"


class FactorKeys:
    """Keys in order; none = secrets are stored as they are."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_name(key): AESGCM(key) for key in keys}
        self._newest = _name(keys[0]) if keys else None

    @classmethod
    def read(cls, path: Path) -> FactorKeys:
        """Read a file of keys.

        Raises
        ------
        InputError
            It cannot be read, or a line is no key; the text never has the line itself.
        """
        try:
            lines = path.read_text("ascii").split()
            keys = [base64.b64decode(line, validate=True) for line in lines]
        except (OSError, UnicodeDecodeError, binascii.Error) as error:
            raise InputError(f"{path}: keys of second factors cannot be read: {error}") from error
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise InputError(
                f"{path}: write one key a line, 32 random bytes as base64: openssl rand -base64 32"
            )
        return cls(keys)

    @classmethod
    def made(cls, path: Path) -> FactorKeys:
        """Read the file of this installation; made where there is none, for its owner alone."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)  # the first of several stays
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        return cls.read(path)

    def seal(self, user_id: str, secret: bytes) -> bytes:
        """Give what is stored of a secret."""
        if self._newest is None:
            return secret
        head = _FORM + self._newest + secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[self._newest].encrypt(head[-_NONCE_BYTES:], secret, _bound(user_id))
        return head + sealed

    def opened(self, user_id: str, stored: bytes) -> tuple[bytes, bool]:
        """Give a secret, and whether it is stored as the newest key would.

        Raises
        ------
        FactorKeyMissingError
            None of the keys opens it.
        """
        if len(stored) <= _PLAIN_BYTES_MAX:
            return stored, self._newest is None
        name, nonce = stored[1 : 1 + _NAME_BYTES], stored[1 + _NAME_BYTES : _HEAD]
        key = self._keys.get(name)
        if key is None:
            raise FactorKeyMissingError(_MISSING)
        try:
            secret = key.decrypt(nonce, stored[_HEAD:], _bound(user_id))
        except InvalidTag as error:
            raise FactorKeyMissingError(_MISSING) from error
        return secret, name == self._newest


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"bluewhale factor key\0" + key).digest()[:_NAME_BYTES]


def _bound(user_id: str) -> bytes:
    return b"bluewhale second factor\0" + user_id.encode()
