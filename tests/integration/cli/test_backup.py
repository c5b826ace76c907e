"""A backup of an embedded installation: hot, whole or not there, and the same once restored."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from bluewhale.cli.backups.making import complete, make
from bluewhale.cli.backups.restoring import restore
from bluewhale.cli.simulate.play import Line
from bluewhale.cli.simulate.session import DIALECTS, World
from bluewhale.cli.simulate.verify import compare
from bluewhale.configuration import read_settings
from bluewhale.database import CallFilter, Store, StoreError
from bluewhale.journal import Journal

from tests.integration.cli.door import Answer, bluewhale
from tests.integration.cli.places import Place
from tests.support.embedded import (
    PATIENCE_S,
    connected,
    journaled,
    quicken,
    records,
    send,
    stored,
    waiting,
)
from tests.support.feeding import Feeder
from tests.support.full_disk import small_disk
from tests.support.running import COMMAND, Cold, wait_until


def backed_up(folder: Path, into: Path, *more: str) -> Path:
    """Back an installation up; gives the backup."""
    answer = bluewhale("backup", into, *more, "--config", folder)
    assert answer.code == 0, answer.err
    return complete(into)[-1][0]


def emptied(folder: Path, to: Path) -> Path:
    """Give an installation with the same configuration and nothing else."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("data", "*.log"))
    return to


def restored(backup: Path, folder: Path) -> Answer:
    """Restore into an installation."""
    return bluewhale("restore", backup, "--config", folder)


def asked(folder: Path) -> dict[str, str]:
    """Give what an installation says of its calls, prices, receipts and completeness."""
    commands = ("calls --json --limit 1000", "report --by department --json", "completeness --json",
                "receipts verify", "duplicates --json", "suspense list --json", "tariff list --json")  # fmt: skip
    answers = {c: bluewhale(*c.split(), "--config", folder) for c in commands}
    assert {c: a.err for c, a in answers.items() if a.code} == {}
    return {c: a.out for c, a in answers.items()}


def between_calls(lines: list[Line], near: int) -> int:
    """Give the first place from there on where no call has legs on both sides.

    What comes behind a restore comes later than billing waits for a leg.
    """
    return next(
        at
        for at in range(near, len(lines))
        if not {x.call for x in lines[:at]} & {x.call for x in lines[at:]} - {0}
    )


