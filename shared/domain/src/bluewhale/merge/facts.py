"""What the kernels know about legs: one array per fact, nulls as sentinels.

Owns the reading of LEG_SCHEMA for merging: order key, outside or inside, who
is on a leg, and which legs continue the same outside path. Decides nothing
about calls.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.merge.columns import (
    NULL,
    enum_codes,
    int_values,
    text_codes,
    valid_rows,
    whole,
    word_codes,
)
from bluewhale.records.enums import Direction, Disposition, Flag, LegRole

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Small = npt.NDArray[np.int8]

DIRECTIONS = tuple(str(d) for d in Direction)
DISPOSITIONS = tuple(str(d) for d in Disposition)
ROLES = tuple(str(r) for r in LegRole)

# Bits of `parties`: which texts a leg has.
CALLING_EXTENSION, CALLED_EXTENSION, REDIRECTING, CONNECTED, PIECE = 1, 2, 4, 8, 16

_SECONDS_UNKNOWN = int(Flag.SECONDS_UNKNOWN)

BOTH_SIDES = " + "  # piece_of of a leg that continues two outside paths: in side + out side


class Facts(NamedTuple):
    """Columns of legs as kernels read them; all arrays have one entry per leg.

    Instants and durations in ms, `NULL` = not known. `at` is when a leg began,
    `order_at` puts the legs of a call in order. Codes of words: -1 = null. `in_path`, `in_number`, `out_path`, `out_number`, `pbx` are
    filled for legs of calls with several legs only.
    """

    at: Ints
    order_at: Ints
    setup: Ints
    answer: Ints
    release: Ints
    ring: Ints
    queue: Ints
    hold: Ints
    talk: Ints
    duration: Ints
    flags: Ints
    role: Small
    direction: Small
    disposition: Small
    trunk_in: Codes
    trunk_out: Codes
    parties: Small
    account: npt.NDArray[np.bool_]
    in_path: Codes
    in_number: Codes
    out_path: Codes
    out_number: Codes
    pbx: Codes
    cdr_id: npt.NDArray[np.uint8]  # (legs, 16)


def read_facts(legs: pa.Table, several: Ints) -> Facts:
    """Read the facts of legs; `several` = rows in calls of more than one leg."""
    count = legs.num_rows
    setup, answer, release = (
        int_values(legs.column(f"{c}_at")) for c in ("setup", "answer", "release")
    )
    out_path, in_path = _paths(legs, several)
    at = _first_known(setup, answer, legs, release)
    flags = int_values(legs.column("flags"))
    facts = Facts(
        at=at,
        order_at=_order_at(at, release, flags) if len(several) else at,
        setup=setup,
        answer=answer,
        release=release,
        **{
            c: int_values(legs.column(f"{c}_ms"))
            for c in ("ring", "queue", "hold", "talk", "duration")
        },
        flags=flags,
        role=enum_codes(legs.column("leg_role"), ROLES),
        direction=enum_codes(legs.column("direction"), DIRECTIONS),
        disposition=enum_codes(legs.column("disposition"), DISPOSITIONS),
        trunk_in=word_codes(legs.column("trunk_in")),
        trunk_out=word_codes(legs.column("trunk_out")),
        parties=_parties(legs),
        account=valid_rows(legs.column("account_code")),
        in_path=in_path,
        in_number=_codes_of(legs, "calling_number", several),
        out_path=out_path,
        out_number=_codes_of(legs, "called_number", several),
        pbx=_pbx_ranks(legs.column("pbx_uid"), several, count),
        cdr_id=id_bytes(legs.column("cdr_id")),
    )
    return Facts(*(_frozen(array) for array in facts))


def id_bytes(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint8]:
    """Give an ID column as (rows, 16) bytes, without copying."""
    array = whole(column)
    flat = np.frombuffer(array.buffers()[1], np.uint8) if len(array) else np.empty(0, np.uint8)
    return flat[array.offset * 16 : (array.offset + len(array)) * 16].reshape(-1, 16)


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give a read-only view: kernels then have one specialisation."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _first_known(setup: Ints, answer: Ints, legs: pa.Table, release: Ints) -> Ints:
    """Give the moment that orders a leg: setup, else the earliest known other one."""
    at = setup
    if (at == NULL).any():
        at = np.where(at == NULL, answer, at)
        at = np.where(at == NULL, release, at)
        at = np.where(at == NULL, int_values(legs.column("join_at")), at)
        at = np.where(at == NULL, int_values(legs.column("received_at")), at)
    return at


def _order_at(at: Ints, release: Ints, flags: Ints) -> Ints:
    """Give the moment by which legs of one call are ordered where they follow each other.

    Where a PBX prints the minute of the end only, the computed start is wrong by
    up to a minute, more than parts of a call are apart; the printed end is not.
    """
    coarse = (flags != NULL) & (flags & _SECONDS_UNKNOWN != 0) & (release != NULL)
    return np.where(coarse, release, at) if coarse.any() else at


def _parties(legs: pa.Table) -> Small:
    """Pack which texts each leg has."""
    bits = np.zeros(legs.num_rows, np.int8)
    for name, bit in (
        ("calling_extension", CALLING_EXTENSION),
        ("called_extension", CALLED_EXTENSION),
        ("redirecting_number", REDIRECTING),
        ("connected_number", CONNECTED),
        ("piece_of", PIECE),
    ):
        column = whole(legs.column(name))
        if column.null_count == 0:
            bits |= np.int8(bit)
        elif column.null_count < len(column):
            bits |= valid_rows(column).view(np.int8) * np.int8(bit)
    return bits


def _spread(values: Codes, rows: Ints, count: int) -> Codes:
    """Put values of some rows at their places; -1 elsewhere."""
    out = np.full(count, -1, np.int32)
    out[rows] = values
    return out


def _codes_of(legs: pa.Table, name: str, several: Ints) -> Codes:
    """Number the texts of a column for the rows that need it."""
    if not len(several):
        return np.full(legs.num_rows, -1, np.int32)
    return _spread(text_codes(legs.column(name), several), several, legs.num_rows)


def _paths(legs: pa.Table, several: Ints) -> tuple[Codes, Codes]:
    """Number the outside paths that legs continue: (out side, in side)."""
    column = whole(legs.column("piece_of"))
    nothing = np.full(legs.num_rows, -1, np.int32)
    if not len(several) or column.null_count == len(column):
        return nothing, nothing
    names = column.take(pa.array(several)).dictionary_encode()
    codes = word_codes(names)
    texts = names.dictionary.to_pylist()
    number = {text: code for code, text in enumerate(texts)}
    in_of, out_of = [], []
    for text in texts:
        head, plus, tail = text.partition(BOTH_SIDES)
        in_of.append(number.setdefault(head, len(number)) if plus else number[text])
        out_of.append(number.setdefault(tail, len(number)) if plus else number[text])
    out_side = np.array([*out_of, -1], np.int32)[codes]
    in_side = np.array([*in_of, -1], np.int32)[codes]
    # A leg on both sides with one name continues the out side only.
    into, out = (valid_rows(legs.column(f"trunk_{side}"))[several] for side in ("in", "out"))
    tandem = enum_codes(legs.column("direction"), DIRECTIONS)[several] == DIRECTIONS.index("tandem")
    both = (into & out) | (~into & ~out & tandem)
    in_side = np.where(both & (in_side == out_side), np.int32(-1), in_side)
    count = legs.num_rows
    return _spread(out_side, several, count), _spread(in_side, several, count)


def _pbx_ranks(column: pa.ChunkedArray, several: Ints, count: int) -> Codes:
    """Rank PBXs by name, so that a call's list of them is sorted."""
    if not len(several):
        return np.full(count, -1, np.int32)
    array = whole(column)
    order = pc.rank(array.dictionary, sort_keys="ascending", tiebreaker="dense").to_numpy()
    ranks = np.array([*(order.astype(np.int32) - 1), -1], np.int32)
    return np.where(np.isin(np.arange(count), several), ranks[word_codes(array)], np.int32(-1))
