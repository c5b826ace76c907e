"""Prices computed again: stored legs, directory and tariffs, through both engines.

Owns fetching the inputs of a range of calls. What is equal is decided by
`bluewhale.rating.receipts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import CallFilter, page_key
from bluewhale.jobs.directories import stored_directory
from bluewhale.jobs.tariffs import versions_activated
from bluewhale.merge import build_calls
from bluewhale.rating.receipts import Verification, verify
from bluewhale.records.schemas import CALL_SCHEMA
from bluewhale.stages import Stages, span_billables

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.rating.tariff import TariffVersion

PAGE_CALLS = 10_000
_DAY_MS = 86_400_000


def verify_receipts(
    store: Store, payer_policy: str, since: datetime | None, until: datetime | None
) -> Verification:
    """Compute the charges of all calls started in [since, until) again, bit for bit."""
    versions = versions_activated(store)
    wanted = CallFilter(from_at=since, until_at=until)
    stages: dict[int, Stages] = {}
    parts: list[Verification] = []
    after = None
    while True:
        page = store.search_calls(wanted, limit=PAGE_CALLS, after=after)
        if not page.num_rows:
            break
        for number in pc.unique(page.column("directory_version")).to_pylist():
            if number not in stages:
                directory = stored_directory(store, number)
                stages[number] = Stages.of(directory, versions, payer_policy)
            mine = page.filter(pc.equal(page.column("directory_version"), number))
            parts.append(_verify_page(store, mine, stages[number], versions))
        after = page_key(page)
    if not parts:
        return Verification(pa.table({}), 0, 0)
    return Verification(
        pa.concat_tables([p.mismatches for p in parts]),
        sum(p.verified for p in parts),
        sum(p.without_input for p in parts),
    )


def _verify_page(
    store: Store, page: pa.Table, stages: Stages, versions: list[TariffVersion]
) -> Verification:
    """Build calls and spans of these calls' stored legs anew, and compare their charges."""
    ids = page.column("call_id").to_pylist()
    leg_ids = pc.list_flatten(page.column("leg_ids")).to_pylist()
    legs = store.legs(leg_ids)
    owner = {
        leg: call
        for call, members in zip(ids, page.column("leg_ids").to_pylist(), strict=True)
        for leg in members
    }
    built = build_calls(legs, _labels(legs, owner), payer_policy=stages.payer_policy)
    calls = stages.index.attribute_calls(built.calls)
    version_of = dict(zip(ids, page.column("version").to_pylist(), strict=True))
    stored = [version_of[i] for i in calls.column("call_id").to_pylist()]
    place = CALL_SCHEMA.get_field_index("version")
    calls = calls.set_column(place, CALL_SCHEMA.field(place), pa.array(stored, pa.int32()))
    billables = span_billables(calls, built.billables, stages)
    return verify(
        _charges(store, page, ids),
        {(v.tariff_uid, v.version): v for v in versions},
        calls,
        billables,
    )


def _labels(legs: pa.Table, owner: dict[bytes, bytes]) -> np.ndarray:
    """Label each leg with the first row of its stored call."""
    first: dict[bytes, int] = {}
    rows = [owner[i] for i in legs.column("cdr_id").to_pylist()]
    return np.array([first.setdefault(call, k) for k, call in enumerate(rows)], dtype=np.int64)


def _charges(store: Store, page: pa.Table, ids: list[bytes]) -> pa.Table:
    """Give the live charges of these calls; their spans start while a call lasts."""
    started = page.column("started_at").cast(pa.int64())
    ended = pc.coalesce(page.column("ended_at").cast(pa.int64()), started)
    found = store.charges(
        from_ms=pc.min(started).as_py() - _DAY_MS, until_ms=pc.max(ended).as_py() + _DAY_MS
    )
    return found.filter(pc.is_in(found.column("call_id"), value_set=pa.array(ids, pa.binary(16))))
