"""Answers, smaller on their way: zstd for whoever takes it, gzip for others.

Owns which encoding an answer gets and how hard it is pressed. Files of the page are pressed
when it is built (`page`); Parquet, workbooks and the live stream stay as they are.
"""

from __future__ import annotations

import zstandard
from bluewhale.webapi.exporting import MEDIA_TYPES
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware.gzip import (
    DEFAULT_EXCLUDED_CONTENT_TYPES,
    GZipMiddleware,
    IdentityResponder,
)
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

FROM_BYTES = 1_024
GZIP_LEVEL = 1  # of 1 to 9: a file of a million calls is made as fast as this lets it
ZSTD_LEVEL = 1  # of 1 to 22: a list of 200 calls in a quarter of gzip's time, and smaller
_ASIDE_BYTES = 128 << 10  # longer ones would hold up the loop of the server


class Compression(GZipMiddleware):
    """Compresses answers that come whole or in pieces."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            app,
            minimum_size=FROM_BYTES,
            compresslevel=GZIP_LEVEL,
            exclude_content_types=(
                *DEFAULT_EXCLUDED_CONTENT_TYPES,
                MEDIA_TYPES["parquet"],
                MEDIA_TYPES["xlsx"],
            ),
        )

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not takes_zstd(Headers(scope=scope)):
            await super().__call__(scope, receive, send)
            return
        responder = _Zstd(
            self.app, self.minimum_size, exclude_content_types=self.exclude_content_types
        )
        await responder(scope, receive, send)


def takes_zstd(headers: Headers) -> bool:
    """Say whether whoever asks reads zstd; `zstd;q=0` says no."""
    for taken in headers.get("accept-encoding", "").split(","):
        name, _, quality = taken.partition(";")
        if name.strip().lower() == "zstd":
            return quality.replace(" ", "").rstrip("0.") != "q="
    return False


def packed(data: bytes) -> bytes:
    """Give one zstd frame."""
    return zstandard.compress(data, ZSTD_LEVEL)


class _Zstd(IdentityResponder):
    """One answer as one frame; each piece can be read when it comes."""

    content_encoding = "zstd"

    def __init__(
        self, app: ASGIApp, minimum_size: int, *, exclude_content_types: tuple[str, ...]
    ) -> None:
        super().__init__(app, minimum_size, exclude_content_types=exclude_content_types)
        self._frame: zstandard.ZstdCompressionObj | None = None

    @override
    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        if len(body) >= _ASIDE_BYTES:
            return await run_in_threadpool(self._compressed, body, more_body)
        return self._compressed(body, more_body)

    def _compressed(self, body: bytes, more_body: bool) -> bytes:
        if self._frame is None:
            if not more_body:
                return packed(body)
            self._frame = zstandard.ZstdCompressor(ZSTD_LEVEL).compressobj()
        end = zstandard.COMPRESSOBJ_FLUSH_BLOCK if more_body else zstandard.COMPRESSOBJ_FLUSH_FINISH
        return self._frame.compress(body) + self._frame.flush(end)
