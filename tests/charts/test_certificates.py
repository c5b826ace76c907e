"""The Job that makes the installation's certificates, against an API server of Secrets.

The server keeps Secrets as the real one does (404, 409, resourceVersion); what a
role does with the certificates is proved by a handshake.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bluewhale.ingest.authority import Authority, identity_of
from cryptography import x509

from tests.support.helm import CHART

NAMES = {
    "storage": ["bluewhale-storage.calls.svc", "localhost"],
    "ingest": ["bluewhale-ingest-internal.calls.svc", "localhost"],
}
TOKEN = "a service account's token"


class Secrets:
    """Secrets of one namespace behind TLS."""

    def __init__(self, folder: Path) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.account = folder / "account"
        self.account.mkdir()
        now = datetime.now(UTC)
        pair = Authority.create(folder / "api", now=now).make_server(("127.0.0.1",), now=now)
        (self.account / "token").write_text(TOKEN)
        (self.account / "ca.crt").write_bytes((folder / "api" / "ca-1.pem").read_bytes())
        chain, key = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(pair.chain_pem)
        key.write_bytes(pair.key_pem)
        secrets = self

        class Door(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                assert self.headers["Authorization"] == f"Bearer {TOKEN}"
                status, said = secrets.answer(self.command, self.path, body)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - as the standard library calls them

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        prefix = "/api/v1/namespaces/calls/secrets"
        assert path.startswith(prefix)
        name = path.removeprefix(prefix).strip("/") or body["metadata"]["name"]
        self.asked.append(f"{method} {name}")
        there = self.kept.get(name)
        if method == "GET":
            return (200, there) if there else (404, {"reason": "NotFound"})
        if (method == "POST") == (there is not None):
            return 409, {"reason": "AlreadyExists" if there else "NotFound"}
        version = int(there["metadata"]["resourceVersion"]) if there else 0
        if there and body["metadata"]["resourceVersion"] != str(version):
            return 409, {"reason": "Conflict"}
        body["metadata"]["resourceVersion"] = str(version + 1)
        self.kept[name] = body
        return 200, body

    def file(self, secret: str, key: str) -> bytes:
        return base64.b64decode(self.kept[secret]["data"][key])


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Secrets]:
    """Give an API server that holds nothing."""
    made = Secrets(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def job(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the program of the Job, told where the API server is as a pod is told."""
    for name, value in {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(secrets.server.server_address[1]),
        "POD_NAMESPACE": "calls",
        "BLUEWHALE_PREFIX": "bluewhale",
        "BLUEWHALE_NAMES": json.dumps(NAMES),
        "BLUEWHALE_LABELS": json.dumps({"app.kubernetes.io/instance": "bluewhale"}),
        "BLUEWHALE_OPERATOR_SECRET": "bluewhale-operator-identity",
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location(
        "certificates_job", CHART / "files" / "certificates.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ACCOUNT = secrets.account
    return module


def identity(pem: bytes) -> tuple[str, str]:
    """Give kind and name of whom a certificate names."""
    found = identity_of(pem)
    return found.kind, found.uid


def test_the_first_run_makes_an_authority_and_what_hangs_on_it(job: ModuleType, secrets: Secrets):
    """Every certificate says whose it is, by the names that others call it by."""
    job.main()
    assert sorted(secrets.kept) == [
        "bluewhale-authority",
        "bluewhale-operator-identity",
        "bluewhale-tls-ingest",
        "bluewhale-tls-storage",
    ]
    assert sorted(secrets.kept["bluewhale-authority"]["data"]) == ["ca-1.key", "ca-1.pem"]
    assert identity(secrets.file("bluewhale-tls-storage", "tls.crt")) == ("role", "storage")
    operator = secrets.file("bluewhale-operator-identity", "operator.pem")
    assert identity(operator) == ("operator", "kubernetes")
    for one in secrets.kept.values():
        assert one["metadata"]["labels"] == {"app.kubernetes.io/instance": "bluewhale"}


def test_a_second_run_changes_nothing(job: ModuleType, secrets: Secrets):
    """Upgrades and the monthly look leave alone what is good."""
    job.main()
    before = json.dumps(secrets.kept)
    secrets.asked.clear()
    job.main()
    assert json.dumps(secrets.kept) == before
    assert {x.split()[0] for x in secrets.asked} == {"GET"}


def test_a_certificate_near_its_end_is_renewed_by_the_same_authority(
    job: ModuleType, secrets: Secrets, tmp_path: Path
):
    """Roles read the new one while they run; units notice nothing."""
    job.main()
    authority = secrets.file("bluewhale-authority", "ca-1.pem")
    folder = tmp_path / "same"
    folder.mkdir()
    for name in ("ca-1.pem", "ca-1.key"):
        (folder / name).write_bytes(secrets.file("bluewhale-authority", name))
    soon = Authority.open(folder).make_role(
        "storage", tuple(NAMES["storage"]), now=datetime.now(UTC), days=100
    )
    data = secrets.kept["bluewhale-tls-storage"]["data"]
    data["tls.crt"] = base64.b64encode(soon.chain_pem).decode()
    ingest = secrets.file("bluewhale-tls-ingest", "tls.crt")
    job.main()
    fresh = x509.load_pem_x509_certificate(secrets.file("bluewhale-tls-storage", "tls.crt"))
    assert fresh.not_valid_after_utc - datetime.now(UTC) > timedelta(days=300)
    assert secrets.file("bluewhale-tls-ingest", "tls.crt") == ingest
    assert secrets.file("bluewhale-authority", "ca-1.pem") == authority


def test_another_name_of_a_role_makes_its_certificate_anew(job: ModuleType, secrets: Secrets):
    """A release that is called otherwise is reached otherwise."""
    job.main()
    job.NAMES = {"storage": ["other-storage.calls.svc"]}
    job.main()
    pem = secrets.file("bluewhale-tls-storage", "tls.crt")
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "other-storage.calls.svc" in names.value.get_values_for_type(x509.DNSName)


def test_certificates_of_two_roles_shake_hands_and_a_stranger_does_not(
    job: ModuleType, secrets: Secrets, tmp_path: Path
):
    """Storage takes ingest by its certificate; without one nobody comes in."""
    job.main()
    for role in NAMES:
        for name in ("tls.crt", "tls.key", "ca.crt"):
            path = tmp_path / f"{role}-{name}"
            path.write_bytes(secrets.file(f"bluewhale-tls-{role}", name))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(tmp_path / "storage-tls.crt", tmp_path / "storage-tls.key")
    server.load_verify_locations(tmp_path / "storage-ca.crt")

    def shake(certificate: bool) -> None:
        client = ssl.create_default_context(cafile=str(tmp_path / "ingest-ca.crt"))
        if certificate:
            client.load_cert_chain(tmp_path / "ingest-tls.crt", tmp_path / "ingest-tls.key")
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client.wrap_bio(inward, outward, server_hostname="bluewhale-storage.calls.svc")
        other = server.wrap_bio(outward, inward, server_side=True)
        for _ in range(6):
            for side in (one, other):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue

    shake(certificate=True)
    with pytest.raises(ssl.SSLError):
        shake(certificate=False)
