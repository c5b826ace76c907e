"""What channels are told of an alert: one shape for webhooks, its lines for mails, labels.

Owns the form of messages. Numbers of phones are masked unless the channel is declared
to get them whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, Literal

from bluewhale.database.alerts import StoredAlert
from bluewhale.rating.explain import amount_text
from bluewhale.records.ids import id_text
from bluewhale.telemetry.masking import mask_number

CALLS_TOLD = 20
_TITLES: Mapping[str, str] = {
    "blacklist": "Call with a number of a blacklist",
    "long_call": "Long call",
    "expensive_call": "Expensive call",
    "emergency_call": "Emergency call",
    "night_premium": "Premium-rate call at night",
    "silent_pbx": "Silent PBX",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One alert as it was when it is told; `calls` are rows of stored calls."""

    alert: StoredAlert
    opening: int
    calls: Sequence[Mapping[str, Any]]
    page: str = ""  # address of the page, where it is known

    @property
    def delivery_id(self) -> str:
        """Name this message: the same when it is tried again."""
        return f"{id_text(self.alert.alert_id)}-{self.opening}"

    @property
    def address(self) -> str:
        """Give the address of the alert on the page; "" = not known."""
        return f"{self.page}/alerts/{id_text(self.alert.alert_id)}" if self.page else ""

    def title(self) -> str:
        """Say it in a line."""
        a = self.alert
        where = f" at {a.site_uid}" if a.site_uid else ""
        return " ".join(
            f"{a.name}: {_TITLES[a.kind]}, {a.object_kind} {a.object_uid}{where}".split()
        )

    def body(self, numbers: Literal["masked", "full"]) -> dict[str, Any]:
        """Give the JSON of a webhook."""
        a = self.alert
        return {
            "version": 1,
            "delivery": self.delivery_id,
            "alert": {
                "id": id_text(a.alert_id),
                "rule": a.rule_uid,
                "name": a.name,
                "kind": a.kind,
                "severity": a.severity,
                "object": {"kind": a.object_kind, "uid": a.object_uid},
                "site": a.site_uid,
                "opened_at": instant(a.opened_at_ms),
                "first_at": instant(a.first_at_ms),
                "last_at": instant(a.last_at_ms),
                "measured": dict(a.measured),
                "address": self.address or None,
            },
            "calls": [_call(c, numbers) for c in self.calls[:CALLS_TOLD]],
        }

    def mail(
        self, sender: str, recipients: Sequence[str], numbers: Literal["masked", "full"]
    ) -> EmailMessage:
        """Give the mail."""
        mail = EmailMessage()
        mail["Subject"] = f"[{self.alert.severity}] {self.title()}"
        mail["From"] = sender
        mail["To"] = ", ".join(recipients)
        mail["Message-ID"] = f"<{self.delivery_id}@bluewhale>"
        mail["Auto-Submitted"] = "auto-generated"
        a = self.alert
        lines = [self.title(), "", f"Opened {instant(a.opened_at_ms)}", *self._why()]
        lines += [_line(_call(c, numbers)) for c in self.calls[:CALLS_TOLD]]
        lines += ["", self.address] if self.address else []
        mail.set_content("\n".join(lines) + "\n")
        return mail

    def _why(self) -> list[str]:
        measured = self.alert.measured
        if self.alert.kind == "silent_pbx":
            last = instant(int(measured["last_at_ms"]))
            return [f"Last record {last}; usual are {measured['usual_per_hour']} an hour"]
        return []

    def alertmanager(self) -> bytes:
        """Give the JSON of an Alertmanager; labels name the alert, never a number of a phone."""
        a = self.alert
        labels = {
            "alertname": a.rule_uid,
            "kind": a.kind,
            "severity": a.severity,
            "object": f"{a.object_kind} {a.object_uid}",
            "alert_id": id_text(a.alert_id),
        }
        if a.site_uid:
            labels["site"] = a.site_uid
        one = {
            "labels": labels,
            "annotations": {"summary": self.title()},
            "startsAt": instant(a.opened_at_ms),
            "generatorURL": self.address,
        }
        return json.dumps([one]).encode()


def instant(ms: int) -> str:
    """Give milliseconds since 1970 as an instant in UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _call(call: Mapping[str, Any], numbers: Literal["masked", "full"]) -> dict[str, Any]:
    def shown(number: str | None) -> str | None:
        return number if number is None or numbers == "full" else mask_number(number)

    started = call["started_at"]
    return {
        "id": id_text(call["call_id"]),
        "started_at": None if started is None else instant(round(started.timestamp() * 1000)),
        "calling": shown(call["calling"]),
        "called": shown(call["called"]),
        "direction": call["direction"],
        "talk_ms": call["talk_ms"],
        "cost": [
            {
                "price_list": t["price_list"],
                "amount": _amount(t["amount_nanos"]),
                "currency": t["currency"],
            }
            for t in call["totals"] or ()
            if t["currency"]
        ],
    }


def _amount(nanos: int) -> str:
    from fractions import Fraction

    return amount_text(Fraction(nanos, 10**9))


def _line(call: Mapping[str, Any]) -> str:
    cost = ", ".join(f"{c['amount']} {c['currency']}" for c in call["cost"])
    seconds = round((call["talk_ms"] or 0) / 1000)
    return (
        f"{call['started_at']}  {call['calling'] or '?'} -> {call['called'] or '?'}"
        f"  {seconds // 60}:{seconds % 60:02}  {cost}".rstrip()
    )
