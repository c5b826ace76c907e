"""Growing files: followed over restarts, rotation and truncation."""

import asyncio

import pytest
from bluewhale.capture import FramingTable
from bluewhale.connectors import Folder, LinkSettings
from bluewhale.journal import Journal

from tests.unit.connectors.support import HEADED, PLAIN, STREAM, frames, lines, records


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


def append(path, data):
    """Write as the PBX does."""
    with path.open("ab") as file:
        file.write(data)


def follow(journal, inbox, *steps, settings=PLAIN, **options):
    """Run steps (functions without arguments) in one process, a look after each; give the state."""

    async def main():
        folder = Folder(
            settings, journal, path=inbox, mode="tail", **{"pattern": "cdr.csv", **options}
        )
        await folder.scan()
        for step in steps:
            step()
            await folder.scan()
        return folder.state

    return asyncio.run(main())


def test_what_is_appended_is_read_and_half_lines_wait(journal, inbox):
    """A line is a record when its newline came."""
    file = inbox / "cdr.csv"
    follow(
        journal,
        inbox,
        lambda: append(file, b"one\ntw"),
        lambda: append(file, b"o\nthr"),
        lambda: append(file, b"ee\n"),
    )
    assert lines(journal) == [b"one", b"two", b"three"]


def test_a_restart_goes_on_at_the_committed_place(journal, inbox):
    """Half a line that was read but not settled is read again; connection and n go on."""
    file = inbox / "cdr.csv"
    append(file, b"a,b,header\nx\nx\nha")
    follow(journal, inbox, settings=HEADED)
    append(file, b"lf\nx\n")
    follow(journal, inbox, settings=HEADED)
    assert [(r.data, r.n) for r in records(journal)] == [
        (b"x", 1),
        (b"x", 2),
        (b"half", 1),
        (b"x", 3),
    ]
    assert len({r.connection for r in records(journal)}) == 1
    assert {f.context for f in frames(journal)} == {b"a,b,header"}


def test_a_rotated_file_is_read_to_its_end_before_it_is_forgotten(journal, inbox):
    """Lines written just before and just after the rename come from the old file."""
    file, old = inbox / "cdr.csv", inbox / "cdr.csv.1"

    def rotate():
        append(file, b"two\n")
        file.rename(old)
        append(old, b"three\n")
        append(file, b"four\n")

    follow(journal, inbox, lambda: append(file, b"one\n"), rotate, lambda: append(old, b"five"))
    assert sorted(lines(journal)) == [b"four", b"one", b"three", b"two"]
    state = follow(journal, inbox, lambda: None, rotated_quiet_s=0)
    assert sorted(lines(journal)) == [b"five", b"four", b"one", b"three", b"two"]
    assert list(journal.notes("tail/")) == ["tail/pbx-a/cdr.csv"]
    assert state.last_error is None


def test_a_chain_of_rotations_keeps_every_file_apart(journal, inbox):
    """cdr.csv -> .1 -> .2 within one poll interval."""
    file, one, two = inbox / "cdr.csv", inbox / "cdr.csv.1", inbox / "cdr.csv.2"

    def first():
        append(file, b"a2\n")
        file.rename(one)
        append(file, b"b1\n")

    def second():
        append(one, b"a3\n")
        one.rename(two)
        append(file, b"b2\n")
        file.rename(one)
        append(file, b"c1\n")

    state = follow(journal, inbox, lambda: append(file, b"a1\n"), first, second)
    assert sorted(lines(journal)) == [b"a1", b"a2", b"a3", b"b1", b"b2", b"c1"]
    assert state.last_error is None


def test_a_rotation_while_we_were_down_is_followed(journal, inbox):
    """The inode and the bytes before the place tell which file it was."""
    file = inbox / "cdr.csv"
    append(file, b"one\n")
    follow(journal, inbox)
    append(file, b"two\n")
    file.rename(inbox / "cdr.csv.1")
    append(file, b"three\n")
    follow(journal, inbox)
    assert sorted(lines(journal)) == [b"one", b"three", b"two"]


def test_a_rotated_name_that_matches_the_pattern_is_not_read_again(journal, inbox):
    """cdr-1.csv is cdr.csv of yesterday: known by its inode."""
    file = inbox / "cdr.csv"

    def rotate():
        append(file, b"two\n")
        file.rename(inbox / "cdr-1.csv")
        append(file, b"three\n")

    follow(journal, inbox, lambda: append(file, b"one\n"), rotate, pattern="cdr*.csv")
    assert sorted(lines(journal)) == [b"one", b"three", b"two"]


def test_a_truncated_file_is_read_from_its_start_and_the_copy_to_its_end(journal, inbox):
    """Copy-and-truncate: what was appended before the copy is found in the copy."""
    file, copy = inbox / "cdr.csv", inbox / "cdr.csv.1"

    def copy_and_truncate():
        append(file, b"two\n")
        copy.write_bytes(file.read_bytes())
        file.write_bytes(b"3\n")

    state = follow(journal, inbox, lambda: append(file, b"one\n"), copy_and_truncate)
    assert sorted(lines(journal)) == [b"3", b"one", b"two"]
    assert state.last_error is None


def test_a_truncation_without_a_copy_is_named(journal, inbox):
    """What was not read yet is gone, and the state says behind which byte."""
    file = inbox / "cdr.csv"
    state = follow(journal, inbox, lambda: append(file, b"one\n"), lambda: file.write_bytes(b"2\n"))
    assert lines(journal) == [b"one", b"2"]
    assert "truncated or removed after byte 4" in state.last_error


def test_a_file_replaced_by_a_longer_one_is_noticed_by_the_bytes_before_the_place(journal, inbox):
    """Same inode, larger size, other content."""
    file = inbox / "cdr.csv"
    follow(
        journal,
        inbox,
        lambda: append(file, b"one\n"),
        lambda: file.write_bytes(b"a new file\nwith lines\n"),
    )
    assert lines(journal) == [b"one", b"a new file", b"with lines"]


def test_a_cut_line_goes_on_after_a_restart_where_it_was_cut(journal, inbox):
    """Limit 5: abcde, then after the restart fgh as the rest of the same line."""
    settings = LinkSettings("pbx-a", STREAM, FramingTable(record_length_max_bytes=5))
    file = inbox / "cdr.csv"
    append(file, b"abcdefg")
    follow(journal, inbox, settings=settings)
    append(file, b"h\nx\n")
    follow(journal, inbox, settings=settings)
    assert lines(journal) == [b"abcde", b"fgh", b"x"]


def test_an_open_record_is_settled_after_silence_and_read_once(journal, inbox):
    """A continuation format: the last record of the evening is delivered."""
    settings = LinkSettings("pbx-a", STREAM, FramingTable(continuation=b"&"), settle_after_s=0)
    file = inbox / "cdr.csv"
    append(file, b"N 1\n&a\nN 2\n")
    follow(journal, inbox, settings=settings)
    append(file, b"N 3\n")
    follow(journal, inbox, settings=settings)
    assert lines(journal) == [b"N 1\n&a", b"N 2", b"N 3"]
