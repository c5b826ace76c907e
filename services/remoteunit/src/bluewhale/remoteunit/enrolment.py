"""Getting a certificate: a short child process that may load what the unit must not.

Owns key, request, the pin of the CA, and the calls Enroll and Renew. Runs as
`python -m bluewhale.remoteunit.enrolment` with one JSON object on stdin (so that
no token stands in a process list) and answers with one on stdout. Does not own
which slot is used: `slots`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import grpc
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.remoteunit.document import write_whole
from bluewhale.remoteunit.exceptions import EnrolmentError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER_NAME = "bluewhale-ingest"  # in the centre's certificate, whatever its address
_ENCODING_DER = 2  # of the ssl module
CALL_TIMEOUT_S = 90.0  # a line of 9,600 bit/s needs half a minute for two handshakes


def main() -> None:
    """Do what stdin asks for; the answer is `{"ok": ...}` or `{"error", "reason"}`."""
    asked: dict[str, Any] = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"ok": obtain(asked)}
    except EnrolmentError as error:
        answer = {"error": str(error), "reason": error.reason}
    json.dump(answer, sys.stdout)


def obtain(asked: dict[str, Any]) -> dict[str, object]:
    """Fill a slot folder; give what `Slots.filled` keeps about it.

    Parameters
    ----------
    asked
        `unit_uid`, `centre`, `enrolment` (addresses), `folder` (of the new slot),
        `pending_key` (file of a key that asks for its first certificate), `release`, and
        `token` and `trust` (PEM or null) to enrol, or `slot` (folder of a slot
        in use) to renew; with `expired` its key is shown again instead, for a
        certificate that ended.

    Raises
    ------
    EnrolmentError
        The centre is away, is not the one that the token names, or refuses.
    """
    folder = Path(asked["folder"])
    slot = Path(asked["slot"]) if asked.get("slot") else None
    expired = bool(asked.get("expired"))
    # A token is bound to the first key that brings it: an answer that was lost on
    # the way is asked for again with the same one.
    pending = Path(asked["pending_key"])
    if slot is not None and expired:
        key = _read_key(slot / "key.pem")
    elif slot is None and pending.exists():
        key = _read_key(pending)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    write_whole(folder / "key.pem", _pem_of(key))
    if slot is None:
        write_whole(pending, _pem_of(key))
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, asked["unit_uid"])]))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    if slot is not None and not expired:
        credentials = grpc.ssl_channel_credentials(
            (slot / "trust.pem").read_bytes(),
            (slot / "key.pem").read_bytes(),
            (slot / "certificate.pem").read_bytes(),
        )
        reply = _call(asked["centre"], credentials, renew=pb.RenewRequest(csr_pem=csr))
    else:
        trust = _trust(asked, slot)
        enroll = pb.EnrollRequest(
            unit_uid=asked["unit_uid"],
            token="" if expired else asked["token"],
            csr_pem=csr,
            release=asked["release"],
        )
        reply = _call(asked["enrolment"], grpc.ssl_channel_credentials(trust), enroll=enroll)
    certificate = x509.load_pem_x509_certificate(reply.certificate_pem)
    write_whole(folder / "certificate.pem", reply.certificate_pem)
    write_whole(folder / "trust.pem", reply.trust_pem)
    pending.unlink(missing_ok=True)
    return {
        "not_before_ms": int(certificate.not_valid_before_utc.timestamp() * 1000),
        "not_after_ms": int(certificate.not_valid_after_utc.timestamp() * 1000),
        "serial": f"{certificate.serial_number:x}",
    }


def pinned_ca(centre: str, pin: str) -> bytes:
    """Give, as PEM, the CA that the centre shows and the token's pin names.

    The connection is not trusted before: all that is taken from it is a
    certificate whose SHA-256 is the pin; the real call is then verified by it.
    """
    host, _, port = centre.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), CALL_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_NAME) as tls,
        ):
            shown = chain_of(tls)
    except OSError as error:
        raise EnrolmentError(
            f"the centre {centre} cannot be reached: {error}", reason="unreachable"
        ) from error
    for der in shown:
        found = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
        if found == pin:
            return ssl.DER_cert_to_PEM_cert(der).encode()
    raise EnrolmentError(
        f"{centre} is not the centre that the token was made by: no certificate that it shows has "
        "the token's pin; check the address, or ask for a new token",
        reason="pin_mismatch",
    )


def chain_of(tls: Any) -> list[bytes]:
    """Give what the peer showed, DER; a public method of the ssl module from Python 3.13 on."""
    return [shown.public_bytes(_ENCODING_DER) for shown in tls._sslobj.get_unverified_chain()]  # noqa: SLF001


def _trust(asked: dict[str, Any], slot: Path | None) -> bytes:
    if asked.get("trust"):
        return Path(asked["trust"]).read_bytes()
    if slot is not None:
        return (slot / "trust.pem").read_bytes()
    parts = asked["token"].split(".")
    # bw1.UNIT.SECRET.PIN; a unit_uid may have dots itself
    if len(parts) < 4 or parts[0] != "bw1":
        raise EnrolmentError(
            "the token is cut or no token (bw1.UNIT.SECRET.PIN)", reason="token_malformed"
        )
    return pinned_ca(asked["enrolment"], parts[-1])


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _call(
    centre: str,
    credentials: grpc.ChannelCredentials,
    *,
    enroll: pb.EnrollRequest | None = None,
    renew: pb.RenewRequest | None = None,
) -> pb.EnrollReply | pb.RenewReply:
    options = [
        ("grpc.ssl_target_name_override", SERVER_NAME),
        ("grpc.min_reconnect_backoff_ms", int(CALL_TIMEOUT_S * 1000)),  # the limit of one attempt
    ]
    with grpc.secure_channel(centre, credentials, options) as channel:
        stub = uplink_pb2_grpc.UplinkStub(channel)
        try:
            if enroll is not None:
                return stub.Enroll(enroll, timeout=CALL_TIMEOUT_S)
            assert renew is not None
            return stub.Renew(renew, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            said = str(error.details())
            code = said.partition(":")[0]  # the centre begins with a stable code
            reason = code if code.isidentifier() else error.code().name.lower()
            raise EnrolmentError(f"{centre}: {said}", reason=reason) from error


if __name__ == "__main__":
    main()
