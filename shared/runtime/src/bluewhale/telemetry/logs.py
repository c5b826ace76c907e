"""structlog, set up once: JSON on stdout, pretty on a terminal.

Owns the processors. A line with an attribute outside the closed list is a
programmer's error and fails in tests; in service the stray attribute is
dropped and the line says so, since a log line must never stop the work.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from bluewhale.telemetry import tracing
from bluewhale.telemetry.attributes import NAMES
from bluewhale.telemetry.masking import mask_number

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_level = ["info"]  # of this process; loggers that were bound before see a change too


def _at_level(
    _logger: Any, method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if LEVELS.get(method, 50) < LEVELS[_level[0]]:
        raise structlog.DropEvent
    return line


def set_level(level: str) -> str:
    """Change the level of this process at once; gives the previous one."""
    assert level in LEVELS, f"{level} is no log level"
    previous, _level[0] = _level[0], level
    return previous


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
