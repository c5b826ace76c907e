"""Answers of other services as shapes of the API: names beside uids, numbers as they may be shown.

Owns how a message becomes a shape. Does not own what is masked (`masking`) or
which calls somebody may see (`access`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bluewhale.webapi import shapes, shapes_figures

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2 as query
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as tariffs
    from bluewhale.webapi.masking import Masker
    from bluewhale.webapi.names import Names


def instant(ms: int | None) -> str | None:
    """Give milliseconds since 1970 as an instant in UTC."""
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def known(message: Any, name: str) -> Any:
    """Give a field of a message; None = it is not there."""
    return getattr(message, name) if message.HasField(name) else None


def money(amount: str, currency: str | None) -> shapes.Money | None:
    """Give money; None where there is no currency: nothing has a price."""
    return shapes.Money(amount=amount, currency=currency) if currency else None


def step(s: tariffs.Step, text: Callable[[str], str] = str) -> shapes.Step:
    """Say one step of a price; `text` masks what may be a number."""
    return shapes.Step(
        kind=s.kind,  # type: ignore[arg-type]  # the closed list of the same release
        inputs={k: text(v) for k, v in s.inputs.items()},
        result=text(s.result) if s.kind == "number" else s.result,
        text=text(s.text) if s.kind == "number" else s.text,
    )


@dataclass(frozen=True, slots=True)
class Saying:
    """How messages are said to one reader."""

    names: Names
    masker: Masker
    persons: Mapping[str, str] = field(default_factory=dict)

    def about(self, calls: Iterable[query.Call]) -> Saying:
        """Give the same, knowing the names of the people of these calls."""
        uids = (known(c, "person_uid") for c in calls)
        return Saying(self.names, self.masker, self.names.persons(uids))

    def call(self, c: query.Call) -> shapes.Call:
        """Say one call."""
        party = self.masker.party
        person = known(c, "person_uid")
        return shapes.Call(
            call_id=c.call_id,
            version=c.version,
            state=c.state,
            superseded_by=known(c, "superseded_by"),
            started_at=instant(known(c, "started_at_ms")),
            answered_at=instant(known(c, "answered_at_ms")),
            ended_at=instant(known(c, "ended_at_ms")),
            zone=known(c, "site_zone"),
            calling=party(known(c, "calling"), known(c, "calling_e164")),
            called=party(known(c, "called"), known(c, "called_e164")),
            first_destination=party(known(c, "first_destination")),
            final_destination=party(known(c, "final_destination")),
            site=self.names.site(known(c, "site_uid")),
            person=shapes.Name(uid=person, name=self.persons.get(person)) if person else None,
            department=self.names.department(known(c, "department_uid")),
            transfers=c.transfers,
            legs=len(c.leg_ids),
            prices=prices(c.totals),
            **{name: known(c, name) for name in _SAME_OF_CALL},
        )

    def detail(self, found: query.CallDetail) -> shapes.CallDetail:
        """Say everything about one call."""
        order = {cdr_id: index for index, cdr_id in enumerate(found.call.leg_ids)}
        legs = sorted(found.legs, key=lambda leg: order.get(leg.cdr_id, len(order)))
        return shapes.CallDetail(
            call=self.call(found.call),
            legs=[self._leg(leg) for leg in legs],
            joins=[
                shapes.Join(
                    leg=j.leg, other=j.other, reason=j.reason, confidence=round(j.confidence, 4)
                )
                for j in found.call.joins
            ],
            versions=[_version(v) for v in found.versions],
            charges=[self._charge(c) for c in found.charges],
        )

    def _leg(self, leg: query.Leg) -> shapes.Leg:
        party = self.masker.party
        return shapes.Leg(
            cdr_id=leg.cdr_id,
            pbx=self.names.pbx(leg.pbx_uid),
            site=self.names.site(known(leg, "site_uid")),
            dialect_id=leg.dialect_id,
            dialect_version=leg.dialect_version,
            role=known(leg, "leg_role"),
            stream_id=str(leg.stream_id),
            incarnation=str(leg.incarnation),
            seq=str(leg.seq),
            calling=party(known(leg, "calling_number")),
            called=party(known(leg, "called_number")),
            connected=party(known(leg, "connected_number")),
            redirecting=party(known(leg, "redirecting_number")),
            setup_at=instant(known(leg, "setup_at_ms")),
            answer_at=instant(known(leg, "answer_at_ms")),
            release_at=instant(known(leg, "release_at_ms")),
            received_at=instant(known(leg, "received_at_ms")),
            ingested_at=instant(known(leg, "ingested_at_ms")),
            **{name: known(leg, name) for name in _SAME_OF_LEG},
        )

    def _charge(self, c: query.Charge) -> shapes.Charge:
        status = known(c, "status")
        return shapes.Charge(
            charge_id=c.charge_id,
            call_version=c.call_version,
            span=c.span,
            price_list=c.price_list,
            entry=c.entry,
            status=status,
            money=None if status == "unrated" else money(c.amount, known(c, "currency")),
            tariff=_tariff(c),
            rated_at=instant(known(c, "rated_at_ms")),
            start_at=instant(known(c, "start_at_ms")),
            # a payer may be a number, and a prefix all of one
            payer=self._text(known(c, "payer")),
            prefix=self._text(known(c, "prefix")),
            **{
                name: known(c, name)
                for name in (
                    "reverses", "reason", "quantity_ms", "rated_quantity_ms",
                )
            },
        )  # fmt: skip

    def _text(self, text: str | None) -> str | None:
        return None if text is None else self.masker.text(text)

    def receipt(self, found: tariffs.ExplainReply) -> shapes.Receipt:
        """Say why a call costs what it costs."""
        return shapes.Receipt(
            call_id=found.call_id,
            zone=known(found, "site_zone"),
            charges=[self._explained(e) for e in found.explanations],
        )

    def _explained(self, e: tariffs.Explanation) -> shapes.ExplainedCharge:
        text = self.masker.text
        return shapes.ExplainedCharge(
            charge_id=e.charge_id,
            price_list=e.price_list,
            payer=self._text(known(e, "payer")),
            entry=e.entry,
            status=e.status,
            money=money(e.amount, known(e, "currency")) if e.status != "unrated" else None,
            exact=e.exact,
            tariff=_tariff(e),
            steps=[step(s, text) for s in e.steps],
            text="\n".join(text(line) if line.startswith("Number") else line
                           for line in e.text.split("\n")),
        )  # fmt: skip

    def group(
        self, rows: Sequence[query.ReportRow], name: shapes.Name | None, scope: str | None
    ) -> shapes_figures.Group:
        """Say the rows of one group of a report."""
        first = rows[0]
        return shapes_figures.Group(
            name=name,
            calls=first.calls,
            answered=first.answered,
            talk_ms=first.talk_ms,
            money=sums(rows),
            scope=scope,
        )


_SAME_OF_CALL = (
    "ring_ms", "queue_ms", "hold_ms", "talk_ms", "direction", "call_class", "disposition",
    "extension", "cost_center_uid", "account_code", "trunk_in", "trunk_out",
)  # fmt: skip
_SAME_OF_LEG = (
    "link_uid", "duration_ms", "direction", "call_class", "disposition", "trunk_in", "trunk_out",
)  # fmt: skip


def prices(totals: Iterable[query.Amount]) -> list[shapes.Price]:
    """Say what each price list charges."""
    return [
        shapes.Price(price_list=t.price_list, money=money(t.amount, t.currency), unpriced=t.unrated)
        for t in totals
    ]


def sums(rows: Iterable[query.ReportRow]) -> list[shapes.Price]:
    """Say the money of the rows of one group, a line per price list and currency."""
    return [
        shapes.Price(
            price_list=r.price_list,
            money=money(known(r, "amount") or "0", known(r, "currency")),
            unpriced=r.unrated,
        )
        for r in rows
        if r.HasField("price_list")
    ]


def _version(v: query.Call) -> shapes.Version:
    return shapes.Version(
        version=v.version,
        state=v.state,
        superseded_by=known(v, "superseded_by"),
        started_at=instant(known(v, "started_at_ms")),
        ended_at=instant(known(v, "ended_at_ms")),
        legs=len(v.leg_ids),
        prices=prices(v.totals),
    )


def _tariff(charge: query.Charge | tariffs.Explanation) -> shapes.TariffVersion | None:
    uid = known(charge, "tariff_uid")
    if uid is None:
        return None
    return shapes.TariffVersion(uid=uid, version=charge.tariff_version)
