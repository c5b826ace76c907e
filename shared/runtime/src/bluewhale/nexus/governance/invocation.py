"""What travels with a request: time left, priority, trace, nested values; one header.

Owns the header `bw-ctx-bin` and the context of the request that is being served
now: requests made while serving inherit it. Does not own rules about time (the
deadline layer) or about who may ask (the access layer).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from bluewhale.api.nexus.v1.context_pb2 import Context as Header
from google.protobuf import json_format
from google.protobuf.message import DecodeError

HEADER = "bw-ctx-bin"
HEADER_BYTES_MAX = 4096
TIMEOUT_MS_MAX = 2**32 - 1
NO_VALUES: Mapping[str, Any] = {}


class Invocation:
    """One request on its way; layers read and change it before it leaves.

    `timeout_s` is what remains of the caller's patience, `deadline` the same as
    a moment of this process's monotonic clock; None = no limit. `identity` is
    who asks, as proved by the transport (served side only).
    """

    __slots__ = (
        "deadline",
        "identity",
        "metadata",
        "options",
        "priority",
        "timeout_s",
        "traceparent",
        "values",
    )

    def __init__(
        self,
        timeout_s: float | None = None,
        deadline: float | None = None,
        priority: int = 0,
        traceparent: str = "",
        values: Mapping[str, Any] = NO_VALUES,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        options: Mapping[str, Any] | None = None,
        identity: str = "",
    ) -> None:
        self.timeout_s = timeout_s
        self.deadline = deadline
        self.priority = priority
        self.traceparent = traceparent
        self.values = values
        self.metadata = metadata
        self.options = options
        self.identity = identity

    def header(self) -> bytes:
        """Give the header; empty = there is nothing to say.

        Raises
        ------
        ValueError
            it would be longer than `HEADER_BYTES_MAX`.
        """
        if self.timeout_s is None and not (self.priority or self.traceparent or self.values):
            return b""
        made = Header(priority=self.priority, traceparent=self.traceparent)
        if self.timeout_s is not None:
            # at least 1: 0 would say that there is no limit
            made.timeout_ms = min(max(int(self.timeout_s * 1000), 1), TIMEOUT_MS_MAX)
        if self.values:
            json_format.ParseDict(dict(self.values), made.values)
        packed: bytes = made.SerializeToString()
        if len(packed) > HEADER_BYTES_MAX:
            raise ValueError(
                f"the context of the request has {len(packed)} bytes, more than the "
                f"{HEADER_BYTES_MAX} that may travel; put large values into the request"
            )
        return packed

    @classmethod
    def received(cls, packed: bytes) -> Invocation:
        """Read a header.

        Raises
        ------
        ValueError
            it is longer than `HEADER_BYTES_MAX`, or no header.
        """
        if len(packed) > HEADER_BYTES_MAX:
            raise ValueError(
                f"the header {HEADER} has {len(packed)} bytes, more than {HEADER_BYTES_MAX}"
            )
        try:
            found = Header.FromString(packed)
        except DecodeError as error:
            raise ValueError(f"the header {HEADER} cannot be read: {error}") from error
        timeout_s = found.timeout_ms / 1000 if found.timeout_ms else None
        return cls(
            timeout_s=timeout_s,
            deadline=None if timeout_s is None else time.monotonic() + timeout_s,
            priority=found.priority,
            traceparent=found.traceparent,
            values=json_format.MessageToDict(found.values) if found.values.fields else NO_VALUES,
        )


_NOTHING = Invocation()
serving: ContextVar[Invocation] = ContextVar("serving", default=_NOTHING)


def current() -> Invocation:
    """Give the context of the request that is being served now; empty outside of any."""
    return serving.get()


@contextlib.contextmanager
def asking(
    *,
    timeout_s: float | None = None,
    priority: int | None = None,
    values: Mapping[str, Any] | None = None,
) -> Iterator[Invocation]:
    """Let all requests made inside carry this; values are added to those around.

    `with asking(priority=5, values={"job": {"id": 7}}): stub.Search(...)`
    """
    around = serving.get()
    deadline = around.deadline
    if timeout_s is not None:
        wanted = time.monotonic() + timeout_s
        deadline = wanted if deadline is None else min(deadline, wanted)
    inside = Invocation(
        deadline=deadline,
        priority=around.priority if priority is None else priority,
        traceparent=around.traceparent,
        values={**around.values, **values} if values else around.values,
        identity=around.identity,
    )
    token = serving.set(inside)
    try:
        yield inside
    finally:
        serving.reset(token)
