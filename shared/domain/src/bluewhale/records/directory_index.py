"""Who pays: a directory compiled to columns, asked as of a moment.

Owns the compilation (hash table of extensions, sorted intervals, people,
inherited cost centres) and the attribution of whole columns; a million
extensions cost some milliseconds per batch. Does not own the files.

Precedence. Department: that of the account code, else of the extension, else of
its person. Cost centre: that of the account code; else, if the account code
names a department, that department's; else the person's; else the department's.
A department without a cost centre has that of its nearest ancestor with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.records import ids
from bluewhale.records.directory import (
    AccountCode,
    DepartmentTree,
    Directory,
    EntryTable,
    Extension,
    Person,
    Trunk,
)
from numba import njit

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

NOBODY = -1  # code of what the directory does not know
_FIRST_MS = int(np.iinfo(np.int64).min)
_LAST_MS = int(np.iinfo(np.int64).max)
_INSTANT = pa.timestamp("ms", tz="UTC")
_MIX = np.int64(-7046029254386353131)  # 2^64 / golden ratio, odd


@njit(nogil=True, cache=True)
def _fill(keys: Any, table_key: Any, table_row: Any) -> None:
    """Enter the first row of each run of equal keys into an open hash table."""
    mask = len(table_key) - 1
    for row in range(len(keys)):
        if row > 0 and keys[row] == keys[row - 1]:
            continue
        slot = keys[row] & mask
        while table_row[slot] >= 0:
            slot = (slot + 1) & mask
        table_key[slot] = keys[row]
        table_row[slot] = row


@njit(nogil=True, cache=True)
def _find(
    wanted: Any,
    at: Any,
    keys: Any,
    begins: Any,
    ends: Any,
    table_key: Any,
    table_row: Any,
    out: Any,
) -> None:
    """Give the row whose key is wanted and whose interval holds `at`; -1 = none."""
    mask = len(table_key) - 1
    for i in range(len(wanted)):
        out[i] = -1
        slot = wanted[i] & mask
        while table_row[slot] >= 0:
            if table_key[slot] == wanted[i]:
                row = table_row[slot]
                while row < len(keys) and keys[row] == wanted[i]:
                    if begins[row] <= at[i] < ends[row]:
                        out[i] = row
                        break
                    row += 1
                break
            slot = (slot + 1) & mask


@njit(nogil=True, cache=True)
def _compact(codes: Any, seen: Any, order: Any, out: Any) -> Any:
    """Number codes by first appearance, -1 stays; give how many there are."""
    count = 0
    for i in range(len(codes)):
        code = codes[i]
        if code < 0:
            out[i] = -1
            continue
        if seen[code] < 0:
            seen[code] = count
            order[count] = code
            count += 1
        out[i] = seen[code]
    return count


def entry_columns(entries: Sequence[Any], kind: type[Any]) -> pa.Table:
    """Give entries as columns, from an `EntryTable` or from objects."""
    if isinstance(entries, EntryTable):
        return entries.table
    names = [f.name for f in fields(kind)]
    columns = {}
    for name in names:
        values = [getattr(e, name) for e in entries]
        if name in {"active_from", "active_until"}:
            columns[name] = pa.array(values, _INSTANT)
        elif name == "grace_ms":
            columns[name] = pa.array(values, pa.int64())
        else:
            columns[name] = pa.array(values, pa.string())
    return pa.table(columns)


def text_keys(first: Any, second: Any) -> Ints:
    """Give a 63-bit key per row of two text columns; null counts as empty."""
    one, two = _hashes("1", first), _hashes("2", second)
    with np.errstate(over="ignore"):
        mixed = one * _MIX + two
    mixed ^= mixed >> np.int64(29)
    return mixed & np.int64(_LAST_MS)


def _hashes(part: str, texts: Any) -> Ints:
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if isinstance(array, pa.DictionaryArray):
        # Each distinct word once; the last entry stands for null.
        words = pa.concat_arrays([_plain(array.dictionary), pa.array([""])])
        hashes = _hashes(part, words)
        places = pc.fill_null(array.indices, len(words) - 1).to_numpy(zero_copy_only=False)
        return hashes[places]
    plain = _plain(array)
    if plain.null_count:
        plain = pc.fill_null(plain, "")
    return ids.join_keys_column("directory", part, plain)[0]


def _plain(texts: Any) -> Any:
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    return array if array.type == pa.string() else array.cast(pa.string())


def _repeated_text(text: str, count: int) -> Any:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([text]))


def interval_columns(table: pa.Table) -> tuple[Ints, Ints]:
    """Give [from, until) in milliseconds; without bound = the end of int64."""
    begins = pc.fill_null(table["active_from"].cast(pa.int64()), _FIRST_MS)
    ends = pc.fill_null(table["active_until"].cast(pa.int64()), _LAST_MS)
    return begins.to_numpy(), ends.to_numpy()


class _Timeline:
    """Rows by key and interval: hash to the first row of a key, then its intervals."""

    def __init__(self, keys: Ints, begins: Ints, ends: Ints) -> None:
        self.order = np.lexsort((begins, keys))
        self.keys, self.begins, self.ends = (v[self.order] for v in (keys, begins, ends))
        size = 16
        while size < 2 * len(keys):
            size *= 2
        self.table_key = np.zeros(size, np.int64)
        self.table_row = np.full(size, -1, np.int32)
        _fill(self.keys, self.table_key, self.table_row)

    def find(self, keys: Ints, at: Ints) -> Codes:
        """Give original row numbers, -1 where nothing holds at that moment."""
        out = np.empty(len(keys), np.int32)
        _find(
            np.ascontiguousarray(keys, np.int64),
            np.ascontiguousarray(at, np.int64),
            self.keys,
            self.begins,
            self.ends,
            self.table_key,
            self.table_row,
            out,
        )
        if not len(self.order):
            return out
        return np.where(out >= 0, self.order[out], -1).astype(np.int32)


def _coded(column: Any, words: pa.Array) -> Codes:
    """Give the place of each text in `words`; empty, null or unknown = -1."""
    found = pc.index_in(_plain(column), value_set=words)
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32)


def _take(codes: Codes, rows: Codes) -> Codes:
    """Give codes[rows], -1 where the row is -1."""
    if not len(codes):
        return np.full(len(rows), NOBODY, np.int32)
    return np.where(rows >= 0, codes[rows], NOBODY).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Who pays, per row: codes into the words of the index; -1 = not known."""

    person: Codes
    department: Codes
    cost_center: Codes
    extension_row: Codes  # row of the directory's extensions


