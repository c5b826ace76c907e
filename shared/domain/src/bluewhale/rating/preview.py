"""What would a call to this number cost? The same engine, one made-up call.

Owns making one billable span of a question; pricing is `columnar`, the answer
in words is `explain`. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from bluewhale.rating.book import PriceBook
from bluewhale.rating.columnar import rate_batch
from bluewhale.rating.explain import Step, explain_charge, receipt_steps
from bluewhale.rating.tariff import TariffVersion
from bluewhale.rating.window_rules import milliseconds
from bluewhale.records.enums import Direction
from bluewhale.records.schemas import BILLABLE_SCHEMA, CALL_SCHEMA

DIGITS_MAX = 15


@dataclass(frozen=True, slots=True)
class Trial:
    """What one price list says: the charge as a row, its version, and why."""

    price_list: str
    charge: Mapping[str, Any]
    version: TariffVersion | None
    text: str
    steps: Sequence[Step]  # the same for programs, in order


@dataclass(frozen=True, slots=True)
class Selectors:
    """What rows may select by, beside the number."""

    carrier: str | None = None
    trunk_group: str | None = None
    call_class: str | None = None
    subscriber: str | None = None
    direction: str = str(Direction.OUTBOUND)


def try_number(
    source: PriceBook | TariffVersion,
    number: str,
    *,
    at: datetime,
    quantity_ms: int = 60_000,
    selectors: Selectors | None = None,
) -> tuple[Trial, ...]:
    """Price an answered call to `number` that never happened.

    Parameters
    ----------
    source
        All price lists, each answering with the version in force at `at`; or
        one version, e.g. a draft.
    number
        International form; "+", "00", spaces and punctuation are allowed. No
        digits at all = a number that cannot be normalised.
    at
        When it is answered; aware.
    quantity_ms
        How long it is connected.

    Returns
    -------
    One trial for each price list, in the order of the book.
    """
    assert at.tzinfo is not None
    book = source if isinstance(source, PriceBook) else PriceBook([source])
    chosen = selectors or Selectors()
    digits = international_digits(number)
    billable = dict.fromkeys(BILLABLE_SCHEMA.names) | {
        "call_row": 0,
        "span": 0,
        "direction": chosen.direction,
        "class": chosen.call_class,
        "called_number": number,
        "rated_e164": int(digits) if digits else None,
        "carrier": chosen.carrier,
        "trunk_group": chosen.trunk_group,
        "subscriber": chosen.subscriber,
        "start_at": at.astimezone(UTC),
        "answered": True,
        "answer_known": True,
        "quantity_ms": quantity_ms,
    }
    call = dict.fromkeys(CALL_SCHEMA.names) | {"call_id": bytes(16), "version": 1}
    charges = rate_batch(
        pa.Table.from_pylist([call], schema=CALL_SCHEMA),
        pa.Table.from_pylist([billable], schema=BILLABLE_SCHEMA),
        book,
        rated_at_ms=milliseconds(at),
    ).to_pylist()
    trials = []
    for charge in charges:
        price_list = charge["price_list"]
        version = None
        if charge["tariff_uid"] is not None:
            version = book.version_at(price_list, milliseconds(at))
        text = explain_charge(charge, version, number=number)
        steps = receipt_steps(charge, version, number=number)
        trials.append(Trial(price_list, charge, version, text, steps))
    return tuple(trials)


def international_digits(number: str) -> str:
    """Give the digits of an international number; "" where it is none.

    "+49 30 23125-123" and "0049 ..." give "493023125123". E.164 numbers have at
    most 15 digits and none begins with 0.
    """
    digits = "".join(sign for sign in number if sign.isascii() and sign.isdigit())
    if not number.lstrip().startswith("+"):
        digits = digits.removeprefix("00")
    return digits if 0 < len(digits) <= DIGITS_MAX and not digits.startswith("0") else ""
