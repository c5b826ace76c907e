"""structlog, set up once: JSON on stdout, pretty on a terminal.

Owns the processors. A line with an attribute outside the closed list is a
programmer's error and fails in tests; in service the stray attribute is
dropped and the line says so, since a log line must never stop the work.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TextIO

import structlog
from bluewhale.telemetry import tracing
from bluewhale.telemetry.attributes import NAMES
from bluewhale.telemetry.masking import mask_number

_ERROR_LETTERS_MAX = 500
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class Level:
    """The level of a process; `until_ms` UTC, 0 = until it ends; then `back_to` holds."""

    name: str
    until_ms: int = 0
    back_to: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the log that told of an error, in words; `at_ms` UTC."""

    text: str
    at_ms: int


@dataclass(slots=True)
class _Log:
    level: Level
    error: Told | None = None


_log = _Log(Level("info"))  # of this process; loggers that were bound before see a change too


def level_now() -> Level:
    """Give the level that holds now."""
    level = _log.level
    if level.until_ms and level.until_ms <= _now_ms():
        level = _log.level = Level(level.back_to)
    return level


def last_error() -> Told | None:
    """Give the last error that this process told of; None = none so far."""
    return _log.error


def _at_level(
    _logger: Any, method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if LEVELS.get(method, 50) < LEVELS[level_now().name]:
        raise structlog.DropEvent
    return line


def set_level(level: str, *, for_ms: int = 0) -> str:
    """Change the level of this process at once; gives the previous one.

    for_ms: then the level that held for good before returns; 0 = it stays.
    """
    assert level in LEVELS, f"{level} is no log level"
    before = level_now()
    lasting = before.back_to or before.name
    _log.level = Level(level, _now_ms() + for_ms, lasting) if for_ms else Level(level)
    return before.name


def _now_ms() -> int:
    return int(time.time() * 1000)


def _remembered(
    _logger: Any, method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep the last line that told of an error, also where it is only a warning."""
    error = line.get("error")
    if error or LEVELS.get(method, 50) >= LEVELS["error"]:
        text = f"{line['event']}: {error}" if error else str(line["event"])
        _log.error = Told(text[:_ERROR_LETTERS_MAX], _now_ms())
    return line


def _only_known(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    stray = [name for name in line if name not in NAMES and name != "exc_info"]
    for name in stray:
        del line[name]
    if stray:
        line["error"] = (
            f"attributes outside the closed list were dropped: {', '.join(sorted(stray))}"
        )
    return line


def _traced(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    traceparent = tracing.current()
    if traceparent:
        line["trace_id"], line["span_id"] = tracing.ids_of(traceparent)
    return line


def _masked(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if "number" in line:
        line["number"] = mask_number(str(line["number"]))
    return line


def configure_logs(
    *, level: str = "info", stream: TextIO | None = None, pretty: bool | None = None
) -> None:
    """Set up logging of this process.

    `pretty` defaults to whether `stream` (stdout) is a terminal.
    """
    out = stream if stream is not None else sys.stdout
    human = out.isatty() if pretty is None else pretty
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=human and out.isatty())
        if human
        else structlog.processors.JSONRenderer()
    )
    set_level(level)
    processors: list[Any] = [
        _at_level,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _traced,
        _only_known,
        _masked,
        _remembered,
    ]
    if not human:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS["debug"]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(capture=True)


def get_logger(room: str) -> Any:
    """Give the logger of one room."""
    return structlog.get_logger().bind(room=room)


def canonical_line(
    logger: Any,
    event: str,
    *,
    records_in: int,
    accepted: int,
    rejected_by_reason: Mapping[str, int],
    duration_ms: int,
    **facts: Any,
) -> None:
    """Write the one line of a batch: counts in, accepted, rejected by reason, duration.

    Never one line per record.
    """
    logger.info(
        event,
        records_in=records_in,
        accepted=accepted,
        rejected=sum(rejected_by_reason.values()),
        rejected_by_reason=dict(rejected_by_reason),
        duration_ms=duration_ms,
        **facts,
    )
