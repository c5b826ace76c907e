"""Versions of what prices and attribution depend on: tariffs and directories.

Kept as packed source files with a checksum, so that any stored charge can be
recomputed from what is stored. Owns their states and the atomic switch; does
not own loading or checking (`bluewhale.rating`, `bluewhale.records`).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bluewhale.database import audit, tables
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import NotFoundError, StateError

TariffState = Literal["draft", "validated", "active", "retired"]
_STATES: Mapping[str, tuple[str, ...]] = {  # state -> from which it may be reached
    "validated": ("draft",),
    "active": ("validated", "retired"),
    "retired": ("active", "validated", "draft"),
}


@dataclass(frozen=True, slots=True)
class StoredTariff:
    """One stored tariff version without its files. Instants in ms; None = open end.

    `zone`: by whose clock it comes into force; None = stored by a release that kept none.
    """

    tariff_uid: str
    version: int
    name: str
    price_list: str
    currency: str
    effective_from_ms: int | None
    effective_until_ms: int | None
    state: str
    rows: int
    checksum: str
    created_at_ms: int
    created_by: str
    activated_at_ms: int | None
    activated_by: str | None
    zone: str | None


_COLUMNS = (
    "tariff_uid, version, name, price_list, currency, effective_from, effective_until, state,"
    ' "rows", checksum, created_at, created_by, activated_at, activated_by, zone'
)


def pack_files(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Give source files as one ZIP whose bytes depend on them alone, and their SHA-256."""
    sink = io.BytesIO()
    digest = hashlib.sha256()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
            digest.update(f"{name}\0{len(files[name])}\0".encode())
            digest.update(files[name])
    return sink.getvalue(), digest.hexdigest()


def unpack_files(packed: bytes) -> dict[str, bytes]:
    """Give the source files of a stored version."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def put_tariff(
    tx: Transaction,
    *,
    tariff_uid: str,
    name: str,
    price_list: str,
    currency: str,
    effective_from_ms: int | None,
    effective_until_ms: int | None,
    files: Mapping[str, bytes],
    rows: int,
    state: TariffState,
    who: str,
    now_ms: int,
    zone: str | None,
) -> StoredTariff:
    """Store a tariff as its next version; the same files again give the version they have."""
    packed, checksum = pack_files(files)
    same = tx.one(
        f"SELECT {_COLUMNS} FROM tariff WHERE tariff_uid = ? AND checksum = ?"
        " ORDER BY version DESC LIMIT 1",
        (tariff_uid, checksum),
    )
    if same is not None:
        return StoredTariff(*same)
    last = tx.one(
        "SELECT COALESCE(MAX(version), 0) FROM tariff WHERE tariff_uid = ?", (tariff_uid,)
    )
    assert last is not None
    version = int(last[0]) + 1
    tx.run(
        tables.insert_sql(tables.tariff),
        (
            tariff_uid, version, name, price_list, currency, effective_from_ms,
            effective_until_ms, state, rows, checksum, packed, now_ms, who, None, None,
            zone,
        ),
    )  # fmt: skip
    audit.append(tx, now_ms, who, "tariff_import", f"{tariff_uid}/{version}", checksum)
    return get_tariff(tx, tariff_uid, version)


def change_tariff(
    tx: Transaction, tariff_uid: str, version: int, state: TariffState, *, who: str, now_ms: int
) -> StoredTariff:
    """Move a version to another state; activating retires the active one of that tariff.

    Raises
    ------
    StateError
        The version is in a state that does not lead there.
    """
    stored = get_tariff(tx, tariff_uid, version)
    if stored.state == state:
        return stored
    if stored.state not in _STATES.get(state, ()):
        raise StateError(
            f"tariff {tariff_uid} version {version} is {stored.state}, not ready to be {state}"
        )
    if state == "active":
        tx.run(
            "UPDATE tariff SET state = 'retired' WHERE tariff_uid = ? AND state = 'active'"
            " AND COALESCE(effective_from, -1) = COALESCE(?, -1)",
            (tariff_uid, stored.effective_from_ms),
        )
        tx.run(
            "UPDATE tariff SET state = 'active', activated_at = ?, activated_by = ?"
            " WHERE tariff_uid = ? AND version = ?",
            (now_ms, who, tariff_uid, version),
        )
    else:
        tx.run(
            "UPDATE tariff SET state = ? WHERE tariff_uid = ? AND version = ?",
            (state, tariff_uid, version),
        )
    audit.append(tx, now_ms, who, f"tariff_{state}", f"{tariff_uid}/{version}")
    return get_tariff(tx, tariff_uid, version)


def get_tariff(tx: Transaction, tariff_uid: str, version: int | None = None) -> StoredTariff:
    """Give one version; None = the newest."""
    sql = f"SELECT {_COLUMNS} FROM tariff WHERE tariff_uid = ?"
    row = (
        tx.one(f"{sql} ORDER BY version DESC LIMIT 1", (tariff_uid,))
        if version is None
        else tx.one(f"{sql} AND version = ?", (tariff_uid, version))
    )
    if row is None:
        what = tariff_uid if version is None else f"{tariff_uid} version {version}"
        raise NotFoundError(f"there is no tariff {what}")
    return StoredTariff(*row)


def tariff_files(tx: Transaction, tariff_uid: str, version: int) -> dict[str, bytes]:
    """Give the source files of one version."""
    row = tx.one(
        "SELECT files FROM tariff WHERE tariff_uid = ? AND version = ?", (tariff_uid, version)
    )
    if row is None:
        raise NotFoundError(f"there is no tariff {tariff_uid} version {version}")
    return unpack_files(row[0])


def list_tariffs(tx: Transaction, state: TariffState | None = None) -> list[StoredTariff]:
    """Give stored versions, by tariff and version."""
    condition, values = ("", ()) if state is None else (" WHERE state = ?", (state,))
    rows = tx.rows(f"SELECT {_COLUMNS} FROM tariff{condition} ORDER BY tariff_uid, version", values)
    return [StoredTariff(*r) for r in rows]


def put_directory(tx: Transaction, files: Mapping[str, bytes], *, who: str, now_ms: int) -> int:
    """Store a directory as its next version; the same files as the newest give its version."""
    packed, checksum = pack_files(files)
    last = tx.one("SELECT version, checksum FROM directory_version ORDER BY version DESC LIMIT 1")
    if last is not None and last[1] == checksum:
        return int(last[0])
    version = 1 if last is None else int(last[0]) + 1
    tx.run(tables.insert_sql(tables.directory_version), (version, checksum, packed, now_ms, who))
    audit.append(tx, now_ms, who, "directory_import", str(version), checksum)
    return version


def directory_files(tx: Transaction, version: int | None = None) -> tuple[int, dict[str, bytes]]:
    """Give a directory version and its files; None = the newest."""
    row = (
        tx.one("SELECT version, files FROM directory_version ORDER BY version DESC LIMIT 1")
        if version is None
        else tx.one("SELECT version, files FROM directory_version WHERE version = ?", (version,))
    )
    if row is None:
        raise NotFoundError(
            "no directory is stored"
            if version is None
            else f"there is no directory version {version}"
        )
    return int(row[0]), unpack_files(row[1])
