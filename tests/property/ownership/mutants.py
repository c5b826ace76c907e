"""Cores with one safeguard left out: a suite in which they survive is no evidence."""

from __future__ import annotations

from dataclasses import replace

from bluewhale.ownership import FAST, Leader, Profile, TermCandidate, TermRow, Token, UnitSide

from tests.property.ownership.simulation import Parts


class NoHoldOff(TermCandidate):
    """Grants from the first moment of its term."""

    def hold_off_s(self, before: TermRow | None) -> float:
        return 0.0


class ForgetsLongerLeases(TermCandidate):
    """Writes its own lease only, though a predecessor's longer ones may still run."""

    def lease_to_take_s(self, before: TermRow | None) -> float:
        return self.profile.lease_s


class TokensAgain(Leader):
    """Forgets the term: its tokens begin anew."""

    def _next_token(self) -> Token:
        return Token(1, super()._next_token().sequence)


class LapsedTokenRevives(UnitSide):
    """Believes that a lease renewed late was never over."""

    def _lapse(self, now: float) -> None:
        pass


class ReleasesAnyToken(Leader):
    """Lets the unit of a link release it by an old token."""

    def _release(self, session, item, now):
        link = self._links.get(item.link_uid)
        if link is not None and link.owner is session:
            item = replace(item, token=link.token)
        return super()._release(session, item, now)


class ServesTooLong(TermCandidate):
    """Believes in its term until another says otherwise."""

    def leading(self, now: float) -> bool:
        return self.term > 0


class NewProcessInherits(Leader):
    """Gives what a process held to the next one of its unit at once."""

    def _replace(self, session) -> None:
        super()._replace(session)
        self._end(session, session.since)


class RowSaysOwnLease(Leader):
    """Has the row say the lease of its own profile, whatever units have."""

    def longest_lease_s(self) -> float:
        return self.profile.lease_s

    def profile_of(self, unit_uid: str) -> Profile:
        return self._profiles.get(unit_uid, self.profile)


class RowShortensAtOnce(Leader):
    """Has the row say what is configured, though a longer lease given before may still run."""

    def longest_lease_s(self) -> float:
        return max([self.profile.lease_s, *(p.lease_s for p in self._profiles.values())])


class LendsBeforeTheRowSays(Leader):
    """Gives a longer lease as soon as it is configured."""

    def profile_of(self, unit_uid: str) -> Profile:
        return self._profiles.get(unit_uid, self.profile)


class ForgetsTheLongerLease(Leader):
    """Takes the lease given last for the one that ends last."""

    def _extend(self, session, now):
        session.expires_at = float("-inf")
        super()._extend(session, now)


MUTANTS = {
    "no_hold_off": Parts(candidate=NoHoldOff),
    "no_drift_margin": Parts(profile=replace(FAST, drift=0.0)),
    "token_reuse": Parts(leader=TokensAgain),
    "no_hold_off, seen by units": Parts(candidate=NoHoldOff, judge_hold_off=False),
    "no_drift_margin, seen by units": Parts(profile=replace(FAST, drift=0.0), judge_hold_off=False),
    "lapsed_token_revives": Parts(unit=LapsedTokenRevives),
    "releases_any_token": Parts(leader=ReleasesAnyToken),
    "forgets_longer_leases": Parts(candidate=ForgetsLongerLeases, profiles_differ=1.0),
    "serves_too_long": Parts(candidate=ServesTooLong),
    "new_process_inherits": Parts(leader=NewProcessInherits),
    "row_says_own_lease": Parts(leader=RowSaysOwnLease, units_differ=1.0),
    "row_says_own_lease, seen by units": Parts(
        leader=RowSaysOwnLease, units_differ=1.0, judge_hold_off=False
    ),
    "row_shortens_at_once": Parts(leader=RowShortensAtOnce, units_differ=1.0),
    "lends_before_the_row_says": Parts(leader=LendsBeforeTheRowSays, units_differ=1.0),
    "forgets_the_longer_lease": Parts(leader=ForgetsTheLongerLease, units_differ=1.0),
}
