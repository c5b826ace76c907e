"""Sign-in by a provider: Authlib's server says who it is, checks the proof key, and may lie."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from bluewhale.configuration import WebSettings
from bluewhale.configuration.web import OidcSettings
from bluewhale.database import Store
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.oidc import KEYS_AGAIN_S, Answer, Oidc
from bluewhale.webapi.passwords import Passwords
from bluewhale.webapi.sign_in import SignedIn, SignIn
from pydantic import ValidationError

from tests.integration.webapi.places import EXAMPLE, PASSWORD, embedded
from tests.support.oidc_provider import CLIENT, SECRET, Provider, running

TOM = {"sub": "7", "preferred_username": "Tom.Muster", "name": "Tom Muster", "groups": ["staff"]}
GRANTS = [
    {"value": "chiefs", "role": "owner"},
    {"value": "staff", "role": "analyst", "sites": ["london"]},
]


@pytest.fixture(scope="module")
def served_provider() -> Iterator[Provider]:
    """Serve one provider for all tests here."""
    with running() as provider:
        yield provider


@pytest.fixture
def provider(served_provider: Provider) -> Provider:
    """Give it as it was at first: Tom comes, and nothing is a lie."""
    served_provider.person = dict(TOM)
    served_provider.lies = {}
    served_provider.ways = ("client_secret_basic",)
    served_provider.beside = ()
    served_provider.asked.clear()
    return served_provider


def settings(provider: Provider, folder: Path, **more: Any) -> dict[str, Any]:
    """Give the configuration of an installation that knows the provider."""
    secret = folder / "oidc-secret"
    secret.write_text(f"{SECRET}\n", "utf-8")
    return {
        "issuer": provider.url,
        "client_id": CLIENT,
        "client_secret_file": str(secret),
        "grants": GRANTS,
        **more,
    }


class Place:
    """An installation, and a browser at its door."""

    def __init__(self, provider: Provider, folder: Path, store: Store, **more: Any) -> None:
        self.now = 1_000.0
        self.sign_in = SignIn(store.users, Passwords(memory_kib=64, passes=1), WebSettings())
        self.owner = self.sign_in.welcome(self.sign_in.first_link(), "ana", PASSWORD, "")
        configured = OidcSettings.model_validate(settings(provider, folder, **more))
        self.oidc = Oidc(
            configured, self.sign_in, public_url="http://127.0.0.1:1", clock=lambda: self.now
        )

    def sent_back(self) -> tuple[Answer, str]:
        """Go to the provider; gives what it sends back, and what the browser keeps."""
        url, browser = self.oidc.begin()
        there = httpx.get(url)
        assert there.status_code == 302, there.text
        said = {k: v[0] for k, v in parse_qs(urlsplit(there.headers["location"]).query).items()}
        return Answer(said["state"], said.get("code", ""), said.get("error", "")), browser

    def signed(self) -> SignedIn:
        """Sign in as whom the provider says."""
        return self.oidc.finish(*self.sent_back())

    def refused(self) -> str:
        """Give code and detail of the refusal."""
        with pytest.raises(RefusedError) as refusal:
            self.signed()
        return f"{refusal.value.code}: {refusal.value.detail}"


@pytest.fixture
def place(provider: Provider, tmp_path: Path) -> Iterator[Place]:
    """Give an installation with a local owner, ana."""
    with Store.open(tmp_path / "store") as store:
        yield Place(provider, tmp_path, store)


def test_whom_the_provider_vouches_for_gets_the_role_of_the_first_grant(place: Place):
    """Name, words and branch come from claims and configuration; no password opens the account."""
    user = place.signed().user
    assert (user.name, user.display_name, user.role, user.sites) == (
        "tom.muster", "Tom Muster", "analyst", ("london",),
    )  # fmt: skip
    with pytest.raises(RefusedError):
        place.sign_in.sign_in("tom.muster", "", "192.0.2.1")


def test_a_role_follows_the_claim_at_each_sign_in(place: Place, provider: Provider):
    """The same account, with more rights and then without any."""
    first = place.signed().user
    provider.person["groups"] = ["staff", "chiefs"]
    second = place.signed().user
    assert (second.user_id, second.role, second.sites) == (first.user_id, "owner", None)
    provider.person["groups"] = ["guests"]
    assert place.refused().startswith("no_grant")
    newest = place.sign_in.users.trail(1)[0]
    assert newest[1:] == (
        "the provider", "sign-in refused", "tom.muster", "no grant for ['guests']",
    )  # fmt: skip


def test_a_provider_does_not_take_over_an_account_of_this_installation(
    place: Place, provider: Provider
):
    """Whoever calls himself ana there is not the ana of here."""
    provider.person["preferred_username"] = "ana"
    assert place.refused() == "provider_refused: the name ana is taken"


def test_whoever_is_switched_off_here_stays_out(place: Place):
    """Whatever the provider says."""
    user = place.signed().user
    from dataclasses import replace

    off = replace(user, state="disabled")
    place.sign_in.change(off, before=place.sign_in.users.get(user.user_id), who=place.owner.user)
    assert "switched off" in place.refused()


@pytest.mark.parametrize(
    ("lies", "found"),
    [
        ({"nonce": "of another sign-in"}, "of another sign-in"),
        ({"aud": ["another program"]}, "Audience"),
        ({"aud": [CLIENT, "another program"]}, "for another program"),
        ({"azp": "another program"}, "for another program"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"exp": int(time.time()) - 3_600}, "expired"),
        ({"iat": int(time.time()) + 3_600}, "not yet valid"),
        ({"sub": ""}, "says nobody"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_opens_nothing(
    place: Place, provider: Provider, lies: dict[str, Any], found: str
):
    """Signed by the provider all the same."""
    provider.lies = lies
    assert found in place.refused()


def test_a_provider_may_change_its_key(place: Place, provider: Provider):
    """The one that is not known is asked for; guessing names makes no more questions."""
    place.signed()
    provider.rotate()
    place.now += KEYS_AGAIN_S
    assert place.signed().user.name == "tom.muster"
    provider.rotate()
    assert "does not have" in place.refused()
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_an_answer_holds_once_and_in_the_browser_that_began(place: Place):
    """A state that was used, one that was guessed, another browser."""
    answer, browser = place.sent_back()
    for state, kept in ((answer.state, "another browser"), (answer.state, browser), ("x", "")):
        with pytest.raises(RefusedError, match="not begun in this browser"):
            place.oidc.finish(Answer(state, answer.code), kept)


def test_a_code_without_its_proof_key_is_worth_nothing(place: Place, provider: Provider):
    """The code of one sign-in, put into another: the provider compares the proof key."""
    stolen, _ = place.sent_back()
    own, browser = place.sent_back()
    with pytest.raises(RefusedError) as refused:
        place.oidc.finish(Answer(own.state, stolen.code), browser)
    assert refused.value.code == "away"
    assert provider.asked[-1] == "/token"


def test_what_is_not_in_the_token_is_asked_beside_it(place: Place, provider: Provider):
    """Groups that userinfo alone tells, of the same person."""
    provider.beside = ("groups",)
    assert place.signed().user.role == "analyst"
    assert provider.asked[-1] == "/userinfo"


def test_a_refusal_of_the_provider_and_a_wrong_issuer_are_refused(place: Place):
    """As RFC 6749 and RFC 9207 say them."""
    for answer in (
        Answer("", "", "access_denied"),
        Answer("", "code", "", "https://evil.example"),
    ):
        begun, browser = place.sent_back()
        with pytest.raises(RefusedError) as refused:
            place.oidc.finish(
                Answer(begun.state, answer.code, answer.error, answer.issuer), browser
            )
        assert refused.value.code == "provider_refused"


def test_a_provider_that_is_away_or_calls_itself_otherwise_is_told(
    provider: Provider, tmp_path: Path
):
    """Passwords go on; the log says what is wrong with it."""
    with Store.open(tmp_path / "store") as store:
        place = Place(provider, tmp_path, store, issuer=f"{provider.url}/")
        assert place.sign_in.sign_in("ana", PASSWORD, "192.0.2.1").user.name == "ana"
        with pytest.raises(RefusedError) as refused:
            place.oidc.begin()
        assert refused.value.code == "away"


def test_a_provider_is_asked_over_tls_alone():
    """But one of this machine."""
    with pytest.raises(ValidationError, match="issuer"):
        OidcSettings(issuer="http://login.example.com", client_id="b", grants=GRANTS)
    with pytest.raises(ValidationError, match="openid"):
        OidcSettings(
            issuer="https://login.example.com", client_id="b", grants=GRANTS, scopes=("email",)
        )


def test_a_browser_signs_in_over_the_page(provider: Provider, tmp_path: Path):
    """From the button to the page and back; what is refused is said on the page."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder)
    with embedded(folder, oidc=settings(provider, tmp_path, label="Contoso")) as site:
        browser = site.stranger()
        assert browser.get("/session").json()["provider"] == "Contoso"
        there = browser.get("/session/oidc")
        assert (there.status_code, "; HttpOnly; SameSite=Lax" in there.headers["set-cookie"]) == (
            303, True,
        )  # fmt: skip
        back = httpx.get(there.headers["location"]).headers["location"]
        assert back.startswith(f"{site.url}/api/v1/session/oidc/callback?")
        other = site.stranger().http.get(back)
        assert other.headers["location"] == "/sign-in?problem=provider_refused"
        back = httpx.get(browser.get("/session/oidc").headers["location"]).headers["location"]
        assert browser.http.get(back).headers["location"] == "/"
        me = browser.get("/me").json()
        assert (me["name"], me["role"], me["local"]) == ("tom.muster", "analyst", False)
        assert me["branch"] == {"sites": ["london"], "departments": None}