@dataclass(frozen=True, slots=True, eq=False)
class TrunkFacts:
    """What the directory says about trunks, per row; "" and 0 where it says nothing."""

    row: Codes
    carrier: pa.DictionaryArray
    trunk_group: pa.DictionaryArray
    grace_ms: Ints


class DirectoryIndex:
    """One directory version, compiled; immutable and safe to share between threads."""

    def __init__(self, directory: Directory) -> None:
        self.version = directory.version
        self.directory = directory
        self.tree = DepartmentTree.of(directory.departments)
        persons = entry_columns(directory.persons, Person)
        extensions = entry_columns(directory.extensions, Extension)
        codes = entry_columns(directory.account_codes, AccountCode)
        trunks = entry_columns(directory.trunks, Trunk)

        self.person_words = pc.unique(_plain(persons["person_uid"]))
        self.department_words = pa.array(
            [d.department_uid for d in directory.departments], pa.string()
        )
        self.cost_center_words = pa.array([uid for uid, _ in directory.cost_centers], pa.string())
        self._department_cost = self._inherited_costs(directory)

        self._person_department = _coded(persons["department_uid"], self.department_words)
        self._person_cost = _coded(persons["cost_center_uid"], self.cost_center_words)
        person_codes = _coded(persons["person_uid"], self.person_words)
        self._persons = _Timeline(person_codes.astype(np.int64), *interval_columns(persons))

        self._extension_person = _coded(extensions["person_uid"], self.person_words)
        self._extension_department = _coded(extensions["department_uid"], self.department_words)
        self._extension_group = _plain(extensions["subscriber_group"])
        keys = text_keys(extensions["site_uid"], extensions["extension"])
        self._extensions = _Timeline(keys, *interval_columns(extensions))

        self._code_department = _coded(codes["department_uid"], self.department_words)
        self._code_cost = _coded(codes["cost_center_uid"], self.cost_center_words)
        nothing = pa.nulls(codes.num_rows, pa.string())
        self._codes = _Timeline(text_keys(codes["account_code"], nothing), *interval_columns(codes))

        self._carrier = _words(trunks["carrier"])
        self._trunk_group = _words(trunks["trunk_group"])
        self._grace = pc.fill_null(trunks["grace_ms"], 0).to_numpy().astype(np.int64)
        keys = text_keys(trunks["pbx_uid"], trunks["trunk"])
        self._trunks = _Timeline(keys, *interval_columns(trunks))

    def _inherited_costs(self, directory: Directory) -> Codes:
        """Give the cost centre of each department, its own or of the nearest ancestor."""
        own = {d.department_uid: d.cost_center_uid for d in directory.departments}
        place = {uid: i for i, (uid, _) in enumerate(directory.cost_centers)}
        out = []
        for department in directory.departments:
            path = self.tree.path(department.department_uid)
            cost = next((own[uid] for uid in reversed(path) if own.get(uid)), "")
            out.append(place.get(cost, NOBODY))
        return np.array(out, np.int32)

    def attribute(
        self, site_uid: Any, extension: Any, account_code: Any, at_ms: Any
    ) -> Attribution:
        """Say who pays for each row, as of its moment.

        Parameters
        ----------
        site_uid, extension, account_code
            Text columns (dictionary-encoded allowed), null = not known. One
            text for `site_uid` holds for all rows.
        at_ms
            Start of each call, milliseconds UTC.

        Returns
        -------
        Codes per row, order kept; see the module for the precedence.
        """
        at = np.asarray(at_ms, np.int64)
        if isinstance(site_uid, str):
            site_uid = _repeated_text(site_uid, len(at))
        row = self._extensions.find(text_keys(site_uid, extension), at)
        person = _take(self._extension_person, row)
        person_row = self._persons.find(person.astype(np.int64), at)
        person = np.where(person_row >= 0, person, NOBODY).astype(np.int32)
        department = _take(self._extension_department, row)
        department = np.where(
            department >= 0, department, _take(self._person_department, person_row)
        )
        cost = _take(self._person_cost, person_row)
        code_row = np.full(len(at), -1, np.int32)
        codes = _plain(account_code)
        if codes.null_count < len(codes):
            keys = text_keys(codes, pa.nulls(len(codes), pa.string()))
            code_row = self._codes.find(keys, at)
        code_department = _take(self._code_department, code_row)
        code_cost = _take(self._code_cost, code_row)
        department = np.where(code_department >= 0, code_department, department)
        # An account code that names a department takes its cost centre too.
        cost = np.where(code_department >= 0, NOBODY, cost)
        cost = np.where(code_cost >= 0, code_cost, cost)
        inherited = _take(self._department_cost, department.astype(np.int32))
        cost = np.where(cost >= 0, cost, inherited)
        return Attribution(person, department.astype(np.int32), cost.astype(np.int32), row)

    def words(self, codes: Codes, words: pa.Array) -> pa.DictionaryArray:
        """Give codes as a dictionary column that holds only the words it uses; -1 = null."""
        out = np.empty(len(codes), np.int32)
        seen = np.full(max(1, len(words)), -1, np.int32)
        order = np.empty(max(1, min(len(codes), len(words))), np.int32)
        count = _compact(np.ascontiguousarray(codes, np.int32), seen, order, out)
        used = words.take(pa.array(order[:count]))
        return pa.DictionaryArray.from_arrays(pa.array(out, mask=out < 0), used)

    def attribute_calls(self, calls: pa.Table) -> pa.Table:
        """Fill person, department, cost centre and directory version of CALL_SCHEMA rows."""
        found = self.attribute(
            calls["site_uid"],
            calls["extension"],
            calls["account_code"],
            pc.fill_null(calls["started_at"].cast(pa.int64()), 0).to_numpy(),
        )
        columns = {
            "person_uid": self.words(found.person, self.person_words),
            "department_uid": self.words(found.department, self.department_words),
            "cost_center_uid": self.words(found.cost_center, self.cost_center_words),
            "directory_version": pa.array(np.full(calls.num_rows, self.version, np.int32)),
        }
        for name, column in columns.items():
            calls = calls.set_column(calls.schema.get_field_index(name), name, column)
        return calls

    def subscriber_groups(self, site_uid: Any, extension: Any, at_ms: Any) -> pa.Array:
        """Give the subscriber group of each extension; null where the directory names none."""
        at = np.asarray(at_ms, np.int64)
        if isinstance(site_uid, str):
            site_uid = _repeated_text(site_uid, len(at))
        row = self._extensions.find(text_keys(site_uid, extension), at)
        groups = self._extension_group.take(pa.array(row, mask=row < 0))
        return pc.if_else(pc.equal(groups, ""), pa.scalar(None, pa.string()), groups)

    def trunk_facts(self, pbx_uid: Any, trunk: Any, at_ms: Any) -> TrunkFacts:
        """Give carrier, trunk group and grace of each trunk, as of its moment.

        `pbx_uid` and `trunk` are text columns (one text for `pbx_uid` holds for
        all). Carrier and group are null where the directory names none; grace
        is 0 where unknown.
        """
        at = np.asarray(at_ms, np.int64)
        if isinstance(pbx_uid, str):
            pbx_uid = _repeated_text(pbx_uid, len(at))
        row = self._trunks.find(text_keys(pbx_uid, trunk), at)
        grace = np.where(row >= 0, self._grace[row], 0) if len(self._grace) else np.zeros(len(at))
        return TrunkFacts(
            row,
            _words_of(self._carrier, row),
            _words_of(self._trunk_group, row),
            grace.astype(np.int64),
        )


def _words(column: Any) -> pa.DictionaryArray:
    plain = _plain(column)
    known = pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)
    return known.dictionary_encode()


def _words_of(words: pa.DictionaryArray, row: Codes) -> pa.DictionaryArray:
    indices = words.indices.take(pa.array(row, mask=row < 0))
    return pa.DictionaryArray.from_arrays(indices, words.dictionary)
