"""The rules that can be declared, as plain values.

Owns what each rule is made of. Does not own the file that declares them
(`bluewhale.configuration`), nor whom they tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bluewhale.records.findings import Severity

Side = Literal["calling", "called", "either"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHead:
    """What every rule has.

    `sites` empty = all. `to` names channels; the page is told always. A rule that is
    not `live` tells nobody: it can be tried on stored calls alone.
    """

    rule_uid: str
    name: str
    severity: Severity = "warning"
    sites: frozenset[str] = frozenset()
    to: tuple[str, ...] = ()
    live: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BlacklistRule(RuleHead):
    """A number that nobody should talk to; digits of E.164 numbers and prefixes, without "+"."""

    numbers: frozenset[int] = frozenset()
    prefixes: frozenset[int] = frozenset()
    side: Side = "either"
    kind: Literal["blacklist"] = "blacklist"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongCallRule(RuleHead):
    """A call that was connected for so long."""

    talk_min_ms: int
    kind: Literal["long_call"] = "long_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpensiveCallRule(RuleHead):
    """A call for which one price list charges so much; nanos by currency, the others pass."""

    cost_min_nanos: Mapping[str, int]
    price_list: str | None = None
    kind: Literal["expensive_call"] = "expensive_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyCallRule(RuleHead):
    """Somebody called for help."""

    kind: Literal["emergency_call"] = "emergency_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class NightPremiumRule(RuleHead):
    """A premium-rate destination was called at night; minutes of the day in the site's zone.

    `until_minute` <= `from_minute` means the next morning.
    """

    from_minute: int
    until_minute: int
    prefixes: frozenset[int] = frozenset()  # of destinations that count as premium besides
    kind: Literal["night_premium"] = "night_premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentPbxRule(RuleHead):
    """A PBX that usually sends records sends none.

    It is judged only where so many records are usual in that time. `usual_per_hour`
    None = what came at this hour of the week before; `pbxs` empty = all.
    """

    silent_ms: int
    records_min: float
    usual_per_hour: float | None = None
    pbxs: frozenset[str] = frozenset()
    kind: Literal["silent_pbx"] = "silent_pbx"


Rule = (
    BlacklistRule
    | LongCallRule
    | ExpensiveCallRule
    | EmergencyCallRule
    | NightPremiumRule
    | SilentPbxRule
)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one file, in its order; `live` are those that tell somebody."""

    all: tuple[Rule, ...] = ()
    live: tuple[Rule, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "live", tuple(rule for rule in self.all if rule.live))

    def get(self, rule_uid: str) -> Rule | None:
        """Give the rule of a name; None = there is none."""
        return next((rule for rule in self.all if rule.rule_uid == rule_uid), None)


NO_RULES = Rules()
