"""Signing in with a password and a code, over HTTP, and what an owner can do about it."""

from __future__ import annotations

import base64
import time

from bluewhale.webapi.second_factor import STEP_MS, code_at

from tests.integration.webapi.places import PASSWORD, Client, Site


class Device:
    """Shows codes; each time one that was not used yet."""

    def __init__(self, secret: str) -> None:
        self._secret = base64.b32decode(secret)
        self._ahead = -1  # a server takes the step before and the one after, too

    def code(self) -> str:
        """Give the next code."""
        self._ahead += 1
        return code_at(self._secret, int(time.time() * 1_000) // STEP_MS + self._ahead)


def _signed_in(site: Site, name: str) -> tuple[Client, dict]:
    client = site.stranger()
    return client, client.post("/session", {"name": name, "password": PASSWORD}).json()


def _with_factor(site: Site, name: str) -> tuple[Client, Device, list[str]]:
    """Make a viewer who has set a device up."""
    body = {"name": name, "password": PASSWORD, "role": "viewer"}
    assert site.owner.post("/users", body).status_code == 201
    client = site.stranger()
    client.signed(client.post("/session", {"name": name, "password": PASSWORD}))
    offered = client.post("/me/totp", {"password": PASSWORD}).json()
    assert offered["uri"].startswith(f"otpauth://totp/Bluewhale:{name}?secret=")
    device = Device(offered["secret"])
    codes = client.send("PUT", "/me/totp", {"code": device.code()}).json()["recovery_codes"]
    return client, device, codes


def test_a_second_factor_is_set_up_and_asked_for(served: Site):
    """Offered, confirmed; then the password gives a challenge and no cookie."""
    client, device, codes = _with_factor(served, "tom")
    me = client.get("/me").json()
    assert (me["two_factors"], me["recovery_left"], me["local"]) == (True, 10, True)
    other = served.stranger()
    half = other.post("/session", {"name": "tom", "password": PASSWORD})
    assert (half.status_code, "set-cookie" in half.headers) == (202, False)
    assert set(half.json()) == {"challenge", "expires_at"}
    assert other.get("/me").status_code == 401
    challenge = half.json()["challenge"]
    wrong = other.post("/session/totp", {"challenge": challenge, "code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "code_refused")
    right = {"challenge": challenge, "code": device.code()}
    assert other.post("/session/totp", right).json()["name"] == "tom"
    _, half = _signed_in(served, "tom")
    again = served.stranger()
    spare = again.post("/session/totp", {"challenge": half["challenge"], "code": codes[0]})
    assert spare.json()["recovery_left"] == 9


def test_secrets_are_shown_once(site: Site):
    """Neither the secret nor a recovery code is in any later answer, also not for the same key."""
    body = {"name": "una", "password": PASSWORD, "role": "viewer"}
    site.owner.post("/users", body)
    client = site.stranger()
    client.signed(client.post("/session", {"name": "una", "password": PASSWORD}))
    key = {"Idempotency-Key": "one-press"}
    first = client.send("POST", "/me/totp", {"password": PASSWORD}, headers=key)
    again = client.send("POST", "/me/totp", {"password": PASSWORD}, headers=key)
    assert (first.status_code, again.status_code) == (201, 409)
    secret = first.json()["secret"]
    codes = client.send("PUT", "/me/totp", {"code": Device(secret).code()}).json()
    said = client.get("/me").text + site.owner.get("/users").text + again.text
    assert [x for x in (secret, *codes["recovery_codes"]) if x in said] == []


def test_an_owner_resets_the_factor_of_somebody_and_nobody_else_does(site: Site):
    """Then the password is enough again; the trail says who did it."""
    client, _, _ = _with_factor(site, "eva")
    user_id = client.me["user_id"]
    assert client.send("DELETE", f"/users/{user_id}/totp").json()["code"] == "not_permitted"
    listed = {u["name"]: u["two_factors"] for u in site.owner.get("/users").json()["items"]}
    assert listed["eva"] is True
    assert site.owner.send("DELETE", f"/users/{user_id}/totp").status_code == 204
    assert site.owner.send("DELETE", f"/users/{user_id}/totp").json()["code"] == "state_conflict"
    own = site.owner.me["user_id"]
    assert site.owner.send("DELETE", f"/users/{own}/totp").json()["code"] == "state_conflict"
    _, me = _signed_in(site, "eva")
    assert me["name"] == "eva"
    newest = [
        (x["who"], x["action"], x["subject"]) for x in site.owner.get("/audit").json()["items"]
    ]
    assert ("ana", "second factor off", "eva") in newest


def test_one_takes_the_own_factor_away_with_password_and_code(site: Site):
    """One of them is not enough."""
    client, device, _ = _with_factor(site, "kim")
    for body in (
        {"password": "wrong password", "code": "000000"},
        {"password": PASSWORD, "code": "000000"},
    ):
        assert client.post("/me/totp/removal", body).status_code == 401
    gone = client.post("/me/totp/removal", {"password": PASSWORD, "code": device.code()})
    assert gone.status_code == 204
    assert client.get("/me").json()["two_factors"] is False
