"""The term with two witnesses: the row of the main database, and a Lease of Kubernetes.

Whoever wants to lead must win both; who leads goes on while it renews either. So the
database or the API server may be away, and the Lease may be deleted or spoilt: who
leads leads on, and nobody else begins. Terms are numbers above what either says, so
they never go back. Why this is safe: docs/adr/0013.

Owns that rule. Does not own the halves (`bluewhale.database.terms`, `term_lease`), nor
when a term may be taken (`bluewhale.ownership.TermCandidate`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.ingest.exceptions import TermUnclearError
from bluewhale.ownership import TermRow
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.ingest.term_lease import LeaseSeen, TermLease

ROW, LEASE = "database", "Lease"
ALONE_TOLD = 3


class Row(Protocol):
    """The row: `bluewhale.database.terms.Terms`."""

    def read(self) -> TermRow | None:
        """Give it; None = nobody ever led."""

    def take(
        self, seen: TermRow | None, *, holder: str, address: str, lease_s: float, above: int = 0
    ) -> TermRow | None:
        """Begin a term after what was seen; None = it has changed."""

    def renew(self, term: int, holder: str, *, count: int, lease_s: float) -> float | None:
        """Note a renewal, give the lease that it says; None = the term is another's."""

    def resign(self, term: int, holder: str) -> None:
        """Give the term up; nothing if it is another's."""


@dataclass(frozen=True, slots=True)
class BothSeen(TermRow):
    """The row and the Lease as one: it changes when either does, and is free when both are."""

    row: TermRow | None
    lease: LeaseSeen | None


class TermWitnesses:
    """The term, one caller at a time.

    `row` opens the main database and may fail while that is away; the one that
    does not answer within `patience_s` counts as away.
    """

    def __init__(self, row: Callable[[], Row], lease: TermLease, *, patience_s: float) -> None:
        self._row, self._lease, self._patience_s = row, lease, patience_s
        self._address = ""
        self._alone = 0  # renewals in a row that one witness granted alone
        self._log = get_logger("ownership")
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="term")
        self._under_way: dict[str, Future[bool]] = {}
        # what each surely says, or more: either alone may be all that the next one finds
        self._says: dict[str, float] = {}

    def close(self) -> None:
        """Wait for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def read(self) -> BothSeen | None:
        """Give what both say; None = nobody ever led. Both must answer."""
        lease, row = self._lease.read(), self._row().read()
        if lease is None and row is None:
            return None
        there = [x for x in (lease, row) if x is not None]
        return BothSeen(
            term=max(x.term for x in there),
            holder=next((x.holder for x in there if x.holder), ""),
            address=next((x.address for x in there if x.address), ""),
            renewals=0 if row is None else row.renewals,
            lease_s=max(x.lease_s for x in there),
            row=row,
            lease=lease,
        )

    def take(
        self, seen: TermRow | None, *, holder: str, address: str, lease_s: float
    ) -> TermRow | None:
        """Win the row, then the Lease; None if either has changed.

        A row that was won in vain keeps our name: were it free, and the Lease deleted,
        another would begin at once beside a leader who renews the Lease alone.
        """
        row, lease = (seen.row, seen.lease) if isinstance(seen, BothSeen) else (None, None)
        above = 0 if lease is None else lease.term
        won = self._row().take(row, holder=holder, address=address, lease_s=lease_s, above=above)
        if won is None:
            return None
        if not self._lease.take(
            lease, term=won.term, holder=holder, address=address, lease_s=lease_s
        ):
            return None
        self._address = address
        self._says = {ROW: lease_s, LEASE: lease_s}
        return won

    def renew(self, term: int, holder: str, *, count: int, lease_s: float) -> float | None:
        """Renew both at once; one is enough. None = neither is ours any more.

        A Lease that was deleted or spoilt is put back: while the row is ours nobody
        else can lead. A longer lease counts when both say it.
        """
        asked = [
            self._ask(
                ROW,
                lambda: self._row().renew(term, holder, count=count, lease_s=lease_s) is not None,
                lease_s,
            ),
            self._ask(LEASE, lambda: self._lease.renew(term, holder, lease_s=lease_s), lease_s),
        ]
        wait([x for x in asked if x is not None], self._patience_s)
        (row, row_error), (lease, lease_error) = map(_outcome, asked)
        if row and lease is False:
            lease, lease_error = self._put_back(term, holder, lease_s)
        if row:
            self._says[ROW] = lease_s
        if lease:
            self._says[LEASE] = lease_s
        if row or lease:
            self._tell("" if row else row_error, "" if lease else lease_error)
            return min(self._says.values())
        if row is None or lease is None:
            raise TermUnclearError(f"{ROW}: {row_error}; {LEASE}: {lease_error}")
        return None

    def resign(self, term: int, holder: str) -> None:
        """Give up both; of one that does not answer others wait for the end."""
        try:
            self._lease.resign(term, holder)
        finally:
            self._row().resign(term, holder)

    def _put_back(self, term: int, holder: str, lease_s: float) -> tuple[bool | None, str]:
        self._log.warning("Lease was deleted or changed by others; putting it back")
        back = self._ask(
            LEASE,
            lambda: self._lease.put_back(term, holder, self._address, lease_s=lease_s),
            lease_s,
        )
        wait([back] if back is not None else [], self._patience_s)
        return _outcome(back)

    def _ask(self, place: str, work: Callable[[], bool], lease_s: float) -> Future[bool] | None:
        """Begin to ask one; None = it still has not answered what it was asked before."""
        before = self._under_way.get(place)
        if before is not None and not before.done():
            return None
        self._says[place] = min(self._says.get(place, lease_s), lease_s)
        self._under_way[place] = self._threads.submit(work)
        return self._under_way[place]

    def _tell(self, row_error: str, lease_error: str) -> None:
        """Say once that the term hangs on one of its witnesses, and once that it does no more.

        One renewal, or two, may come late at a busy server.
        """
        alone = row_error or lease_error
        before, self._alone = self._alone, self._alone + 1 if alone else 0
        if row_error and self._alone == ALONE_TOLD:
            self._log.warning("Term of ownership is renewed in the Lease alone", error=alone)
        elif lease_error and self._alone == ALONE_TOLD:
            self._log.warning("Term of ownership is renewed in the database alone", error=alone)
        elif before >= ALONE_TOLD and not alone:
            self._log.info("Term of ownership is renewed in both places again")


def _outcome(asked: Future[bool] | None) -> tuple[bool | None, str]:
    """Give the answer, None = none, and why it is not a yes."""
    if asked is None or not asked.done():
        return None, "no answer in time"
    error = asked.exception()
    if isinstance(error, BluewhaleError):
        return None, str(error)
    if error is not None:
        raise error
    return asked.result(), "" if asked.result() else "it is another's"
