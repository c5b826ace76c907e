"""TCP links on real sockets: what was received is journaled, whoever ends."""

import asyncio
from dataclasses import replace

import pytest
from bluewhale.capture import CapturedRecord, FramingTable, record_crc
from bluewhale.connectors import ListenError, TcpClient, TcpServer
from bluewhale.journal import Journal

from tests.unit.connectors.support import DATED, PLAIN, STREAM, ended, frames, lines, records, until


@pytest.fixture
def journal(tmp_path):
    """An open journal."""
    with Journal.open(tmp_path / "journal.db") as journal:
        yield journal


async def connected(server):
    """A PBX that connects to our server."""
    return await asyncio.open_connection(*server.state.listening_on)


def test_lines_of_many_connections_are_journaled_each_with_its_own_number(journal):
    """Two PBX links, one server: connection numbers differ, n counts per connection."""

    async def main():
        async with TcpServer(PLAIN, journal, port=0) as server:
            _, one = await connected(server)
            _, two = await connected(server)
            one.write(b"call\r\ncall\r\n")
            two.write(b"call\r\n")
            await until(lambda: server.state.journaled == 3)
            assert server.state.connected == 2
            assert server.state.connected_since_ms is not None
            assert server.state.bytes == 6 + 6 + 6
            one.close()
            two.close()
            await until(lambda: server.state.connected == 0)
            assert server.state.connected_since_ms is None
        assert server.state.listening_on is None

    asyncio.run(main())
    by_connection = {}
    for record in records(journal):
        by_connection.setdefault(record.connection, []).append(record.n)
    assert sorted(by_connection.values()) == [[1], [1, 2]]


def test_a_last_line_without_newline_is_journaled_when_the_pbx_hangs_up(journal):
    """The end of a connection ends its line."""

    async def main():
        async with TcpServer(PLAIN, journal, port=0) as server:
            _, pbx = await connected(server)
            pbx.write(b"first\nsecond")
            pbx.close()
            await until(lambda: server.state.journaled == 2)

    asyncio.run(main())
    assert lines(journal) == [b"first", b"second"]


def test_cancelling_journals_what_was_received(journal):
    """A clean stop frames and commits, also half a line, also bytes still in the kernel."""

    async def main():
        server = TcpServer(PLAIN, journal, port=0)
        task = asyncio.create_task(server.run())
        await until(lambda: server.state.listening_on)
        _, pbx = await connected(server)
        await until(lambda: server.state.connected == 1)
        pbx.write(b"x" * 50 + b"\n" + b"y" * 50 + b"\nhalf")
        await pbx.drain()
        await ended(task)
        assert task.cancelled()
        pbx.close()

    asyncio.run(main())
    assert lines(journal) == [b"x" * 50, b"y" * 50, b"half"]


def test_the_date_line_of_a_stream_survives_connections_and_restarts(journal):
    """Context with stream scope is kept in the journal, with or without a record after it."""

    async def main(data, count):
        async with TcpServer(DATED, journal, port=0) as server:
            _, pbx = await connected(server)
            pbx.write(data)
            await until(lambda: server.state.bytes == len(data))
            pbx.close()
            await until(lambda: server.state.connected == 0)
            assert server.state.journaled == count

    asyncio.run(main(b"early\n0412\n", 1))
    asyncio.run(main(b"late\n", 1))
    assert [(f.context, [r.data for r in f.records]) for f in frames(journal)] == [
        (None, [b"early"]),
        (b"0412", [b"late"]),
    ]


def test_peers_that_are_not_allowed_are_refused(journal):
    """Only the network of the PBX may connect."""

    async def main():
        async with TcpServer(PLAIN, journal, port=0, peers=["10.0.0.0/8"]) as server:
            reader, pbx = await connected(server)
            try:
                pbx.write(b"call\n")
                assert await reader.read() == b""
            except ConnectionError:
                pass  # a reset is a refusal too
            pbx.close()
            await until(lambda: server.state.last_error)
            assert server.state.last_error == "refused 127.0.0.1: not among the allowed peers"
        async with TcpServer(PLAIN, journal, port=0, peers=["127.0.0.1"]) as server:
            _, pbx = await connected(server)
            pbx.write(b"call\n")
            await until(lambda: server.state.journaled == 1)
            pbx.close()

    asyncio.run(main())
    assert lines(journal) == [b"call"]


def test_more_connections_than_the_limit_are_refused(journal):
    """The second of at most one is closed, the first goes on."""

    async def main():
        async with TcpServer(PLAIN, journal, port=0, connections_max=1) as server:
            _, one = await connected(server)
            await until(lambda: server.state.connected == 1)
            _, two = await connected(server)
            await until(lambda: server.state.last_error)
            assert server.state.last_error == "refused 127.0.0.1: 1 connections are open"
            one.write(b"call\n")
            await until(lambda: server.state.journaled == 1)
            one.close()
            two.close()

    asyncio.run(main())


def test_a_silent_connection_is_closed_after_the_idle_time_out(journal):
    """0.05 s without a byte; what came before is kept."""

    async def main():
        async with TcpServer(PLAIN, journal, port=0, idle_timeout_s=0.05) as server:
            reader, pbx = await connected(server)
            pbx.write(b"call\nhalf")
            assert await reader.read() == b""
            pbx.close()
            await until(lambda: server.state.journaled == 2)
            assert server.state.last_error == "closed after 0.05 s of silence"

    asyncio.run(main())
    assert lines(journal) == [b"call", b"half"]


