"""The deadline layer: every request that has one reply has a limit, and each hop has less.

A request without limit takes the default; one made while serving another never
outlives it: it gets what remains there, less a margin for the way back.
"""

from __future__ import annotations

import time

import grpc
from bluewhale.nexus.governance.invocation import Invocation, serving
from bluewhale.nexus.governance.layer import Answer, Ask, Layer, Method, RequestError
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override


class DeadlineSettings(BaseModel):
    """Limits of requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_ms: int | None = Field(
        default=10_000,
        ge=1,
        description="limit of a request that names none; null = such a request is refused",
    )
    margin_ms: int = Field(default=5, ge=0, description="each hop passes on this much less")


class DeadlineLayer(Layer):
    """Sets, shrinks and checks limits."""

    name = "deadline"

    def __init__(self, settings: DeadlineSettings) -> None:
        self._default_s = None if settings.default_ms is None else settings.default_ms / 1000
        self._margin_s = settings.margin_ms / 1000

    @override
    def ask(self, method: Method, proceed: Ask) -> Ask:
        default_s, margin_s = self._default_s, self._margin_s
        limited, now, around_now = method.limited, time.monotonic, serving.get
        path = method.path

        def limit(request: object, invocation: Invocation) -> object:
            timeout_s = invocation.timeout_s
            around = around_now().deadline
            if timeout_s is None and around is None:
                if not limited:
                    return proceed(request, invocation)
                if default_s is None:
                    raise RequestError(
                        grpc.StatusCode.INVALID_ARGUMENT,
                        f"{path} is asked without a limit of time; give timeout=",
                    )
            if timeout_s is None and limited:
                timeout_s = default_s
            at = now()
            if around is not None:
                left = around - at - margin_s
                if timeout_s is None or left < timeout_s:
                    timeout_s = left
                if left <= 0:
                    raise RequestError(
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        f"no time is left for {path}: the request it belongs to is over",
                    )
            assert timeout_s is not None
            invocation.timeout_s = timeout_s
            invocation.deadline = at + timeout_s
            return proceed(request, invocation)

        return limit

    @override
    def answer(self, method: Method, proceed: Answer) -> Answer:
        if method.local:  # its limit was set and checked a microsecond ago
            return proceed
        now, received = time.monotonic, serving.get
        default_s, limited = self._default_s, method.limited

        def check(request: object, context: object) -> object:
            invocation = received()
            deadline = invocation.deadline
            if deadline is None:
                if limited and default_s is not None:  # what it asks itself is limited too
                    invocation.deadline = now() + default_s
            elif deadline <= now():
                context.abort(  # type: ignore[attr-defined]  # grpc has no types
                    grpc.StatusCode.DEADLINE_EXCEEDED, "the limit of time was over on arrival"
                )
            return proceed(request, context)

        return check
