"""A provider of sign-ins on this machine: Authlib's server, which checks what a client must do.

    with running() as provider:
        provider.person = {"sub": "1", "preferred_username": "tom", "groups": ["staff"]}

Whoever comes is `person`, without being asked. `lies` go into the token in place of what
is true, so that a client can be seen to notice.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify, request
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "bluewhale", "a secret of: the + client"


class _Client(ClientMixin):
    """The one client; its redirect address is what it asks for first."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.endswith("/api/v1/session/oidc/callback")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self._provider.ways

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):
    """A code that was given out."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Provider:
    """What it knows and says; `asked` = paths in the order in which they were asked."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "1"})
    lies: dict[str, Any] = field(default_factory=dict)
    ways: tuple[str, ...] = ("client_secret_basic",)
    beside: tuple[str, ...] = ()  # claims that stand in userinfo alone
    codes: dict[str, _Code] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    key: RSAKey = field(init=False)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        """Sign with another key from now on, and show that one alone."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})

    def said(self) -> dict[str, Any]:
        """Give its configuration."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": list(self.ways),
        }


def _app(provider: Provider) -> Flask:
    app = Flask(__name__)
    server = AuthorizationServer(
        app, query_client=lambda _id: _Client(provider), save_token=lambda _token, _request: None
    )

    class Code(AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012

        def save_authorization_code(self, code: str, request: Any) -> None:
            given = request.payload.data
            provider.codes[code] = _Code(
                code=code,
                redirect_uri=given["redirect_uri"],
                scope=given["scope"],
                nonce=given["nonce"],
                code_challenge=given["code_challenge"],
                code_challenge_method=given["code_challenge_method"],
            )

        def query_authorization_code(self, code: str, client: Any) -> _Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: _Code) -> dict[str, Any]:
            return provider.person

    class Openid(OpenIDCode):
        def resolve_client_private_key(self, client: Any) -> KeySet:
            return KeySet([provider.key])

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": provider.url, "aud": [CLIENT]}

        def get_client_algorithm(self, client: Any) -> str:
            return "RS256"

        def get_encode_header(self, client: Any) -> dict[str, str]:
            return {"alg": "RS256", "kid": str(provider.key.kid)}

        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
            told = {k: v for k, v in user.items() if k not in provider.beside}
            return UserInfo({**told, **provider.lies})

    server.register_grant(Code, [CodeChallenge(required=True), Openid(require_nonce=True)])

    @app.before_request
    def _noted() -> None:
        provider.asked.append(request.path)

    @app.get("/.well-known/openid-configuration")
    def _configuration() -> Response:
        return jsonify(provider.said())

    @app.get("/keys")
    def _keys() -> Response:
        return jsonify(KeySet([provider.key]).as_dict(private=False))

    @app.get("/authorize")
    def _authorize() -> Response:
        grant = server.get_consent_grant(end_user=provider.person)
        return server.create_authorization_response(grant=grant, grant_user=provider.person)

    @app.post("/token")
    def _token() -> Response:
        return server.create_token_response()

    @app.get("/userinfo")
    def _userinfo() -> Response:
        return jsonify(provider.person)

    return app


@contextlib.contextmanager
def running() -> Iterator[Provider]:
    """Serve a provider for the time of the block."""
    provider = Provider()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # it is on this machine
        server = make_server("127.0.0.1", 0, _app(provider), threaded=True)
        provider.url = f"http://127.0.0.1:{server.port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join(30)
            server.server_close()
