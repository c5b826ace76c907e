"""Bulk import: whole files through the same stages, sealed at once, resumable.

Owns reading files in chunks, the capture keys of imported records, and the
order of commits. A file is its own capture: stream = link, incarnation = hash
of its content, seq = number of the record in it. So the same file twice is a
replay that changes nothing, and an interrupted import goes on where the main
database stands.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash
from bluewhale.capture import context_id
from bluewhale.cli.exceptions import InputError
from bluewhale.configuration import stream_id
from bluewhale.database import Batch
from bluewhale.dialects import count_occurrences, frame_buffer, get_dialect
from bluewhale.jobs.rejoining import join_everything
from bluewhale.records.batches import LinkProfile, RawBatch
from bluewhale.stages import Stages, parse_stage, propose

if TYPE_CHECKING:
    from bluewhale.database import Prepared, Store
    from bluewhale.dialects import Framed
    from bluewhale.records.batches import Outcome

WORKERS = 2
BATCH_RECORDS_MAX = 65_536  # of one segment: bounds memory, whatever the length of a record
HASH_CHUNK_BYTES = 8 * 1024 * 1024
SAMPLE_RECORDS = 200  # a file none of whose first records fits is of another dialect

Progress = Callable[[int], None]


@dataclass(slots=True)
class ImportResult:
    """Counts of one import; records = legs + duplicates + suspended + replayed."""

    files: int = 0
    bytes: int = 0
    records: int = 0
    legs: int = 0
    duplicates: int = 0
    replayed: int = 0
    suspended: int = 0
    calls: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Consecutive records of one file, ready for the stages."""

    batch: RawBatch
    bytes_read: int


@dataclass(frozen=True, slots=True)
class _Done:
    """A chunk whose segment is written, but not live."""

    prepared: Prepared
    records: int
    reasons: dict[str, int]
    bytes_read: int


def import_files(
    files: list[Path],
    profile: LinkProfile,
    stages: Stages,
    store: Store,
    *,
    chunk_bytes: int,
    progress: Progress = lambda _: None,
) -> ImportResult:
    """Import files of one link; each is checked before anything changes.

    Raises
    ------
    InputError
        A file is empty, cannot be read, or is not of the link's dialect; no
        record of any file was imported then.
    """
    profile = _import_profile(profile)
    incarnations = [_check(path, profile) for path in files]
    result = ImportResult(files=len(files))
    for path, incarnation in zip(files, incarnations, strict=True):
        _import_file(path, incarnation, profile, stages, store, chunk_bytes, progress, result)
    join_everything(store, stages, int(time.time() * 1000))  # calls that lay across chunks
    return result


def _import_profile(profile: LinkProfile) -> LinkProfile:
    from dataclasses import replace

    return replace(profile, stream_id=stream_id(profile.link_uid, "import"))


def _check(path: Path, profile: LinkProfile) -> int:
    """Refuse what cannot be imported; give the incarnation: hash of the content, 63 bits."""
    hasher = xxhash.xxh3_64()
    try:
        with path.open("rb") as file:
            head = file.read(HASH_CHUNK_BYTES)
            block = head
            while block:
                hasher.update(block)
                block = file.read(HASH_CHUNK_BYTES)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); nothing was imported"
        ) from error
    if not head:
        raise InputError(f"{path}: the file is empty; nothing was imported")
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise InputError(f"{path}: the file is UTF-16; save it as UTF-8. Nothing was imported")
    _check_dialect(path, head, profile)
    return hasher.intdigest() >> 1


def _check_dialect(path: Path, head: bytes, profile: LinkProfile) -> None:
    """Refuse a file none of whose first records fits the link's dialect."""
    sample = _sample(head, profile, int(path.stat().st_mtime * 1000))
    outcome = parse_stage(sample, profile)
    if len(sample) and (outcome.accepted.num_rows or not _all_foreign(outcome)):
        return
    first = outcome.rejected.slice(0, 1).to_pylist()
    why = f"{first[0]['reason']}, {first[0]['detail']}" if first else "no record found"
    better = _fitting_dialect(head, profile, int(path.stat().st_mtime * 1000))
    hint = f"; it looks like {better}" if better else ""
    raise InputError(
        f"{path}: not a {profile.dialect_id} file: none of its first {max(len(sample), 1)} records fits "
        f"(first: {why}){hint}. Nothing was imported; check --link and the link's options"
    )


def _all_foreign(outcome: Outcome) -> bool:
    return set(outcome.rejected.column("reason").to_pylist()) <= {
        "not_this_format", "record_truncated", "record_too_long", "field_malformed", "field_missing",
        "encoding_invalid", "record_type_unknown", "context_missing",
    }  # fmt: skip


def _sample(head: bytes, profile: LinkProfile, received_at_ms: int) -> RawBatch:
    table = get_dialect(profile.dialect_id).framing(profile.options)
    data = np.frombuffer(head[: SAMPLE_RECORDS * 4096], np.uint8)
    framed = frame_buffer(data, table, final=len(head) <= len(data))
    return _raw_batch(framed, slice(0, SAMPLE_RECORDS), 1, 1, 1, received_at_ms, _ones(framed))


def _ones(framed: Framed) -> np.ndarray:
    return np.ones(len(framed.starts), dtype=np.int32)


