"""The installation that comes with the chart: it loads, and the call of `helm test` gets a price."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from bluewhale.configuration import load

from tests.support.helm import CHART
from tests.support.services import free_ports

DEMO = CHART / "files" / "demo"
CALL = CHART / "files" / "call.py"


def test_the_demonstration_is_a_valid_installation():
    """`bluewhale check` finds no mistake in it."""
    configuration = load(DEMO)
    assert [x.link_uid for x in configuration.settings.links] == ["demo-avaya-cdr"]
    assert configuration.settings.links[0].connector.port == 9000


def test_the_made_up_call_is_a_line_of_114_columns_with_a_fictional_number():
    """Columns are those of the layout that the demonstration's link has."""
    line = runpy.run_path(str(CALL))["line"]()
    assert line.endswith("\r\n")
    assert len(line) == 116
    assert line[18] == "7"
    assert line[25:29] == " 799"
    assert re.fullmatch(r" *06990009\d{3}", line[30:53])
    assert line[54:69].strip() == "201"


def test_helm_test_prices_its_call_in_the_demonstration(tmp_path: Path):
    """The program of the test pod, against the command of the one pod, with the files of the chart."""
    health, pbx = free_ports(2)
    environment = os.environ | {
        "BLUEWHALE_DATA": str(tmp_path / "data"),
        "BLUEWHALE_MONITOR__PORT": str(health),
        "BLUEWHALE_LINKS__0__CONNECTOR__PORT": str(pbx),
        "BLUEWHALE_LINKS__0__CONNECTOR__HOST": "127.0.0.1",
    }
    up = subprocess.Popen(
        [Path(sys.executable).with_name("bluewhale"), "up", "--config", DEMO],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", CALL.read_text()],
            env=os.environ
            | {
                "BLUEWHALE_TEST_ROLES": f"bluewhale=127.0.0.1:{health}",
                "BLUEWHALE_TEST_STORED": "bluewhale",
                "BLUEWHALE_TEST_PBX": f"127.0.0.1:{pbx}",
                "BLUEWHALE_TEST_SECONDS": "180",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    finally:
        up.terminate()
        assert up.wait(120) == 0
    assert done.returncode == 0, done.stdout + done.stderr
    assert "priced" in done.stdout.splitlines()[-1]


INDEX = b"<!doctype html><script src=/assets/main-1.js></script>"
POLICY = "default-src 'none'; script-src 'self'"


@pytest.mark.parametrize(
    ("policy", "index", "session", "said"),
    [
        (POLICY, INDEX, b'{"first_start": true, "signed_in": false}', "waits for its first owner"),
        (POLICY, INDEX, b'{"first_start": false, "signed_in": false}', "served"),
        (POLICY, b"The page is not built", b"{}", "not the page"),
        ("", INDEX, b"{}", "not the page"),
        (POLICY, INDEX, b'{"first_start": false, "signed_in": true}', "/api/v1/session"),
    ],
)
def test_helm_test_tells_the_page_from_what_is_none(
    policy: str, index: bytes, session: bytes, said: str
):
    """The page with its policy and the API behind it; all else ends the test at once."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(index if self.path == "/" else session)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    look = runpy.run_path(str(CALL))["page_served"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            done, words = look(f"http://127.0.0.1:{server.server_port}")
        except SystemExit as error:
            done, words = False, str(error)
        server.shutdown()
    assert (done, said in words) == (said.startswith(("served", "waits")), True)


def test_the_demonstration_declares_the_unit_that_helm_test_runs():
    """Profile standard: the test pod is this unit."""
    units = yaml.safe_load((DEMO / "bluewhale.yaml").read_text())["units"]
    assert units == [{"unit_uid": "helm-test", "links": ["demo-avaya-cdr"]}]


def test_the_example_of_a_remote_unit_reads_the_pbx_of_the_demonstration():
    """`kubectl apply` of it beside the demonstration: site and PBX exist, its link has a name of its own."""
    example = yaml.safe_load((CHART / "examples" / "remoteunit.yaml").read_text())
    definition = yaml.safe_load(next((CHART / "files" / "crds").glob("*.yaml")).read_text())
    version = definition["spec"]["versions"][0]
    group = definition["spec"]["group"]
    assert example["apiVersion"] == f"{group}/{version['name']}"
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert example["spec"].keys() <= spec.keys()
    configuration = load(DEMO)
    directory, given = configuration.directory, example["spec"]
    assert given["site"] in {s.site_uid for s in directory.sites}
    for link in given["links"]:
        assert link["pbx"] in {p.pbx_uid for p in directory.pbxs}
        assert configuration.settings.links[0].link_uid != link["name"]
