"""What people and PBXs send on purpose: other people's ids, forged changes, signs that mean something."""

from __future__ import annotations

import base64
import csv
import io
import shutil

import openpyxl
import pytest
from bluewhale.webapi.access import ROLES

from tests.integration.cli.door import bluewhale
from tests.integration.webapi.places import EXAMPLE, Site, embedded
from tests.integration.webapi.test_safety import OPEN, OPERATIONS, WHOLE, _ask

MARK = "zebra"
SCRIPT = "<img src=x onerror=alert(1)>"
FORMULA = "=cmd|'/C calc'!A0"
# a line of Asterisk: its account code is a formula, its caller's name and its last word are markup
HOSTILE = (
    f'"{FORMULA}","5001","902079460044","from-internal","{SCRIPT}","PJSIP/5001-00000002",'
    '"PJSIP/thames-00000003","Dial","PJSIP/thames,60","2025-04-16 10:05:00",'
    '"2025-04-16 10:05:07","2025-04-16 10:06:08",68,61,"ANSWERED","DOCUMENTATION",'
    f'"1744800001.1","{SCRIPT}","","1744800001.1",1\n'
)


def _changes() -> list[tuple[str, str]]:
    return [(m, p) for m, p, _ in OPERATIONS if m != "get" and (m, p) not in OPEN]


def test_no_change_is_taken_without_the_token_of_the_page(site: Site):
    """Generated from the routes: with the cookie alone every one of them is refused as forged."""
    owner, kept = site.owner, site.owner.csrf
    owner.csrf = "forged"
    try:
        said = {(m, p): _ask(owner, m, p) for m, p in _changes()}
    finally:
        owner.csrf = kept
    assert {
        k for k, a in said.items() if (a.status_code, a.json()["code"]) != (403, "csrf")
    } == set()
    assert len(said) > 20


def test_no_route_of_a_branch_says_more_than_the_branch(site: Site):
    """Generated from the routes that list: no answer to Berlin names a call of London."""
    berlin = site.somebody("telecom_admin", sites=["berlin"])
    every = site.owner.post("/calls/search", {"filter": WHOLE}).json()["items"]
    foreign = {c["call_id"] for c in every if c["site"]["uid"] == "london"}
    assert len(foreign) == 5
    seen = [
        berlin.get(path).text
        for method, path, permission in OPERATIONS
        if method == "get"
        and "{" not in path
        and permission in ROLES["telecom_admin"]
        and path != "/events"
    ]
    seen += [berlin.post(f"/reports/{by}", {"filter": WHOLE}).text for by in ("site", "extension")]
    seen.append(berlin.post("/calls/export", {"filter": WHOLE, "form": "jsonl"}).text)
    assert [(i, text[:80]) for text in seen for i in foreign if i in text] == []


@pytest.mark.parametrize("place", ["", "/receipt", "/raw"])
def test_ids_of_others_are_refused_one_by_one(site: Site, place: str):
    """Each call of London, asked for by Berlin."""
    berlin = site.somebody("telecom_admin", sites=["berlin"])
    every = site.owner.post("/calls/search", {"filter": WHOLE}).json()["items"]
    said = {
        berlin.get(f"/calls/{c['call_id']}{place}").json().get("code")
        for c in every
        if c["site"]["uid"] == "london"
    }
    assert said == {"out_of_scope"}


def test_nobody_reads_or_changes_another_person_by_id(site: Site):
    """Every role but the owner, for the owner's own account."""
    target = f"/users/{site.owner.me['user_id']}"
    for role in ("viewer", "analyst", "finance", "telecom_admin", "security"):
        somebody = site.somebody(role)
        for method, path, body in (
            ("GET", target, None),
            ("PATCH", target, {"state": "disabled"}),
            ("DELETE", f"{target}/totp", None),
        ):
            assert somebody.send(method, path, body).json()["code"] == "not_permitted"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/index.html",
        "/assets/....//....//etc/passwd",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/..%5c..%5cwindows%5cwin.ini",
        "/assets/%252e%252e%252fetc%252fpasswd",
    ],
)
def test_no_path_leads_out_of_the_assets(site: Site, path: str):
    """Whatever stands for a step up, once or twice encoded."""
    answer = site.stranger().http.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert answer.json()["code"] == "not_found"


def test_no_header_of_an_answer_repeats_what_was_asked(site: Site):
    """Not the host, not the origin, not a path, not a line break in a value."""
    split = f"%0d%0aX-{MARK}:%20{MARK}"
    headers = {"X-Forwarded-Host": f"{MARK}.example", "Referer": f"https://{MARK}.example/"}
    for path in (
        f"/api/v1/calls?from={split}",
        f"/api/v1/{split}",
        f"/{split}",
        f"/assets/{split}",
    ):
        answer = site.owner.http.get(path, headers=headers)
        said = "\n".join(f"{k}: {v}" for k, v in answer.headers.items())
        assert MARK not in said.lower()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory):
    """Serve a site whose one call is all markup and formulas."""
    folder = tmp_path_factory.mktemp("hostile") / "site"
    shutil.copytree(EXAMPLE, folder)
    line = folder / "lines" / "hostile.csv"
    line.write_text(HOSTILE, encoding="utf-8")
    answer = bluewhale("import", "--link", "london-asterisk-cdr", line, "--config", folder)
    assert answer.code == 0, answer.err
    with embedded(folder, requests_per_minute=60) as served:
        yield served


def test_markup_of_a_pbx_stays_text(hostile: Site):
    """It comes as JSON that no browser takes for a page, and its bytes as base64."""
    (call,) = hostile.owner.post("/calls/search", {"filter": WHOLE}).json()["items"]
    raw = hostile.owner.get(f"/calls/{call['call_id']}/raw")
    assert SCRIPT.encode() in base64.b64decode(raw.json()["legs"][0]["bytes"])
    for path in ("", "/receipt", "/raw"):
        answer = hostile.owner.get(f"/calls/{call['call_id']}{path}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_formula_of_a_pbx_is_no_formula_in_a_file(hostile: Site):
    """No cell of the CSV begins with a sign that a spreadsheet computes; of a workbook each is typed."""
    said = hostile.owner.post("/calls/export", {"filter": WHOLE, "form": "csv"}).text
    head, row = csv.reader(said.splitlines())
    assert row[head.index("account_code")] == f"'{FORMULA}"
    assert [c for c in row if c[:1] in {"=", "@", "-", "\t", "\r"}] == []
    book = hostile.owner.post("/calls/export", {"filter": WHOLE, "form": "xlsx"}).content
    heads, cells = openpyxl.load_workbook(io.BytesIO(book))["calls"].iter_rows()
    (code,) = [c for h, c in zip(heads, cells, strict=True) if h.value == "account_code"]
    assert (code.data_type, code.value) == ("s", FORMULA)
    assert "f" not in {c.data_type for c in cells}


def test_whoever_asks_too_often_waits_and_nobody_else(hostile: Site):
    """Sixty a minute: of a person, and of an address, whatever it says whom it asks for."""
    viewer, stranger = hostile.somebody("viewer"), hostile.stranger()
    for asked in (
        lambda _n: viewer.get("/me"),
        lambda n: stranger.get("/me", headers={"X-Forwarded-For": f"192.0.2.{n}"}),
    ):
        # a minute of the clock may end in between: then the next one is full
        said = next(a for n in range(130) if (a := asked(n)).status_code == 429)
        assert said.json()["code"] == "too_many"
        assert 1 <= int(said.headers["retry-after"]) <= 60
        assert hostile.owner.get("/me").status_code == 200
