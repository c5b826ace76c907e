"""Why TLS refuses: a handshake that ends says next to nothing, so it is looked into from here.

Owns shaking hands once with the centre as the unit does, and what follows from it:
which side refuses, and what a person should do. A server that refuses a certificate
just hangs up; then dates, authority and clock, as far as they are known here, tell.
Runs as `python -m bluewhale.remoteunit.handshake` with one JSON object on stdin and one
on stdout, since it loads what the unit must not. Changes nothing.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bluewhale.remoteunit.enrolment import SERVER_NAME, chain_of
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

TIMEOUT_S = 90.0  # a line of 9,600 bit/s
HANGS_UP_S = 5.0  # a server that refuses does so at once
_EXPIRED, _EARLY, _NAME = 10, 9, 62  # X509_V_ERR_...


@dataclass(frozen=True, slots=True)
class Found:
    """What one handshake showed; `shown` is the centre's chain, leaf first."""

    shown: tuple[x509.Certificate, ...] = ()
    verify_code: int = 0  # of OpenSSL, of the centre's chain by the unit's trust; 0 = it is good
    verify_words: str = ""
    hung_up: bool = False  # the centre ended it when it had seen our certificate
    problem: str = ""  # there was no handshake


def main() -> None:
    """Answer `{"problem": text}` to `{"unit_uid", "centre", "slot", "now_ms"}`."""
    asked: dict[str, Any] = json.load(sys.stdin)
    slot, now = Path(asked["slot"]), datetime.fromtimestamp(asked["now_ms"] / 1000, UTC)
    text = examine(asked["unit_uid"], asked["centre"], slot, now)
    json.dump({"ok": {"problem": text}}, sys.stdout)


def examine(unit_uid: str, centre: str, slot: Path, now: datetime) -> str:
    """Shake hands as the unit does; say what is wrong and what to do, "" = nothing is.

    slot: folder with key.pem, certificate.pem, trust.pem. now: this machine's clock.
    """
    mine = x509.load_pem_x509_certificates((slot / "certificate.pem").read_bytes())[0]
    trust = x509.load_pem_x509_certificates((slot / "trust.pem").read_bytes())
    return explain(unit_uid, centre, mine, trust, shake_hands(centre, slot), now)


def explain(
    unit_uid: str,
    centre: str,
    mine: x509.Certificate,
    trust: list[x509.Certificate],
    found: Found,
    now: datetime,
) -> str:
    """Say what a handshake means; a pure function of what is known."""
    if found.problem:
        return f"{centre}: {found.problem}"
    if found.verify_code:
        return _of_centre(unit_uid, centre, trust, found, now)
    if not found.hung_up:
        return ""
    clock = f"this machine's clock says {_time(now)}"
    token = f"on the centre: bluewhale unit token {unit_uid}"
    if now < mine.not_valid_before_utc:
        return (
            f"{centre} refuses the unit's certificate; it is valid from"
            f" {_time(mine.not_valid_before_utc)} and {clock}: set the clock (NTP)"
        )
    if not any(_signed(mine, root) for root in (*found.shown, *trust)):
        return (
            f"{centre} refuses the unit's certificate: another authority signed it"
            f" ({mine.issuer.rfc4514_string()}); {token}, and put the token into token_file"
        )
    if now > mine.not_valid_after_utc:
        return (
            f"{centre} refuses the unit's certificate: it expired"
            f" {_time(mine.not_valid_after_utc)} and {clock}; if the clock is right, {token}"
            " --approve-expired"
        )
    return (
        f"{centre} refuses the unit's certificate, which is valid until"
        f" {_time(mine.not_valid_after_utc)} while {clock}: compare the clocks of both machines;"
        f" if they are right, its authority was removed at the centre: {token}, and put the token"
        " into token_file"
    )


def _of_centre(
    unit_uid: str, centre: str, trust: list[x509.Certificate], found: Found, now: datetime
) -> str:
    """Say why the unit does not take the centre's certificate."""
    leaf = found.shown[0]
    if found.verify_code in {_EXPIRED, _EARLY}:
        return (
            f"the certificate of {centre} is valid from {_time(leaf.not_valid_before_utc)} to"
            f" {_time(leaf.not_valid_after_utc)} and this machine's clock says {_time(now)}: set the"
            " clock (NTP) if it is wrong; else restart ingest, which makes its certificate anew"
        )
    if found.verify_code == _NAME:
        return (
            f"{centre} shows a certificate for {', '.join(_names(leaf)) or 'no name'}, not for"
            f" {SERVER_NAME}: another service answers there; check `centre` in unit.yaml"
        )
    authorities = ", ".join(_print(root) for root in trust)
    return (
        f"{centre} shows a certificate of an authority that this unit does not trust"
        f" ({found.verify_words}; shown {_print(found.shown[-1])}, trusted {authorities}): check"
        f" `centre` in unit.yaml; if the authority was made anew, on the centre: bluewhale unit"
        f" token {unit_uid}, put the token into token_file and remove the folder slots"
    )


def shake_hands(centre: str, slot: Path) -> Found:
    """Do one handshake, with the certificate of a slot."""
    host, _, port = centre.rpartition(":")
    address = host.strip("[]"), int(port)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(cafile=slot / "trust.pem")
    curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curious.check_hostname = False
    curious.verify_mode = ssl.CERT_NONE
    shown: tuple[x509.Certificate, ...] = ()
    try:
        for context in (curious, trusting):
            context.load_cert_chain(slot / "certificate.pem", slot / "key.pem")
            context.set_alpn_protocols(["h2"])
            with (
                socket.create_connection(address, TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=SERVER_NAME) as tls,
            ):
                if context is curious:
                    shown = tuple(x509.load_der_x509_certificate(der) for der in chain_of(tls))
                    continue
                return Found(shown, hung_up=_hangs_up(tls))
    except ssl.SSLCertVerificationError as error:
        return Found(shown, verify_code=error.verify_code, verify_words=error.verify_message)
    except ssl.SSLError as error:
        return Found(problem=f"no TLS: {error.reason or error}; check `centre` in unit.yaml")
    except OSError as error:
        return Found(problem=f"cannot be reached: {error.strerror or error}")
    raise AssertionError("the second handshake gives a result")


def _hangs_up(tls: ssl.SSLSocket) -> bool:
    """Wait for the first bytes of the centre; one that refuses us says none."""
    tls.settimeout(HANGS_UP_S)
    try:
        return tls.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def _signed(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name) for name in names.get_values_for_type(x509.DNSName)]


def _print(certificate: x509.Certificate) -> str:
    """Give what tells one authority from another of the same name."""
    return certificate.fingerprint(hashes.SHA256()).hex()[:16]


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ")


if __name__ == "__main__":
    main()