def test_a_record_that_waits_for_a_continuation_is_delivered_after_silence(journal):
    """The PBX says nothing more tonight; the call is not held back until morning."""
    link = replace(PLAIN, framing=FramingTable(continuation=b"&"), settle_after_s=0.05)

    async def main():
        async with TcpServer(link, journal, port=0) as server:
            _, pbx = await connected(server)
            pbx.write(b"N 1\n&more\n")
            await until(lambda: server.state.journaled == 1)
            pbx.write(b"N 2\n")
            await until(lambda: server.state.journaled == 2)
            pbx.close()

    asyncio.run(main())
    assert lines(journal) == [b"N 1\n&more", b"N 2"]


def test_an_address_in_use_is_a_clear_error(journal):
    """The second server on a port says which one and what to do."""

    async def main():
        async with TcpServer(PLAIN, journal, port=0) as server:
            port = server.state.listening_on[1]
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}"):
                await TcpServer(PLAIN, journal, port=port).start()

    asyncio.run(main())


def test_a_full_journal_stops_the_reading_and_loses_nothing(tmp_path):
    """Back-pressure reaches the PBX through TCP; after an acknowledgement all comes."""
    line = b"%06d" + b"z" * 4_000 + b"\n"
    count = 2_500  # about 10 MB against a quota of 2 MiB, and more than sockets buffer
    with Journal.open(tmp_path / "journal.db", quota_bytes=2 << 20) as journal:
        got = []

        def consume():
            """The centre: read what is there, acknowledge it."""
            (info,) = [s for s in journal.streams() if s.current]
            after = info.stored_through
            while (frame := journal.read(STREAM, info.incarnation, after)) is not None:
                got.extend(r.data[:6] for r in frame.records)
                last = frame.records[-1]
                crc = record_crc(
                    last.data,
                    n=last.n,
                    connection=last.connection,
                    received_at_ms=last.received_at_ms,
                )
                journal.acknowledge(STREAM, info.incarnation, last.seq, crc)
                after = last.seq

        async def main():
            async with TcpServer(PLAIN, journal, port=0) as server:
                _, pbx = await connected(server)
                for i in range(count):
                    pbx.write(line % i)
                await until(lambda: server.state.waiting_for_journal)
                await asyncio.sleep(0.1)
                stuck = server.state.bytes
                await asyncio.sleep(0.1)
                assert server.state.bytes == stuck < 4_000_000
                assert "connectors stop reading" in server.state.last_error
                sending = asyncio.create_task(pbx.drain())
                while len(got) < count:
                    await asyncio.to_thread(consume)
                    await asyncio.sleep(0.01)
                await sending
                pbx.close()
                assert not server.state.waiting_for_journal

        asyncio.run(asyncio.wait_for(main(), 40))
        assert got == [b"%06d" % i for i in range(count)]


def test_stopping_while_the_journal_refuses_counts_what_could_not_be_kept(tmp_path):
    """Heard 1, journaled 0: the gap is a number, not a silence."""
    link = replace(PLAIN, stop_timeout_s=0.05)
    with Journal.open(tmp_path / "journal.db", quota_bytes=256 * 1024) as journal:
        filler = CapturedRecord(b"x" * 60_000, None, 1, 1, 0)
        journal.append(1, [filler] * 3)

        async def main():
            server = TcpServer(link, journal, port=0)
            task = asyncio.create_task(server.run())
            await until(lambda: server.state.listening_on)
            _, pbx = await connected(server)
            pbx.write(b"y" * 50_000 + b"\n")
            await until(lambda: server.state.waiting_for_journal)
            await ended(task)
            pbx.close()
            assert server.state.last_error == "stopped while the journal refused 1 records"

        asyncio.run(main())
        assert [(t.heard, t.journaled) for t in journal.tallies(STREAM)] == [(1, 0)]


def test_the_client_says_hello_and_comes_back_after_every_loss(journal):
    """A PBX that hangs up twice is called again, each time with the hello."""
    hellos = []

    async def pbx(reader, writer):
        hellos.append(await reader.readexactly(6))
        writer.write(b"call %d\n" % len(hellos))
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(pbx, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = TcpClient(
            PLAIN, journal, host="127.0.0.1", port=port, hello=b"SMDR\r\n", retry_s_min=0.01
        )
        task = asyncio.create_task(client.run())
        await until(lambda: client.state.journaled >= 3)
        await ended(task)
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert lines(journal)[:3] == [b"call 1", b"call 2", b"call 3"]
    assert set(hellos) == {b"SMDR\r\n"}
    assert len({r.connection for r in records(journal)}) == len(records(journal))


def test_the_client_keeps_trying_a_pbx_that_is_away_and_says_so(journal):
    """Refused attempts are counted in the state, not raised; then the PBX comes up."""

    async def silent(reader, writer):
        writer.write(b"call\n")
        await reader.read()
        writer.close()

    async def main():
        placeholder = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = placeholder.sockets[0].getsockname()[1]
        placeholder.close()
        await placeholder.wait_closed()
        client = TcpClient(PLAIN, journal, host="127.0.0.1", port=port, retry_s_min=0.01)
        task = asyncio.create_task(client.run())
        await until(lambda: client.state.last_error)
        assert client.state.last_error.startswith(f"cannot connect to 127.0.0.1:{port}")
        server = await asyncio.start_server(silent, "127.0.0.1", port)
        await until(lambda: client.state.journaled == 1)
        assert client.state.connected == 1
        await ended(task)
        assert client.state.connected == 0
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_waits_between_attempts_double_up_to_a_limit_with_jitter(journal):
    """0.5 s x 2^k, at most 60 s, half to whole."""
    client = TcpClient(PLAIN, journal, host="127.0.0.1", port=1)
    for failures, longest in [(0, 0.5), (1, 1.0), (3, 4.0), (20, 60.0)]:
        waits = [client._wait_s(failures) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
