"""The log on brokers that encrypt and ask who is there: every way in, and what a refusal says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Self

import pytest
from bluewhale.messaging import Handler, KafkaLog, LogUnavailableError, Place, Portion, Worker
from bluewhale.messaging.exceptions import LogUserError
from bluewhale.messaging.kafka_security import KafkaSecurity
from kafka.admin import UserScramCredentialUpsertion

from tests.support.certificates import Authority
from tests.support.services.kafka import KafkaCluster
from tests.support.services.topics import administrator

pytestmark = pytest.mark.services("kafka")

MODULES = "org.apache.kafka.common.security"
TOPIC = "cdr.raw"


class Secure:
    """A broker with listeners TLS, MUTUAL, SASL and BOTH; its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = Authority().write(folder, "role/kafka")
        store = folder / "broker.pem"
        store.write_bytes(self.files["key"].read_bytes() + self.files["certificate"].read_bytes())
        settings = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.files["authority"]),
            "listener.name.mutual.ssl.client.auth": "required",
        }
        for listener in ("sasl", "both"):
            name = f"listener.name.{listener}"
            settings |= {
                f"{name}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                f"{name}.plain.sasl.jaas.config": f"{MODULES}.plain.PlainLoginModule required"
                ' user_bluewhale="geheim";',
                f"{name}.scram-sha-256.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
                f"{name}.scram-sha-512.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
            }
        self.kafka = KafkaCluster(
            settings=settings,
            listeners={"TLS": "SSL", "MUTUAL": "SSL", "SASL": "SASL_PLAINTEXT", "BOTH": "SASL_SSL"},
        )

    def password(self, text: str) -> None:
        """Make it the password of our user at the broker."""
        with administrator(self.kafka.bootstrap) as admin:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                told = admin.alter_user_scram_credentials(
                    [UserScramCredentialUpsertion("bluewhale", mechanism, text)]
                )
                assert told == {"bluewhale": None}, told

    def security(self, protocol: str, **more: object) -> KafkaSecurity:
        """Give how to come in: our authority with ssl, our user with sasl."""
        given: dict[str, object] = {"protocol": protocol}
        if protocol.endswith("ssl"):
            given["ca"] = self.files["authority"]
        if protocol.startswith("sasl"):
            file = self.folder / "password"
            if not file.exists():
                file.write_text("geheim\n")
            given |= {"username": "bluewhale", "password_file": file}
        return KafkaSecurity(**given | more)

    def log(self, listener: str, security: KafkaSecurity) -> KafkaLog:
        """Give the log by one listener."""
        return KafkaLog(self.kafka.at(listener), client_id="secure", linger_ms=0, security=security)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Secure]:
    """One broker for all of these tests."""
    made = Secure(tmp_path_factory.mktemp("secure"))
    with made.kafka:
        made.password("geheim")
        yield made


WAYS = {
    "ssl": ("TLS", "ssl", {}),
    "ssl with our certificate": ("MUTUAL", "ssl", {"ours": True}),
    "PLAIN": ("SASL", "sasl_plaintext", {"mechanism": "PLAIN"}),
    "SCRAM-SHA-256": ("SASL", "sasl_plaintext", {"mechanism": "SCRAM-SHA-256"}),
    "SCRAM-SHA-512 by ssl": ("BOTH", "sasl_ssl", {}),
    "PLAIN by ssl": ("BOTH", "sasl_ssl", {"mechanism": "PLAIN"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_message_goes_in_and_comes_out(place: Secure, way: str) -> None:
    """Admin, producer and consumer of the log all come in by the same settings."""
    listener, protocol, more = WAYS[way]
    if more.pop("ours", None):
        more = {"certificate": place.files["certificate"], "key": place.files["key"]}
    log = place.log(listener, place.security(protocol, **more))
    try:
        log.ensure_topics(1, 1, [TOPIC])
        producer = log.producer()
        offset = producer.send(TOPIC, 0, way.encode()).result(60)
        producer.close()
        collected = Collected()
        with Reading(log, f"reads {way}", collected):
            assert collected.has(way.encode())
        assert offset >= 0
    finally:
        log.close()


REFUSALS = {
    "a wrong password": (
        "BOTH", "sasl_ssl", {"password": "falsch"},
        "refuses us: correct cluster.kafka.username, password_file or mechanism",
    ),
    "an authority that signed nothing here": (
        "TLS", "ssl", {"stranger": True},
        "certificate verify failed",
    ),
    "a port without TLS": (
        "SASL", "ssl", {},
        "where they ask for them, and a port that speaks TLS",
    ),
    "a file that is not there": (
        "TLS", "ssl", {"ca": Path("/nowhere/ca.pem")},
        "a file that Kafka asks for cannot be read ([Errno 2] No such file or directory): mount it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_says_what_to_do(place: Secure, tmp_path: Path, refusal: str) -> None:
    """It is temporary: a Secret may be mounted later than the broker changed; no password is told."""
    listener, protocol, more, text = REFUSALS[refusal]
    if password := more.get("password"):
        (tmp_path / "password").write_text(password)
        more = {"password_file": tmp_path / "password"}
    if more.get("stranger"):
        more = {"ca": Authority("others").write(tmp_path, "role/other")["authority"]}
    log = place.log(listener, place.security(protocol, **more))
    with pytest.raises(LogUnavailableError) as caught:
        log.partitions(TOPIC)
    log.close()
    assert text in str(caught.value)
    assert "falsch" not in str(caught.value)
    assert isinstance(caught.value, LogUserError) == ("refuses us" in text)


def test_a_changed_password_is_taken_up_without_a_restart(place: Secure, tmp_path: Path) -> None:
    """The broker changes it and restarts; the file follows later; both directions go on."""
    file = tmp_path / "password"
    file.write_text("geheim")
    log = place.log("BOTH", place.security("sasl_ssl", password_file=file))
    log.ensure_topics(1, 1, [TOPIC])
    producer = log.producer()
    collected = Collected()
    try:
        with Reading(log, "rotation", collected):
            producer.send(TOPIC, 0, b"before").result(60)
            assert collected.has(b"before")
            place.password("neu")
            place.kafka.kill(1)
            place.kafka.revive(1)
            with pytest.raises(LogUserError):
                place.log("BOTH", place.security("sasl_ssl", password_file=file)).partitions(TOPIC)
            file.write_text("neu")
            assert _until(lambda: _sent(producer, b"after"))
            assert collected.has(b"after")
    finally:
        producer.close()
        log.close()
        place.password("geheim")


def _sent(producer, value: bytes) -> bool:
    try:
        producer.send(TOPIC, 0, value).result(40)
    except LogUnavailableError:
        return False
    return True


class Collected(Handler):
    """Remembers what came."""

    def __init__(self) -> None:
        self.values: set[bytes] = set()

    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[int]]:
        self.values |= {m.value for p in portions for m in p.messages}
        return ()

    def assigned(self, place: Place, topic_id: str, committed: int | None) -> int | None:
        return committed

    def has(self, value: bytes) -> bool:
        return _until(lambda: value in self.values)


class Reading:
    """A worker of the log in a thread of its own."""

    def __init__(self, log: KafkaLog, group: str, handler: Handler) -> None:
        self.worker = Worker(log, group.replace(" ", "-"), [TOPIC], handler)
        self._thread = Thread(target=self.worker.run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


def _until(claim, timeout_s: float = 60.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
