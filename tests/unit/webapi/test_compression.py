"""How answers are made smaller on their way, by what a reader takes."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest
import zstandard
from bluewhale.webapi.compression import FROM_BYTES, Compression
from bluewhale.webapi.exporting import MEDIA_TYPES
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

LONG = "call;" * FROM_BYTES
PIECES = ("one;" * 300, "two;" * 300, "three")


async def _pieces(_request: object) -> Response:
    async def given():
        for piece in PIECES:
            yield piece

    return StreamingResponse(given(), media_type="text/csv")


APP = Starlette(
    routes=[
        Route("/long", lambda _: PlainTextResponse(LONG)),
        Route("/short", lambda _: PlainTextResponse("call")),
        Route("/huge", lambda _: PlainTextResponse(LONG * 100)),
        Route("/pieces", _pieces),
        Route("/parquet", lambda _: Response(LONG, media_type=MEDIA_TYPES["parquet"])),
        Route("/live", lambda _: Response(LONG, media_type="text/event-stream")),
    ]
)
APP.add_middleware(Compression)


def asked(path: str, accepted: str) -> tuple[str | None, list[bytes]]:
    """Give the encoding of an answer and its pieces, as they are sent."""

    async def ask() -> tuple[str | None, list[bytes]]:
        head: dict[str, str] = {}
        bodies: list[bytes] = []

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                head.update((k.decode(), v.decode()) for k, v in message["headers"])
            elif message["body"]:
                bodies.append(message["body"])

        async def receive() -> dict[str, object]:
            return await asyncio.Future()

        headers = [(b"accept-encoding", accepted.encode())]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
        await APP({**scope, "query_string": b"", "root_path": ""}, receive, send)
        if "content-length" in head:
            assert int(head["content-length"]) == sum(map(len, bodies))
        return head.get("content-encoding"), bodies

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "zstd"),
        ("ZSTD", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd; q=0.000", None),
        ("gzip", "gzip"),
        ("br", None),
        ("", None),
    ],
)
def test_an_answer_comes_as_its_reader_takes_it(accepted, encoding):
    """Zstd before gzip; what is refused with q=0 is not sent."""
    sent, bodies = asked("/long", accepted)
    read = {"zstd": zstandard.decompress, "gzip": gzip.decompress, None: bytes}[sent]
    assert (sent, read(b"".join(bodies))) == (encoding, LONG.encode())


@pytest.mark.parametrize("path", ["/short", "/parquet", "/live"])
def test_what_gains_nothing_stays_as_it_is(path):
    """Short answers, files that are compressed inside, and what streams for ever."""
    assert asked(path, "gzip, zstd")[0] is None


def test_every_piece_of_a_stream_can_be_read_when_it_comes():
    """A reader of an export need not wait for its end; all pieces are one frame."""
    encoding, bodies = asked("/pieces", "zstd")
    reader = zstandard.ZstdDecompressor().decompressobj()
    assert encoding == "zstd"
    assert tuple(reader.decompress(piece).decode() for piece in bodies[:3]) == PIECES
    assert reader.decompress(b"".join(bodies[3:])) == b""
    assert reader.eof


def test_a_long_text_is_whole():
    """Half a megabyte, which is compressed beside the loop of the server."""
    encoding, bodies = asked("/huge", "zstd")
    assert (encoding, zstandard.decompress(b"".join(bodies)).decode()) == ("zstd", LONG * 100)


def test_a_client_reads_it_without_being_told():
    """Httpx says by itself what it takes."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/long")

    answer = asyncio.run(ask())
    assert (answer.headers["content-encoding"], answer.text) == ("zstd", LONG)
