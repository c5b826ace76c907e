"""Operating errors of the web API, and the closed list of codes that people and programs meet.

    BluewhaleError (bluewhale.capture.exceptions)
    `- PermanentError
       `- RefusedError    a request that is not answered as asked; `code` is one of `KINDS`

Does not own how a problem is said over HTTP (`problems`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bluewhale.capture.exceptions import PermanentError

Code = Literal[
    "not_signed_in", "sign_in_refused", "locked_out", "link_refused", "csrf", "not_permitted",
    "out_of_scope", "numbers_masked", "not_found", "method_not_allowed", "filter_invalid",
    "body_invalid", "page_token_invalid", "question_refused", "password_weak", "state_conflict", "four_eyes", "tariff_invalid",
    "code_refused", "provider_refused", "no_grant", "changed_meanwhile", "key_reused", "too_many",
    "too_large", "too_slow", "busy", "away", "internal",
]  # fmt: skip
CODES: tuple[Code, ...] = get_args(Code)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one code is said: status of HTTP, a title, and what a person can do."""

    status: int
    title: str
    remedy: str = ""


KINDS: Mapping[Code, Kind] = {
    "not_signed_in": Kind(401, "You are not signed in", "Sign in."),
    "sign_in_refused": Kind(
        401, "Name or password is wrong", "Try again, or ask an owner for a new password."
    ),
    "locked_out": Kind(429, "Too many attempts", "Wait as long as retry_after_s says."),
    "code_refused": Kind(
        401, "This code does not hold", "Enter the newest code of your device; each holds once."
    ),
    "provider_refused": Kind(
        401, "The provider of sign-ins does not vouch for you", "Sign in again."
    ),
    "no_grant": Kind(
        403,
        "You may not sign in here",
        "Whoever runs this installation can grant a role to one of your groups.",
    ),
    "too_many": Kind(429, "Too many requests", "Wait as long as retry_after_s says."),
    "changed_meanwhile": Kind(
        412,
        "Somebody changed it meanwhile",
        "Look at params.current, and send your change again with its ETag.",
    ),
    "key_reused": Kind(422, "This Idempotency-Key belongs to another request", "Take a fresh key."),
    "link_refused": Kind(
        403, "This link admits nobody", "Restart the server for a fresh link, or sign in."
    ),
    "csrf": Kind(403, "The request did not come from the page", "Reload the page and do it again."),
    "not_permitted": Kind(403, "Your role may not do this", "An owner can give the role that may."),
    "out_of_scope": Kind(
        403,
        "This is outside your branch",
        "An owner can widen the sites and departments you may see.",
    ),
    "numbers_masked": Kind(
        403,
        "Your role sees numbers masked, so it cannot search by them",
        "Search by time, site, department or extension, or ask an owner for a role that sees numbers.",
    ),
    "not_found": Kind(404, "There is no such thing"),
    "method_not_allowed": Kind(405, "This address does not take that method"),
    "filter_invalid": Kind(
        422, "The filter cannot be read", "Correct or remove the fields that params.fields names."
    ),
    "body_invalid": Kind(
        422, "The request cannot be read", "Correct the fields that params.fields names."
    ),
    "page_token_invalid": Kind(
        422, "The page token cannot be read", "Hand in `next` or `prev` of a page as it is."
    ),
    "question_refused": Kind(422, "The question was refused", "Change what the detail names."),
    "password_weak": Kind(422, "This password is too weak", "Take a longer one."),
    "state_conflict": Kind(
        409, "It is not in the state that this needs", "Look at its present state."
    ),
    "tariff_invalid": Kind(
        422, "The tariff has mistakes", "Check it: every mistake is named with its remedy."
    ),
    "four_eyes": Kind(
        403, "Whoever stored a tariff does not activate it", "Ask somebody else who may."
    ),
    "too_large": Kind(413, "The request is too large"),
    "too_slow": Kind(408, "The request did not arrive in time", "Send it again."),
    "busy": Kind(503, "The server has too much to do", "Try again in a moment."),
    "away": Kind(
        503, "A part of the installation does not answer", "Try again in a moment; see Server."
    ),
    "internal": Kind(500, "Something of ours failed", "Tell an operator the trace id."),
}


class RefusedError(PermanentError):
    """A request that is not answered as asked."""

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        params: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail or KINDS[code].title)
        self.code: Code = code  # type: ignore[misc]  # of the instance: one class, a closed list
        self.detail = detail
        self.params = dict(params or {})
        self.retry_after_s = retry_after_s
