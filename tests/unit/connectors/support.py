"""What connector tests share: a journal, its records, and waiting without guessing."""

import asyncio

from bluewhale.capture import ContextRule, FramingTable
from bluewhale.connectors import LinkSettings

STREAM = 7
DATE = ContextRule("date", rb"\d{4}", 4, 4, "stream", resets_count=True)
HEADER = ContextRule("header", rb"a,b,.*", scope="connection")
PLAIN = LinkSettings("pbx-a", STREAM, FramingTable())
DATED = LinkSettings("pbx-a", STREAM, FramingTable(context=(DATE,)))
HEADED = LinkSettings("pbx-a", STREAM, FramingTable(context=(HEADER,)))


def frames(journal, stream_id=STREAM):
    """Every frame of a stream, oldest first."""
    out = []
    for info in journal.streams():
        after = 0
        while info.stream_id == stream_id:
            frame = journal.read(stream_id, info.incarnation, after)
            if frame is None:
                break
            out.append(frame)
            after = frame.last_seq
    return out


def records(journal, stream_id=STREAM):
    """Every record of a stream, oldest first."""
    return [r for frame in frames(journal, stream_id) for r in frame.records]


def lines(journal, stream_id=STREAM):
    """The bytes of every record of a stream, oldest first."""
    return [r.data for r in records(journal, stream_id)]


async def until(condition, seconds=60.0):
    """Wait until a condition holds; fail if it does not."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is no event of ours
            await asyncio.sleep(0.005)


async def ended(task):
    """Cancel a connector's task and wait for its clean stop."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
