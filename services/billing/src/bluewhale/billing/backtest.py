"""A rule tried on stored calls: which alerts it would have opened, and by which calls.

    test = Backtest(store, rule, CallFilter(from_at=..., until_at=...))
    while test.step(): ...
    test.alerts, test.latest(200)

The same function that judges calls as they come judges them here. Writes nothing. A
silence is judged by the times at which calls began: that is what is stored for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from bluewhale.alerting import Heard, Rule, SilentPbxRule, costs_of_totals, evaluate, silence
from bluewhale.database import CallFilter, page_key

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.database.search import PageKey
    from bluewhale.records.findings import Finding

PAGE_CALLS = 5_000
CALLS_MAX = 5_000_000
_HOUR_MS = 3_600_000


@dataclass(slots=True)
class Found:
    """One alert that would have been; `first` is the earliest finding, `last` the latest."""

    first: Finding
    last: Finding
    call_ids: set[bytes] = field(default_factory=set)


class Backtest:
    """Goes through the calls of a filter, newest first, page by page."""

    def __init__(self, store: Store, rule: Rule, wanted: CallFilter) -> None:
        self._store, self._rule, self._wanted = store, rule, wanted
        self._after: PageKey | None = None
        self._found: dict[bytes, Found] = {}
        self._spoken: dict[str, list[np.ndarray[tuple[int], np.dtype[np.int64]]]] = defaultdict(
            list
        )
        self._site_of: dict[str, str | None] = {}
        self.calls = 0
        self.reached_ms: int | None = None

    @property
    def alerts(self) -> int:
        """Count alerts that would have opened, as far as it is."""
        return len(self._found)

    def step(self) -> bool:
        """Judge the next page; tell whether there may be more."""
        page = self._store.search_calls(self._wanted, limit=PAGE_CALLS, after=self._after)
        if isinstance(self._rule, SilentPbxRule):
            self._hear(page)
        else:
            self._note(evaluate(page, costs_of_totals(page), [self._rule]))
        self.calls += page.num_rows
        self._after = page_key(page) or self._after
        self.reached_ms = None if self._after is None else self._after[0]
        more = page.num_rows == PAGE_CALLS and self.calls < CALLS_MAX
        if not more and isinstance(self._rule, SilentPbxRule):
            self._note(self._silences(self._rule))
        return more

    def latest(self, limit: int) -> list[Found]:
        """Give the alerts whose last call is the latest."""
        return sorted(self._found.values(), key=lambda f: f.last.at_ms, reverse=True)[:limit]

    def _note(self, findings: Iterable[Finding]) -> None:
        for one in findings:
            held = self._found.setdefault(one.alert_id, Found(one, one))
            held.first = min(held.first, one, key=lambda f: f.at_ms)
            held.last = max(held.last, one, key=lambda f: f.at_ms)
            if one.call_id is not None:
                held.call_ids.add(one.call_id)

    def _hear(self, page: pa.Table) -> None:
        sites = page.column("site_uid").to_pylist()
        started = page.column("started_at").cast(pa.int64()).to_pylist()
        spoken: dict[str, list[int]] = defaultdict(list)
        for pbxs, site, at in zip(page.column("pbx_uids").to_pylist(), sites, started, strict=True):
            for pbx in pbxs or () if at is not None else ():
                spoken[pbx].append(at)
                self._site_of[pbx] = site
        for pbx, moments in spoken.items():
            self._spoken[pbx].append(np.array(moments, np.int64))

    def _silences(self, rule: SilentPbxRule) -> Iterable[Finding]:
        for pbx, parts in sorted(self._spoken.items()):
            moments = np.sort(np.concatenate(parts))
            hours, counts = np.unique(moments // _HOUR_MS, return_counts=True)
            usual = dict(zip(hours.tolist(), counts.tolist(), strict=True))
            gaps = np.flatnonzero(np.diff(moments) >= rule.silent_ms)
            for last in moments[gaps].tolist():
                heard = Heard(pbx, self._site_of[pbx], last, usual)
                found = silence(rule, heard, last + rule.silent_ms)
                if found is not None:
                    yield found
