"""Channels are told of alerts: once, signed, masked, again when they fail, never the wrong host."""

from __future__ import annotations

import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bluewhale.alerting import Rules, SilentPbxRule
from bluewhale.billing.channels import ChannelError, reachable
from bluewhale.billing.telling import TAKEN_MS, Telling, wait_ms
from bluewhale.configuration.alerting import Alerting, parse_alerting
from bluewhale.database import Batch, ClaimStep, Store
from bluewhale.database.alerts import AlertFilter, Alerts
from bluewhale.records.findings import Finding
from bluewhale.telemetry import Metrics

from tests.spec.database.build import leg_row, legs, proposals

NOW = 1_790_000_000_000
MINUTE = 60_000
SECRET = b"a secret of twenty letters"


@dataclass
class Endpoint:
    """A real HTTP server on this machine that keeps what it gets."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Serve 200, or what a test lists."""
    kept = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((self.path, dict(self.headers), body))
            self.send_response(kept.answers.pop(0) if kept.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        kept.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield kept
        server.shutdown()


@dataclass
class Judging:
    """What this process judges with."""

    store: Store
    alerting: Alerting
    rules_file: Path | None = None


@dataclass
class Clock:
    """A clock that a test moves."""

    now_ms: int = NOW

    def __call__(self) -> int:
        return self.now_ms


def channels(folder: Path, text: str) -> Alerting:
    """Read channels."""
    (folder / "secret").write_bytes(SECRET + b"\n")
    return parse_alerting(text, "alerts.yaml", folder)


def found(row: dict[str, Any], *to: str) -> Finding:
    """Say that a rule minds the call of a leg."""
    return Finding(
        rule_uid="dear", name="Dear calls", kind="expensive_call", severity="critical",
        object_kind="extension", object_uid="201", site_uid="berlin", window="2026-09-21",
        at_ms=NOW, call_id=row["cdr_id"], leg_ids=(row["cdr_id"],), to=to,
    )  # fmt: skip


def stored(store: Store, *to: str) -> bytes:
    """Store a call to +49 30 1234 567 and its alert; give the alert."""
    row = leg_row(1, called_number="+49301234567")
    one = found(row, *to)
    made = replace(proposals((row,)), findings=(one,))
    assert store.commit(Batch(now_ms=NOW, legs=legs(row), proposals=made)).alerts == 1
    return one.alert_id


def step(telling: Telling) -> bool:
    """Send what is due."""
    with ThreadPoolExecutor(2) as senders:
        return telling.step(senders)


def webhook(endpoint: Endpoint, more: str = "") -> str:
    """Declare the endpoint as a channel."""
    return (
        "channels:\n  - {channel: soc, type: webhook, secret_file: secret,"
        f" url: {endpoint.url}/hook, networks: [127.0.0.0/8]{more}}}\n"
    )


def test_a_webhook_is_signed_and_a_restart_sends_nothing_twice(tmp_path: Path, endpoint: Endpoint):
    """HMAC-SHA256 over timestamp, point and body; numbers are masked; two processes, one POST."""
    alerting = channels(tmp_path, webhook(endpoint))
    with Store.open(tmp_path / "store") as store:
        alert_id = stored(store, "soc")
        assert step(Telling(Judging(store, alerting), Metrics(), clock_ms=Clock()))
    with Store.open(tmp_path / "store") as store:
        assert not step(
            Telling(Judging(store, alerting), Metrics(), clock_ms=Clock(NOW + 7 * 86_400_000))
        )
        assert Alerts(store.db).deliveries(alert_id) == [("soc", 1, "sent", 1, NOW, "")]
    ((path, headers, body),) = endpoint.got
    assert path == "/hook"
    signed = headers["Bluewhale-Timestamp"].encode() + b"." + body
    expected = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    assert headers["Bluewhale-Signature"] == f"v1={expected}"
    said = json.loads(body)
    assert said["delivery"] == headers["Bluewhale-Delivery"]
    assert (said["alert"]["rule"], said["alert"]["object"]) == (
        "dear",
        {"kind": "extension", "uid": "201"},
    )
    (call,) = said["calls"]
    assert (call["calling"], call["called"], call["talk_ms"]) == ("201", "+49*******67", 60_000)
    assert b"1234567" not in body


def test_a_channel_that_is_declared_to_get_whole_numbers_gets_them(
    tmp_path: Path, endpoint: Endpoint
):
    """The house has decided so, in its file."""
    alerting = channels(tmp_path, webhook(endpoint, ", numbers: full"))
    with Store.open(tmp_path / "store") as store:
        stored(store, "soc")
        step(Telling(Judging(store, alerting), Metrics(), clock_ms=Clock()))
    assert json.loads(endpoint.got[0][2])["calls"][0]["called"] == "+49301234567"


def test_a_channel_that_fails_is_tried_again_with_the_same_delivery(
    tmp_path: Path, endpoint: Endpoint
):
    """500, then a redirect that is not followed, then taken: after 5 and 10 seconds."""
    endpoint.answers = [500, 302]
    alerting = channels(tmp_path, webhook(endpoint))
    clock = Clock()
    with Store.open(tmp_path / "store") as store:
        alert_id = stored(store, "soc")
        telling = Telling(Judging(store, alerting), Metrics(), clock_ms=clock)
        for ms, sent in ((0, 1), (4_999, 1), (1, 2), (9_999, 2), (1, 3), (3_600_000, 3)):
            clock.now_ms += ms
            step(telling)
            assert len(endpoint.got) == sent
        assert Alerts(store.db).deliveries(alert_id)[0][2:4] == ("sent", 3)
    assert len({headers["Bluewhale-Delivery"] for _, headers, _ in endpoint.got}) == 1
    assert {path for path, _, _ in endpoint.got} == {"/hook"}


def test_pauses_double_to_an_hour_and_end():
    """5 s, 10 s, 20 s ... at most an hour, twenty attempts in all."""
    pauses = [wait_ms(n) for n in range(1, 21)]
    assert pauses[:4] == [5_000, 10_000, 20_000, 40_000]
    assert pauses[-2:] == [3_600_000, None]
    assert max(p for p in pauses if p is not None) == 3_600_000


def test_a_message_to_nobody_and_a_short_secret_are_said_as_what_they_are(
    tmp_path: Path, endpoint: Endpoint
):
    """A channel that left the file gives up; a secret of three letters signs nothing."""
    alerting = channels(tmp_path, webhook(endpoint))
    (tmp_path / "secret").write_text("abc")
    with Store.open(tmp_path / "store") as store:
        alert_id = stored(store, "gone", "soc")
        step(Telling(Judging(store, alerting), Metrics(), clock_ms=Clock()))
        states = [(d[0], d[2], d[5]) for d in Alerts(store.db).deliveries(alert_id)]
    assert states == [
        ("gone", "failed", "this channel is not declared any more"),
        ("soc", "waiting", "secret_file holds less than 16 letters; write more"),
    ]
    assert endpoint.got == []


@pytest.mark.parametrize(
    ("host", "networks", "there"),
    [
        ("127.0.0.1", [], False),
        ("127.0.0.1", ["127.0.0.0/8"], True),
        ("169.254.169.254", [], False),  # what clouds tell their machines
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("::1", [], False),
        ("::ffff:127.0.0.1", [], False),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], True),
        ("0.0.0.0", [], False),
        ("224.0.0.1", [], False),
        ("93.184.216.34", [], True),
    ],
)
def test_an_address_inside_the_house_is_reached_where_it_is_named(
    host: str, networks: list[str], there: bool
):
    """A webhook is no way around the firewall."""
    if there:
        assert reachable(host, 80, networks) == host
    else:
        with pytest.raises(ChannelError, match="inside the house"):
            reachable(host, 80, networks)


