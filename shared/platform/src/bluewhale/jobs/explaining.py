"""Why a stored call costs what it costs: the call that is meant, and each of its charges in words.

Owns finding a call by what a person has of its id, and which tariff version a
charge is explained by. Does not own the words (`bluewhale.rating.explain`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bluewhale.capture.exceptions import InputError
from bluewhale.database import CallFilter, NotFoundError
from bluewhale.jobs.tariffs import stored_version
from bluewhale.rating.explain import Step, explain_charge, receipt_steps
from bluewhale.records.exceptions import IdTextError
from bluewhale.records.ids import ID_TEXT_LENGTH, id_day, id_text, parse_id_text

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.rating.tariff import TariffVersion

SHORTEST_ID_LETTERS = 6  # the first five say the day
NEAR_CALLS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Explained:
    """One entry of the ledger as a row, and why it is what it is."""

    charge: Mapping[str, Any]
    text: str
    steps: Sequence[Step]


def explained(
    store: Store,
    call_id: bytes,
    read: Callable[[Store, str, int], TariffVersion] = stored_version,
) -> tuple[Mapping[str, Any], list[Explained]]:
    """Give a call as a row of STORED_CALL_SCHEMA, and every entry of its ledger with its words.

    read: gives a stored version of a tariff.

    Raises
    ------
    NotFoundError
        There is no such call.
    """
    call, charges = store.priced_call(call_id)
    head: Mapping[str, Any] = call.to_pylist()[0]
    versions: dict[tuple[str, int], TariffVersion] = {}
    found = []
    for charge in charges.to_pylist():
        version = None
        if charge["tariff_uid"] is not None:
            key = charge["tariff_uid"], charge["tariff_version"]
            version = versions.get(key) or read(store, *key)
            versions[key] = version
        number = head["called"]
        found.append(
            Explained(
                charge,
                explain_charge(charge, version, number=number),
                receipt_steps(charge, version, number=number),
            )
        )
    return head, found


def call_named(store: Store, text: str) -> bytes:
    """Find a call by its id, or by the first letters of it where only one call has them.

    Raises
    ------
    InputError, NotFoundError
        No id, too short, or of more than one call; of none.
    """
    name = text.strip().lower()
    missing = ID_TEXT_LENGTH - len(name)
    try:
        first = parse_id_text(name + "a" * missing)  # "a" stands for zero bits
    except IdTextError as error:
        raise InputError(
            f"{text!r} is not a call id: {error}; copy it from `bluewhale calls`"
        ) from error
    if missing <= 0:
        return first
    if len(name) < SHORTEST_ID_LETTERS:
        raise InputError(f"{text!r} is too short; give {SHORTEST_ID_LETTERS} letters or more")
    found = _ids_beginning(store, name, first)
    if not found:
        raise NotFoundError(f"no call begins with {text!r}; see: bluewhale calls")
    if len(found) > 1:
        raise InputError(f"{len(found)} calls begin with {text!r}; give more letters of the id")
    return found[0]


def _ids_beginning(store: Store, name: str, first: bytes) -> list[bytes]:
    """Give the ids that begin with these letters; an id begins with the day of its first leg."""
    try:
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=id_day(first))
        near = CallFilter(from_at=day - timedelta(days=3), until_at=day + timedelta(days=4))
    except OverflowError:  # letters of no day that a calendar has
        return []
    ids = store.search_calls(near, limit=NEAR_CALLS_MAX).column("call_id").to_pylist()
    return [x for x in ids if x >= first and id_text(x).startswith(name)]
