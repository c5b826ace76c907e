"""What the API says and takes, as types: money as text, instants in UTC, names beside uids.

Owns the shapes; the OpenAPI document is made from them. Does not own where the
values come from (`saying`).
"""

from __future__ import annotations

from typing import Annotated, Any

from bluewhale.rating.explain import StepKind
from pydantic import BaseModel, ConfigDict, Field

Instant = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-21T13:03:01.000Z"])
]
Whole = Annotated[str, Field(pattern=r"^-?\d{1,20}$", examples=["88104"])]  # beyond 53 bits
Day = Annotated[str, Field(json_schema_extra={"format": "date"}, examples=["2026-11-21"])]
Scope = Annotated[
    str,
    Field(
        description="filter in the address grammar, periods fixed to instants",
        examples=["from=2026-11-20T23:00:00Z&to=2026-11-21T23:00:00Z&site=berlin"],
    ),
]


class Shape(BaseModel):
    """Every answer: nothing is added that its schema does not name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """Every body of a request: a misspelt field is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=8_192)


class Money(Shape):
    """Decimal text beside its currency; never a number, never summed over currencies."""

    amount: Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", examples=["0.3188"])]
    currency: Annotated[str, Field(examples=["EUR"])]


class Name(Shape):
    """A thing of the directory; `name` is null where the directory knows none."""

    uid: Annotated[str, Field(examples=["berlin"])]
    name: Annotated[str | None, Field(examples=["Berlin"])]


class Party(Shape):
    """A number as it is shown to this reader; masked digits are not sent."""

    shown: Annotated[str, Field(examples=["+34915550100"])]
    e164: Annotated[str | None, Field(examples=["+34915550100"])]
    masked: bool


class Problem(Shape):
    """What went wrong, what it was about, and what to do."""

    type: Annotated[str, Field(examples=["urn:bluewhale:problem:filter_invalid"])]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(examples=["filter_invalid"])]
    params: dict[str, Any]
    remedy: str
    trace_id: str


# ---- calls -----------------------------------------------------------------------------------


class Period(Shape):
    """When; half open, null = without bound. Days were meant in `zone`."""

    from_: Annotated[Instant | None, Field(alias="from", serialization_alias="from")]
    to: Instant | None
    zone: Annotated[str, Field(examples=["Europe/Berlin"])]

    model_config = ConfigDict(populate_by_name=True, extra="forbid", frozen=True)


class Total(Shape):
    """How many; not exact = at least so many."""

    count: int
    exact: bool


class Price(Shape):
    """What of a call one price list charges; money null = nothing of it has a price."""

    price_list: str
    money: Money | None
    unpriced: Annotated[int, Field(description="charges without a price")]


class Call(Shape):
    """One call as lists show it."""

    call_id: Annotated[str, Field(examples=["ce7o4qlzvv6s2lhg4zjd6vrmyq"])]
    version: int
    state: str
    superseded_by: str | None
    started_at: Instant | None
    answered_at: Instant | None
    ended_at: Instant | None
    zone: str | None
    ring_ms: int | None
    queue_ms: int | None
    hold_ms: int | None
    talk_ms: int | None
    direction: str | None
    call_class: str | None
    disposition: str | None
    calling: Party | None
    called: Party | None
    first_destination: Party | None
    final_destination: Party | None
    site: Name | None
    extension: str | None
    person: Name | None
    department: Name | None
    cost_center_uid: str | None
    account_code: str | None
    trunk_in: str | None
    trunk_out: str | None
    transfers: int
    legs: int
    prices: list[Price]


class CallPage(Shape):
    """Calls, newest first."""

    scope: Scope
    period: Period
    items: list[Call]
    next: str | None
    prev: str | None
    total: Total


class SearchBody(Body):
    """A filter in the address grammar, and which page of it."""

    filter: Annotated[str, Field(max_length=4_096, examples=["period=last-7d&number=+34915550100"])]
    limit: Annotated[int, Field(ge=1, le=1_000)] = 200
    after: Annotated[str | None, Field(max_length=8_000)] = None


class FilterBody(Body):
    """A filter in the address grammar."""

    filter: Annotated[str, Field(max_length=4_096, examples=["period=today&site=berlin"])]


class Leg(Shape):
    """One record of a PBX, read."""

    cdr_id: str
    pbx: Name
    site: Name | None
    link_uid: str | None
    dialect_id: str
    dialect_version: int
    role: str | None
    stream_id: Whole
    incarnation: Whole
    seq: Whole
    setup_at: Instant | None
    answer_at: Instant | None
    release_at: Instant | None
    received_at: Instant | None
    ingested_at: Instant | None
    duration_ms: int | None
    calling: Party | None
    called: Party | None
    connected: Party | None
    redirecting: Party | None
    direction: str | None
    call_class: str | None
    disposition: str | None
    trunk_in: str | None
    trunk_out: str | None


class Join(Shape):
    """Why two legs are one call: indexes into `legs`."""

    leg: int
    other: int
    reason: str
    confidence: float


class Version(Shape):
    """The call as it was known at some time."""

    version: int
    state: str
    superseded_by: str | None
    started_at: Instant | None
    ended_at: Instant | None
    legs: int
    prices: list[Price]


class TariffVersion(Shape):
    """A version of a tariff."""

    uid: str
    version: int


class Charge(Shape):
    """One entry of the ledger; entries are never edited."""

    charge_id: str
    call_version: int
    span: int
    price_list: str
    payer: str | None
    entry: str
    reverses: str | None
    reason: str | None
    status: str | None
    money: Money | None
    tariff: TariffVersion | None
    rated_at: Instant | None
    start_at: Instant | None
    quantity_ms: int | None
    rated_quantity_ms: int | None
    prefix: str | None


class CallDetail(Shape):
    """Everything stored about one call."""

    call: Call
    legs: list[Leg]
    joins: list[Join]
    versions: list[Version]
    charges: list[Charge]


class Step(Shape):
    """One step from a call to its amount; amounts are exact decimals, or n/d."""

    kind: StepKind
    inputs: dict[str, str]
    result: str
    text: str


class ExplainedCharge(Shape):
    """One entry of the ledger with its steps."""

    charge_id: str
    price_list: str
    payer: str | None
    entry: str
    status: str
    money: Money | None
    exact: str
    tariff: TariffVersion | None
    steps: list[Step]
    text: str


class Receipt(Shape):
    """Why a call costs what it costs, to the last decimal."""

    call_id: str
    zone: str | None
    charges: list[ExplainedCharge]


class RawField(Shape):
    """One field of a record; [from, to) in bytes, null where it is not in the line."""

    name: str
    from_: Annotated[int | None, Field(alias="from", serialization_alias="from")]
    to: int | None
    position: str
    text: str
    value: str | None
    meaning: str
    note: str

    model_config = ConfigDict(populate_by_name=True, extra="forbid", frozen=True)


class RawLeg(Shape):
    """What the PBX printed, and how it was read."""

    cdr_id: str
    pbx: Name
    dialect_id: str
    dialect_version: int
    bytes: Annotated[str, Field(description="base64", json_schema_extra={"format": "byte"})]
    context: Annotated[str | None, Field(description="base64: the lines it stood under")]
    fields: list[RawField]
    note: str


class Raw(Shape):
    """What the PBXs printed of one call."""

    call_id: str
    legs: list[RawLeg]