def killed_at_sync(number: int, work: Callable[[], object]) -> bool:
    """Do `work` in a process that dies by kill -9 at its n-th fsync; False = it was done before."""
    pid = os.fork()
    if pid == 0:
        synced, real = 0, os.fsync

        def fsync(handle: int) -> None:
            nonlocal synced
            synced += 1
            if synced == number:
                os.kill(os.getpid(), signal.SIGKILL)
            real(handle)

        os.fsync = fsync
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - of a child there is nothing but its exit code
            print(repr(error), file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def test_a_restored_installation_says_the_same_of_calls_prices_and_completeness(
    place: Place, tmp_path: Path
):
    """150 calls with their receipts: every answer of every command, to the last byte."""
    other = emptied(place.folder, tmp_path / "other")
    answer = restored(backed_up(place.folder, tmp_path / "backups"), other)
    assert (answer.code, answer.err) == (0, "")
    before = asked(place.folder)
    assert asked(other) == before
    assert before["receipts verify"] == (
        "300 charges computed again by both engines, 0 fields differ\n"
    )
    assert len(before["calls --json --limit 1000"].splitlines()) == 150
    assert len(before["duplicates --json"].splitlines()) == 2


def test_what_the_journal_had_not_delivered_is_delivered_once_after_a_restore(tmp_path: Path):
    """A third stored, a third in the journal alone, a third sent to the restored installation."""
    world = World.of(tmp_path / "one", 1, ("avaya_cm",), 60, 4, 0)
    world.write()
    quicken(world.folder)
    lines = world.lines[world.pbxs[0].pbx_uid]
    one, two = (between_calls(lines, len(lines) * n // 3) for n in (1, 2))
    first, second, last = lines[:one], lines[one:two], lines[two:]
    store = world.folder / "data" / "store"
    up = Cold().start(world.folder, "up")
    with connected(world.folder) as pbx:
        send(pbx, first)
        wait_until(lambda: journaled(world.folder) == records(first), PATIENCE_S, "the first third")
        wait_until(lambda: waiting(world.folder) == 0, PATIENCE_S, "that it is stored")
        with contextlib.closing(sqlite3.connect(store / "main.db", timeout=30)) as main:
            main.execute("BEGIN IMMEDIATE")  # the main database stands still
            send(pbx, second)
            both = records(first + second)
            wait_until(lambda: journaled(world.folder) == both, PATIENCE_S, "the second third")
            backup = backed_up(world.folder, tmp_path / "backups")
            assert up.kill()
    other = emptied(world.folder, tmp_path / "other")
    assert restored(backup, other).code == 0
    assert waiting(other) == records(second)
    up = Cold().start(other, "up")
    with connected(other) as pbx:
        wait_until(lambda: waiting(other) == 0, PATIENCE_S, "what the journal held")
        send(pbx, last)
        pbx.shutdown(socket.SHUT_WR)
        while pbx.recv(4096):
            pass
    with Store.open(other / "data" / "store") as main:
        wait_until(lambda: stored(main) == (records(lines), 0), PATIENCE_S, "all calls")
        up.stop()
        assert compare(world.truth, main, {world.pbxs[0].pbx_uid}) == []
        assert main.duplicates().num_rows == 0
        found = main.completeness()
    assert found.gaps.to_pylist() == []
    assert [d["difference"] for d in found.days.to_pylist() if not d["balanced"]] == []


def test_backups_of_a_busy_installation_hold_each_record_once(tmp_path: Path):
    """Six of them while three PBXs talk and calls are sealed; the last one is restored."""
    world = World.of(tmp_path / "one", 3, DIALECTS, 900, 3, 4)
    world.write()
    quicken(world.folder)
    feeder = Feeder(world, 120)
    up = Cold().start(world.folder, "up")
    with connected(world.folder), feeder.feeding():
        wait_until(lambda: journaled(world.folder) > 0, PATIENCE_S, "the first record")
        with Store.open(world.folder / "data" / "store") as store:
            sealed = 0
            for _ in range(6):
                now_ms = time.time_ns() // 1_000_000
                sealed += store.seal(before_ms=now_ms, now_ms=now_ms).legs
                backup = backed_up(world.folder, tmp_path / "backups")
    up.stop()
    assert sealed > 0
    other = emptied(world.folder, tmp_path / "other")
    shutil.rmtree(other / "inbox", ignore_errors=True)
    assert restored(backup, other).code == 0
    up = Cold().start(other, "up")
    with connected(other), Store.open(other / "data" / "store") as store:
        wait_until(lambda: waiting(other) == 0, PATIENCE_S, "what the journal held")
        wait_until(lambda: stored(store)[1] == 0, PATIENCE_S, "all calls")
        up.stop()
        legs = [
            store.get_call(i).legs.column("raw").to_pylist()
            for i in store.search_calls(CallFilter(), limit=10_000).column("call_id").to_pylist()
        ]
        found = store.completeness()
    lines = Counter(raw for call in legs for raw in call)
    assert {raw: n for raw, n in lines.items() if n > feeder.sent.get(raw, 1)} == {}
    assert lines.total() == sum(d["parsed"] - d["duplicate"] for d in found.days.to_pylist())
    assert [d["difference"] for d in found.days.to_pylist() if not d["balanced"]] == []
    assert found.gaps.to_pylist() == []
    assert bluewhale("receipts", "verify", "--config", other).code == 0


def test_a_backup_killed_at_any_moment_is_none_and_the_next_one_tidies_up(
    place: Place, tmp_path: Path
):
    """A kill -9 at each fsync in turn: before the last one there is no backup, then there is one."""
    settings, into = read_settings(place.folder), tmp_path / "backups"
    kills = 0
    while killed_at_sync(kills + 1, lambda: make(settings, into)):
        kills += 1
        if complete(into):  # the very last one: it has its name, the folder is not synced
            break
        assert list(into.glob("bluewhale-*")) == []
        assert len(list(into.glob(".partial-*"))) == 1
    assert kills >= 13  # files, and folders
    shutil.rmtree(into / complete(into)[0][0].name)
    backup = backed_up(place.folder, into)
    assert bluewhale("restore", backup, "--verify").code == 0
    assert sorted(f.name for f in into.iterdir()) == [".lock", backup.name]


def test_a_restore_killed_at_any_moment_is_no_installation_and_can_be_repeated(
    place: Place, tmp_path: Path
):
    """A kill -9 at each fsync in turn; what is left is refused by everybody but `restore`."""
    backup = backed_up(place.folder, tmp_path / "backups")
    other = emptied(place.folder, tmp_path / "other")
    settings, kills = read_settings(other), 0
    while killed_at_sync(kills + 1, lambda: restore(settings, backup)):
        kills += 1
        if (other / "data" / "store" / "main.db").exists():  # the very last one: all is there
            break
        with pytest.raises(StoreError, match="run `bluewhale restore` again"):
            Store.open(other / "data" / "store")
    assert kills >= 13
    shutil.rmtree(other / "data")
    assert killed_at_sync(7, lambda: restore(settings, backup))
    assert restored(backup, other).code == 0
    assert asked(other) == asked(place.folder)


def damage(backup: Path, pattern: str) -> str:
    """Change one byte of a file; gives its name."""
    file = min(backup.glob(pattern))
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return str(file.relative_to(backup))


@pytest.mark.parametrize("pattern", ["main.db", "segments/*.leg.parquet", "segments/*.index"])
def test_a_damaged_file_is_named_and_nothing_is_restored(
    pattern: str, place: Place, tmp_path: Path
):
    """One changed bit, in the database or in a sealed file: found by --verify and by restore."""
    backup = backed_up(place.folder, tmp_path / "backups")
    other = emptied(place.folder, tmp_path / "other")
    name = damage(backup, pattern)
    for answer in (bluewhale("restore", backup, "--verify"), restored(backup, other)):
        assert answer.code == 2
        assert f"{backup}: {name} is damaged:" in answer.err
        assert answer.err.endswith("in the manifest; take another backup\n")
    assert list((other / "data").iterdir()) == []


def test_a_restore_is_refused_where_something_is_already(place: Place, own_place: Place, tmp_path):
    """The installation goes on as it was."""
    backup = backed_up(place.folder, tmp_path / "backups")
    before = asked(own_place.folder)
    answer = restored(backup, own_place.folder)
    assert answer.code == 2
    assert answer.err == (
        f"bluewhale: {own_place.folder}/data/store is there already; --aside moves it away first, or"
        " name another `data`: nothing was changed\n"
    )
    assert asked(own_place.folder) == before


def test_what_is_there_moves_aside_and_comes_back_if_the_restore_fails(
    place: Place, own_place: Place, tmp_path: Path
):
    """One journal more than before: in its place again, then beside what was restored."""
    backup = backed_up(place.folder, tmp_path / "backups")
    bad = shutil.copytree(backup, tmp_path / "bad")
    damage(bad, "segments/*.index")
    data = own_place.folder / "data"
    with Journal.open(data / "journal.db") as journal:
        journal.append(1, [], notes={"a": b"b"})
        answer = own_place.ask("restore", backup, "--aside")
        said = f"{data}/journal.db: in use by another process; end it, or use another journal file"
        assert (answer.code, answer.err) == (4, f"bluewhale: {said}\n")
    before = asked(own_place.folder)
    assert own_place.ask("restore", bad, "--aside").code == 2
    assert asked(own_place.folder) == before
    assert list(data.glob("before-*")) == []
    assert own_place.ask("restore", backup, "--aside").code == 0
    assert asked(own_place.folder) == asked(place.folder)
    assert not (data / "journal.db").exists()  # there was none in the backup
    (away,) = data.glob("before-*")
    with Journal.open(away / "journal.db") as journal:
        assert journal.note("a") == b"b"


def test_what_is_no_backup_or_of_a_newer_release_is_refused_with_the_remedy(
    place: Place, tmp_path: Path
):
    """No folder, no manifest, a missing file, a newer table, a newer form, another engine."""
    backup = backed_up(place.folder, tmp_path / "backups")
    other = emptied(place.folder, tmp_path / "other")
    manifest = backup / "manifest.json"
    good = manifest.read_text("utf-8")

    def said(*, old: str = "", new: str = "", path: Path = backup) -> str:
        manifest.write_text(good.replace(old, new), "utf-8")
        answer = restored(path, other)
        assert answer.code == 2
        assert not list(other.glob("data/*"))
        return answer.err.removeprefix("bluewhale: ").replace(str(tmp_path), "")

    assert said(path=tmp_path / "no") == "/no: there is no such backup\n"
    assert said(path=tmp_path) == (
        ": no backup, there is no manifest.json in it; name the folder of one backup\n"
    )
    where = f"/backups/{backup.name}"
    assert said(old='"schema": 4', new='"schema": 5') == (
        f"{where}: made by release 0.1.0 with tables of version 5, this release has 4; restore"
        " with release 0.1.0\n"
    )
    assert said(old='"format": 1', new='"format": 2') == (
        f"{where}/manifest.json: a backup in format 2, made by release 0.1.0; this release reads 1:"
        " restore with that one\n"
    )
    assert said(old='"sqlite"', new='"postgresql"') == (
        f"{where}: the backup is of PostgreSQL (roles), the configuration names SQLite (bluewhale"
        " up); restore it with a configuration like the one it was made with\n"
    )
    assert said(old='"main.db"', new='"../../main.db"').startswith(
        f"{where}/manifest.json is damaged ("
    )
    gone = min((backup / "segments").iterdir())
    gone.unlink()
    assert said() == f"{where}: segments/{gone.name} is missing; take another backup\n"


def test_a_backup_streams_out_and_in_as_a_tar(place: Place, tmp_path: Path):
    """What a pod without a shell can do; a tar that was cut short is refused whole."""
    whole, cut = tmp_path / "whole.tar", tmp_path / "cut.tar"
    with whole.open("wb") as out:
        made = run_to(out, "backup", "-", "--config", place.folder)
    assert "files, " in made
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    other = emptied(place.folder, tmp_path / "other")
    answer = restored(cut, other)
    assert answer.code == 2
    assert answer.err.startswith(f"bluewhale: {cut}: not a whole tar of a backup (")
    assert list((other / "data").iterdir()) == []
    answer = bluewhale("restore", "-", "--config", other, stdin=whole.read_bytes())
    assert answer.code == 0, answer.err
    assert asked(other) == asked(place.folder)
    assert list((place.folder / "data" / ".backup").glob(".partial-*")) == []
    with tarfile.open(whole) as tar:
        assert tar.getnames()[:2] == ["manifest.json", "main.db"]


def run_to(out, *arguments: str | Path) -> str:
    """Run the installed command with its standard output in a file; gives what it remarked."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], stdout=out, stderr=subprocess.PIPE, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.decode()


def test_sealed_files_are_shared_with_the_backup_before_and_old_backups_go(
    own_place: Place, tmp_path: Path
):
    """Twelve sealed files once on the disk, whichever backup goes first."""
    into = tmp_path / "backups"
    first = backed_up(own_place.folder, into)
    answer = bluewhale("backup", into, "--keep", "2", "--json", "--config", own_place.folder)
    assert [row["linked"] for row in answer.rows()] == [12]
    second = complete(into)[-1][0]
    assert {f.stat().st_nlink for f in (second / "segments").iterdir()} == {2}
    third = backed_up(own_place.folder, into, "--keep", "2")
    assert [path for path, _ in complete(into)] == [second, third]
    assert not first.exists()
    assert bluewhale("restore", third, "--verify").code == 0
    (third / "manifest.json").write_text("{")  # its disk fails: the next one shares with another
    fourth = backed_up(own_place.folder, into, "--keep", "2")
    assert [path for path, _ in complete(into)] == [second, fourth]
    assert third.exists()


def test_a_sealed_file_that_is_damaged_or_gone_is_told_when_the_backup_is_made(
    own_place: Place, tmp_path: Path
):
    """Not years later; the file is in the backup before, and goes back from there."""
    backup = backed_up(own_place.folder, tmp_path / "good")
    segments = own_place.folder / "data" / "store" / "segments"
    name = damage(segments.parent, "segments/*.charge.parquet")
    path = segments.parent / name
    remedy = "copy it from an earlier backup (sealed files never change) and repeat\n"
    answer = own_place.ask("backup", tmp_path / "bad")
    assert (answer.code, answer.err) == (
        2, f"bluewhale: the sealed file {path} is damaged; {remedy}"
    )  # fmt: skip
    path.unlink()
    answer = own_place.ask("backup", tmp_path / "bad")
    assert (answer.code, answer.err) == (
        2, f"bluewhale: the sealed file {path} is missing; {remedy}"
    )  # fmt: skip
    assert complete(tmp_path / "bad") == []
    shutil.copy(backup / name, path)
    assert own_place.ask("backup", tmp_path / "bad").code == 0


def test_a_full_disk_is_told_and_leaves_neither_backup_nor_installation(
    place: Place, tmp_path: Path
):
    """64 KiB for 460: for the backup, then for what is restored of it; with room both succeed."""
    backup = backed_up(place.folder, tmp_path / "backups")
    other = emptied(place.folder, tmp_path / "other")
    with small_disk(tmp_path / "small") as disk, small_disk(other / "data") as data:
        if disk is None or data is None:
            return  # no room can be made small here
        answer = bluewhale("backup", disk.folder, "--config", place.folder)
        said = (
            f"bluewhale: no space left for the backup in {disk.folder}; make room and repeat:"
            " nothing that looks like a backup was left\n"
        )
        assert (answer.code, answer.err) == (4, said)
        assert [f.name for f in disk.folder.iterdir()] == [".lock"]
        answer = restored(backup, other)
        said = f"no space left to restore {backup}; make room and repeat: nothing was kept"
        assert (answer.code, answer.err) == (4, f"bluewhale: {said}\n")
        assert list(data.folder.iterdir()) == []
    assert restored(backup, other).code == 0


def test_an_installation_that_never_ran_has_nothing_to_back_up(place: Place, tmp_path: Path):
    """Told as a mistake of `data`, which it most often is."""
    other = emptied(place.folder, tmp_path / "other")
    answer = bluewhale("backup", tmp_path / "backups", "--config", other)
    said = f"there is no main database in {other}/data/store; check `data` of the configuration"
    assert (answer.code, answer.err) == (2, f"bluewhale: {said}\n")
