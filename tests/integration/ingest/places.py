"""A small installation for tests of ingest: configuration, keys, a unit on the real protocol."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import yaml
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.capture import Frame, RawRecord, record_crc
from bluewhale.configuration import Configuration, load, stream_id
from bluewhale.database import Store
from bluewhale.ingest.authority import SERVER_NAME, Authority
from bluewhale.ingest.service import Ingest
from bluewhale.messaging import LogUnavailableError
from bluewhale.telemetry import Metrics
from bluewhale.uplink import Packer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

EXAMPLE = Path(__file__).parents[3] / "examples" / "small-site"
INCARNATION = 4711
OPTIONS = (("grpc.ssl_target_name_override", SERVER_NAME),)


def write_configuration(
    folder: Path, *, bootstrap: str = "", prefix: str = "", **ingest: Any
) -> Path:
    """Write a configuration of two units: `depot` reads two links, `shop` one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "data": str(folder / "data"),
        "directory": [str(EXAMPLE / "directory.yaml")],
        "tariffs": [],
        "links": [
            {
                "link_uid": "hq-avaya-cdr",
                "pbx_uid": "hq-avaya",
                "dialect": "avaya_cm",
                "options": {"layout": "custom-114"},
                "connector": {"type": "tcp_server", "host": "127.0.0.1", "port": 0},
            },
            {
                "link_uid": "london-asterisk-cdr",
                "pbx_uid": "london-asterisk",
                "dialect": "asterisk_csv",
                "connector": {"type": "tcp_server", "host": "127.0.0.1", "port": 0},
            },
        ],
        "units": [
            {"unit_uid": "depot", "links": ["hq-avaya-cdr", "london-asterisk-cdr"]},
            {"unit_uid": "shop", "links": ["london-asterisk-cdr"]},
        ],
        "cluster": {
            "kafka": {"bootstrap": bootstrap or "127.0.0.1:1", "prefix": prefix, "partitions": 2},
            "ingest": {
                "listen": "127.0.0.1:0",
                "enrolment": "127.0.0.1:0",
                "authority": str(folder / "authority"),
                "authority_create": True,
                "heartbeat_ms": 5_000,
                "marks_interval_ms": 20,
                "enrolments_per_second": 1_000.0,
                **ingest,
            },
        },
    }
    path = folder / "bluewhale.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


AVAYA = stream_id("hq-avaya-cdr", "depot")
ASTERISK = stream_id("london-asterisk-cdr", "depot")
OF_SHOP = stream_id("london-asterisk-cdr", "shop")


@dataclass
class Conditions:
    """What ingest says about itself, latest by name."""

    latest: dict[str, tuple[bool, str]] = field(default_factory=dict)

    def say(self, name: str, good: bool, message: str) -> None:
        self.latest[name] = (good, message)


@contextlib.asynccontextmanager
async def ingest_on(
    configuration: Configuration | Path, open_log: Any, *, open_store: Any = None
) -> AsyncIterator[tuple[Ingest, Conditions]]:
    """Run ingest in this loop; storage's marks are given by the test: `ingest.feed.take`."""
    if isinstance(configuration, Path):
        configuration = load(configuration)
    conditions = Conditions()
    failures: list[BaseException] = []

    def no_storage() -> Any:
        raise LogUnavailableError("no storage in this test: it gives marks itself")

    ingest = Ingest(
        configuration,
        open_log=open_log,
        open_store=open_store or (lambda: Store.open(configuration.settings.data / "store")),
        query=no_storage,
        say=conditions.say,
        metrics=Metrics(),
        failed=failures.append,
        instance="test",
    )
    async with ingest.running():
        yield ingest, conditions
    assert failures == []


async def until(condition: Any, what: str, timeout_s: float = 60.0) -> None:
    """Wait until `condition()` holds; fail naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.01)


@dataclass
class Keys:
    """Key, certificate and trust of one unit."""

    key_pem: bytes
    certificate_pem: bytes
    trust_pem: bytes

    def trusting(self, trust_pem: bytes) -> Keys:
        return Keys(self.key_pem, self.certificate_pem, trust_pem)

    def showing(self, key: bytes, certificate: bytes) -> Keys:
        return Keys(key, certificate, self.trust_pem)

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.trust_pem, self.key_pem, self.certificate_pem)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Give a fresh key."""
    return ec.generate_private_key(ec.SECP256R1())


