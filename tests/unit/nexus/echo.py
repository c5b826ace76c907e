"""A contract for tests in the form that the compiler generates: one method of each kind.

The servicer says back what it got; the text of a request tells it what else to do.
"""

from __future__ import annotations

import threading
import time

import grpc
from bluewhale.capture.exceptions import PermanentError, TemporaryError
from bluewhale.nexus import Contract, Served
from bluewhale.nexus.governance import asking, current
from google.protobuf.struct_pb2 import Struct

KINDS = {
    "One": "unary_unary",
    "Many": "unary_stream",
    "Sum": "stream_unary",
    "Chat": "stream_stream",
}


class EchoStub:
    """What callers use."""

    def __init__(self, channel):
        for name, kind in KINDS.items():
            made = getattr(channel, kind)(
                f"/bluewhale.test.v1.Echo/{name}",
                request_serializer=Struct.SerializeToString,
                response_deserializer=Struct.FromString,
                _registered_method=True,
            )
            setattr(self, name, made)


def add(servicer, server) -> None:
    """Add a servicer to a server, as generated code does."""
    handlers = {
        name: getattr(grpc, f"{kind}_rpc_method_handler")(
            getattr(servicer, name),
            request_deserializer=Struct.FromString,
            response_serializer=Struct.SerializeToString,
        )
        for name, kind in KINDS.items()
    }
    generic = grpc.method_handlers_generic_handler("bluewhale.test.v1.Echo", handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers("bluewhale.test.v1.Echo", handlers)


ECHO = Contract("echo", EchoStub, add)


def struct(**values) -> Struct:
    """Give a message of free fields."""
    made = Struct()
    made.update(values)
    return made


class Echo:
    """Answers; `name` tells two of them apart."""

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.over = threading.Event()
        self.kept: list[Struct] = []
        self.onward = None  # a stub that `onward` asks

    def One(self, request, context):  # noqa: N802 - as in the contract
        """Say back the request and what came with it; `do` says more."""
        self.kept.append(request)
        match request["do"] if "do" in request else "":  # noqa: SIM401 - a Struct has no get
            case "abort":
                context.set_trailing_metadata((("hint", "later"),))
                context.abort(grpc.StatusCode.NOT_FOUND, "no such call")
            case "crash":
                raise KeyError("no such key")
            case "busy":
                raise TemporaryError("the database is away; start it")
            case "wrong":
                raise PermanentError("there is no such period; choose another")
            case "sleep":
                context.add_callback(self.over.set)
                time.sleep(request["seconds"])
            case "change":
                request.update({"changed": True})
            case "code":
                context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
                context.set_details("too many")
                return struct()
            case "onward":
                with asking(values={"second": {"hop": 2}}):
                    return self.onward.One(struct())
        came = current()
        left = context.time_remaining()
        reply = struct(
            name=self.name,
            priority=came.priority,
            values=dict(came.values),
            identity=came.identity,
            limited=left is not None,
            left_s=-1.0 if left is None or left > 1e6 else left,
            thread=threading.current_thread().name,
        )
        for key, value in context.invocation_metadata():
            if key == "x-site":
                reply.update({"site": value})
        return reply

    def Many(self, request, context):  # noqa: N802 - as in the contract
        """Count to `n`; `do: wait` then waits until the request is over."""
        context.add_callback(self.over.set)
        for i in range(int(request["n"])):
            yield struct(i=i)
        if "do" in request and request["do"] == "wait":
            self.over.wait(60)
        if "do" in request and request["do"] == "abort":
            context.abort(grpc.StatusCode.DATA_LOSS, "no more")

    def Sum(self, request_iterator, context):  # noqa: N802 - as in the contract
        """Add up what streams in."""
        return struct(sum=sum(r["i"] for r in request_iterator))

    def Chat(self, request_iterator, context):  # noqa: N802 - as in the contract
        """Answer each request at once."""
        context.add_callback(self.over.set)
        for request in request_iterator:
            yield struct(twice=request["i"] * 2)


def echo(servicer: Echo) -> Served:
    """Give the servicer as a service of a plugin."""
    return Served(ECHO, servicer)


__all__ = ["ECHO", "Echo", "EchoStub", "add", "echo", "struct"]
