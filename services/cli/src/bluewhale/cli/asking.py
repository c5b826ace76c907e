"""Where stored calls are asked for: in the store of this machine, or at the storage role.

Owns one way to ask both, and the query API's messages as the rows that a store gives.
Does not own the service (`bluewhale.storage`) or what people see (`commands.calls`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import typer
from bluewhale.cli.door import keep_open
from bluewhale.cli.jobbing import refusal

if TYPE_CHECKING:
    import pyarrow as pa
    from bluewhale.configuration import Settings
    from bluewhale.database import CallDetail, CallFilter, ReportBy, Store

ServerOption = Annotated[
    str | None,
    typer.Option(
        help="host:port of storage; default: where the configuration names PostgreSQL, its"
        " cluster.storage, else the store of this machine."
    ),
]
CALL_TIMEOUT_S = 120.0
SERVICE = "query"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = frozenset({
    "started_at", "answered_at", "ended_at", "setup_at", "answer_at", "release_at", "received_at",
    "ingested_at", "rated_at", "start_at",
})  # fmt: skip
_IDS = frozenset({"call_id", "cdr_id", "charge_id", "superseded_by", "reverses"})
_FILTERS = {
    "number": "number", "person": "person_uid", "site": "site_uid", "trunk": "trunk",
    "extension": "extension", "direction": "direction", "call_class": "call_class",
    "disposition": "disposition", "account_code": "account_code", "price_list": "price_list",
    "text": "text",
}  # fmt: skip


class Found(NamedTuple):
    """What a store says about completeness."""

    days: pa.Table
    gaps: pa.Table
    complete: bool


class Stored(Protocol):
    """What is stored, wherever that is."""

    def search(self, wanted: CallFilter, *, limit: int) -> pa.Table:
        """Give calls, newest first: STORED_CALL_SCHEMA."""

    def call(self, name: str) -> CallDetail:
        """Give one call by its id, or by the first letters of it."""

    def report(
        self, by: ReportBy, wanted: CallFilter, *, limit: int | None
    ) -> list[dict[str, Any]]:
        """Give sums per group."""

    def completeness(self, site: str | None) -> Found:
        """Give totals per day, and the gaps."""


@contextlib.contextmanager
def stored(config: Path, server: str | None) -> Iterator[tuple[Settings | None, Stored]]:
    """Give the settings, where there are any, and what is stored.

    Raises
    ------
    InputError, NotFoundError
        What storage refused.
    StorageAwayError
        Nobody answers there.
    """
    import grpc
    from bluewhale.configuration.roles import governing
    from bluewhale.jobs.opening import server_address
    from bluewhale.nexus.peers import visiting

    settings = settings_if_needed(config, needed=server is None)
    cluster = settings.cluster if settings is not None else None
    if server is None and (cluster is None or server_address(cluster.database) is None):
        from bluewhale.database import Store

        assert settings is not None
        yield settings, Here(keep_open(Store.open(settings.data / "store")))
        return
    if server is None:
        assert cluster is not None
        server = cluster.storage.address
    with visiting(SERVICE, server, governing(cluster)) as stub:
        try:
            yield settings, There(stub)
        except grpc.RpcError as error:
            raise refusal(error, server) from error


def settings_if_needed(config: Path, *, needed: bool) -> Settings | None:
    """Give the settings; None where there are none and an address was told anyway."""
    from bluewhale.configuration import ConfigurationError, read_settings

    try:
        return read_settings(config)
    except ConfigurationError:
        if needed:
            raise
        return None


class Here:
    """The store of this machine."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search(self, wanted: CallFilter, *, limit: int) -> pa.Table:
        """Give calls, newest first."""
        return self._store.search_calls(wanted, limit=limit)

    def call(self, name: str) -> CallDetail:
        """Give one call."""
        from bluewhale.jobs.explaining import call_named

        return self._store.get_call(call_named(self._store, name))

    def report(
        self, by: ReportBy, wanted: CallFilter, *, limit: int | None
    ) -> list[dict[str, Any]]:
        """Give sums per group."""
        return whole_nanos(self._store.report(by, wanted, limit=limit))

    def completeness(self, site: str | None) -> Found:
        """Give totals per day, and the gaps."""
        found = self._store.completeness(site=site)
        return Found(found.days, found.gaps, found.complete)


