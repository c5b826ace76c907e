"""What a layer of governance is.

A layer wraps requests where they leave, where they arrive, or chooses how a
channel or port is made; it overrides only what it needs, and what it does not
override costs nothing. Layers are compiled once per method into plain closures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import grpc
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.nexus.governance.invocation import Invocation

Ask = Callable[[Any, "Invocation"], Any]  # (request or requests, invocation) -> what the form says
Answer = Callable[[Any, Any], Any]  # (request or requests, servicer context) -> reply or replies


class Form(StrEnum):
    """How the result of asking comes, which decides how a layer sees its end."""

    REPLY = "reply"  # the reply itself; an error is raised
    WITH_CALL = "with_call"  # (reply, call); an error is raised
    CALL = "call"  # a call object: a future or a stream; its end is told by add_done_callback


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a contract: `/package.Service/Name`."""

    path: str
    form: Form = Form.REPLY
    request_streams: bool = False
    reply_streams: bool = False
    local: bool = False  # asked and answered in the same process

    @property
    def service(self) -> str:
        """Give the last word of the service, e.g. `Query`."""
        return self.path.split("/")[1].rsplit(".", 1)[-1]

    @property
    def name(self) -> str:
        """Give the name of the method, e.g. `Search`."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def limited(self) -> bool:
        """Say whether it ends by itself: one reply; a stream may last for days."""
        return not self.reply_streams and not self.request_streams


@dataclass(slots=True)
class ChannelPlan:
    """How a channel to a peer will be made; layers change it."""

    peer: str
    target: str
    credentials: Callable[[], Any] | None = None  # made when the channel is; None = plain text
    version: Callable[[], object] | None = None  # when it changes, a new channel is made
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class PortPlan:
    """How the port of a role will be made; layers change it."""

    listen: str
    credentials: Callable[[], Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)


class Layer:
    """A layer that does nothing; real ones override what they need."""

    name = "layer"

    def ask(self, method: Method, proceed: Ask) -> Ask:
        """Wrap the leaving side of a method; `proceed` is the next layer."""
        return proceed

    def answer(self, method: Method, proceed: Answer) -> Answer:
        """Wrap the arriving side; `current()` is what came with the request.

        Where the method streams replies, `proceed` gives an iterator.
        """
        return proceed

    def channel(self, plan: ChannelPlan) -> None:
        """Change how a channel to a peer is made."""

    def port(self, plan: PortPlan) -> None:
        """Change how the port of a role is made."""


class RequestError(grpc.RpcError, grpc.Call, grpc.Future):
    """A request that failed on this side; the same face as grpcio's own errors."""

    def __init__(
        self,
        code: grpc.StatusCode,
        details: str,
        trailing: tuple[tuple[str, str | bytes], ...] = (),
    ) -> None:
        super().__init__(f"{code.name}: {details}")
        self._code, self._details, self._trailing = code, details, trailing

    @override
    def code(self) -> grpc.StatusCode:
        return self._code

    @override
    def details(self) -> str:
        return self._details

    def debug_error_string(self) -> str:
        """Give details as grpcio's errors do."""
        return f"{self._code.name}: {self._details}"

    @override
    def initial_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return ()

    @override
    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._trailing

    @override
    def is_active(self) -> bool:
        return False

    @override
    def time_remaining(self) -> None:
        return None

    @override
    def add_callback(self, callback: Callable[[], None]) -> bool:
        return False

    @override
    def cancel(self) -> bool:
        return False

    @override
    def cancelled(self) -> bool:
        return self._code is grpc.StatusCode.CANCELLED

    @override
    def running(self) -> bool:
        return False

    @override
    def done(self) -> bool:
        return True

    @override
    def result(self, timeout: float | None = None) -> Any:
        raise self

    @override
    def exception(self, timeout: float | None = None) -> RequestError:
        return self

    @override
    def traceback(self, timeout: float | None = None) -> Any:
        return self.__traceback__

    @override
    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        fn(self)
