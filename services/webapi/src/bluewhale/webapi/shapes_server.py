"""Shapes of the processes of an installation: how each is, and orders to it."""

from __future__ import annotations

from typing import Annotated, Literal

from bluewhale.webapi.shapes import Body, Instant, Shape
from bluewhale.webapi.shapes_units import Condition
from pydantic import Field

ProcessState = Literal["ready", "not_ready", "draining", "away"]
LogLevel = Literal["debug", "info", "warning", "error"]
Instance = Annotated[str, Field(min_length=1, max_length=200, examples=["storage-0-17"])]


class Lag(Shape):
    """What waits to be worked on; null = not known."""

    count: int | None
    unit: Annotated[str, Field(examples=["records", "messages"])]
    behind_ms: Annotated[int | None, Field(description="age of the oldest that waits")]
    oldest_at: Instant | None


class LastError(Shape):
    """The last error that the log of a process told of."""

    at: Instant
    text: str


class Process(Shape):
    """One running copy of a role; `away` = it does not answer, and nothing else is known."""

    role: Annotated[str, Field(examples=["storage", "embedded"])]
    instance: Instance
    address: Annotated[str, Field(description="where it was asked; empty = this very process")]
    state: ProcessState
    version: str
    started_at: Instant | None
    conditions: list[Condition]
    load_ratio: Annotated[float | None, Field(description="1 = one processor; of the last minute")]
    memory_bytes: int | None
    lag: Lag | None
    log_level: LogLevel | None
    log_level_until: Annotated[Instant | None, Field(description="null = until it ends")]
    last_error: LastError | None


class Server(Shape):
    """All processes of the installation, as they answered at this instant."""

    as_of: Instant
    items: list[Process]


class LogLevelBody(Body):
    """What a process writes into its log, and for how long; then the level before returns."""

    instance: Instance
    level: LogLevel
    minutes: Annotated[int, Field(ge=1, le=1_440)] = 30


class DrainBody(Body):
    """Which process shall end; `although` = also while another one of the chain is not well."""

    instance: Instance
    although: bool = False
