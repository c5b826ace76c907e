"""Syslog links on real sockets: every message one record, losses counted."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from bluewhale.capture import FramingTable
from bluewhale.connectors import ListenError, SyslogTcp, SyslogUdp
from bluewhale.connectors.syslog import SyslogMessages
from bluewhale.journal import Journal

from tests.unit.connectors.support import PLAIN, ended, lines, records, until

FIRST = b"<189>1 2026-05-04T10:00:00Z pbx cdr - - - 1000,2001,60"
SECOND = b"<189>May  4 10:00:01 pbx 1000,2002,61"


@pytest.fixture
def journal(tmp_path):
    """An open journal."""
    with Journal.open(tmp_path / "journal.db") as journal:
        yield journal


def counted(message):
    """Give a message as RFC 6587 counts octets."""
    return b"%d %s" % (len(message), message)


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (counted(FIRST) + counted(SECOND), [FIRST, SECOND]),
        (FIRST + b"\n" + SECOND + b"\n", [FIRST + b"\n", SECOND + b"\n"]),
        (counted(FIRST) + SECOND + b"\n" + counted(FIRST), [FIRST, SECOND + b"\n", FIRST]),
        (counted(b"<1>two\nlines") + SECOND + b"\n", [b"<1>two\nlines", SECOND + b"\n"]),
        (b"12 plain words\n" + FIRST + b"\n", [b"12 plain words\n", FIRST + b"\n"]),
    ],
)
def test_messages_do_not_depend_on_how_the_bytes_were_cut(data, messages):
    """Octet counting, lines, both mixed, a number that is no count: any chunks, same messages."""
    for size in (1, 2, 7, len(data)):
        reader = SyslogMessages(65_536)
        found = []
        for at in range(0, len(data), size):
            found += reader.feed(data[at : at + size])
        assert found + reader.feed(b"", final=True) == messages


def test_a_message_without_an_end_is_cut_and_delivered():
    """Memory stays bounded, nothing is dropped."""
    reader = SyslogMessages(100)
    found = [*reader.feed(b"<1>" + b"x" * 197), *reader.feed(b"", final=True)]
    assert [len(piece) for piece in found] == [100, 100]


def test_a_message_cut_off_by_the_end_of_the_connection_is_delivered(journal):
    """The rest of a counted message is a record without its count: parsing judges it."""
    reader = SyslogMessages(65_536)
    assert reader.feed(b"60 " + FIRST[:20], final=True) == [FIRST[:20]]


def test_every_datagram_is_a_record_and_a_sender_is_a_connection(journal):
    """Header and text are kept as they came; n counts per sender."""

    async def main():
        async with SyslogUdp(PLAIN, journal, port=0) as link:
            task = asyncio.create_task(link.run())
            at = link.state.listening_on
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
            ):
                two.bind(("127.0.0.2", 0))
                one.sendto(FIRST, at)
                one.sendto(FIRST + b"\n", at)
                two.sendto(FIRST, at)
                two.sendto(SECOND, at)
                await until(lambda: link.state.journaled == 4)
            await ended(task)
        assert link.state.listening_on is None

    asyncio.run(main())
    assert lines(journal) == [FIRST, FIRST, FIRST, SECOND]
    kept = records(journal)
    assert [record.n for record in kept] == [1, 2, 1, 1]
    assert kept[0].connection == kept[1].connection != kept[2].connection == kept[3].connection


def test_udp_losses_are_counted_and_told_as_heard_and_not_journaled(journal):
    """A burst that the kernel cannot hold: journaled plus lost is what was sent."""

    async def main():
        link = SyslogUdp(PLAIN, journal, port=0, receive_buffer_bytes=4_096)
        await link.start()
        at = link.state.listening_on
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
            for i in range(400):
                pbx.sendto(b"<1>%03d" % i, at)
        task = asyncio.create_task(link.run())
        await until(lambda: link.state.journaled + link.state.lost_datagrams == 400)
        await ended(task)
        assert link.state.lost_datagrams > 0
        assert "datagrams were dropped" in link.state.last_error
        return link.state.journaled

    journaled = asyncio.run(main())
    (tally,) = journal.tallies()
    assert (tally.heard, tally.journaled) == (400, journaled)
    assert lines(journal) == sorted(lines(journal))


def test_udp_losses_are_told_once_when_the_stop_comes_before_the_journal_heard_of_them(journal):
    """The count waits for a thread when the link is cancelled; it is told all the same."""

    async def main():
        link = SyslogUdp(PLAIN, journal, port=0, receive_buffer_bytes=4_096)
        await link.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
            for i in range(400):
                pbx.sendto(b"<1>%03d" % i, link.state.listening_on)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as threads:
            loop.set_default_executor(threads)
            free = threading.Event()
            busy = loop.run_in_executor(None, free.wait)
            task = asyncio.create_task(link.run())
            await until(lambda: link.state.lost_datagrams > 0)
            task.cancel()
            await asyncio.sleep(0.05)
            free.set()
            await asyncio.gather(busy, task, return_exceptions=True)
        return link.state.journaled

    journaled = asyncio.run(main())
    (tally,) = journal.tallies()
    assert (tally.heard, tally.journaled) == (400, journaled)


def test_what_waits_in_the_socket_at_a_clean_stop_is_journaled(journal):
    """Datagrams that arrived before the stop are read before the socket closes."""

    async def main():
        link = SyslogUdp(PLAIN, journal, port=0)
        await link.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
            for i in range(600):
                pbx.sendto(b"<1>%03d" % i, link.state.listening_on)
        await link.close()

    asyncio.run(main())
    assert lines(journal) == [b"<1>%03d" % i for i in range(600)]


def test_continuation_lines_of_a_sender_are_joined_and_settled(journal):
    """The table of the dialect works over datagrams, too."""
    settings = replace(PLAIN, framing=FramingTable(continuation=b" "), settle_after_s=0.05)

    async def main():
        async with SyslogUdp(settings, journal, port=0) as link:
            task = asyncio.create_task(link.run())
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
                for data in (b"<1>call", b"  more", b"<1>next"):
                    pbx.sendto(data, link.state.listening_on)
                await until(lambda: link.state.journaled == 2)
            await ended(task)

    asyncio.run(main())
    assert lines(journal) == [b"<1>call\n  more", b"<1>next"]


def test_datagrams_of_strangers_are_ignored_and_named(journal):
    """Only the allowed peers count."""

    async def main():
        async with SyslogUdp(PLAIN, journal, port=0, peers=["127.0.0.2/32"]) as link:
            task = asyncio.create_task(link.run())
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx,
            ):
                pbx.bind(("127.0.0.2", 0))
                stranger.sendto(FIRST, link.state.listening_on)
                pbx.sendto(SECOND, link.state.listening_on)
                await until(lambda: link.state.journaled == 1)
            assert "127.0.0.1" in link.state.last_error
            await ended(task)

    asyncio.run(main())
    assert lines(journal) == [SECOND]


def test_a_busy_port_is_named(journal):
    """The error says link, address and what to do."""

    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with pytest.raises(ListenError, match=f"pbx-a: cannot receive on 127.0.0.1:{port}/udp"):
                await SyslogUdp(PLAIN, journal, port=port).start()

    asyncio.run(main())


def test_syslog_over_tcp_takes_both_framings_and_the_last_message_without_an_end(journal):
    """Counted and LF-ended messages of two connections, one cut off by its end."""

    async def main():
        async with SyslogTcp(PLAIN, journal, port=0) as link:
            at = link.state.listening_on
            _, one = await asyncio.open_connection(*at)
            one.write(counted(FIRST) + counted(SECOND))
            await until(lambda: link.state.journaled == 2)
            _, two = await asyncio.open_connection(*at)
            two.write(FIRST + b"\r\n" + SECOND)
            two.write_eof()
            await until(lambda: link.state.journaled == 4)
            one.close()
            two.close()

    asyncio.run(main())
    assert lines(journal) == [FIRST, SECOND, FIRST, SECOND]
