"""Who leads: one row that every would-be leader changes by compare-and-set. Pure.

Owns when a term may be taken and how long it may be counted on. Does not own the
row (bluewhale.database), a clock (`now` is handed in) or the grants (`leader`).

Nobody trusts a wall clock: the row carries a count of renewals and the longest
lease of a unit; who wants to lead must have seen the row unchanged for longer than
any holder counts on it, by its own clock. A database whose clock is set, or two of
them, change nothing. Only a holder that resigned leaves a row that may be taken at once.

Example
-------
::

    candidate = TermCandidate(FAST)
    sent = boot_time(); row = read()
    if candidate.may_take(row, boot_time()): taken = take(row) ...
    if taken: candidate.won(taken.term, row, sent, boot_time())
    candidate.leading(boot_time())
"""

from __future__ import annotations

from dataclasses import dataclass

from bluewhale.ownership.profile import Profile

TERM_S_MAX = 15.0  # nobody counts on a term for longer, however long a unit's lease is


@dataclass(frozen=True, slots=True)
class TermRow:
    """The row. `holder` = random name of a process, "" = resigned; `address` = where it serves.

    `lease_s` = the longest lease of a unit that may still run, whoever gave it, and
    no shorter than that of the holder's own profile.
    """

    term: int
    holder: str
    address: str
    renewals: int
    lease_s: float


class TermCandidate:
    """One process that leads or waits to."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.term = 0  # the term that it holds, 0 = none
        self._seen: TermRow | None = None
        self._seen_at = 0.0
        self._until = float("-inf")
        self._inherited_s = profile.lease_s
        self._alone_from = float("-inf")

    def may_take(self, row: TermRow | None, now: float) -> bool:
        """Tell whether to take the term after `row` now; `now` = after the row was read."""
        if row is None or not row.holder:
            return True
        if row != self._seen:
            self._seen, self._seen_at = row, now
        return now - self._seen_at >= min(row.lease_s, TERM_S_MAX) * (1 + self.profile.drift)

    def lease_to_take_s(self, before: TermRow | None) -> float:
        """Give the lease to write when taking the term after `before`.

        A predecessor may have given longer leases than we do; whoever follows us
        before they ended must hold off for them, too.
        """
        return self.profile.lease_s if before is None else max(self.profile.lease_s, before.lease_s)

    def lease_to_renew_s(self, now: float, longest_s: float) -> float:
        """Give the lease to write when renewing: ours alone once the hold-off is over.

        longest_s: of a unit, as the leader gave it or shall (`Leader.longest_lease_s`).
        """
        ours = max(self.profile.lease_s, longest_s)
        return max(ours, self._inherited_s) if now < self._alone_from else ours

    def won(self, term: int, before: TermRow | None, sent_at: float, now: float) -> float:
        """The row is ours since after `sent_at`; gives the hold-off of the new term, from `now`."""
        assert term > self.term
        self.term = term
        self._until = sent_at + self._held_s()
        self._inherited_s = self.lease_to_take_s(before)
        self._alone_from = now + self.hold_off_s(before)
        return self.hold_off_s(before)

    def hold_off_s(self, before: TermRow | None) -> float:
        """How long a new term grants nothing: the longest lease that the term before gave."""
        return 0.0 if before is None else before.lease_s * (1 + self.profile.drift)

    def renewed(self, sent_at: float) -> None:
        """The row was renewed by a request sent at `sent_at`."""
        self._until = max(self._until, sent_at + self._held_s())

    def lost(self) -> None:
        """The row is another's, or was given back."""
        self.term, self._until = 0, float("-inf")

    def leading(self, now: float) -> bool:
        """Tell whether this process may serve; it stops well before another may begin."""
        return self.term > 0 and now < self._until

    def until(self) -> float:
        """Give the moment at which it stops unless renewed, by the clock of `now`."""
        return self._until

    def _held_s(self) -> float:
        return min(
            self.profile.deadline_s, self.profile.held_s, TERM_S_MAX * (1 - self.profile.drift)
        )