def _fitting_dialect(head: bytes, profile: LinkProfile, received_at_ms: int) -> str:
    from dataclasses import replace

    from bluewhale.dialects import DIALECTS

    for dialect_id in DIALECTS:
        if dialect_id == profile.dialect_id:
            continue
        other = replace(profile, dialect_id=dialect_id, options={})
        sample = _sample(head, other, received_at_ms)
        if len(sample) and parse_stage(sample, other).accepted.num_rows * 2 > len(sample):
            return dialect_id
    return ""


def _raw_batch(
    framed: Framed,
    rows: slice,
    incarnation: int,
    connection: int,
    first_seq: int,
    received_at_ms: int,
    n: np.ndarray,
) -> RawBatch:
    starts = framed.starts[rows]
    count = len(starts)
    return RawBatch(
        data=framed.data,
        starts=starts,
        ends=framed.ends[rows],
        incarnation=np.full(count, incarnation, dtype=np.int64),
        seq=np.arange(first_seq, first_seq + count, dtype=np.int64),
        connection=np.full(count, connection, dtype=np.int64),
        n=n[rows],
        received_at_ms=np.full(count, received_at_ms, dtype=np.int64),
        context_row=framed.context_row[rows],
        contexts=framed.contexts,
        ingested_at_ms=int(time.time() * 1000),
        checksums=False,  # nobody acknowledges records of files; the content hash names them
    )


def _chunks(
    path: Path, profile: LinkProfile, incarnation: int, stored: int, chunk_bytes: int
) -> Iterator[_Chunk]:
    """Frame a file chunk by chunk; records up to `stored` are skipped."""
    table = get_dialect(profile.dialect_id).framing(profile.options)
    size = path.stat().st_size
    received_at_ms = int(path.stat().st_mtime * 1000)
    context: dict[str, bytes] | None = None
    seq, at = 1, 0
    counter = count_occurrences()
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            data = np.fromfile(file, dtype=np.uint8, count=chunk_bytes)
            final = at + len(data) >= size
            framed = frame_buffer(data, table, context=context, final=final)
            context = framed.context
            consumed = framed.consumed_bytes
            assert consumed > 0 or final, "a record longer than a chunk is cut by the framing table"
            count = len(framed.starts)
            n = counter(framed)
            skip = min(max(stored - seq + 1, 0), count)
            parts = -(-(count - skip) // BATCH_RECORDS_MAX)
            for part in range(parts):  # of equal size: many small segments would slow searches
                first, after = (skip + (count - skip) * k // parts for k in (part, part + 1))
                batch = _raw_batch(
                    framed,
                    slice(first, after),
                    incarnation,
                    incarnation,
                    seq + first,
                    received_at_ms,
                    n,
                )
                yield _Chunk(batch, consumed if after == count else 0)
            seq += count
            at += consumed if not final else len(data)


def _prepare(chunk: _Chunk, profile: LinkProfile, stages: Stages, store: Store) -> _Done:
    """Parse, price and write one chunk; runs in a worker, without a lock."""
    outcome = parse_stage(chunk.batch, profile)
    now_ms = int(time.time() * 1000)
    batch = Batch(
        now_ms=now_ms,
        legs=outcome.accepted,
        rejects=outcome.rejected,
        proposals=propose(outcome.accepted, stages, rated_at_ms=now_ms),
        contexts={context_id(c): c for c in chunk.batch.contexts},
        data_time_ms=chunk.batch.ingested_at_ms,
    )
    return _Done(store.prepare(batch), len(chunk.batch), _reasons(outcome), chunk.bytes_read)


def _import_file(
    path: Path,
    incarnation: int,
    profile: LinkProfile,
    stages: Stages,
    store: Store,
    chunk_bytes: int,
    progress: Progress,
    result: ImportResult,
) -> None:
    job = f"import {profile.stream_id}-{incarnation}"
    if store.job(job) is not None:  # stored to its end: not even framed again
        result.bytes += path.stat().st_size
        progress(path.stat().st_size)
        return
    marks = {m.incarnation: m.stored_through for m in store.marks(profile.stream_id)}
    stored = marks.get(incarnation, 0)
    pending: deque[Future[_Done]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for chunk in _chunks(path, profile, incarnation, stored, chunk_bytes):
                while len(pending) >= WORKERS:
                    _commit(pending.popleft().result(), store, progress, result)
                pending.append(pool.submit(_prepare, chunk, profile, stages, store))
                del chunk
            while pending:
                _commit(pending.popleft().result(), store, progress, result)
        finally:
            for future in pending:
                if not future.cancel() and future.exception() is None:
                    store.discard(future.result().prepared)
    store.save_job("import", job, "done", {"file": path.name}, now_ms=int(time.time() * 1000))
    result.bytes += path.stat().st_size


def _commit(done: _Done, store: Store, progress: Progress, result: ImportResult) -> None:
    committed = store.commit_prepared(done.prepared)
    result.records += done.records
    result.legs += committed.accepted
    result.duplicates += committed.duplicate
    result.replayed += committed.replayed
    result.suspended += committed.suspended
    result.calls += committed.created + committed.grown
    for reason, count in done.reasons.items():
        result.reasons[reason] = result.reasons.get(reason, 0) + count
    progress(done.bytes_read)


def _reasons(outcome: Outcome) -> dict[str, int]:
    if not outcome.rejected.num_rows:
        return {}
    counts = outcome.rejected.column("reason").value_counts().to_pylist()
    return {c["values"]: c["counts"] for c in counts}
