"""Who gets a certificate: tokens, renewals, approvals. One method per request.

Owns the order of the checks and the stable codes of refusals. Does not own the
CA's files (`authority`), what is stored (`bluewhale.database.units`) or the
door. Blocking (database): doors call it in a thread. Clocks are arguments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import NamedTuple

from bluewhale.database.units import Issued, TokenRefusedError, Units
from bluewhale.ingest.authority import (
    UNIT_DAYS,
    Authority,
    key_hash,
    new_secret,
    read_request,
    read_token,
    token_hash,
)
from bluewhale.ingest.exceptions import AdmissionError, EnrolmentBusyError
from bluewhale.ingest.limiting import AddressLimit
from cryptography import x509
from cryptography.hazmat.primitives import serialization

TOKEN_LIFETIME_MS = 3_600_000
TOKEN_LIFETIME_MAX_MS = 86_400_000
APPROVAL_LIFETIME_MS = 86_400_000


class Granted(NamedTuple):
    """A certificate and every CA that its owner shall trust, PEM."""

    certificate_pem: bytes
    trust_pem: bytes


class Minted(NamedTuple):
    """A token in its printed form, to be shown once. `expires_at_ms` is UTC."""

    token: str
    expires_at_ms: int


class Enrolment:
    """Gives certificates to units that may have them.

    `authority` gives the CA as it is now; `declared` the unit_uids of the
    configuration as it is now.
    """

    def __init__(
        self,
        units: Callable[[], Units],
        *,
        authority: Callable[[], Authority],
        declared: Callable[[], Collection[str]],
        per_second: float = 1.0,
        certificate_days: int = UNIT_DAYS,
    ) -> None:
        self._units, self._authority, self._declared = units, authority, declared
        self._days = certificate_days
        self._limit = AddressLimit(per_second=per_second, burst=5)
        self._lock = threading.Lock()

    def mint(self, unit_uid: str, *, who: str, now_ms: int, lifetime_ms: int = 0) -> Minted:
        """Make a one-time token for a unit of the configuration.

        Raises
        ------
        AdmissionError
            `unit_unknown`: the configuration does not name it.
        """
        self._check_declared(unit_uid)
        lifetime_ms = min(lifetime_ms or TOKEN_LIFETIME_MS, TOKEN_LIFETIME_MAX_MS)
        secret = new_secret()
        self._units().mint(
            token_hash=token_hash(secret),
            unit_uid=unit_uid,
            now_ms=now_ms,
            expires_at_ms=now_ms + lifetime_ms,
            who=who,
        )
        return Minted(self._authority().print_token(unit_uid, secret), now_ms + lifetime_ms)

    def approve_expired(self, unit_uid: str, *, who: str, now_ms: int) -> int:
        """Let a unit renew its expired certificate once; give until when, UTC."""
        self._check_declared(unit_uid)
        until_ms = now_ms + APPROVAL_LIFETIME_MS
        self._units().approve_expired(unit_uid, now_ms=now_ms, until_ms=until_ms, who=who)
        return until_ms

    def enroll(
        self, *, unit_uid: str, token: str, csr_pem: bytes, address: str, now_ms: int, now_s: float
    ) -> Granted:
        """Give the first certificate for a token, or a new one for a known key.

        address: where the request comes from, without port. now_s: a steady clock.

        Raises
        ------
        EnrolmentBusyError
            The address tries too often.
        AdmissionError
            `reason` says why; the same for a token that was never made and one
            that is long gone.
        """
        self._check_rate(address, now_s)
        csr = read_request(csr_pem)
        if not token:
            return self._renew_known(unit_uid, csr, csr_pem, now_ms)
        hashed = token_hash(read_token(token))
        try:
            # before anything is signed, and before an answer would tell which units exist
            self._units().check_token(hashed, unit_uid, key_hash(csr), now_ms)
            self._check_declared(unit_uid)
            issued = self._units().enrol(
                token_hash=hashed, issued=self._issue(csr, csr_pem, unit_uid, now_ms), now_ms=now_ms
            )
        except TokenRefusedError as error:
            raise AdmissionError(error.reason, str(error)) from error
        return Granted(issued.pem.encode(), self._authority().bundle_pem)

    def renew(self, unit_uid: str, csr_pem: bytes, *, now_ms: int, now_s: float) -> Granted:
        """Give the next certificate to a unit that showed a valid one.

        Raises
        ------
        EnrolmentBusyError
            The unit renews too often.
        AdmissionError
            `csr_invalid`, `unit_revoked`, or `unit_unknown`.
        """
        self._check_rate(f"unit {unit_uid}", now_s)
        csr = read_request(csr_pem)
        self._check_declared(unit_uid)
        self._check_revoked(unit_uid, now_ms)
        issued = self._issue(csr, csr_pem, unit_uid, now_ms)
        self._units().renew(issued, now_ms)
        return Granted(issued.pem.encode(), self._authority().bundle_pem)

    def _renew_known(
        self, unit_uid: str, csr: x509.CertificateSigningRequest, csr_pem: bytes, now_ms: int
    ) -> Granted:
        known = [
            c for c in self._units().certificates_of_key(key_hash(csr)) if c.unit_uid == unit_uid
        ]
        if not known:
            raise AdmissionError(
                "token_missing",
                f"unit {unit_uid} brought neither a token nor a key that is known here;"
                f" mint one: bluewhale unit token {unit_uid}",
            )
        self._check_declared(unit_uid)
        self._check_revoked(unit_uid, now_ms)
        issued = self._issue(csr, csr_pem, unit_uid, now_ms)
        if not self._units().renew_expired(issued, now_ms):
            raise AdmissionError(
                "approval_missing",
                f"the key of unit {unit_uid} is known, its certificate ended or is not taken;"
                f" approve it: bluewhale unit token {unit_uid} --approve-expired",
            )
        return Granted(issued.pem.encode(), self._authority().bundle_pem)

    def _issue(
        self, csr: x509.CertificateSigningRequest, csr_pem: bytes, unit_uid: str, now_ms: int
    ) -> Issued:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        made = self._authority().sign_unit(csr_pem, unit_uid, now=now, days=self._days)
        return Issued(
            serial=f"{made.serial_number:x}",
            unit_uid=unit_uid,
            key_hash=key_hash(csr),
            not_before_ms=int(made.not_valid_before_utc.timestamp() * 1000),
            not_after_ms=int(made.not_valid_after_utc.timestamp() * 1000),
            pem=made.public_bytes(serialization.Encoding.PEM).decode(),
        )

    def _check_rate(self, who: str, now_s: float) -> None:
        with self._lock:
            wait_s = self._limit.wait_s(who, now_s)
        if wait_s:
            raise EnrolmentBusyError(
                f"{who} enrols too often; try again in {wait_s:.1f} s", retry_after_s=wait_s
            )

    def _check_declared(self, unit_uid: str) -> None:
        if unit_uid not in self._declared():
            raise AdmissionError(
                "unit_unknown",
                f"unit {unit_uid} is not in the configuration; add it to `units` first",
            )

    def _check_revoked(self, unit_uid: str, now_ms: int) -> None:
        if unit_uid in self._units().revocations(now_ms).units:
            raise AdmissionError(
                "unit_revoked",
                f"unit {unit_uid} was revoked; to admit it again: bluewhale unit token {unit_uid}",
            )
