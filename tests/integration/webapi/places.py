"""The small site with its twenty calls, behind a real web server, in either runtime."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml
from bluewhale.api.alerts.v1 import alerts_pb2_grpc
from bluewhale.api.query.v1 import query_pb2_grpc
from bluewhale.api.tariffs.v1 import tariffs_pb2_grpc
from bluewhale.billing.alerts_door import AlertsDoor
from bluewhale.billing.prices import AwaitedPrices, Prices
from bluewhale.billing.tariffs_door import TariffsDoor
from bluewhale.cli.runtime import Runtime
from bluewhale.cli.simulate.setup import free_port
from bluewhale.configuration import Following, load
from bluewhale.database import Store
from bluewhale.storage.marks_feed import MarksFeed
from bluewhale.storage.query_door import QueryDoor

from tests.integration.cli.door import bluewhale
from tests.integration.cli.places import change
from tests.support.running import wait_until

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "small-site"
FILES = {
    "hq-avaya-cdr": "avaya.txt",
    "hq-cucm-cdr": "cdr_BerlinCluster_01_202504161300_41",
    "london-asterisk-cdr": "Master.csv",
}
# a call of the year before, with letters where its duration should be
BROKEN = (
    '"","5001","5002","from-internal","5001","PJSIP/5001-00000002","PJSIP/5002-00000003","Dial",'
    '"PJSIP/5002,60","2024-04-16 10:05:00","2024-04-16 10:05:05","2024-04-16 10:06:05",6x5,60,'
    '"ANSWERED","DOCUMENTATION","1713261900.1","","","1713261900.1",1\n'
)
PASSWORD = "correct horse battery"
_LINK = re.compile(r"Open (\S+)/welcome\?token=(\S+)")


@dataclass(slots=True)
class Client:
    """One browser: its cookie, and the token that it sends with every change."""

    url: str
    csrf: str = ""
    me: dict[str, Any] = field(default_factory=dict)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        # as the page after a change: a test that changes something asks within the second
        now = {"Cache-Control": "no-cache"}
        self.http = httpx.Client(base_url=self.url, timeout=60, headers=now)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask."""
        return self.http.get(f"/api/v1{path}", **more)

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Ask for a change as the page does."""
        headers = {"X-CSRF-Token": self.csrf, **more.pop("headers", {})}
        return self.http.request(method, f"/api/v1{path}", json=body, headers=headers, **more)

    def post(self, path: str, body: Any) -> httpx.Response:
        """Send a body."""
        return self.send("POST", path, body)

    def signed(self, answer: httpx.Response) -> Client:
        """Go on as whom the answer says."""
        assert answer.status_code in {200, 201}, answer.text
        self.me = answer.json()
        self.csrf = self.me["csrf"]
        return self


@dataclass(slots=True)
class Site:
    """A served installation; `owner` made herself with the link of the first start."""

    url: str
    token: str
    owner: Client
    clients: list[Client] = field(default_factory=list)

    def stranger(self) -> Client:
        """Give a browser that is not signed in."""
        self.clients.append(Client(self.url))
        return self.clients[-1]

    def close(self) -> None:
        """Close all browsers."""
        for client in (self.owner, *self.clients):
            client.http.close()

    def somebody(self, role: str, **branch: list[str]) -> Client:
        """Make somebody with a role and a branch, and sign in as them."""
        within = "-".join(uid for uids in branch.values() for uid in uids)
        name = f"{role}-{within or 'all'}"
        body = {"name": name, "password": PASSWORD, "role": role, "branch": branch}
        answer = self.owner.post("/users", body)
        assert answer.status_code in {201, 409}, answer.text
        client = self.stranger()
        return client.signed(client.post("/session", {"name": name, "password": PASSWORD}))


def imported(folder: Path) -> Path:
    """Copy the example and import its lines, and one that no parser takes."""
    shutil.copytree(EXAMPLE, folder)
    with (folder / "lines" / "Master.csv").open("a", encoding="utf-8") as file:
        file.write(BROKEN)
    for link, name in FILES.items():
        answer = bluewhale("import", "--link", link, folder / "lines" / name, "--config", folder)
        assert answer.code == 0, answer.err
    return folder


RULES = """
rules:
  - {rule: long, name: Long calls, kind: long_call, talk_minutes_min: 5, severity: info}
  - {rule: paris, name: Paris, kind: blacklist, prefixes: ["+331"], live: false}
"""


def _ready(folder: Path, **web: Any) -> None:
    """Let the installation answer on ports of its own, and read nothing."""
    (folder / "alerts.yaml").write_text(RULES)
    change(folder, alerts="alerts.yaml")
    links = yaml.safe_load((folder / "bluewhale.yaml").read_text("utf-8"))["links"]
    for link in links:
        link["connector"] = {"type": "import"}
    change(folder, links=links, monitor={"port": 0}, web={"listen": "127.0.0.1:0", **web})


def _welcomed(said: str) -> Site:
    found = _LINK.search(said)
    assert found, said
    owner = Client(found[1])
    body = {
        "token": found[2],
        "name": "ana",
        "password": PASSWORD,
        "display_name": "Ana Ruiz",
    }
    return Site(found[1], found[2], owner.signed(owner.post("/welcome", body)))


@contextlib.contextmanager
def _site(said: str) -> Iterator[Site]:
    site = _welcomed(said)
    try:
        yield site
    finally:
        site.close()


@contextlib.contextmanager
def embedded(folder: Path, *, reading: bool = False, **web: Any) -> Iterator[Site]:
    """Serve it as `bluewhale up` does, in a thread of this process; it may read its PBXs.

    `web` = more settings of the page, where it reads none.
    """
    if not reading:
        _ready(folder, **web)
    runtime, said = Runtime(load(folder)), io.StringIO()
    runner = threading.Thread(target=runtime.run)
    with contextlib.redirect_stdout(said):
        runner.start()
        wait_until(lambda: runtime.role.health.started, 120, "the start")
    try:
        with _site(said.getvalue()) as site:
            yield site
    finally:
        runtime.stop()
        runner.join(60)
        assert not runner.is_alive()


@contextlib.contextmanager
def in_roles(folder: Path) -> Iterator[Site]:
    """Serve it as the role `webapi`, a process that asks storage and billing over gRPC."""
    _ready(folder)
    with Store.open(folder / "data" / "store") as store:
        configuration = load(folder)
        served = grpc.server(ThreadPoolExecutor(8))
        query_pb2_grpc.add_QueryServicer_to_server(QueryDoor(store, MarksFeed(store)), served)
        prices = AwaitedPrices(1_000, Following(configuration))
        prices.prices = Prices(store, configuration.settings.payer_policy)
        prices.refresh()
        tariffs_pb2_grpc.add_TariffsServicer_to_server(TariffsDoor(prices), served)
        alerts_pb2_grpc.add_AlertsServicer_to_server(AlertsDoor(prices), served)
        port = served.add_insecure_port("127.0.0.1:0")
        served.start()
        there = {"listen": f"127.0.0.1:{port}"}
        webapi = {"listen": f"127.0.0.1:{free_port()}"}
        change(folder, cluster={"storage": there, "billing": there, "webapi": webapi})
        log = folder / "webapi.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "bluewhale.webapi", "--config", str(folder)],
                stdout=out,
                stderr=out,
            )
        try:
            wait_until(
                lambda: process.poll() is not None or _LINK.search(log.read_text()), 60, "the link"
            )
            with _site(log.read_text()) as site:
                yield site
        finally:
            process.terminate()
            assert process.wait(30) == 0, log.read_text()
            served.stop(0).wait()
