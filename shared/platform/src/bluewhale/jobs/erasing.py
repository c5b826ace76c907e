"""Erasure of a person as a job: what is theirs goes, step by step, and a proof is left.

    held = work.held("weber")                        # before: what would go, and who names them
    runner.start("erase", name, wanted("weber"), who="ana")

    places (a directory version a step) -> hot rows -> segments (one a step) -> hot rows
    -> directory versions -> looked for again: nothing left -> engine's files -> proof

The directory in force is its files': while they name the person, nothing is erased, or
the next version of them would bring everything back. Where they sat is read from stored
versions, before those lose their name. Every step leaves the store whole and changes
nothing when repeated, so a job that was killed goes on. While it runs its row names the
person; the proof that stays has a pseudonym, counts and a digest. Owns the order and the
proof. Does not own what goes (`bluewhale.database.erasure`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from bluewhale.database import NotFoundError, StateError, audit
from bluewhale.database.erasure import Erased, Erasing, Held, Person, Place
from bluewhale.database.store import REPLACED_KEPT_MS
from bluewhale.database.versions import pack_files
from bluewhale.jobs.directories import stored_directory
from bluewhale.records.directory import EntryTable
from bluewhale.records.directory_erasing import mentions, without_person

if TYPE_CHECKING:
    from bluewhale.configuration import Following
    from bluewhale.database import Store
    from bluewhale.database.engine import Transaction
    from bluewhale.jobs.runner import Progress
    from bluewhale.records.directory import Directory
    from bluewhale.stages import Stages

KIND = "erase"
ROUNDS_MAX = 10  # whose lines still come in is still here
FILES_KEPT_MS = REPLACED_KEPT_MS + 3_600_000  # and the sweep looks once an hour
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
# what an erasure does not reach; those with a time in `stays` go by themselves
STAYS = ("charges", "ids", "waiting", "audit", "logs", "backups", "replaced_files")
_COUNTED = ("calls", "legs", "lines", "segments", "directory_versions")
_PRIVATE = ("person_uid", "places", "versions", "seen", "phase", "rounds")


@dataclass(slots=True)
class Preview:
    """What would go: whose name is to be typed, what is theirs, and which files still name them."""

    person_uid: str
    name: str
    held: Held
    directory_versions: int
    named_by: list[str] = field(default_factory=list)


def pseudonym() -> str:
    """Give a name that follows from nothing."""
    return "erased-" + "".join(secrets.choice(_LETTERS) for _ in range(8))


def wanted(person_uid: str) -> dict[str, Any]:
    """Give what a job of this kind is started with."""
    return {"person_uid": person_uid, "pseudonym": pseudonym()}


class ErasureWork:
    """Erases one person per job."""

    def __init__(self, store: Store, following: Following) -> None:
        self._store = store
        self._following = following
        self._erasing = Erasing(store)
        self._legs: tuple[str, frozenset[bytes]] = ("", frozenset())

    # ---- before ------------------------------------------------------------------------

    def preview(self, person_uid: str) -> Preview:
        """Say what would go; reads columns of all segments, so it may take seconds.

        Raises
        ------
        NotFoundError
            Nothing stored names such a person.
        """
        versions = self._naming(person_uid)
        name = self._name(person_uid, versions)
        places = self._places(person_uid, versions[:1])  # the job reads all of them
        held = self._erasing.held(Person(person_uid, "", tuple(places)))
        named_by = self.named_by(person_uid)
        if not (versions or held.calls or named_by):
            raise NotFoundError(f"nothing that is stored names a person {person_uid!r}")
        return Preview(person_uid, name or person_uid, held, len(versions), named_by)

    def named_by(self, person_uid: str) -> list[str]:
        """Give the directory files in force that name a person; they have to let go first."""
        self._following.refresh()
        configuration = self._following.configuration
        if not _names(configuration.directory, person_uid):
            return []
        return [path.name for path in configuration.settings.directory]

    def check(self, person_uid: str) -> None:
        """Go on only where the directory in force does not name them.

        Raises
        ------
        StateError
            It does; the text names its files.
        """
        files = self.named_by(person_uid)
        if files:
            raise StateError(
                "the directory still names this person: take them and their extensions out of"
                f" {', '.join(files)} first, or its next version brings the name back"
            )

    def _versions(self) -> list[int]:
        sql = "SELECT version FROM directory_version ORDER BY version DESC"
        return [int(r[0]) for r in self._store.run_read(lambda tx: tx.rows(sql))]

    def _naming(self, person_uid: str) -> list[int]:
        """Give the stored versions that name a person, the newest first."""
        found = []
        for version in self._versions():
            _, files = self._store.directory_files(version)
            if mentions(files, person_uid):
                found.append(version)
        return found

    def _name(self, person_uid: str, versions: Collection[int]) -> str:
        for version in versions:
            for person in _entries(stored_directory(self._store, version).persons, person_uid):
                if person["name"]:
                    return str(person["name"])
        return ""

    def _places(self, person_uid: str, versions: Collection[int]) -> list[Place]:
        found: dict[Place, None] = {}
        for version in versions:
            directory = stored_directory(self._store, version)
            for row in _entries(directory.extensions, person_uid):
                place = Place(
                    row["site_uid"], row["extension"], _ms(row["active_from"]),
                    _ms(row["active_until"]),
                )  # fmt: skip
                found[place] = None
        return list(found)

    # ---- the job -----------------------------------------------------------------------

    def step(self, progress: Progress, stages: Callable[[], Stages], now_ms: int) -> bool:
        """Do the next piece."""
        phase = progress.get("phase", "begin")
        if phase == "end":
            return False
        getattr(self, f"_{phase}")(progress, now_ms)
        self._say(progress)
        return progress.get("phase") != "end"

    def _begin(self, progress: Progress, now_ms: int) -> None:
        self.check(progress["person_uid"])
        progress.update(
            dict.fromkeys(_COUNTED, 0), places=[], seen=[], rounds=0,
            versions=self._versions(), phase="where",
        )  # fmt: skip
        segments = len(self._erasing.segments())
        progress["total"] = 2 * len(progress["versions"]) + segments + 3

    def _where(self, progress: Progress, now_ms: int) -> None:
        """Read from one directory version where they sat."""
        if progress["versions"]:
            version, uid = progress["versions"].pop(0), progress["person_uid"]
            _, files = self._store.directory_files(version)
            if mentions(files, uid):
                places = {tuple(p) for p in progress["places"]}
                for p in self._places(uid, [version]):
                    places.add((p.site_uid, p.extension, p.from_ms, p.until_ms))
                progress["places"] = sorted(places, key=str)
            progress["done"] += 1
        if not progress["versions"]:
            progress["phase"] = "hot"

    def _hot(self, progress: Progress, now_ms: int) -> None:
        person = _person(progress)
        found = self._erasing.hot(person, self._legs_of(progress, person))
        self._add(progress, found)
        progress["phase"] = "sealed"

    def _sealed(self, progress: Progress, now_ms: int) -> None:
        seen = set(progress["seen"])
        left = [s for s in self._erasing.segments() if s.segment_id not in seen]
        if not left:
            progress["phase"] = "directories"
            progress["versions"] = self._versions()
            return
        person = _person(progress)
        found = self._erasing.sealed(left[0], person, self._legs_of(progress, person), now_ms)
        if found is None:
            return  # somebody else seals just now
        progress["seen"] = [*progress["seen"], left[0].segment_id, *filter(None, [found.made])]
        self._add(progress, found)

    def _directories(self, progress: Progress, now_ms: int) -> None:
        """Take the name out of one stored version."""
        if not progress["versions"]:
            progress["phase"] = "again"
            return
        version = progress["versions"].pop(0)
        _, files = self._store.directory_files(version)
        made = without_person(files, progress["person_uid"], progress["pseudonym"])
        if made is not None:
            packed, checksum = pack_files(made)

            def write(tx: Transaction) -> None:
                tx.run(
                    "UPDATE directory_version SET files = ?, checksum = ? WHERE version = ?",
                    (packed, checksum, version),
                )

            self._store.run_write(write)
            progress["directory_versions"] += 1
        progress["done"] += 1

    def _again(self, progress: Progress, now_ms: int) -> None:
        """Look for what is left: lines that came in meanwhile go the same way."""
        self.check(progress["person_uid"])
        person = _person(progress)
        self._legs = ("", frozenset())
        found = self._erasing.hot(person, self._legs_of(progress, person))
        self._add(progress, found)
        seen = set(progress["seen"])
        fresh = [s for s in self._erasing.segments() if s.segment_id not in seen]
        if self._erasing.held(person).calls or fresh:
            progress["rounds"] += 1
            if progress["rounds"] > ROUNDS_MAX:
                raise StateError("calls of this person still come in: is the extension theirs yet?")
            progress["phase"] = "hot"
            return
        progress["phase"] = "proof"

    def _proof(self, progress: Progress, now_ms: int) -> None:
        """Overwrite what the engine keeps of old rows, and note the proof, once."""
        job, name = f"erasure {progress['pseudonym']}", progress["pseudonym"]
        left = self._erasing.held(Person(name, name))  # counted anew: a kill may have cost a count
        progress.update(calls=left.calls, legs=len(left.legs), digest=left.digest())
        progress["directory_versions"] = len(self._naming(name))
        counts = {name: progress[name] for name in (*_COUNTED, "digest")}
        who = progress.get("who") or "job"

        def write(tx: Transaction) -> None:
            noted = "SELECT 1 FROM audit WHERE action = 'person_erased' AND subject = ?"
            if tx.one(noted, (job,)) is None:
                audit.append(tx, now_ms, who, "person_erased", job, json.dumps(counts))

        self._store.run_write(write)
        progress["stays"] = dict.fromkeys(STAYS)
        progress["stays"]["replaced_files"] = now_ms + FILES_KEPT_MS
        if not progress["segments"]:
            del progress["stays"]["replaced_files"]
        for name in _PRIVATE:
            progress.pop(name, None)
        progress["phase"] = "clean"

    def _clean(self, progress: Progress, now_ms: int) -> None:
        """Only now does no row name them, this job's neither."""
        self._erasing.scrub()
        progress["done"] = progress["total"]
        progress["phase"] = "end"
        self._legs = ("", frozenset())

    def _legs_of(self, progress: Progress, person: Person) -> frozenset[bytes]:
        """Give the legs of all their calls; looked up once per process and job.

        Calls lose the name as the job goes on, so those of a job that was begun before
        a restart are found by the pseudonym, too.
        """
        if self._legs[0] != person.pseudonym:
            named = self._erasing.held(person).legs
            renamed = self._erasing.held(Person(person.pseudonym, person.pseudonym)).legs
            self._legs = (person.pseudonym, frozenset(named | renamed))
        return self._legs[1]

    def _add(self, progress: Progress, found: Erased) -> None:
        for name in ("calls", "legs", "lines", "segments"):
            progress[name] += getattr(found, name)
        progress["done"] = min(progress["done"] + 1, progress["total"] - 1)

    def _say(self, progress: Progress) -> None:
        if "calls" in progress:
            progress["message"] = (
                f"{progress['calls']:,} calls, {progress['lines']:,} lines of others,"
                f" {progress['segments']:,} files, {progress['directory_versions']:,} directories"
            )


def _person(progress: Progress) -> Person:
    return Person(
        progress["person_uid"], progress["pseudonym"], tuple(Place(*p) for p in progress["places"])
    )


def _names(directory: Directory, person_uid: str) -> bool:
    return bool(
        _entries(directory.persons, person_uid) or _entries(directory.extensions, person_uid)
    )


def _entries(entries: Any, person_uid: str) -> list[dict[str, Any]]:
    """Give the entries that name a person, as rows."""
    if isinstance(entries, EntryTable):
        table = entries.table
        found = table.filter(pc.fill_null(pc.equal(table["person_uid"], person_uid), False))
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows
    names = ("person_uid", "name", "site_uid", "extension", "active_from", "active_until")
    return [
        {name: getattr(entry, name, None) for name in names}
        for entry in entries
        if entry.person_uid == person_uid
    ]


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
