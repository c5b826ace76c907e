"""The certificate authority: what it signs, what it refuses, how it lies on disk."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bluewhale.ingest.authority import (
    Authority,
    Identity,
    identity_of,
    new_secret,
    pin_of,
    read_token,
    token_hash,
)
from bluewhale.ingest.exceptions import AdmissionError, AuthorityError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def request_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Give a request that asks for a name which must not count."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "operator")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(certificate: x509.Certificate) -> bytes:
    """Give a certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_a_unit_certificate_names_the_unit_lives_thirty_days_and_signs_nothing(
    tmp_path: Path,
) -> None:
    """Names and rights that the request asks for do not count."""
    authority = Authority.create(tmp_path, now=NOW)
    made = authority.sign_unit(
        request_of(ec.generate_private_key(ec.SECP256R1())), "depot.north", now=NOW
    )
    identity = identity_of(pem(made))
    assert identity == Identity("unit", "depot.north", f"{made.serial_number:x}")
    assert made.not_valid_after_utc == NOW + timedelta(days=30)
    assert made.not_valid_before_utc == NOW - timedelta(minutes=5)
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca
    assert authority.signed(made)


def test_an_operator_certificate_names_an_operator(tmp_path: Path) -> None:
    """A name that could be mistaken is refused."""
    authority = Authority.create(tmp_path, now=NOW)
    pair = authority.make_operator("ada", now=NOW)
    assert identity_of(pair.chain_pem)[:2] == ("operator", "ada")
    with pytest.raises(AuthorityError, match="cannot name an operator"):
        authority.make_operator("ada/unit/depot", now=NOW)


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        (b"", "not a certificate request"),
        (b"x" * 20_000, "at most 16384 bytes"),
        (request_of(rsa.generate_private_key(65537, 2048)), "elliptic curve key on P-256"),
        (request_of(ec.generate_private_key(ec.SECP384R1())), "elliptic curve key on P-256"),
    ],
)
def test_a_request_that_is_none_or_has_another_kind_of_key_is_refused(
    tmp_path: Path, csr: bytes, why: str
) -> None:
    """The text says what is wrong."""
    authority = Authority.create(tmp_path, now=NOW)
    with pytest.raises(AdmissionError, match=why) as refused:
        authority.sign_unit(csr, "depot", now=NOW)
    assert refused.value.reason == "csr_invalid"


def test_the_key_of_the_authority_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600; a second `create` changes nothing."""
    folder = tmp_path / "authority"
    Authority.create(folder, now=NOW)
    key = folder / "ca-1.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(AuthorityError, match="holds a CA already; nothing was changed"):
        Authority.create(folder, now=NOW)
    assert key.read_bytes() == before


def test_after_a_rotation_both_are_trusted_the_newest_signs_units_the_oldest_the_server(
    tmp_path: Path,
) -> None:
    """The pin of new tokens stays that of the CA which the server shows."""
    old = Authority.create(tmp_path, now=NOW)
    both = old.rotate(now=NOW)
    key = request_of(ec.generate_private_key(ec.SECP256R1()))
    made = both.sign_unit(key, "depot", now=NOW)
    assert not old.signed(made)
    assert both.signed(old.sign_unit(key, "depot", now=NOW))
    assert both.pin == old.pin
    shown = x509.load_pem_x509_certificates(both.make_server(now=NOW).chain_pem)
    assert [pin_of(c.public_bytes(serialization.Encoding.DER)) for c in shown][1] == old.pin
    assert len(x509.load_pem_x509_certificates(both.bundle_pem)) == 2
    new = both.retire()
    assert new.signed(made)
    assert new.pin != old.pin
    with pytest.raises(AuthorityError, match="holds one CA alone; rotate first"):
        new.retire()


def test_a_key_that_does_not_belong_to_its_certificate_is_refused(tmp_path: Path) -> None:
    """Files that were mixed up are named."""
    Authority.create(tmp_path / "a", now=NOW)
    Authority.create(tmp_path / "b", now=NOW)
    (tmp_path / "a" / "ca-1.key").write_bytes((tmp_path / "b" / "ca-1.key").read_bytes())
    with pytest.raises(AuthorityError, match=r"ca-1\.key does not belong to ca-1\.pem"):
        Authority.open(tmp_path / "a")


def test_a_token_is_read_whole_or_as_secret_alone_and_only_its_hash_is_kept(
    tmp_path: Path,
) -> None:
    """A unit_uid with dots does not disturb."""
    authority = Authority.create(tmp_path, now=NOW)
    secret = new_secret()
    printed = authority.print_token("depot.north.1", secret)
    assert printed.startswith("bw1.depot.north.1.")
    assert read_token(f" {printed}\n") == secret
    assert read_token(printed.split(".")[-2]) == secret
    assert len(token_hash(secret)) == 32
    for cut in ("", "bw1", printed[:-60], "äöü"):
        with pytest.raises(AdmissionError) as refused:
            read_token(cut)
        assert refused.value.reason == "token_unknown"


def test_a_unit_whose_clock_is_a_year_off_still_trusts_the_server(tmp_path: Path) -> None:
    """Server and CA are valid from more than a year ago to more than a year from now."""
    authority = Authority.create(tmp_path, now=NOW)
    for shown in x509.load_pem_x509_certificates(authority.make_server(now=NOW).chain_pem):
        assert shown.not_valid_before_utc <= NOW - timedelta(days=366)
        assert shown.not_valid_after_utc >= NOW + timedelta(days=366)


def test_a_role_serves_and_calls_with_one_certificate_that_both_sides_know(tmp_path: Path) -> None:
    """Its name for access rules, its addresses for callers; signed by the same authority."""
    authority = Authority.create(tmp_path, now=NOW)
    pair = authority.make_role("storage", ("storage.local", "10.0.0.3"), now=NOW, days=365)
    made, _ca = x509.load_pem_x509_certificates(pair.chain_pem)
    assert identity_of(pem(made))[:2] == ("role", "storage")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["storage.local"]
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert len(list(usages)) == 2
    assert authority.signed(made)
