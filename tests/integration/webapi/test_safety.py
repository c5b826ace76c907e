"""Every route x role, forged requests, strange bodies, headers: what must not happen."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from bluewhale.webapi import openapi
from bluewhale.webapi.access import ROLE_NAMES, ROLES
from bluewhale.webapi.routes.needing import PERMISSION

from tests.integration.webapi.places import PASSWORD, Site

WHOLE = "from=2025-01-01&to=2026-01-01"
OPEN = {
    ("get", "/session"),
    ("post", "/session"),
    ("post", "/session/totp"),
    ("get", "/session/oidc"),
    ("get", "/session/oidc/callback"),
    ("post", "/welcome"),
}
DOCUMENT = openapi.document()
OPERATIONS = sorted(
    (method, path.removeprefix("/api/v1"), operation.get(PERMISSION, ""))
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
)
NO_CALL = "aaaaaaaaaaaaaaaaaaaaaaaaaa"


def _ask(client, method: str, path: str) -> httpx.Response:
    """Ask a route for something harmless: what it names does not exist, a body is empty."""
    place = path
    for name, value in (
        ("call_id", NO_CALL),
        ("user_id", "u_0"),
        ("uid", "none"),
        ("key_id", "k_0123456789abcdef"),
        ("number", "1"),
        ("unit_uid", "u1"),
        ("by", "site"),
        ("suspense_id", "1"),
        ("name", "none"),
        ("turn", "pause"),
        ("dialect_id", "avaya_cm"),
        ("stream_id", "0"),
        ("incarnation", "0"),
        ("seq", "0"),
        ("alert_id", NO_CALL),
        ("rule_uid", "none"),
    ):
        place = place.replace(f"{{{name}}}", value)
    if path == "/events":  # it does not end
        with client.http.stream("GET", f"/api/v1{path}") as answer:
            if answer.status_code != 200:
                answer.read()
            return answer
    body = None if method == "get" else {}
    return client.send(method.upper(), place, body)


def test_the_contract_is_the_app():
    """ui/openapi.json is what the app says; `python -m bluewhale.webapi.openapi --write` mends it."""
    assert json.loads(openapi.FILE.read_text("utf-8")) == DOCUMENT


def test_only_sign_in_answers_whoever_is_not_signed_in(site: Site):
    """Every other route says so, whatever it is asked."""
    stranger = site.stranger()
    for method, path, permission in OPERATIONS:
        if (method, path) in OPEN:
            assert permission == ""
            continue
        answer = _ask(stranger, method, path)
        assert (path, answer.status_code, answer.json()["code"]) == (path, 401, "not_signed_in")


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_each_role_reaches_what_it_may_and_nothing_else(site: Site, role: str):
    """Generated from the routes: refused for the permission, or not for the permission."""
    somebody = site.somebody(role)
    for method, path, permission in OPERATIONS:
        if (method, path) in OPEN or path == "/session":
            continue
        answer = _ask(somebody, method, path)
        refused = answer.status_code == 403 and answer.json()["code"] == "not_permitted"
        assert (path, refused) == (path, permission not in ROLES[role])


def test_a_branch_hides_the_calls_of_others(site: Site):
    """Not in lists, not in sums, not by id, not by completeness, not by a filter."""
    london = site.somebody("telecom_admin", sites=["london"])
    mine = london.post("/calls/search", {"filter": WHOLE}).json()["items"]
    assert {c["site"]["uid"] for c in mine} == {"london"}
    assert london.post("/calls/aggregate", {"filter": WHOLE}).json()["calls"] == len(mine) == 5
    every = site.owner.post("/calls/search", {"filter": WHOLE}).json()["items"]
    other = next(c["call_id"] for c in every if c["site"]["uid"] == "berlin")
    for path in (f"/calls/{other}", f"/calls/{other}/receipt", f"/calls/{other}/raw"):
        assert london.get(path).json()["code"] == "out_of_scope"
    assert london.get("/calls?site=berlin").json()["code"] == "out_of_scope"
    assert london.get("/completeness?site=berlin").json()["code"] == "out_of_scope"
    assert {d["site"]["uid"] for d in london.get("/completeness").json()["days"]} == {"london"}
    assert [s["uid"] for s in london.get("/choices").json()["sites"]] == ["london"]


def test_a_masked_role_gets_no_hidden_digit_anywhere(site: Site):
    """The last digits of every long number are in no answer: lists, calls, receipts, summary."""
    every = site.owner.post("/calls/search", {"filter": WHOLE}).json()["items"]
    parties = [p for c in every for p in (c["calling"], c["called"]) if p and p["e164"]]
    secret = {p["e164"] for p in parties} | {p["shown"] for p in parties if len(p["shown"]) > 7}
    finance = site.somebody("finance")
    answers = [finance.post("/calls/search", {"filter": WHOLE}).text]
    answers.append(finance.get(f"/summary?{WHOLE}").text)
    for call in every:
        answers += [finance.get(f"/calls/{call['call_id']}{x}").text for x in ("", "/receipt")]
    assert len(secret) > 10
    assert [n for n in secret for text in answers if n in text] == []
    assert finance.get(f"/calls/{every[0]['call_id']}/raw").json()["code"] == "not_permitted"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "guessed"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_forged_change_is_refused(site: Site, headers: dict[str, str]):
    """With the cookie, but not from the page."""
    answer = site.owner.send("POST", "/calls/search", {"filter": ""}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


def test_another_site_cannot_sign_a_browser_in(site: Site):
    """A session of the attacker would show what the victim does."""
    answer = site.stranger().send(
        "POST",
        "/session",
        {"name": "ana", "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.json()["code"] == "csrf"


def test_the_cookie_is_kept_from_scripts_and_ends_with_sign_out(site: Site):
    """HttpOnly and SameSite; behind sign-out the token opens nothing."""
    client = site.stranger()
    answer = client.post("/session", {"name": "ana", "password": PASSWORD})
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
    client.signed(answer)
    held = client.http.cookies["bluewhale"]
    assert client.send("DELETE", "/session").status_code == 204
    again = httpx.get(f"{site.url}/api/v1/me", cookies={"bluewhale": held})
    assert again.status_code == 401


def test_nobody_changes_the_own_rights(site: Site):
    """Not even an owner, who could lock everybody out."""
    me = site.owner.me["user_id"]
    for change in ({"role": "viewer"}, {"state": "disabled"}, {"branch": {"sites": []}}):
        answer = site.owner.send("PATCH", f"/users/{me}", change)
        assert answer.json()["code"] == "state_conflict"


def test_a_disabled_person_is_out_at_once(site: Site):
    """The session of a moment ago ends."""
    somebody = site.somebody("analyst", sites=["berlin"])
    assert somebody.get("/me").status_code == 200
    change = site.owner.send("PATCH", f"/users/{somebody.me['user_id']}", {"state": "disabled"})
    assert change.json()["state"] == "disabled"
    assert somebody.get("/me").status_code == 401


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "body_invalid"),
        (b"[]", "body_invalid"),
        (b'{"filter": "", "colour": "red"}', "body_invalid"),
        (b'{"filter": "", "limit": 0}', "body_invalid"),
        (b'{"filter": "", "after": "nonsense"}', "page_token_invalid"),
        (b'{"filter": "' + b"a" * 300_000 + b'"}', "too_large"),
        (b"\xff\xfe", "body_invalid"),
    ],
)
def test_strange_bodies_are_refused_in_words(site: Site, content: bytes, code: str):
    """Never an error of ours."""
    answer = site.owner.http.post(
        "/api/v1/calls/search",
        content=content,
        headers={"X-CSRF-Token": site.owner.csrf, "Content-Type": "application/json"},
    )
    assert answer.json()["code"] == code
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_stranger_cannot_make_the_server_hold_a_large_tariff(site: Site):
    """Half a MiB of a tariff is read for people alone."""
    body = {"files": [{"name": "a.yaml", "content": "A" * 500_000}]}
    assert site.stranger().post("/tariffs/check", body).json()["code"] == "too_large"
    assert site.somebody("viewer").post("/tariffs/check", body).json()["code"] == "not_permitted"
    check = site.somebody("finance").post("/tariffs/check", body).json()
    assert (check["good"], check["mistakes"][0]["file"]) == (False, "a.yaml")


def test_a_key_asks_within_its_rights_until_it_is_ended(site: Site):
    """No cookie, no token of a page; a branch; no power over people or prices; then nothing."""
    body = {"name": "nightly", "role": "finance", "branch": {"sites": ["london"]}, "days": 30}
    made = site.owner.post("/keys", body).json()
    program = site.stranger()
    program.http.headers["Authorization"] = f"Bearer {made['token']}"
    found = program.post("/calls/search", {"filter": WHOLE}).json()["items"]
    assert {c["site"]["uid"] for c in found} == {"london"}
    assert program.get("/me").json()["name"] == "key nightly"
    assert program.get("/tariffs").status_code == 200
    for method, path, sent in (
        ("GET", "/users", None),
        ("POST", "/keys", body),
        ("POST", "/tariffs/carriers-2025/1/activation", None),
    ):
        assert program.send(method, path, sent).json()["code"] == "not_permitted"
    assert program.send("PUT", "/me/password", {"old": "a", "new": "b"}).status_code == 401
    assert program.send("PATCH", "/me", {"zone": "UTC"}).json()["code"] == "not_found"
    (listed,) = site.owner.get("/keys").json()["items"]
    assert made["token"] not in site.owner.get("/keys").text
    assert listed["used_at"] is not None
    assert site.owner.post("/keys", {**body, "role": "owner"}).json()["code"] == "body_invalid"
    assert site.owner.send("DELETE", f"/keys/{listed['key_id']}").status_code == 204
    assert program.get("/me").json()["code"] == "not_signed_in"
    assert site.owner.send("DELETE", f"/keys/{listed['key_id']}").json()["code"] == "not_found"


def test_what_people_do_is_kept(site: Site):
    """Sign-in, new people, exports with their scope: who, what, and of what."""
    analyst = site.somebody("analyst")
    analyst.post("/calls/export", {"filter": "class=local"})
    security = site.somebody("security")
    items = security.get("/audit?limit=1000").json()["items"]
    said = [(x["who"], x["action"], x["subject"]) for x in items]
    assert ("analyst-all", "export", "csv") in said
    assert ("ana", "user add", "analyst-all") in said
    assert next(x["detail"] for x in items if x["action"] == "export") == "class=local"
    assert analyst.get("/audit").json()["code"] == "not_permitted"


def test_everybody_chooses_zone_and_language_for_themselves(site: Site):
    """What is no zone is refused; role and branch are no preferences."""
    viewer = site.somebody("viewer")
    chosen = viewer.send("PATCH", "/me", {"zone": "Europe/Berlin", "language": "de"}).json()
    assert (chosen["zone"], chosen["language"], chosen["role"]) == ("Europe/Berlin", "de", "viewer")
    for body in ({"zone": "Mars/Base"}, {"role": "owner"}, {"language": "<script>"}):
        assert viewer.send("PATCH", "/me", body).json()["code"] == "body_invalid"


def test_a_refused_body_does_not_repeat_what_was_sent(site: Site):
    """A password in a wrong field is in no answer."""
    answer = site.stranger().post("/session", {"name": "ana", "pasword": "hunter2hunter2"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/calls", "/assets/none.js", "/..%2f..%2fetc/passwd", "/%00"]
)
def test_any_path_gives_the_page_or_nothing(site: Site, path: str):
    """No path touches the disk; the policy lets no foreign script in."""
    answer = site.stranger().http.get(path)
    assert answer.status_code == (404 if path.startswith("/assets/") else 200)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "root:" not in answer.text


def test_strange_ids_are_not_found_or_refused(site: Site):
    """Letters of no call, of no day, and no letters of an id at all."""
    for name in ("zzzzzz", "aaaaaa", NO_CALL, "7" * 26):
        assert site.owner.get(f"/calls/{name}").json()["code"] in {"not_found", "question_refused"}
    for name in ("short", "A" * 26, "..%2f..", "%00"):
        assert site.owner.get(f"/calls/{name}").status_code in {404, 422}


def test_assets_of_a_build_come_compressed_and_for_ever(tmp_path: Path):
    """From a table made at start; a file that came later is not there."""
    from bluewhale.webapi.page import Page
    from starlette.requests import Request

    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<meta property="csp-nonce" nonce="__NONCE__">')
    (tmp_path / "assets" / "main-1.js").write_bytes(b"plain")
    (tmp_path / "assets" / "main-1.js.br").write_bytes(b"small")
    page = Page(tmp_path)
    (tmp_path / "assets" / "late.js").write_bytes(b"late")

    def asked(path: str, accept: str):
        scope = {"type": "http", "headers": [(b"accept-encoding", accept.encode())]}
        return page.asset(path, Request(scope))

    small = asked("assets/main-1.js", "gzip, br")
    assert (small.body, small.headers["content-encoding"]) == (b"small", "br")
    assert small.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asked("assets/main-1.js", "gzip").body == b"plain"
    assert asked("assets/late.js", "br") is asked("assets/../index.html", "br") is None
    first, second = page.index(), page.index()
    assert b"__NONCE__" not in first.body
    assert first.body != second.body
