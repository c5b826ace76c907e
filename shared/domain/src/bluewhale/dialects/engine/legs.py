"""Columns of one dialect to complete legs, and rejected rows to suspense.

Owns everything that is the same in every dialect: provenance, identity, number
normalisation, direction and class, constants, typed nulls. Does not own what a
field means; dialects hand over columns under the names of LEG_SCHEMA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.capture import context_id
from bluewhale.dialects.engine.checksums import record_crcs
from bluewhale.dialects.engine.dialect import Dialect
from bluewhale.dialects.engine.spans import (
    Bytes,
    constant_word,
    gather_binary,
    int_column,
    words_from_codes,
)
from bluewhale.records import ids, numbers
from bluewhale.records.batches import LinkProfile, RawBatch
from bluewhale.records.directory import Site
from bluewhale.records.enums import CallClass, Direction, Flag, RejectReason
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA, WORD

Rows = npt.NDArray[np.int64]

DIRECTIONS = tuple(str(word) for word in Direction)
CLASSES = tuple(str(word) for word in CallClass)
REASONS = tuple(str(word) for word in RejectReason)


@dataclass(frozen=True, slots=True)
class Ints:
    """An integer (or instant, in ms) column with its validity; None = all valid."""

    values: npt.NDArray[np.integer]
    valid: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A WORD column as indices into a closed list; a negative code is null."""

    codes: npt.NDArray[np.int8] | npt.NDArray[np.int32]
    words: tuple[str, ...]


# An Arrow array, Ints, Words, a NumPy array (all valid), or a constant.
Column: TypeAlias = Any


def build_legs(
    batch: RawBatch,
    profile: LinkProfile,
    dialect: Dialect,
    rows: Rows,
    columns: Mapping[str, Column],
    *,
    day: npt.NDArray[np.int32],
    native_key: pa.StringArray | None = None,
    access_codes_printed: bool = True,
) -> pa.Table:
    """Assemble complete legs for the accepted rows of a batch.

    Parameters
    ----------
    batch: all raw records; not modified.
    rows: ascending indices of the accepted records.
    columns: one entry per LEG_SCHEMA column that the dialect knows, each
        `len(rows)` long: an Arrow array, `Ints`, `Words`, a NumPy array (all
        valid), or a str/int constant. Instants are UTC milliseconds. Of
        direction, class, `*_e164` and `*_extension` only those that the
        dialect knows better than the number plan; a null direction is decided
        by the plan.
    day: civil day as printed, days since 1970-01-01, per accepted row.
    native_key: the vendor's own record key where there is one; null or None =
        identity from the bytes.
    access_codes_printed: whether called numbers begin with the code that seizes
        a line; False where the format prints it apart (then a leading 9 or 0
        belongs to the number).

    Returns
    -------
    LEG_SCHEMA, rows in the order given.
    """
    unknown = set(columns) - set(LEG_SCHEMA.names)
    assert not unknown, f"no such leg columns: {sorted(unknown)}"
    count = len(rows)
    view = _Rows.of(batch, rows)
    known: dict[str, Column] = dict(_provenance(view, profile, dialect))
    known.update(columns)
    _complete_parties(known, _dialling(profile.site, access_codes_printed), count)
    known["cdr_id"] = ids.leg_ids(
        pbx_uid=profile.pbx_uid,
        day=day,
        raw=(view.data, view.starts, view.ends),
        native=native_key,
        n=view.n,
    )
    if native_key is not None:
        known["native_key"] = native_key
    return pa.Table.from_arrays(
        [_column(known.get(field.name), field.type, count) for field in LEG_SCHEMA],
        schema=LEG_SCHEMA,
    )


