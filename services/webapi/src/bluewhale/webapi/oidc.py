"""Sign-in by a provider: OpenID Connect, authorization code flow with PKCE (S256).

    url, browser = oidc.begin()                 # the browser goes to url and keeps `browser`
    signed = oidc.finish(answer, browser)       # what the provider sent it back with

Owns the protocol and who gets which role: the first grant of the configuration whose
value the claim holds, anew at each sign-in. An account of this installation is never
taken over: people of a provider are known by issuer and subject alone. Does not own
sessions (`sign_in`) or tables (`bluewhale.database.provided`).

Source: OpenID Connect Core 1.0 section 3.1, Discovery 1.0 section 4, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import jwt
from bluewhale.database import StateError
from bluewhale.database.provided import Begun
from bluewhale.database.users import ACTIVE, ChangedError, User
from bluewhale.telemetry import get_logger
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.provider_http import ProviderError, fetch
from bluewhale.webapi.sign_in import hashed

if TYPE_CHECKING:
    from bluewhale.configuration.web import OidcGrant, OidcSettings
    from bluewhale.webapi.sign_in import SignedIn, SignIn

BEGUN_MS = 10 * 60_000
KNOWN_S = 3_600.0  # what the provider says about itself
KEYS_AGAIN_S = 10.0  # for a key that is not known, at most so often
AWAY_S = 5.0  # a provider that failed is left alone for so long: nobody queues up behind it
LEEWAY_S = 60
CALLBACK = "/api/v1/session/oidc/callback"
# signed with a private key alone: a secret that is shared signs nothing here
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_NAME = re.compile(r"[^a-z0-9._@-]")
_log = get_logger("webapi")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider sent the browser back with."""

    state: str = ""
    code: str = ""
    error: str = ""
    issuer: str = ""


@dataclass(slots=True)
class _Provider:
    """What a provider says about itself, and its keys."""

    said: dict[str, Any]
    at_s: float
    keys: list[jwt.PyJWK] = field(default_factory=list)
    keys_at_s: float = float("-inf")


