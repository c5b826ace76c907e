"""The installation's own certificates: an authority made once, certificates of the roles renewed in time.

Secrets are made through the API server and belong to nobody's release: the
authority outlives an uninstall, since units trust it. What is there and good stays.
"""

import base64
import json
import os
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bluewhale.ingest.authority import Authority
from cryptography import x509

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DAYS = 365
RENEW_BEFORE = timedelta(days=120)  # looked at once a month
NAMES = json.loads(os.environ["BLUEWHALE_NAMES"])  # role -> names that others call it by
LABELS = json.loads(os.environ["BLUEWHALE_LABELS"])
PREFIX, NAMESPACE = os.environ["BLUEWHALE_PREFIX"], os.environ["POD_NAMESPACE"]
OPERATOR = os.environ.get("BLUEWHALE_OPERATOR_SECRET", "")


def api(method, name, body=None):
    """Ask for a Secret; None = there is none."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{NAMESPACE}/secrets"
        + (f"/{name}" if name else ""),
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
            "Content-Type": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404 and method == "GET":
            return None
        if error.code == 409 and method == "POST":
            return api("GET", body["metadata"]["name"])  # another run of this was first
        sys.exit(
            f"{method} secret {name or body['metadata']['name']}: {error.code} {error.read().decode()}"
        )


def put(name, kind, files, before):
    """Write a Secret, in place of what was there."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": LABELS},
        "type": kind,
        "data": {k: base64.b64encode(v).decode() for k, v in files.items()},
    }
    if before is not None:
        body["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    made = api("POST", "", body) if before is None else api("PUT", name, body)
    print(f"{name}: {'made' if before is None else 'renewed'}", flush=True)
    return made


def content(secret, key):
    """Give a file of a Secret."""
    return base64.b64decode((secret or {}).get("data", {}).get(key, ""))


def good(authority, secret, key, names, now):
    """Say whether a certificate is there, ours, known by its names, and far from its end."""
    try:
        certificate = x509.load_pem_x509_certificate(content(secret, key))
    except ValueError:
        return False
    said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        authority.signed(certificate)
        and set(names) <= set(said.get_values_for_type(x509.DNSName))
        and certificate.not_valid_after_utc - now > RENEW_BEFORE
    )


def authority_of(folder, now):
    """Give the authority of the installation; the first run makes it."""
    secret = api("GET", f"{PREFIX}-authority")
    if secret is None:
        made = Path(tempfile.mkdtemp()) / "authority"
        Authority.create(made, now=now)
        secret = put(
            f"{PREFIX}-authority", "Opaque", {x.name: x.read_bytes() for x in made.iterdir()}, None
        )
    for name in secret["data"]:
        (folder / name).write_bytes(content(secret, name))
    return Authority.open(folder)


def main():
    """Make and renew what is needed."""
    now = datetime.now(UTC)
    authority = authority_of(Path(tempfile.mkdtemp()), now)
    bundle = authority.bundle_pem
    for role, names in NAMES.items():
        name = f"{PREFIX}-tls-{role}"
        secret = api("GET", name)
        if good(authority, secret, "tls.crt", names, now) and content(secret, "ca.crt") == bundle:
            continue
        pair = authority.make_role(role, tuple(names), now=now, days=DAYS)
        files = {"tls.key": pair.key_pem, "tls.crt": pair.chain_pem, "ca.crt": bundle}
        put(name, "kubernetes.io/tls", files, secret)
    if OPERATOR:
        secret = api("GET", OPERATOR)
        if (
            not good(authority, secret, "operator.pem", [], now)
            or content(secret, "ca.pem") != bundle
        ):
            pair = authority.make_operator("kubernetes", now=now, days=DAYS)
            files = {"operator.key": pair.key_pem, "operator.pem": pair.chain_pem, "ca.pem": bundle}
            put(OPERATOR, "Opaque", files, secret)


if __name__ == "__main__":
    main()