def build_rejects(
    batch: RawBatch,
    profile: LinkProfile,
    dialect: Dialect,
    rows: Rows,
    reasons: Sequence[RejectReason] | npt.NDArray[np.integer],
    details: Sequence[str] | pa.Array,
) -> pa.Table:
    """Assemble the suspense rows of a batch.

    Parameters
    ----------
    rows: ascending indices of the rejected records.
    reasons: one `RejectReason` per row, or indices into `REASONS`.
    details: field, position, what was expected; one text per row.
    """
    count = len(rows)
    view = _Rows.of(batch, rows)
    if isinstance(reasons, np.ndarray):
        reason = words_from_codes(reasons.astype(np.int32), REASONS)
    else:
        reason = pa.array([str(word) for word in reasons], pa.string()).dictionary_encode()
    known: dict[str, Column] = dict(_provenance(view, profile, dialect))
    known["stage"] = "parse"
    known["reason"] = reason
    known["detail"] = (
        details if isinstance(details, pa.Array) else pa.array(list(details), pa.string())
    )
    return pa.Table.from_arrays(
        [_column(known.get(field.name), field.type, count) for field in SUSPENSE_SCHEMA],
        schema=SUSPENSE_SCHEMA,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """The chosen rows of a batch, without copying when all are chosen."""

    data: Bytes
    starts: Rows
    ends: Rows
    incarnation: Rows
    seq: Rows
    connection: Rows
    n: npt.NDArray[np.int32]
    received_at_ms: Rows
    context_row: npt.NDArray[np.int32]
    contexts: tuple[bytes, ...]
    ingested_at_ms: int
    checksums: bool

    @classmethod
    def of(cls, batch: RawBatch, rows: Rows) -> _Rows:
        """Take rows of a batch."""
        everything = len(rows) == len(batch)

        def take(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return column if everything else column[rows]

        return cls(
            batch.data,
            take(batch.starts),
            take(batch.ends),
            take(batch.incarnation),
            take(batch.seq),
            take(batch.connection),
            take(batch.n),
            take(batch.received_at_ms),
            take(batch.context_row),
            batch.contexts,
            batch.ingested_at_ms,
            batch.checksums,
        )


def _provenance(view: _Rows, profile: LinkProfile, dialect: Dialect) -> dict[str, Column]:
    """Give the columns that say where each record came from."""
    context_ids = np.array([context_id(c) for c in view.contexts] or [0], dtype=np.int64)
    return {
        "pbx_uid": profile.pbx_uid,
        "site_uid": profile.site.site_uid,
        "link_uid": profile.link_uid,
        "stream_id": profile.stream_id,
        "incarnation": view.incarnation,
        "seq": view.seq,
        "connection": view.connection,
        "n": view.n,
        "record_crc": _checksums(view) if view.checksums else None,
        "dialect_id": dialect.dialect_id,
        "dialect_version": dialect.version,
        "identity_version": dialect.identity_version,
        "raw": gather_binary(view.data, view.starts, view.ends),
        "raw_context_id": Ints(
            context_ids[np.maximum(view.context_row, 0)], np.asarray(view.context_row >= 0)
        ),
        "received_at": view.received_at_ms,
        "ingested_at": view.ingested_at_ms,
        "site_zone": profile.site.zone,
    }


def _checksums(view: _Rows) -> npt.NDArray[np.int64]:
    """Give the CRC of each record as the journal wrote it."""
    return record_crcs(
        view.data,
        view.starts,
        view.ends,
        n=view.n,
        connection=view.connection,
        received_at_ms=view.received_at_ms,
    )


def _dialling(site: Site, access_codes_printed: bool) -> Site:
    """Give the site as this format prints its numbers."""
    return site if access_codes_printed else replace(site, access_codes=())


def _complete_parties(known: dict[str, Column], site: Site, count: int) -> None:
    """Fill E.164 forms, extensions, direction and class by the site's number plan."""
    plan = numbers.compile_plan(site)
    flags = _flags(known, count)
    parties: dict[str, Any] = {}
    for party in ("calling", "called", "connected", "redirecting"):
        text = known.get(f"{party}_number")
        if not isinstance(text, pa.Array):
            continue
        role: numbers.Role = "calling" if party == "calling" else "called"
        if party in {"connected", "redirecting"} and "called" in parties:
            e164, assumed = _like_called(text, known["called_number"], parties["called"], plan)
            known.setdefault(f"{party}_e164", e164)
            flags[assumed] |= int(Flag.NUMBER_ASSUMED)
            continue
        parties[party] = found = numbers.normalise(text, plan, role=role)
        known.setdefault(f"{party}_e164", Ints(found.e164, found.valid))
        flags[found.assumed] |= int(Flag.NUMBER_ASSUMED)
        if party in {"calling", "called"} and f"{party}_extension" not in known:
            known[f"{party}_extension"] = found.extensions()
    _complete_direction(known, parties, flags, count)
    known["flags"] = flags


def _like_called(
    text: pa.Array, called: pa.Array, found: Any, plan: Any
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Normalise a party that mostly is the called one: only rows that differ are looked at.

    Returns (E.164 column, mask of rows that rest on an assumption).
    """
    import pyarrow.compute as pc

    there = np.asarray(text.is_valid().to_numpy(zero_copy_only=False))
    same = there & np.asarray(
        pc.fill_null(pc.equal(text, called), False).to_numpy(zero_copy_only=False)
    )
    e164, valid, assumed = found.e164, found.valid & same, found.assumed & same
    rows = np.flatnonzero(there & ~same)
    if len(rows):
        other = numbers.normalise(text.take(pa.array(rows)), plan, role="called")
        e164 = e164.copy()
        e164[rows], valid[rows], assumed[rows] = other.e164, other.valid, other.assumed
    return Ints(e164, valid), assumed


def _complete_direction(
    known: dict[str, Column], parties: Mapping[str, Any], flags: Rows, count: int
) -> None:
    """Decide direction where the dialect did not, then class by direction."""
    none = np.zeros(count, dtype=np.bool_)
    hint = known.get("direction")
    codes = hint.codes if isinstance(hint, Words) else np.full(count, -1, dtype=np.int8)
    assert not isinstance(hint, Words) or hint.words == DIRECTIONS, "hint uses the closed list"
    assert hint is None or isinstance(hint, Words), "direction is given as Words(DIRECTIONS)"
    decided, inferred = numbers.direction(
        parties["calling"].is_extension if "calling" in parties else none,
        parties["called"].is_extension if "called" in parties else none,
        _present(known.get("trunk_in"), count),
        _present(known.get("trunk_out"), count),
        codes,
    )
    flags[inferred] |= int(Flag.DIRECTION_INFERRED)
    known["direction"] = Words(decided, DIRECTIONS)
    if "class" not in known:
        unknown = np.full(count, CLASSES.index(CallClass.UNKNOWN), dtype=np.int8)
        known["class"] = Words(
            numbers.leg_class(
                decided,
                parties["calling"].call_class if "calling" in parties else unknown,
                parties["called"].call_class if "called" in parties else unknown,
            ),
            CLASSES,
        )


def _flags(known: Mapping[str, Column], count: int) -> Rows:
    """Give a writable copy of the dialect's flags."""
    given = known.get("flags")
    if isinstance(given, np.ndarray):
        return given.astype(np.int64)
    assert given is None or isinstance(given, int), "flags are an int64 array or one constant"
    return np.full(count, given or 0, dtype=np.int64)


def _present(column: Column | None, count: int) -> npt.NDArray[np.bool_]:
    """Tell which rows of a WORD column have a value."""
    if column is None:
        return np.zeros(count, dtype=np.bool_)
    if isinstance(column, Words):
        return np.asarray(column.codes >= 0)
    assert isinstance(column, (pa.Array, pa.ChunkedArray)), "trunks are words"
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False))


def _column(column: Column | None, kind: pa.DataType, count: int) -> pa.Array:
    """Turn what a dialect gave into the exact Arrow type of its schema column."""
    if column is None:
        return constant_word(None, count) if kind == WORD else pa.nulls(count, kind)
    if isinstance(column, Words):
        return words_from_codes(column.codes, column.words)
    if isinstance(column, str):
        assert kind == WORD, "a text constant belongs in a dictionary column"
        return constant_word(column, count)
    if isinstance(column, int):
        column = np.full(count, column, dtype=np.int64)
    if isinstance(column, np.ndarray):
        column = Ints(column)
    if isinstance(column, Ints):
        width = np.int32 if kind == pa.int32() else np.int64
        return int_column(column.values.astype(width, copy=False), column.valid, kind)
    if column.type != kind:
        column = column.dictionary_encode() if kind == WORD else column.cast(kind)
    assert len(column) == count, "a column has one value per accepted row"
    return column