class Oidc:
    """Signs in by one provider; any thread, any number of processes."""

    def __init__(
        self,
        settings: OidcSettings,
        sign_in: SignIn,
        *,
        public_url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = settings.label or urlsplit(settings.issuer).hostname or ""
        self._settings = settings
        self._sign_in = sign_in
        self._provided = sign_in.users.provided
        self._back = public_url + CALLBACK
        self._clock = clock
        self._lock = threading.Lock()
        self._provider: _Provider | None = None
        self._ask_again_at_s = float("-inf")

    def begin(self) -> tuple[str, str]:
        """Give where the browser goes, and what it keeps until it comes back.

        Raises
        ------
        RefusedError
            `away`: the provider does not answer.
        """
        with _told():
            authorization = self._known().said["authorization_endpoint"]
        state, nonce, browser, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        at = self._sign_in.now_ms()
        begun = Begun(
            browser_hash=hashed(browser),
            nonce=nonce,
            verifier=verifier,
            expires_at_ms=at + BEGUN_MS,
        )
        self._provided.begin(hashed(state), begun, now_ms=at)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{authorization}{'&' if '?' in authorization else '?'}{urlencode(asked)}", browser

    def finish(self, answer: Answer, browser: str) -> SignedIn:
        """Open the session of whom the provider vouches for.

        Raises
        ------
        RefusedError
            `provider_refused`: it does not vouch for anybody, or what came is not from
            it; `no_grant`: nothing here is for them; `away`.
        """
        begun = self._provided.take(hashed(answer.state), self._sign_in.now_ms())
        if begun is None or not hmac.compare_digest(begun.browser_hash, hashed(browser)):
            raise _refused("this sign-in was not begun in this browser, or too long ago")
        if answer.issuer and answer.issuer != self._settings.issuer:
            raise _refused("another provider answered")
        if answer.error or not answer.code:
            raise _refused(f"the provider said {answer.error or 'nothing'}"[:200])
        with _told():
            tokens = self._exchanged(answer.code, begun.verifier)
            claims = self._claims(str(tokens.get("id_token", "")), begun.nonce)
            claims = self._more(claims, str(tokens.get("access_token", "")))
        return self._entered(claims)

    # ---- the protocol ----------------------------------------------------------------------

    def _known(self) -> _Provider:
        """Give what the provider says about itself; asked anew each hour."""
        with self._lock:
            known, now = self._provider, self._clock()
            if known is not None and now - known.at_s < KNOWN_S:
                return known
            if now < self._ask_again_at_s:
                raise ProviderError("it failed a moment ago")
            self._ask_again_at_s = now + AWAY_S
            issuer = self._settings.issuer
            said = fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if said.get("issuer") != issuer:
                raise ProviderError(f"it calls itself {said.get('issuer')!r}, not {issuer!r}")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not isinstance(said.get(name), str):
                    raise ProviderError(f"its configuration has no {name}")
            self._ask_again_at_s = float("-inf")
            self._provider = _Provider(said, now)
            return self._provider

    def _key(self, token: str) -> jwt.PyJWK:
        """Give the key that a token names; keys are asked for again when one is not known."""
        header = jwt.get_unverified_header(token)
        known = self._known()
        with self._lock:
            found = _chosen(known.keys, header)
            if found is None and self._clock() - known.keys_at_s >= KEYS_AGAIN_S:
                known.keys = jwt.PyJWKSet.from_dict(fetch(known.said["jwks_uri"])).keys
                known.keys_at_s = self._clock()
                found = _chosen(known.keys, header)
        if found is None:
            raise _refused("its token names a key that it does not have")
        return found

    def _exchanged(self, code: str, verifier: str) -> dict[str, Any]:
        said, settings = self._known().said, self._settings
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
            "client_id": settings.client_id,
        }
        secret, basic = settings.secret(), None
        if secret:
            ways = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in ways:
                basic = (settings.client_id, secret)
            else:
                asked["client_secret"] = secret
        return fetch(said["token_endpoint"], form=asked, basic=basic)

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Give what a token says, once all of it is as it must be."""
        client = self._settings.client_id
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(token),
                algorithms=ALGORITHMS,
                audience=client,
                issuer=self._settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(f"its token does not hold: {error}") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise _refused("its token is of another sign-in")
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise _refused("its token says nobody")
        if claims.get("azp", client) != client or (
            isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims
        ):
            raise _refused("its token is for another program")
        return claims

    def _more(self, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        """Add what the provider tells beside its token, where the token lacks the claim of roles."""
        place = self._known().said.get("userinfo_endpoint")
        if self._settings.claim in claims or not place or not access_token:
            return claims
        told = fetch(place, bearer=access_token)
        if told.get("sub") != claims["sub"]:
            raise _refused("it tells about somebody else")
        return {**told, **claims}

    # ---- who it is here --------------------------------------------------------------------

    def _entered(self, claims: Mapping[str, Any]) -> SignedIn:
        settings, users, at = self._settings, self._sign_in.users, self._sign_in.now_ms()
        subject, name = str(claims["sub"]), named(claims, settings.name_claim)
        grant = granted(settings.grants, claims.get(settings.claim))
        if grant is None:
            self._note(name, "sign-in refused", f"no grant for {claims.get(settings.claim)!r}")
            raise RefusedError("no_grant", params={"claim": settings.claim})
        user_id = self._provided.of(settings.issuer, subject)
        before = None if user_id is None else users.get(user_id)
        wanted = replace(
            before
            or User(user_id=f"u_{secrets.token_hex(8)}", name=name, display_name="", role=""),
            display_name=str(claims.get("name") or name)[:100],
            role=grant.role,
            sites=grant.sites,
            departments=grant.departments,
        )
        try:
            if before is None:
                users.add(wanted, now_ms=at, who="the provider", bound=(settings.issuer, subject))
            elif wanted != before:
                self._sign_in.change(
                    wanted, before=before, who=replace(before, name="the provider")
                )
        except ChangedError as error:
            raise RefusedError("busy", str(error)) from error
        except StateError as error:
            self._note(name, "sign-in refused", str(error))
            raise _refused(str(error)) from error
        if wanted.state != ACTIVE:
            raise _refused("this account is switched off here")
        return self._sign_in.enter(wanted)

    def _note(self, name: str, action: str, detail: str) -> None:
        self._sign_in.users.audited(
            who="the provider", action=action, subject=name, detail=detail[:500],
            now_ms=self._sign_in.now_ms(),
        )  # fmt: skip


def granted(grants: tuple[OidcGrant, ...], claim: Any) -> OidcGrant | None:
    """Give the first grant whose value the claim holds; a claim is a text or a list of texts."""
    held = {claim} if isinstance(claim, str) else set()
    if isinstance(claim, list):
        held = {one for one in claim if isinstance(one, str)}
    return next((g for g in grants if g.value in held), None)


def named(claims: Mapping[str, Any], claim: str) -> str:
    """Give a name as accounts have them, of what the provider calls somebody."""
    said = str(claims.get(claim) or claims.get("email") or claims["sub"]).lower()
    return _NAME.sub("-", said).strip("._@-")[:64] or "somebody"


def _chosen(keys: list[jwt.PyJWK], header: Mapping[str, Any]) -> jwt.PyJWK | None:
    wanted = header.get("kid")
    fit = [k for k in keys if wanted is None or k.key_id == wanted]
    return fit[0] if len(fit) == 1 else None


def _refused(detail: str) -> RefusedError:
    return RefusedError("provider_refused", detail)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say an error of the provider as ours, once in the log."""
    try:
        yield
    except ProviderError as error:
        _log.warning("Provider of sign-ins fails", error=str(error))
        raise RefusedError(
            "away", "the provider of sign-ins does not answer as it should"
        ) from error
