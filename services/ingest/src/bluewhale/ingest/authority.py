"""The certificate authority of an installation: units, operators, ingest itself.

    authority = Authority.open(Path("authority"))
    certificate = authority.sign_unit(csr_pem, "berlin-1", now=datetime.now(UTC))

Owns the CA's files, what a certificate says, and the printed form of tokens.
Does not own who may have a certificate (`enrolment`) or what is revoked
(`bluewhale.database.units`).

The folder (or mounted Secret) holds `ca-1.pem`, `ca-1.key` (0600), and after a
rotation `ca-2.pem`, `ca-2.key` beside them. Unit certificates are signed by the
newest, the server's own by the oldest, since units that did not renew since the
rotation know only that one; the bundle that everybody gets holds all.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple, Self

from bluewhale.ingest.exceptions import AdmissionError, AuthorityError
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAME = "bluewhale-ingest"  # units ask for this name, so that addresses may change
UNIT_PREFIX = "spiffe://bluewhale/unit/"
OPERATOR_PREFIX = "spiffe://bluewhale/operator/"
ROLE_PREFIX = "spiffe://bluewhale/role/"
TOKEN_BYTES = 32
CSR_BYTES_MAX = 16_384
CA_DAYS = 3_650
UNIT_DAYS = 30
SERVER_DAYS = 400
CLOCK_TOLERANCE = timedelta(minutes=5)  # certificates of units are valid this long before now
# What units look at is judged by their clocks, and a wrong clock must not keep records away:
# a unit that is more than a year off still connects, and its skew is reported.
UNIT_CLOCK_TOLERANCE = timedelta(days=400)

_PREFIXES: tuple[tuple[Literal["unit", "operator", "role"], str], ...] = (
    ("unit", UNIT_PREFIX),
    ("operator", OPERATOR_PREFIX),
    ("role", ROLE_PREFIX),
)
_CA_FILE = re.compile(r"ca-(\d+)\.pem")
_UID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Identity(NamedTuple):
    """Whom a peer's certificate names; `serial` is hexadecimal."""

    kind: Literal["unit", "operator", "role"]
    uid: str
    serial: str


class Pair(NamedTuple):
    """A private key and the certificate chain that goes with it, PEM."""

    key_pem: bytes
    chain_pem: bytes


