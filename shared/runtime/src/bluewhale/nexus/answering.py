"""The arriving side of a contract: what servicers add, each method in its layers.

Owns the collection of handlers that generated code fills, and how an operating
error becomes a status. Does not own ports (`serving`) or channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.nexus.bridging import bridged, is_async
from bluewhale.nexus.contract import Served
from bluewhale.nexus.governance.compiling import compiled_answer
from bluewhale.nexus.governance.layer import Answer, Layer, Method

ERROR_CODE = "bw-error"  # trailing metadata: the stable code of an operating error
TEXT_LETTERS_MAX = 2_000  # a status travels in the trailer, which gRPC limits to 8 KiB
_STATUS = {
    "not_found": grpc.StatusCode.NOT_FOUND,
    "input_invalid": grpc.StatusCode.INVALID_ARGUMENT,
}


@dataclass(frozen=True, slots=True)
class Answering:
    """One method that is served: the generated handler, and its behaviour within the layers."""

    method: Method
    handler: Any
    answer: Answer


class Handlers:
    """Stands in for a server where generated code adds a servicer."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Take nothing: generated code registers each method by its name too."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Take the methods of one service."""
        self.found.update({f"/{service}/{name}": h for name, h in handlers.items()})


def answering(
    served: Served, layers: Sequence[Layer], *, local: bool = False
) -> dict[str, Answering]:
    """Give all methods of a servicer by path, each compiled into its layers.

    local: asked within the process, through the same layers.
    """
    handlers = Handlers()
    served.contract.add(served.servicer, handlers)
    found = {}
    for path, handler in handlers.found.items():
        method = Method(
            path,
            request_streams=handler.request_streaming,
            reply_streams=handler.response_streaming,
            local=local,
        )
        found[path] = Answering(
            method, handler, compiled_answer(layers, method, _behaviour(method, handler, served))
        )
    return found


def _behaviour(method: Method, handler: Any, served: Served) -> Answer:
    """Give the servicer's own function; its operating errors become statuses."""
    own = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )

    if is_async(own):
        assert served.loop is not None, f"{method.path} is asyncio's; make it with serve()"
        own = bridged(
            own,
            served.loop,
            request_streams=method.request_streams,
            reply_streams=method.reply_streams,
        )

    def answer(request: Any, context: Any) -> Any:
        try:
            return own(request, context)
        except BluewhaleError as error:
            tell(error, context)

    def answer_stream(request: Any, context: Any) -> Iterator[Any]:
        try:
            yield from own(request, context)
        except BluewhaleError as error:
            tell(error, context)

    return answer_stream if method.reply_streams else answer


def tell(error: BluewhaleError, context: Any) -> None:
    """End a request with an operating error: what passes by itself is UNAVAILABLE."""
    context.set_trailing_metadata(((ERROR_CODE, error.code),))
    code = _STATUS.get(error.code, grpc.StatusCode.FAILED_PRECONDITION)
    if isinstance(error, TemporaryError):
        code = grpc.StatusCode.UNAVAILABLE
    text = str(error)
    if len(text) > TEXT_LETTERS_MAX:
        text = text[:TEXT_LETTERS_MAX] + " ..."
    context.abort(code, text)
