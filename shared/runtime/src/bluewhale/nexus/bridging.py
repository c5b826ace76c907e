"""Servicers written for asyncio, answered from threads: each request runs on their loop.

Owns the crossing between the thread of a request and the loop of the servicer.
Does not own ports whose servers are asyncio's own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NoReturn

import grpc

_END = object()


def is_async(function: Callable[..., Any]) -> bool:
    """Say whether a servicer's method is written for asyncio."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


class AwaitedContext:
    """A servicer's context as asyncio's servers give it; all else is that of the thread."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing: Any = ()) -> NoReturn:
        """End the request with a status."""
        if trailing:
            self._context.set_trailing_metadata(trailing)
        self._context.abort(code, details)
        raise AssertionError("abort returned")

    async def send_initial_metadata(self, metadata: Any) -> None:
        """Send what comes before the reply."""
        self._context.send_initial_metadata(metadata)

    def cancelled(self) -> bool:
        """Say whether the caller has gone."""
        return not self._context.is_active()

    def done(self) -> bool:
        """Say whether the request is over."""
        return not self._context.is_active()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call back when the request is over."""
        self._context.add_callback(lambda: callback(self))


def bridged(
    own: Callable[..., Any],
    loop: asyncio.AbstractEventLoop,
    *,
    request_streams: bool,
    reply_streams: bool,
) -> Callable[[Any, Any], Any]:
    """Give a method for threads that runs one of asyncio's on its loop."""

    def arrived(request: Any) -> Any:
        return _on_loop(request, loop) if request_streams else request

    def answer(request: Any, context: Any) -> Any:
        return _wait(own(arrived(request), AwaitedContext(context)), loop, context)

    def answer_stream(request: Any, context: Any) -> Iterator[Any]:
        replies = own(arrived(request), AwaitedContext(context))

        async def following() -> Any:
            return await anext(replies, _END)

        try:
            while (reply := _wait(following(), loop, context)) is not _END:
                yield reply
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nothing is left to close
                asyncio.run_coroutine_threadsafe(replies.aclose(), loop)

    return answer_stream if reply_streams else answer


def _wait(work: Any, loop: asyncio.AbstractEventLoop, context: Any) -> Any:
    """Run on the loop; when the caller goes the work is cancelled."""
    with contextlib.suppress(RuntimeError):
        if asyncio.get_running_loop() is loop:
            work.close()
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "a servicer of this event loop was asked on the loop's own thread, which would "
                "wait for ever; ask it from a thread (asyncio.to_thread)",
            )
    try:
        running = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError:
        work.close()
        context.abort(grpc.StatusCode.UNAVAILABLE, "the servicer has ended")
    if not context.add_callback(running.cancel):
        running.cancel()
    try:
        return running.result()
    except (concurrent.futures.CancelledError, asyncio.CancelledError):
        context.abort(grpc.StatusCode.CANCELLED, "the request is over")


async def _on_loop(requests: Iterator[Any], loop: asyncio.AbstractEventLoop) -> AsyncIterator[Any]:
    """Give requests of a thread's iterator to the loop, without blocking it."""
    while (request := await loop.run_in_executor(None, next, requests, _END)) is not _END:
        yield request
