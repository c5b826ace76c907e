"""Writes that meet others, and writes that are sent twice."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.integration.webapi.places import PASSWORD, Client, Site


def _made(site: Site, name: str, **more: str) -> dict:
    body = {"name": name, "password": PASSWORD, "role": "viewer"}
    return site.owner.send("POST", "/users", body, **more).json()


def _keyed(client: Client, key: str, method: str, path: str, body=None):
    return client.send(method, path, body, headers={"Idempotency-Key": key})


def test_whoever_saw_an_older_state_is_shown_the_present_one(site: Site):
    """412 with what stands; with its tag the change goes through."""
    made = _made(site, "seen")
    path = f"/users/{made['user_id']}"
    assert site.owner.get(path).headers["etag"] == made["etag"]
    first = site.owner.send("PATCH", path, {"role": "analyst"}, headers={"If-Match": made["etag"]})
    assert (first.status_code, first.headers["etag"]) == (200, first.json()["etag"])
    late = site.owner.send("PATCH", path, {"role": "finance"}, headers={"If-Match": made["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    stands = late.json()["params"]["current"]
    assert (stands["role"], stands["etag"]) == ("analyst", first.headers["etag"])
    again = {"If-Match": f'"other", {stands["etag"]}'}
    assert (
        site.owner.send("PATCH", path, {"role": "finance"}, headers=again).json()["role"]
        == "finance"
    )
    assert site.owner.send("PATCH", path, {"role": "viewer"}).json()["role"] == "viewer"


def test_of_changes_in_the_same_moment_one_goes_through(site: Site):
    """Ten with the same tag at once: one is done, nine are shown what stands."""
    made = _made(site, "fought-over")
    path, tag = f"/users/{made['user_id']}", {"If-Match": made["etag"]}

    def change(n: int) -> int:
        body = {"display_name": f"number {n}"}
        return site.owner.send("PATCH", path, body, headers=tag).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(change, range(10))) == [200] + [412] * 9


def test_a_request_that_is_sent_twice_acts_once(served: Site):
    """The same answer, and one person; for others the key is theirs."""
    key = str(uuid.uuid4())
    body = {"name": "twice", "password": PASSWORD, "role": "viewer"}
    first = _keyed(served.owner, key, "POST", "/users", body)
    again = _keyed(served.owner, key, "POST", "/users", body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (again.headers["idempotent-replayed"], again.headers["etag"]) == (
        "true", first.headers["etag"],
    )  # fmt: skip
    assert "idempotent-replayed" not in first.headers
    named = [u["name"] for u in served.owner.get("/users").json()["items"]]
    assert named.count("twice") == 1
    other = served.somebody("viewer")
    assert _keyed(other, key, "PATCH", "/me", {"language": "de"}).status_code == 200


def test_a_key_belongs_to_one_request(site: Site):
    """Another body, another address: refused, and nothing is done."""
    key = str(uuid.uuid4())
    body = {"name": "only-this", "password": PASSWORD, "role": "viewer"}
    assert _keyed(site.owner, key, "POST", "/users", body).status_code == 201
    other = _keyed(site.owner, key, "POST", "/users", {**body, "name": "not-this"})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert _keyed(site.owner, key, "PATCH", "/me", {}).json()["code"] == "key_reused"
    assert "not-this" not in site.owner.get("/users").text


def test_what_was_refused_may_be_sent_again_with_its_key(site: Site):
    """Nothing happened, so there is no answer to keep."""
    key = str(uuid.uuid4())
    body = {"name": "late-comer", "password": PASSWORD, "role": "viewer"}
    assert _keyed(site.owner, key, "PATCH", "/users/u_0", {}).json()["code"] == "not_found"
    assert _keyed(site.owner, key, "POST", "/users", body).status_code == 201


def test_presses_in_the_same_moment_act_once(site: Site):
    """Eight at once: one made, the others are told the same or to look."""
    key = str(uuid.uuid4())
    body = {"name": "pressed", "password": PASSWORD, "role": "viewer"}

    def press(_: int) -> int:
        return _keyed(site.owner, key, "POST", "/users", body).status_code

    with ThreadPoolExecutor(8) as pool:
        said = set(pool.map(press, range(8)))
    assert said <= {201, 409}
    assert 201 in said
    assert site.owner.get("/users").text.count('"name":"pressed"') == 1


def test_an_answer_that_streams_is_given_again_as_it_was(site: Site):
    """An export with a key is made once."""
    key, body = str(uuid.uuid4()), {"filter": "from=2025-01-01&to=2026-01-01", "form": "jsonl"}
    first = _keyed(site.owner, key, "POST", "/calls/export", body)
    assert next(json.loads(line)["call_id"] for line in first.text.splitlines())
    audit = site.owner.get("/audit?limit=1").json()
    assert (audit["items"][0]["action"], audit["items"][0]["subject"]) == ("export", "jsonl")
    again = _keyed(site.owner, key, "POST", "/calls/export", body)
    assert again.content == first.content
    assert site.owner.get("/audit?limit=1").json() == audit


def test_a_strange_key_is_refused(site: Site):
    """Blanks, letters beyond ASCII, three hundred signs."""
    for key in (b"two words", b"\xc3\xa9", b"x" * 300):
        answer = site.owner.send("PATCH", "/me", {}, headers={b"Idempotency-Key": key})
        assert answer.json()["code"] == "body_invalid"


def test_the_trail_says_that_it_is_unbroken(site: Site):
    """How many entries, and the hash of the newest to note elsewhere."""
    chain = site.owner.get("/audit?limit=1").json()["chain"]
    assert (chain["unbroken"], chain["broken_at"]) == (True, None)
    assert chain["entries"] > 0
    assert len(bytes.fromhex(chain["head"])) == 32