def test_an_alertmanager_gets_labels_without_numbers(tmp_path: Path, endpoint: Endpoint):
    """API v2: a list of alerts with labels, a summary and a begin."""
    text = (
        "channels:\n  - {channel: am, type: alertmanager,"
        f" url: {endpoint.url}/, networks: [127.0.0.1/32]}}\n"
    )
    with Store.open(tmp_path / "store") as store:
        stored(store, "am")
        judging = Judging(store, channels(tmp_path, text))
        step(Telling(judging, Metrics(), page="https://calls.example.com", clock_ms=Clock()))
    ((path, _, body),) = endpoint.got
    assert path == "/api/v2/alerts"
    (one,) = json.loads(body)
    address = one.pop("generatorURL")
    alert_id = one["labels"].pop("alert_id")
    assert address == f"https://calls.example.com/alerts/{alert_id}"
    assert one == {
        "labels": {
            "alertname": "dear",
            "kind": "expensive_call",
            "severity": "critical",
            "object": "extension 201",
            "site": "berlin",
        },
        "annotations": {"summary": "Dear calls: Expensive call, extension 201 at berlin"},
        "startsAt": "2026-09-21T14:13:20.000Z",
    }


class MailHandler(socketserver.StreamRequestHandler):
    """Speaks as much SMTP as a sender needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += self.rfile.readline()
                self.server.mails.append(mail)  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def test_a_mail_says_the_alert_and_its_calls(tmp_path: Path):
    """To a server of this machine, in the clear; every other one needs TLS."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.mails = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        text = (
            "channels:\n  - {channel: mail, type: mail, host: 127.0.0.1, tls: none,"
            f" port: {server.server_address[1]}, sender: bluewhale@example.com,"
            " recipients: [security@example.com]}\n"
        )
        with Store.open(tmp_path / "store") as store:
            stored(store, "mail")
            assert step(
                Telling(Judging(store, channels(tmp_path, text)), Metrics(), clock_ms=Clock())
            )
        server.shutdown()
        mail = server.mails[0].decode()  # type: ignore[attr-defined]
    assert "Subject: [critical] Dear calls: Expensive call, extension 201 at berlin\r\n" in mail
    assert "To: security@example.com\r\n" in mail
    assert "201 -> +49*******67" in mail
    assert "1234567" not in mail