def request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Give a certificate request signed by `key`."""
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Give a key as it lies in a file."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def keys_of(authority: Authority, unit_uid: str, *, now: datetime | None = None) -> Keys:
    """Give keys signed straight by the CA, as if the unit had enrolled."""
    key = new_key()
    signed = authority.sign_unit(request(key), unit_uid, now=now or datetime.now(UTC))
    return Keys(key_pem(key), signed.public_bytes(serialization.Encoding.PEM), authority.bundle_pem)


def frame_of(
    texts: list[bytes], *, stream: int = AVAYA, first_seq: int = 1, incarnation: int = INCARNATION
) -> pb.FrameUp:
    """Give a frame of these records, as a unit sends it."""
    records = tuple(
        RawRecord(first_seq + i, text, 99, 1, 1_790_000_000_000) for i, text in enumerate(texts)
    )
    packed = Packer().pack(Frame(stream, incarnation, first_seq, 1, records))
    return pb.FrameUp(
        stream_id=stream,
        incarnation=incarnation,
        first_seq=packed.first_seq,
        last_seq=packed.last_seq,
        packed=packed.packed,
        raw_bytes=packed.raw_bytes,
    )


def crc_of(text: bytes) -> int:
    """Give the CRC that a mark carries for a record of `frame_of`."""
    return record_crc(text, n=1, connection=99, received_at_ms=1_790_000_000_000)


class Client:
    """A unit's end of the stream: says hello, sends, keeps what comes down."""

    def __init__(self, channel: grpc.aio.Channel, unit_uid: str) -> None:
        self.unit_uid = unit_uid
        self._call = uplink_pb2_grpc.UplinkStub(channel).Connect()
        self.down: list[pb.Down] = []
        self.received: dict[int, int] = {}
        self.stored: dict[int, int] = {}
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            async for message in self._call:
                self.down.append(message)
                for mark in message.marks.marks:
                    self.received[mark.stream_id] = mark.received_through
                    self.stored[mark.stream_id] = mark.stored_through

    async def hello(self, *, session: int = 7, clock_ms: int | None = None, **more: Any) -> None:
        now_ms = int(time.time() * 1000) if clock_ms is None else clock_ms
        said = {"protocol_min": 1, "protocol_max": 2, "release": "test"} | more
        await self.send(
            pb.Up(hello=pb.Hello(unit_uid=self.unit_uid, session=session, clock_ms=now_ms, **said))
        )

    async def send(self, message: pb.Up) -> None:
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await self._call.write(message)

    async def frame(self, frame: pb.FrameUp) -> None:
        await self.send(pb.Up(frame=frame))

    @property
    def over(self) -> bool:
        """Say whether the stream has ended."""
        return self._reader.done()

    def of(self, kind: str) -> list[Any]:
        """Give the messages of one kind that came down."""
        return [getattr(m, kind) for m in self.down if m.WhichOneof("message") == kind]

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the end; give status and text."""
        await asyncio.wait_for(self._reader, 60)
        return await self._call.code(), await self._call.details()

    async def close(self) -> None:
        self._call.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@contextlib.asynccontextmanager
async def client_of(
    ingest: Ingest, unit_uid: str, keys: Keys | None = None, **hello: Any
) -> AsyncIterator[Client]:
    """Connect as a unit and say hello; without keys over plaintext."""
    address = f"127.0.0.1:{ingest.port}"
    channel = (
        grpc.aio.insecure_channel(address)
        if keys is None
        else grpc.aio.secure_channel(address, keys.credentials(), options=OPTIONS)
    )
    async with channel:
        client = Client(channel, unit_uid)
        await client.hello(**hello)
        try:
            yield client
        finally:
            await client.close()
