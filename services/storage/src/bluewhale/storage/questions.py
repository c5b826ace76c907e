"""Requests of the query API as questions to the main database.

Owns limits and the refusal of what cannot be meant; each refusal names the
field. Does not own the answers' form (`answers`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, cast

from bluewhale.api.query.v1 import query_pb2 as api
from bluewhale.database import CALL_COLUMNS, REPORT_KINDS, CallFilter, SuspenseFilter
from bluewhale.records.enums import CallClass, Direction, Disposition, RejectReason, SuspenseState
from bluewhale.records.exceptions import IdTextError
from bluewhale.records.ids import id_text, parse_id_text
from bluewhale.storage.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bluewhale.database import ReportBy
    from bluewhale.database.search import PageKey

CALLS_MAX = 10_000_000  # of one search: an export
CALLS_DEFAULT = 100
PAGE_ROWS_MAX = 20_000
PAGE_ROWS_DEFAULT = 1_000
LIST_ROWS_MAX = 10_000
LIST_ROWS_DEFAULT = 1_000
GROUPS_MAX = 10_000
REPORTS_MAX = 8  # in one question
TEXT_LETTERS_MAX = 256
VALUES_MAX = 10_000  # departments or record numbers in one question
_YEAR_3000_MS = 32_503_680_000_000
_NANOS_MAX = 2**63 - 1
_AFTER_SIGN = ":"


def call_filter(wanted: api.CallFilter) -> CallFilter:
    """Turn a filter message into a filter of the database.

    Raises
    ------
    InvalidRequestError
        A value is out of range or not one of the closed list.
    """
    since, until = _moment(wanted, "from_ms"), _moment(wanted, "until_ms")
    if since is not None and until is not None and until < since:
        raise InvalidRequestError("filter.until_ms is before filter.from_ms")
    departments = list(wanted.department_uids)
    _at_most("filter.department_uids", len(departments), VALUES_MAX)
    sites = list(wanted.site_uids)
    _at_most("filter.site_uids", len(sites), VALUES_MAX)
    _at_most("filter.call_ids", len(wanted.call_ids), VALUES_MAX)
    return CallFilter(
        from_at=since,
        until_at=until,
        number=_text(wanted, "number"),
        person=_text(wanted, "person_uid"),
        departments=departments or None,
        site=_text(wanted, "site_uid"),
        sites=sites or None,
        trunk=_text(wanted, "trunk"),
        extension=_text(wanted, "extension"),
        direction=_one_of("filter.direction", _text(wanted, "direction"), Direction),
        call_class=_one_of("filter.call_class", _text(wanted, "call_class"), CallClass),
        disposition=_one_of("filter.disposition", _text(wanted, "disposition"), Disposition),
        account_code=_text(wanted, "account_code"),
        price_list=_text(wanted, "price_list"),
        cost_min_nanos=_nanos(wanted, "cost_min"),
        cost_max_nanos=_nanos(wanted, "cost_max"),
        text=_text(wanted, "text"),
        unrated_only=wanted.unrated_only,
        calls=[stored_id("filter.call_ids", one) for one in wanted.call_ids] or None,
    )


def call_columns(names: Iterable[str]) -> list[str]:
    """Give columns of stored calls, all of them where none is named.

    Raises
    ------
    InvalidRequestError
        There is no such column, or it is named twice.
    """
    wanted = list(names) or list(CALL_COLUMNS)
    for name in wanted:
        if name not in CALL_COLUMNS:
            raise InvalidRequestError(f"columns: there is no {name[:60]!r} in stored calls")
        if wanted.count(name) > 1:
            raise InvalidRequestError(f"columns: {name} is named twice")
    return wanted


def suspense_filter(request: api.SuspenseRequest) -> SuspenseFilter:
    """Turn a request for waiting records into a filter of the database."""
    numbers = list(request.suspense_ids)
    _at_most("suspense_ids", len(numbers), VALUES_MAX)
    return SuspenseFilter(
        state=_one_of("state", _text(request, "state"), SuspenseState),
        reason=_one_of("reason", _text(request, "reason"), RejectReason),
        link_uid=_text(request, "link_uid"),
        site_uid=_text(request, "site_uid"),
        suspense_ids=numbers or None,
    )


def report_by(text: str) -> ReportBy:
    """Give the way of grouping."""
    if text not in REPORT_KINDS:
        raise InvalidRequestError(f"by = {text!r}: one of {', '.join(REPORT_KINDS)}")
    return cast("ReportBy", text)


def duplicate_state(request: api.DuplicatesRequest) -> str | None:
    """Give the state of duplicates asked for; None = any."""
    return _one_of("state", _text(request, "state"), ("counted", "two_calls"))


def limited(name: str, value: int, default: int, most: int) -> int:
    """Give a count of rows, its default where it is 0; refuse what is out of range."""
    if not 0 <= value <= most:
        raise InvalidRequestError(f"{name} = {value}: 1 to {most:,}, or 0 for {default:,}")
    return value or default


def stored_id(name: str, text: str) -> bytes:
    """Read an id of 26 letters."""
    try:
        return parse_id_text(text.strip().lower())
    except IdTextError as error:
        raise InvalidRequestError(f"{name}: {error}") from None


def place(key: PageKey) -> str:
    """Give a place in the list of calls as text that `after` takes."""
    return f"{key[0]}{_AFTER_SIGN}{id_text(key[1])}"


def after(text: str) -> PageKey | None:
    """Read the place to go on behind; None = from the newest."""
    if not text:
        return None
    moment, sign, name = text.partition(_AFTER_SIGN)
    if not sign or not moment.removeprefix("-").isdecimal():
        raise InvalidRequestError(f"after = {text[:60]!r}: hand in `next` of a page as it is")
    return int(moment), stored_id("after", name)


def _text(
    message: api.CallFilter | api.SuspenseRequest | api.DuplicatesRequest, name: str
) -> str | None:
    if not message.HasField(name):  # type: ignore[arg-type]  # names of three messages
        return None
    value: str = getattr(message, name)
    if len(value) > TEXT_LETTERS_MAX:
        raise InvalidRequestError(f"{name} has {len(value)} letters; at most {TEXT_LETTERS_MAX}")
    if "\0" in value:
        raise InvalidRequestError(f"{name} holds a zero byte")
    return value


def _one_of(name: str, value: str | None, known: Iterable[str]) -> str | None:
    words = [str(word) for word in known]
    if value is not None and value not in words:
        raise InvalidRequestError(f"{name} = {value!r}: one of {', '.join(words)}")
    return value


def _moment(wanted: api.CallFilter, name: str) -> datetime | None:
    if not wanted.HasField(name):  # type: ignore[arg-type]  # two names of one message
        return None
    value: int = getattr(wanted, name)
    if not 0 <= value <= _YEAR_3000_MS:
        raise InvalidRequestError(f"filter.{name} = {value}: milliseconds since 1970, UTC")
    return datetime.fromtimestamp(value / 1000, UTC)


def _nanos(wanted: api.CallFilter, name: str) -> int | None:
    text = _text(wanted, name)
    if text is None:
        return None
    try:
        nanos = Decimal(text).scaleb(9)
        whole = int(nanos)
    except (InvalidOperation, OverflowError, ValueError):
        raise InvalidRequestError(f"filter.{name} = {text!r}: an amount such as 2.50") from None
    if whole != nanos or abs(whole) > _NANOS_MAX:
        raise InvalidRequestError(
            f"filter.{name} = {text!r}: at most 9 places, below 9.2 thousand million"
        )
    return whole


def _at_most(name: str, count: int, most: int) -> None:
    if count > most:
        raise InvalidRequestError(f"{name} has {count:,} values; at most {most:,}")
