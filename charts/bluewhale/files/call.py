"""`helm test`: the page answers, and one made-up call that goes in as a PBX prints it gets a price.

BLUEWHALE_TEST_ROLES    name=host:port of health doors, separated by blanks; all must be ready
BLUEWHALE_TEST_STORED   name of the role that counts charges
BLUEWHALE_TEST_PAGE     address of the page; empty = it is not served
BLUEWHALE_TEST_PBX      host:port where the PBX would connect; empty = no call, readiness alone
BLUEWHALE_TEST_UNIT     uid of a Remote Unit that this pod runs itself; empty = none
"""

import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

PATIENCE_S = float(os.environ.get("BLUEWHALE_TEST_SECONDS", "240"))
CHARGES = re.compile(r'^bluewhale_charges_total\{entry="charge"\} (\S+)$', re.M)
UNPRICED = re.compile(r"^bluewhale_charges_unrated_total\{[^}]*\} (\S+)$", re.M)
ENDS_AT = time.monotonic() + PATIENCE_S


def asked(address, path):
    """Give the answer of a health door, whatever its status; several copies answer together."""
    host, _, port = address.rpartition(":")
    found = sorted({x[4][0] for x in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)})
    texts = []
    for one in found:
        one = f"[{one}]" if ":" in one else one
        try:
            with urllib.request.urlopen(f"http://{one}:{port}{path}", timeout=5) as answer:
                texts.append(answer.read().decode())
        except urllib.error.HTTPError as error:
            texts.append(error.read().decode())
    return texts


def until(what, look):
    """Wait until `look` gives something true; its last word is told when time is over."""
    said = ""
    while True:
        try:
            done, now = look()
        except OSError as error:
            done, now = False, str(error)
        if now != said:
            print(f"{what}: {now}", flush=True)
            said = now
        if done:
            return
        if time.monotonic() > ENDS_AT:
            sys.exit(f"{what}: not within {PATIENCE_S:.0f} s; the last word: {said}")
        time.sleep(1)


def ready(address):
    """Say whether every copy of a role is ready."""
    answers = [json.loads(x) for x in asked(address, "/readyz")]
    wrong = [x["wrong"] for x in answers if not x["healthy"]]
    return bool(answers) and not wrong, json.dumps(wrong) if wrong else "ready"


def page_served(url):
    """Say whether the page comes whole and safe, and whether the API behind it reaches its tables."""
    # a certificate of yours names the address that people open, not this Service
    anybody = ssl._create_unverified_context()
    with urllib.request.urlopen(url, timeout=10, context=anybody) as answer:
        policy = answer.headers.get("Content-Security-Policy", "")
        page = answer.read().decode()
    if "default-src 'none'" not in policy or "/assets/" not in page:
        sys.exit(f"GET / of {url}: not the page; its policy: {policy!r}")
    with urllib.request.urlopen(f"{url}/api/v1/session", timeout=10, context=anybody) as answer:
        said = json.load(answer)
    if said.get("signed_in") is not False:
        sys.exit(f"GET /api/v1/session of {url}: {said}")
    return True, "served" + (", and waits for its first owner" if said["first_start"] else "")


def counted(address, what):
    """Sum a counter over all copies of a role."""
    return sum(float(x) for text in asked(address, "/metrics") for x in what.findall(text))


def line():
    """Print a call of now, as an Avaya with the layout custom-114 does."""
    now, letters = datetime.now(timezone.utc), [" "] * 114
    dialled = f"06990009{random.randrange(1000):03d}"  # set aside for fiction
    for column, text in (
        (1, now.strftime("%d%m%y")),
        (8, now.strftime("%H%M")),
        (13, f"00{random.randrange(1, 10)}{random.randrange(60):02d}"),
        (19, "7"),
        (27, "799"),
        (54 - len(dialled), dialled),
        (67, "201"),
        (97, "001"),
    ):
        letters[column - 1 : column - 1 + len(text)] = text
    return "".join(letters) + "\r\n"


def unit_started(uid):
    """Enrol a unit and run it in this pod."""
    made = subprocess.run(
        ["bluewhale", "unit", "token", uid, "--config", "/etc/bluewhale"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        sys.exit(f"token of {uid}: {made.stderr}")
    token = re.search(r"bw1\.\S+", made.stdout)[0]
    Path("/tmp/unit").mkdir()
    Path("/tmp/unit/unit.yaml").write_text(
        json.dumps(
            {
                "unit_uid": uid,
                "data": "/tmp/unit/data",
                "token": token,
                "centre": os.environ["BLUEWHALE_TEST_CENTRE"],
                "enrolment": os.environ["BLUEWHALE_TEST_ENROLMENT"],
            }
        )
    )
    return subprocess.Popen(
        [sys.executable, "-m", "bluewhale.remoteunit", "--config", "/tmp/unit/unit.yaml"]
    )


def called(address):
    """Connect as a PBX does and send one call."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as pbx:
        sent = line()
        pbx.sendall(sent.encode())
        return True, f"sent {sent.rstrip()!r}"


def main():
    """Wait for the roles, send the call, wait for its price."""
    roles = dict(x.split("=", 1) for x in os.environ["BLUEWHALE_TEST_ROLES"].split())
    for name, address in roles.items():
        until(name, lambda address=address: ready(address))
    if page := os.environ.get("BLUEWHALE_TEST_PAGE"):
        until("page", lambda: page_served(page))
    pbx, uid = os.environ.get("BLUEWHALE_TEST_PBX"), os.environ.get("BLUEWHALE_TEST_UNIT")
    if not pbx:
        print("all roles are ready; values `test.pbx` names a port to send a call to")
        return
    unit = unit_started(uid) if uid else None
    stored = roles[os.environ["BLUEWHALE_TEST_STORED"]]
    before, unpriced = counted(stored, CHARGES), counted(stored, UNPRICED)
    try:
        until("call", lambda: called(pbx))
        until(
            "price",
            lambda: (
                (now := counted(stored, CHARGES)) > before,
                f"{now - before:.0f} charges since the call",
            ),
        )
        if counted(stored, UNPRICED) > unpriced:
            sys.exit("the call was stored without a price")
    finally:
        if unit is not None:
            unit.terminate()
            unit.wait(60)
    print(f"priced {PATIENCE_S - (ENDS_AT - time.monotonic()):.1f} s after the start of this pod")


if __name__ == "__main__":
    main()
