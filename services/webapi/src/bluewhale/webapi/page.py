"""The page as it is served: index.html with its nonce, assets from a table made at start.

No path of a request touches the disk. Owns headers and types of these files. Does
not own the page itself (`services/webapi/ui`, built into the folder `page`).
"""

from __future__ import annotations

import html
import secrets
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).with_name("page")
NONCE = b"__NONCE__"
_TYPES = {
    ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
    ".webp": "image/webp", ".woff2": "font/woff2", ".json": "application/json",
    ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}  # fmt: skip
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"
)
_FOREVER = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Bluewhale</title>
<main><h1>The page is not built</h1>
<p>The API answers under <code>/api/v1</code>. To have the page, with Node 20 or newer:</p>
<pre>{command}</pre>
<p>then start this server again.</p></main></html>
"""
BUILD = "cd services/webapi/ui && npm ci && npm run build"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed where that was made."""

    media_type: str
    plain: bytes
    encoded: dict[str, bytes]  # br, gzip


class Page:
    """What a build left; without one a page that says how to build."""

    def __init__(self, folder: Path = FOLDER) -> None:
        index = folder / "index.html"
        self.built = index.is_file()
        self._index = (
            index.read_bytes()
            if self.built
            else _NOT_BUILT.format(command=html.escape(BUILD)).encode()
        )
        self._assets = _table(folder) if self.built else {}

    def index(self) -> Response:
        """Give the page for any path of it."""
        nonce = secrets.token_urlsafe(16)
        return Response(
            self._index.replace(NONCE, nonce.encode()),
            media_type="text/html; charset=utf-8",
            headers={
                "Cache-Control": "no-store",
                "Content-Security-Policy": _POLICY.format(nonce=nonce),
            },
        )

    def asset(self, path: str, request: Request) -> Response | None:
        """Give a file of the build by its path; None = there is none."""
        found = self._assets.get(path)
        if found is None:
            return None
        headers = {
            "Cache-Control": _FOREVER if path.startswith("assets/") else "no-cache",
            "Vary": "Accept-Encoding",
        }
        accepted = request.headers.get("accept-encoding", "")
        for encoding in ("br", "gzip"):
            if encoding in accepted and encoding in found.encoded:
                headers["Content-Encoding"] = encoding
                return Response(found.encoded[encoding], 200, headers, found.media_type)
        return Response(found.plain, 200, headers, found.media_type)


def _table(folder: Path) -> dict[str, Asset]:
    """Read every file of a build that has a known type."""
    found = {}
    for path in sorted(folder.rglob("*")):
        media_type = _TYPES.get(path.suffix)
        name = path.relative_to(folder).as_posix()
        if media_type is None or not path.is_file() or name == "index.html":
            continue
        encoded = {
            encoding: beside.read_bytes()
            for encoding, suffix in (("br", ".br"), ("gzip", ".gz"))
            if (beside := path.with_name(path.name + suffix)).is_file()
        }
        found[name] = Asset(media_type, path.read_bytes(), encoded)
    return found