@dataclass(frozen=True, slots=True)
class _Root:
    number: int
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """The CA as read from its folder; immutable, any thread."""

    def __init__(self, folder: Path, roots: list[_Root]) -> None:
        assert roots
        self.folder = folder
        self._roots = roots

    @classmethod
    def create(cls, folder: Path, *, now: datetime) -> Self:
        """Make the first CA of an installation.

        Raises
        ------
        AuthorityError
            There is one already, or the folder cannot be written.
        """
        if _numbers(folder):
            raise AuthorityError(f"{folder} holds a CA already; nothing was changed")
        _make_root(folder, 1, now)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the CA.

        Raises
        ------
        AuthorityError
            The text names the file and what to do.
        """
        numbers = _numbers(folder)
        if not numbers:
            raise AuthorityError(
                f"{folder} holds no CA; make one: bluewhale unit authority init --folder {folder}"
            )
        return cls(folder, [_read_root(folder, n) for n in numbers])

    def rotate(self, *, now: datetime) -> Authority:
        """Add a CA beside the old ones; units learn of it as they renew."""
        _make_root(self.folder, self._roots[-1].number + 1, now)
        return Authority.open(self.folder)

    def retire(self) -> Authority:
        """Remove the oldest CA: what only it signed is not trusted any more.

        Raises
        ------
        AuthorityError
            It is the only one.
        """
        if len(self._roots) == 1:
            raise AuthorityError(
                f"{self.folder} holds one CA alone; rotate first, wait until units renewed"
            )
        number = self._roots[0].number
        for suffix in ("key", "pem"):
            (self.folder / f"ca-{number}.{suffix}").unlink()
        return Authority.open(self.folder)

    @property
    def bundle_pem(self) -> bytes:
        """Every CA certificate, oldest first: what all sides trust."""
        return b"".join(_pem(r.certificate) for r in self._roots)

    @property
    def pin(self) -> str:
        """What a token says about the server: SHA-256 of the oldest CA, base64url."""
        return pin_of(self._roots[0].certificate.public_bytes(serialization.Encoding.DER))

    def print_token(self, unit_uid: str, secret: bytes) -> str:
        """Give the form of a token that a person carries: unit, secret and CA pin."""
        return f"bw1.{unit_uid}.{_base64(secret)}.{self.pin}"

    def sign_unit(
        self, csr_pem: bytes, unit_uid: str, *, now: datetime, days: int = UNIT_DAYS
    ) -> x509.Certificate:
        """Sign the key of a request as the key of a unit; names in the request do not count.

        Raises
        ------
        AdmissionError
            `csr_invalid`: not a request, not signed by its own key, or a weak key.
        """
        csr = read_request(csr_pem)
        return self._sign(
            self._roots[-1], csr.public_key(), unit_uid, UNIT_PREFIX + unit_uid, now, days
        )

    def make_operator(self, name: str, *, now: datetime, days: int = UNIT_DAYS) -> Pair:
        """Make key and certificate of a person who steers units.

        Raises
        ------
        AuthorityError
            The name is not made of lower-case letters, digits, `.`, `_`, `-`.
        """
        if not _UID.fullmatch(name):
            raise AuthorityError(
                f"{name!r} cannot name an operator; use lower-case letters, digits, . _ -"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            self._roots[-1], key.public_key(), name, OPERATOR_PREFIX + name, now, days
        )
        return Pair(_key_pem(key), _pem(certificate))

    def make_server(self, addresses: tuple[str, ...] = (), *, now: datetime) -> Pair:
        """Make key and chain of an ingest server; the chain ends with the CA, for the pin."""
        return self._make_serving(
            SERVER_NAME, (SERVER_NAME, "localhost", *addresses), now, SERVER_DAYS
        )

    def make_role(self, role: str, addresses: tuple[str, ...], *, now: datetime, days: int) -> Pair:
        """Make key and chain with which a role serves others and calls them.

        addresses: names and addresses by which others reach it.
        """
        return self._make_serving(role, addresses, now, days, uri=ROLE_PREFIX + role)

    def _make_serving(
        self, name: str, addresses: tuple[str, ...], now: datetime, days: int, uri: str = ""
    ) -> Pair:
        root = self._roots[0]
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)] if uri else []
        for address in addresses:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(address)))
            except ValueError:
                names.append(x509.DNSName(address))
        usages = [ExtendedKeyUsageOID.SERVER_AUTH]
        usages += [ExtendedKeyUsageOID.CLIENT_AUTH] if uri else []
        certificate = (
            _builder(root, name, now, days, UNIT_CLOCK_TOLERANCE)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName(list(dict.fromkeys(names))), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(root.key, hashes.SHA256())
        )
        return Pair(_key_pem(key), _pem(certificate) + _pem(root.certificate))

    def signed(self, certificate: x509.Certificate) -> bool:
        """Say whether one of our CAs signed a certificate."""
        for root in self._roots:
            try:
                certificate.verify_directly_issued_by(root.certificate)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return True
        return False

    def _sign(
        self,
        root: _Root,
        public_key: ec.EllipticCurvePublicKey | object,
        name: str,
        uri: str,
        now: datetime,
        days: int,
    ) -> x509.Certificate:
        return (
            _builder(root, name, now, days)
            .public_key(public_key)  # type: ignore[arg-type] # checked by read_request
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(root.key, hashes.SHA256())
        )


def pin_of(certificate_der: bytes) -> str:
    """Give the pin of a certificate: SHA-256 of its DER, base64url without padding."""
    return _base64(hashlib.sha256(certificate_der).digest())


def new_secret() -> bytes:
    """Give the secret of a token: 256 random bits."""
    return secrets.token_bytes(TOKEN_BYTES)


def token_hash(secret: bytes) -> bytes:
    """Give what is stored of a token; 256 random bits need no salt."""
    return hashlib.sha256(secret).digest()


def read_token(printed: str) -> bytes:
    """Give the secret of a token in its printed form, or alone.

    Raises
    ------
    AdmissionError
        `token_unknown`: this is no token.
    """
    parts = printed.strip().rsplit(".", 2)
    text = parts[1] if len(parts) == 3 else printed.strip()
    try:
        secret = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        secret = b""
    if len(secret) != TOKEN_BYTES:
        raise AdmissionError(
            "token_unknown", "the text is no token; copy all that `bluewhale unit token` printed"
        )
    return secret


def read_request(csr_pem: bytes) -> x509.CertificateSigningRequest:
    """Give a certificate request whose signature proves its key.

    Raises
    ------
    AdmissionError
        `csr_invalid`, with what is wrong.
    """
    if len(csr_pem) > CSR_BYTES_MAX:
        raise AdmissionError("csr_invalid", f"a request has at most {CSR_BYTES_MAX} bytes")
    try:
        csr = x509.load_pem_x509_csr(csr_pem)
        proved = csr.is_signature_valid
        key = csr.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AdmissionError("csr_invalid", f"not a certificate request ({error})") from error
    if not proved:
        raise AdmissionError("csr_invalid", "the request is not signed by its own key")
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise AdmissionError("csr_invalid", "the key must be an elliptic curve key on P-256")
    return csr


def key_hash(owner: x509.CertificateSigningRequest | x509.Certificate) -> bytes:
    """Give the SHA-256 of a public key: how a known key is recognised."""
    der = owner.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).digest()


def identity_of(certificate_pem: bytes) -> Identity:
    """Give whom a peer's certificate names; its signature was checked by the handshake.

    Raises
    ------
    AdmissionError
        `certificate_invalid`: it names no unit and no operator of Bluewhale.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise AdmissionError(
            "certificate_invalid", f"the certificate names nobody ({error})"
        ) from error
    if len(uris) == 1:
        for kind, prefix in _PREFIXES:
            uid = uris[0].removeprefix(prefix)
            if uid != uris[0] and _UID.fullmatch(uid):
                return Identity(kind, uid, f"{certificate.serial_number:x}")
    raise AdmissionError(
        "certificate_invalid",
        f"the certificate names {uris or 'nobody'}, no unit, operator or role",
    )