def test_a_taken_message_is_left_alone_by_others(tmp_path: Path, endpoint: Endpoint):
    """Another process took it and has not said what became of it: it waits a minute."""
    alerting = channels(tmp_path, webhook(endpoint))
    with Store.open(tmp_path / "store") as store:
        stored(store, "soc")
        alerts = Alerts(store.db)
        (due,) = alerts.due(now_ms=NOW)
        assert alerts.take(due, until_ms=NOW + TAKEN_MS, now_ms=NOW)
        assert not step(Telling(Judging(store, alerting), Metrics(), clock_ms=Clock()))
        assert endpoint.got == []


def test_a_pbx_that_falls_silent_opens_an_alert_and_closes_it_when_it_speaks(tmp_path: Path):
    """30 records an hour are declared, ten minutes pass without one; then a record comes."""
    rule = SilentPbxRule(
        rule_uid="silent", name="Silent", silent_ms=10 * MINUTE, records_min=5, usual_per_hour=30.0
    )
    clock = Clock()
    with Store.open(tmp_path / "store") as store:
        store.declare_links([("hq-1", 7, "hq", "berlin", "avaya_cm")])
        store.commit(Batch(now_ms=NOW, legs=legs(leg_row(1, received_at=NOW))))
        judging = Judging(store, Alerting(Rules((rule,))))
        alerts = Alerts(store.db)

        def states() -> list[str]:
            Telling(judging, Metrics(), clock_ms=clock).look_for_silence()
            return [a.state for a in alerts.listed(AlertFilter(), limit=9, now_ms=clock.now_ms)]

        clock.now_ms = NOW + 10 * MINUTE - 1
        assert states() == []
        clock.now_ms = NOW + 10 * MINUTE
        assert states() == ["open"]
        clock.now_ms = NOW + 60 * MINUTE
        assert states() == ["open"]
        store.commit(Batch(now_ms=NOW, legs=legs(leg_row(2, received_at=clock.now_ms))))
        assert states() == ["closed"]


def test_alerts_are_kept_as_long_as_the_limit_says(tmp_path: Path):
    """30 days are over one millisecond after the thirtieth."""
    clock = Clock()
    with Store.open(tmp_path / "store") as store:
        stored(store, "soc")
        judging = Judging(store, Alerting(Rules(())))
        for late_ms, gone in ((0, 0), (1, 1)):
            clock.now_ms = NOW + 30 * 86_400_000 + late_ms
            telling = Telling(judging, Metrics(), clock_ms=clock, kept_days=30)
            assert (telling.tidy(), telling.tidy()) == (gone, 0)


def test_what_is_on_its_way_through_the_log_is_not_silence(tmp_path: Path):
    """The data time stands at the last record while storage catches up: nobody is woken."""
    rule = SilentPbxRule(
        rule_uid="silent", name="Silent", silent_ms=10 * MINUTE, records_min=5, usual_per_hour=30.0
    )
    with Store.open(tmp_path / "store") as store:
        store.declare_links([("hq-1", 7, "hq", "berlin", "avaya_cm")])
        claim = store.claim("storage", "parsed", 0)
        store.commit(
            Batch(
                now_ms=NOW,
                claims=[ClaimStep(claim, 0, 1)],
                legs=legs(leg_row(1, received_at=NOW)),
                data_time_ms=NOW + MINUTE,
            )
        )
        judging, clock = Judging(store, Alerting(Rules((rule,)))), Clock(NOW + 60 * MINUTE)
        Telling(judging, Metrics(), clock_ms=clock, follows_data_time=True).look_for_silence()
        assert Alerts(store.db).count(AlertFilter(), now_ms=NOW) == 0
        Telling(judging, Metrics(), clock_ms=clock).look_for_silence()
        assert Alerts(store.db).count(AlertFilter(), now_ms=NOW) == 1
