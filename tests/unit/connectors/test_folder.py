"""Whole files: each is read once, whatever happens in between."""

import asyncio
import os
from dataclasses import replace

import pytest
from bluewhale.capture import context_id
from bluewhale.connectors import Folder
from bluewhale.journal import Journal

from tests.unit.connectors.support import HEADED, PLAIN, ended, frames, lines, records, until


@pytest.fixture
def journal(tmp_path):
    """An open journal."""
    with Journal.open(tmp_path / "journal.db") as journal:
        yield journal


@pytest.fixture
def inbox(tmp_path):
    """The watched folder."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def scan(journal, inbox, *, times=1, settings=PLAIN, **options):
    """Look `times` times as a fresh process would; give the state."""

    async def main():
        folder = Folder(settings, journal, path=inbox, **{"stable_for_s": 0, **options})
        for _ in range(times):
            await folder.scan()
        return folder.state

    return asyncio.run(main())


def test_a_file_is_read_once_and_remembered_over_restarts(journal, inbox):
    """The second look, and a fresh process, find nothing new."""
    (inbox / "a.csv").write_bytes(b"one\ntwo")
    assert scan(journal, inbox, times=2).files == 1
    assert scan(journal, inbox).files == 0
    assert lines(journal) == [b"one", b"two"]


def test_the_connection_of_a_file_is_the_hash_of_its_content(journal, inbox):
    """A file that is sent again under another name gives the same connection and n."""
    (inbox / "a.csv").write_bytes(b"one\none\n")
    (inbox / "b.csv").write_bytes(b"one\none\n")
    scan(journal, inbox)
    number = context_id(b"one\none\n")
    assert [(r.connection, r.n) for r in records(journal)] == [(number, 1), (number, 2)] * 2


def test_only_complete_files_that_match_are_read(journal, inbox):
    """Unfinished, hidden and foreign names stay untouched."""
    for name in ("a.csv", "_a.csv", ".a.csv", "a.csv.tmp", "a.txt", "b.csv.part"):
        (inbox / name).write_bytes(name.encode())
    (inbox / "folder.csv").mkdir()
    scan(journal, inbox, pattern="*.csv")
    assert lines(journal) == [b"a.csv"]


def test_a_file_that_still_grows_is_left_until_it_stands_still(journal, inbox):
    """Size and time must not have changed for stable_for_s."""

    async def main():
        folder = Folder(PLAIN, journal, path=inbox, stable_for_s=0.1)
        (inbox / "a.csv").write_bytes(b"one\n")
        await folder.scan()
        await asyncio.sleep(0.06)
        (inbox / "a.csv").write_bytes(b"one\ntwo\n")
        clock = asyncio.get_running_loop().time
        grown = clock()
        while folder.state.files == 0:
            await folder.scan()
            await asyncio.sleep(0.005)
        assert clock() - grown >= 0.1

    asyncio.run(main())
    assert lines(journal) == [b"one", b"two"]


def test_a_renamed_file_is_read_at_once(journal, inbox):
    """With complete="renamed" the sender vouches for the name."""
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox, complete="renamed", stable_for_s=60)
    assert lines(journal) == [b"one"]


def test_archived_files_leave_the_folder_after_the_commit(journal, inbox, tmp_path):
    """A name that is taken in the archive gets a number; nothing stays remembered."""
    archive = tmp_path / "done"
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox, archive=archive)
    (inbox / "a.csv").write_bytes(b"two\n")
    scan(journal, inbox, archive=archive)
    assert list(inbox.iterdir()) == []
    assert (archive / "a.csv").read_bytes() == b"one\n"
    assert (archive / "a.csv.1").read_bytes() == b"two\n"
    assert lines(journal) == [b"one", b"two"]
    assert journal.notes("file/") == {}


def test_a_crash_between_commit_and_move_only_moves(journal, inbox, tmp_path):
    """The commit remembered the file; the next start moves it without reading."""
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox)  # as if the process died before the move
    scan(journal, inbox, archive=tmp_path / "done")
    assert lines(journal) == [b"one"]
    assert (tmp_path / "done" / "a.csv").exists()


def test_a_crash_in_the_middle_of_a_file_goes_on_behind_the_committed_records(journal, inbox):
    """Records before, n and context after the restart are as in one go."""
    body = b"a,b,header\n" + b"".join(b"line %d\n" % (i // 2) for i in range(200_000))
    (inbox / "big.csv").write_bytes(body)

    async def main():
        folder = Folder(HEADED, journal, path=inbox, stable_for_s=0, poll_interval_s=0.01)
        task = asyncio.create_task(folder.run())
        await until(lambda: folder.state.journaled > 0)
        await ended(task)
        return folder.state

    first = asyncio.run(main())
    assert 0 < first.journaled < 200_000
    second = scan(journal, inbox, settings=HEADED)
    assert second.journaled == 200_000 - first.journaled
    every = records(journal)
    assert [(r.data, r.n) for r in every] == [
        (b"line %d" % (i // 2), 1 + i % 2) for i in range(200_000)
    ]
    assert len({(r.connection, r.received_at_ms) for r in every}) == 1
    assert {f.context for f in frames(journal)} == {b"a,b,header"}


def test_an_empty_file_is_done_without_a_record(journal, inbox):
    """Nothing is in it, nothing is journaled, and it is not looked at again."""
    (inbox / "empty.csv").write_bytes(b"")
    assert scan(journal, inbox).files == 1
    assert scan(journal, inbox).files == 0
    assert lines(journal) == []


def test_the_same_name_with_other_content_is_another_file(journal, inbox):
    """Same size, other bytes: read."""
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox)
    (inbox / "a.csv").write_bytes(b"two\n")
    os.utime(inbox / "a.csv", (1, 1))
    scan(journal, inbox)
    assert lines(journal) == [b"one", b"two"]


def test_a_touched_file_is_not_read_again(journal, inbox):
    """The content says what it is, not the time."""
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox)
    os.utime(inbox / "a.csv", (1, 1))
    assert scan(journal, inbox, times=2).files == 0
    assert lines(journal) == [b"one"]


def test_a_folder_that_is_away_is_a_state_and_no_end(journal, inbox):
    """A mount may come later; files that left are forgotten once others are seen."""
    inbox.rmdir()
    state = scan(journal, inbox)
    assert state.last_error == f"{inbox}: No such file or directory"
    inbox.mkdir()
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox)
    (inbox / "a.csv").unlink()
    scan(journal, inbox)
    assert len(journal.notes("file/")) == 1
    (inbox / "b.csv").write_bytes(b"two\n")
    scan(journal, inbox)
    assert [key.split("/")[2] for key in journal.notes("file/")] == ["b.csv"]


def test_two_links_remember_their_own_files(journal, inbox):
    """The same folder read by two links gives two streams."""
    (inbox / "a.csv").write_bytes(b"one\n")
    scan(journal, inbox)
    scan(journal, inbox, settings=replace(PLAIN, link_uid="pbx-b", stream_id=8))
    assert lines(journal, 7) == lines(journal, 8) == [b"one"]