def _numbers(folder: Path) -> list[int]:
    try:
        found = [_CA_FILE.fullmatch(p.name) for p in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuthorityError(f"{folder} cannot be read ({error.strerror})") from error
    return sorted(int(m.group(1)) for m in found if m)


def _read_root(folder: Path, number: int) -> _Root:
    path = folder / f"ca-{number}.pem"
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        path = folder / f"ca-{number}.key"
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise AuthorityError(
            f"{path} cannot be read ({error.strerror}); restore it from your backup"
        ) from error
    except (ValueError, TypeError) as error:
        raise AuthorityError(f"{path} is damaged ({error}); restore it from your backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{path} is no elliptic curve key; restore it from your backup")
    if key.public_key() != certificate.public_key():
        raise AuthorityError(f"{path} does not belong to ca-{number}.pem; restore both")
    return _Root(number, certificate, key)


def _make_root(folder: Path, number: int, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, f"Bluewhale CA {number} {secrets.token_hex(4)}")
    ])  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * UNIT_CLOCK_TOLERANCE)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # the key first: a certificate without its key would look like a CA
        write_private(folder / f"ca-{number}.key", _key_pem(key))
        (folder / f"ca-{number}.pem").write_bytes(_pem(certificate))
    except OSError as error:
        raise AuthorityError(f"{folder} cannot be written ({error.strerror})") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read; an existing one is never overwritten."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _builder(
    root: _Root, name: str, now: datetime, days: int, before: timedelta = CLOCK_TOLERANCE
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(root.certificate.subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - before, root.certificate.not_valid_before_utc))
        .not_valid_after(min(now + timedelta(days=days), root.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()),
            critical=False,
        )
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=sign, crl_sign=sign,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
