"""Tariffs, findings, trials and charges as messages of the Tariffs service.

Owns how each is said on the wire: money as decimal text, instants as
milliseconds. Does not own what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.billing.uploads import packed
from bluewhale.rating.explain import NANO_PLACES, amount_text, exact_amount
from bluewhale.records.enums import ChargeStatus
from bluewhale.records.ids import id_text

if TYPE_CHECKING:
    from bluewhale.database import StoredTariff
    from bluewhale.jobs.explaining import Explained
    from bluewhale.jobs.previewing import Preview
    from bluewhale.rating.diff import TariffDiff
    from bluewhale.rating.explain import Step
    from bluewhale.rating.preview import Trial
    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.rating.validation import TariffMistake


def money(nanos: int) -> str:
    """Give nanos of a currency unit as decimal text without trailing zeros."""
    return amount_text(Fraction(nanos, 10**NANO_PLACES))


def exact(charge: Mapping[str, Any]) -> str:
    """Give the amount before its one rounding; "" where there is no price."""
    if charge["status"] != ChargeStatus.RATED:
        return ""
    return amount_text(exact_amount(charge))


def findings(mistakes: Sequence[TariffMistake]) -> list[api.Finding]:
    """Say mistakes or warnings."""
    return [
        api.Finding(
            file=m.file, line=m.line, field=m.field, value=m.value, problem=m.problem,
            remedy=m.remedy, text=m.text(),
        )
        for m in mistakes
    ]  # fmt: skip


def version(stored: StoredTariff, files: Mapping[str, bytes] | None = None) -> api.Version:
    """Say a stored version."""
    same = {f.name for f in fields(stored)} & {f.name for f in api.Version.DESCRIPTOR.fields}
    made = api.Version(
        **{name: getattr(stored, name) for name in same},
        rates=stored.rows,
    )
    if files is not None:
        made.files.extend(packed(files))
    return made


def draft(found: TariffVersion, number: int) -> api.Version:
    """Say what the files of a tariff say of themselves; number 0 = they are not stored."""
    until = found.effective_until
    return api.Version(
        tariff_uid=found.tariff_uid,
        version=number,
        name=found.name,
        price_list=found.price_list,
        currency=found.currency,
        effective_from_ms=round(found.effective_from.timestamp() * 1000),
        effective_until_ms=None if until is None else round(until.timestamp() * 1000),
        rates=found.deck.num_rows,
        zone=found.zone,
    )


def change(against: StoredTariff, found: TariffDiff) -> api.Change:
    """Say what is another price than before."""
    counts = found.summary
    return api.Change(
        against=api.VersionName(tariff_uid=against.tariff_uid, version=against.version),
        added=counts.added,
        removed=counts.removed,
        dearer=counts.price_up,
        cheaper=counts.price_down,
        other_terms=counts.terms,
        same=counts.same,
        heading=found.heading,
    )


def trial(found: Trial) -> api.Trial:
    """Say what one price list says to a call that never was."""
    charge = found.charge
    return api.Trial(
        price_list=found.price_list,
        status=charge["status"],
        reason=charge["reason"],
        amount=money(charge["amount_nanos"]),
        currency=charge["currency"],
        exact=exact(charge),
        tariff_uid=charge["tariff_uid"],
        tariff_version=charge["tariff_version"],
        prefix=charge["prefix"],
        text=found.text,
        steps=_steps(found.steps),
    )


def summary(found: Preview) -> api.Summary:
    """Say what a period would have cost."""
    return api.Summary(
        price_list=found.price_list,
        calls=found.calls,
        changed=found.changed,
        sums=[
            api.Sum(
                currency=currency, before=money(s.before), after=money(s.after),
                difference=money(s.after - s.before), unrated_before=s.unrated_before,
                unrated_after=s.unrated_after,
            )
            for currency, s in sorted(found.sums.items())
        ],
        differences=[
            api.Difference(
                call_id=id_text(d.call_id), started_at_ms=d.started_at_ms, called=d.called,
                currency=d.currency, before=money(d.before), after=money(d.after),
                difference=money(d.after - d.before), reason=d.reason,
            )
            for d in found.differences()
        ],
    )  # fmt: skip


def explanation(call: Mapping[str, Any], found: Sequence[Explained]) -> api.ExplainReply:
    """Say a call and why its charges are what they are."""
    started = call["started_at"]
    same = (
        "site_zone", "calling", "called", "direction", "disposition", "talk_ms", "extension",
        "person_uid", "department_uid", "site_uid",
    )  # fmt: skip
    return api.ExplainReply(
        call_id=id_text(call["call_id"]),
        explanations=[_explained(e) for e in found],
        started_at_ms=None if started is None else round(started.timestamp() * 1000),
        call_class=call["class"],
        **{name: call[name] for name in same},
    )


def _explained(explained: Explained) -> api.Explanation:
    charge = explained.charge
    return api.Explanation(
        charge_id=id_text(charge["charge_id"]),
        price_list=charge["price_list"],
        payer=charge["payer"],
        entry=charge["entry"],
        status=charge["status"],
        amount=money(charge["amount_nanos"]),
        currency=charge["currency"],
        exact=exact(charge),
        tariff_uid=charge["tariff_uid"],
        tariff_version=charge["tariff_version"],
        text=explained.text,
        steps=_steps(explained.steps),
    )


def _steps(steps: Iterable[Step]) -> list[api.Step]:
    return [
        api.Step(kind=s.kind, inputs=dict(s.inputs), result=s.result, text=s.text) for s in steps
    ]
