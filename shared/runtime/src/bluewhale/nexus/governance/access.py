"""The access layer: who may ask what; what no rule allows is denied.

Owns the table of rules, the decision and its log. Who asks is what the
transport proves: `unit/UID` or `role/NAME` from the certificate, `plugin/NAME`
in the same process; without a certificate `local` on the same machine, else
`anonymous`. Shadow mode decides and
logs, and lets everything pass.
"""

from __future__ import annotations

import fnmatch
from typing import Any

import grpc
from bluewhale.nexus.governance.invocation import serving
from bluewhale.nexus.governance.layer import Answer, Layer, Method
from bluewhale.telemetry import get_logger
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

_REMEMBERED_MAX = 10_000  # decisions kept per method; then they are made again


class Rule(BaseModel):
    """One line of the policy: these callers may ask these methods."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    callers: tuple[str, ...] = Field(
        description="patterns such as `role/storage`, `unit/*`, `plugin/*`, `anonymous`"
    )
    methods: tuple[str, ...] = Field(
        default=("*",), description="patterns of `Service/Method`, such as `Query/*`"
    )
    allow: bool = Field(default=True, description="false = denied whatever other rules say")


class AccessSettings(BaseModel):
    """Who may ask what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: tuple[Rule, ...] = Field(
        default=(), description="rules; none = nobody may ask anything"
    )
    shadow: bool = Field(default=False, description="decide and log, but let everything pass")


class AccessLayer(Layer):
    """Denies what no rule allows."""

    name = "access"

    def __init__(self, settings: AccessSettings) -> None:
        self._policy = settings.policy
        self._shadow = settings.shadow
        self._log = get_logger("access")

    def allows(self, caller: str, method: str) -> bool:
        """Decide; `method` is `Service/Method`. A rule that denies outweighs all others."""
        fitting = [
            rule
            for rule in self._policy
            if any(fnmatch.fnmatchcase(caller, p) for p in rule.callers)
            and any(fnmatch.fnmatchcase(method, p) for p in rule.methods)
        ]
        return bool(fitting) and all(rule.allow for rule in fitting)

    @override
    def answer(self, method: Method, proceed: Answer) -> Answer:
        received, decided = serving.get, dict[str, bool]()
        named, shadow = f"{method.service}/{method.name}", self._shadow

        def check(request: Any, context: Any) -> Any:
            caller = received().identity
            allowed = decided.get(caller)
            if allowed is None:
                if len(decided) >= _REMEMBERED_MAX:
                    decided.clear()
                allowed = decided[caller] = self.allows(caller, named)
                self._log.info(
                    "Access decided",
                    caller=caller,
                    method=named,
                    state="allowed" if allowed else "shadow" if shadow else "denied",
                )
            if not allowed and not shadow:
                context.abort(
                    grpc.StatusCode.PERMISSION_DENIED,
                    f"{caller} may not ask {named}; a rule of the access policy must allow it",
                )
            return proceed(request, context)

        return check
