"""What a rule found: the rule, what it is about, and the call that did it.

Owns the names of alerts: one alert is one rule, one object and one window of time,
so that the same call never makes a second one, however often it is read. Numbers
of phones are not in it: they stand in the call alone. Does not own the rules
(`bluewhale.alerting`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import xxhash

Severity = Literal["info", "warning", "critical"]
RuleKind = Literal[
    "blacklist", "long_call", "expensive_call", "emergency_call", "night_premium", "silent_pbx"
]
ObjectKind = Literal["extension", "trunk", "site", "pbx"]


def alert_id(rule_uid: str, object_kind: str, object_uid: str, site: str, window: str) -> bytes:
    """Give the 16-byte id of an alert."""
    words = (rule_uid, object_kind, object_uid, site, window)
    return xxhash.xxh3_128_digest("\0".join(words).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason to tell somebody.

    `call_id` and `leg_ids` name the call as it was proposed; none for a silence.
    `at_ms` is when it happened (start of the call, last record heard). `measured`
    says what was found and against what: whole numbers and words, money in nanos
    as decimal text beside its currency.
    """

    rule_uid: str
    name: str
    kind: RuleKind
    severity: Severity
    object_kind: ObjectKind
    object_uid: str
    site_uid: str | None
    department_uid: str | None = None
    window: str
    at_ms: int
    call_id: bytes | None = None
    leg_ids: tuple[bytes, ...] = ()
    measured: Mapping[str, str] = field(default_factory=dict)
    to: tuple[str, ...] = ()

    @property
    def alert_id(self) -> bytes:
        """Give the id of the alert that this belongs to."""
        return alert_id(
            self.rule_uid, self.object_kind, self.object_uid, self.site_uid or "", self.window
        )

    def packed(self) -> dict[str, Any]:
        """Give it as JSON can hold it; `unpacked` reads it."""
        return {
            "rule": [self.rule_uid, self.name, self.kind, self.severity],
            "object": [self.object_kind, self.object_uid, self.site_uid, self.department_uid],
            "window": self.window,
            "at": self.at_ms,
            "call": None if self.call_id is None else self.call_id.hex(),
            "legs": [leg.hex() for leg in self.leg_ids],
            "measured": dict(self.measured),
            "to": list(self.to),
        }

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> Self:
        """Read it back; KeyError, TypeError and ValueError where it is none."""
        rule_uid, name, kind, severity = packed["rule"]
        object_kind, object_uid, site, department = packed["object"]
        call = packed["call"]
        return cls(
            rule_uid=rule_uid, name=name, kind=kind, severity=severity, object_kind=object_kind,
            object_uid=object_uid, site_uid=site, department_uid=department,
            window=packed["window"], at_ms=int(packed["at"]),
            call_id=None if call is None else bytes.fromhex(call),
            leg_ids=tuple(bytes.fromhex(leg) for leg in packed["legs"]),
            measured=dict(packed["measured"]), to=tuple(packed["to"]),
        )  # fmt: skip
