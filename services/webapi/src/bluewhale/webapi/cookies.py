"""The session cookie, and whether a request came from our own page.

Owns the name and the flags of the cookie and the two signs of a forged request.
Does not own sessions (`sign_in`).
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from bluewhale.webapi.exceptions import RefusedError
from fastapi import Request

CSRF_HEADER = "x-csrf-token"
PASSING_S = 600
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Cookies:
    """How the session travels; `secure` = browsers reach us by TLS."""

    def __init__(self, *, secure: bool, public_url: str = "") -> None:
        self._secure = secure
        # a browser takes the prefix only by TLS, and only for this host and the whole path
        self.name = "__Host-bluewhale" if secure else "bluewhale"
        self._origin = public_url.rstrip("/").lower()

    def text(self, token: str | None) -> str:
        """Give the Set-Cookie header; None = forget it."""
        flags = "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if self._secure else "")
        if token is None:
            return f"{self.name}=; {flags}; Max-Age=0"
        return f"{self.name}={token}; {flags}"

    def token(self, request: Request) -> str | None:
        """Give the token that a request brings."""
        return request.cookies.get(self.name) or None

    def passing_text(self, token: str) -> str:
        """Give the Set-Cookie header of what a browser keeps while it is at the provider."""
        flags = "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if self._secure else "")
        return f"{self.name}-oidc={token}; {flags}; Max-Age={PASSING_S}"

    def passing(self, request: Request) -> str:
        """Give what a browser kept while it was at the provider."""
        return request.cookies.get(f"{self.name}-oidc", "")

    def check_origin(self, request: Request) -> None:
        """Refuse what another site sent; a program that is no browser says nothing of this.

        Raises
        ------
        RefusedError
            `csrf`.
        """
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise RefusedError("csrf")
        origin = request.headers.get("origin")
        if origin is None:
            return
        ours = urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
        if not ours and origin.lower() != self._origin:
            raise RefusedError("csrf")

    def check_csrf(self, request: Request, csrf: str) -> None:
        """Refuse a change without the token of the session.

        Raises
        ------
        RefusedError
            `csrf`.
        """
        if request.method in SAFE:
            return
        self.check_origin(request)
        brought = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(brought.encode(), csrf.encode()):
            raise RefusedError("csrf")