def whole_nanos(report: pa.Table) -> list[dict[str, Any]]:
    """Give the rows of a report, amounts as integers of any size."""
    rows: list[dict[str, Any]] = report.to_pylist()
    for row in rows:
        if row["amount_nanos"] is not None:
            row["amount_nanos"] = int(row["amount_nanos"])
    return rows


class There:
    """The storage role."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def search(self, wanted: CallFilter, *, limit: int) -> pa.Table:
        """Give calls, newest first."""
        import pyarrow as pa
        from bluewhale.api.query.v1 import query_pb2 as api

        request = api.SearchCallsRequest(
            filter=_message(wanted), limit=limit, encoding=api.ENCODING_ARROW
        )
        pages = self._stub.SearchCalls(request, timeout=CALL_TIMEOUT_S)
        return pa.concat_tables([pa.ipc.open_stream(page.arrow).read_all() for page in pages])

    def call(self, name: str) -> CallDetail:
        """Give one call."""
        import pyarrow as pa
        from bluewhale.api.query.v1 import query_pb2 as api
        from bluewhale.database import CallDetail

        found = self._stub.GetCall(api.GetCallRequest(call_id=name), timeout=CALL_TIMEOUT_S)
        return CallDetail(
            call=pa.Table.from_pylist([_row(found.call)]),
            versions=pa.Table.from_pylist([_row(x) for x in found.versions]),
            legs=pa.Table.from_pylist([_row(x) for x in found.legs]),
            charges=pa.Table.from_pylist([_row(x) for x in found.charges]),
            contexts={x.raw_context_id: x.text for x in found.contexts},
        )

    def report(
        self, by: ReportBy, wanted: CallFilter, *, limit: int | None
    ) -> list[dict[str, Any]]:
        """Give sums per group."""
        from bluewhale.api.query.v1 import query_pb2 as api

        request = api.ReportRequest(by=by, filter=_message(wanted), limit=limit or 0)
        return [_row(x) for x in self._stub.Report(request, timeout=CALL_TIMEOUT_S).rows]

    def completeness(self, site: str | None) -> Found:
        """Give totals per day, and the gaps."""
        import pyarrow as pa
        from bluewhale.api.query.v1 import query_pb2 as api

        request = api.CompletenessRequest(site_uid=site)
        found = self._stub.Completeness(request, timeout=CALL_TIMEOUT_S)
        days = [_row(x) for x in found.days]
        for day in days:
            day["day"] = date(1970, 1, 1) + timedelta(days=day["day"])
        gaps = pa.Table.from_pylist([_row(x) for x in found.gaps])
        return Found(pa.Table.from_pylist(days), gaps, found.complete)


def _message(wanted: CallFilter) -> Any:
    """Say a filter on the wire."""
    from bluewhale.api.query.v1 import query_pb2 as api

    said: dict[str, Any] = {
        name: value
        for ours, name in _FILTERS.items()
        if (value := getattr(wanted, ours)) is not None
    }
    for name, moment in (("from_ms", wanted.from_at), ("until_ms", wanted.until_at)):
        if moment is not None:
            said[name] = round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
    for name, nanos in (("cost_min", wanted.cost_min_nanos), ("cost_max", wanted.cost_max_nanos)):
        if nanos is not None:
            said[name] = format(Decimal(nanos).scaleb(-9), "f")
    return api.CallFilter(
        department_uids=wanted.departments or (),
        site_uids=wanted.sites or (),
        unrated_only=wanted.unrated_only,
        **said,
    )


def _row(message: Any) -> dict[str, Any]:
    """Read a message as the row that a store gives; what is not there is None."""
    row: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        there = not field.has_presence or message.HasField(field.name)
        name, value = _column(field.name, getattr(message, field.name) if there else None)
        row[name] = value
    return row


def _column(name: str, value: Any) -> tuple[str, Any]:
    """Give name and value of a column of the store for a field of the wire."""
    from bluewhale.records.ids import parse_id_text

    moment = name.removesuffix("_ms")
    if moment in _MOMENTS:
        return moment, None if value is None else _EPOCH + timedelta(milliseconds=value)
    if name in _IDS:
        return name, parse_id_text(value) if value else None
    if name == "leg_ids":
        return name, [parse_id_text(x) for x in value]
    if name == "amount":
        return "amount_nanos", None if value is None else int(Decimal(value or 0).scaleb(9))
    if name in {"joins", "totals"}:
        return name, [_row(x) for x in value]
    if name.endswith("_e164"):
        return name, None if value is None else int(value)
    if name == "call_class":
        return "class", value
    return name, list(value) if name == "pbx_uids" else value
