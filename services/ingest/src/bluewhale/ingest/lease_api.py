"""One Lease of Kubernetes over plain HTTPS: read, create, replace.

Owns the way to the API server: where it is, who we are, what its answers mean. The
token and the certificate of its authority are files that Kubernetes renews: both
are read for each request. Does not own what a Lease says: `term_lease`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bluewhale.ingest.exceptions import ApiAwayError, ApiRefusedError

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
_CHANGED = {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}
_RIGHTS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class LeaseApi:
    """The Lease `name`; any thread, one connection per request.

    `url` "" = as a pod finds its API server; `credentials`: the folder of a service
    account (token, ca.crt, namespace); `namespace` "" = that of the account.
    """

    def __init__(
        self, name: str, *, namespace: str, url: str, credentials: Path, timeout_s: float
    ) -> None:
        self.name = name
        self._namespace, self._url, self._credentials = namespace, url, credentials
        self._timeout_s = timeout_s

    def read(self) -> dict[str, Any] | None:
        """Give the Lease; None = there is none."""
        status, answer = self._ask("GET", f"{self._path()}/{self.name}")
        if status == HTTPStatus.NOT_FOUND:
            return None
        return self._good(status, answer)

    def create(self, document: dict[str, Any]) -> bool:
        """Make the Lease; False = there is one already."""
        status, answer = self._ask("POST", self._path(), document)
        if status == HTTPStatus.CONFLICT:
            return False
        self._good(status, answer)
        return True

    def replace(self, document: dict[str, Any]) -> bool:
        """Write over the version that the document names; False = it is not that any more."""
        status, answer = self._ask("PUT", f"{self._path()}/{self.name}", document)
        if status in _CHANGED:
            return False
        self._good(status, answer)
        return True

    def _path(self) -> str:
        return _LEASES.format(namespace=self._namespace or self._file("namespace"))

    def _server(self) -> str:
        if self._url:
            return self._url
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{x}", "") for x in ("HOST", "PORT"))
        if not host:
            raise ApiRefusedError(
                "no API server of Kubernetes is known here: run in a pod, or set"
                " cluster.ingest.ownership.term.kubernetes.api"
            )
        return f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"

    def _file(self, name: str) -> str:
        path = self._credentials / name
        try:
            return path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ApiRefusedError(
                f"the service account's file cannot be read ({error}): let the pod mount its token,"
                " or correct cluster.ingest.ownership.term.kubernetes.credentials"
            ) from None

    def _connection(self, server: str) -> http.client.HTTPConnection:
        parts = urlsplit(server)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        trusted = ssl.create_default_context(cadata=self._file("ca.crt"))
        return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=trusted)

    def _ask(
        self, method: str, path: str, document: dict[str, Any] | None = None
    ) -> tuple[int, bytes]:
        server = self._server()
        headers = {
            "Authorization": f"Bearer {self._file('token')}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        body = None if document is None else json.dumps(document)
        try:
            connection = self._connection(server)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:  # of ssl, too
            raise ApiAwayError(
                f"the API server at {server} does not answer ({error or type(error).__name__})"
            ) from error

    def _good(self, status: int, answer: bytes) -> dict[str, Any]:
        if status in _RIGHTS:
            raise ApiRefusedError(
                f"the API server refuses us the Lease {self.name} ({status}): let the service"
                f" account of ingest get, create and update leases ({_said(answer)})"
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise ApiAwayError(f"the API server has trouble ({status}: {_said(answer)})")
        if status >= HTTPStatus.BAD_REQUEST:
            raise ApiRefusedError(
                f"the API server refuses the Lease {self.name} ({status}): {_said(answer)}"
            )
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ApiAwayError("what answers at the API server's address is none")
        return found


def _said(answer: bytes) -> str:
    """Give the message of an answer that is not good."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace")
