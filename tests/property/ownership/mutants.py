"""Cores with one safeguard left out: a suite in which they survive is no evidence."""

from __future__ import annotations

from dataclasses import replace

from bluewhale.ownership import FAST, Leader, TermCandidate, TermRow, Token, UnitSide

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
}
