"""Messages of the log for tests: legs as a parser sends them, calls as billing does."""

from __future__ import annotations

from typing import Any

from bluewhale.messaging import PARSED, RATED, Log
from bluewhale.messaging.envelopes import ParsedMessage, RatedMessage
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA

from tests.support.delivery import propose_labelled
from tests.support.legs import leg_table


def parsed(*legs: dict[str, Any], time_ms: int = 1, **more: Any) -> ParsedMessage:
    """Give a message of legs."""
    table = leg_table(*legs) if legs else LEG_SCHEMA.empty_table()
    return ParsedMessage(table, SUSPENSE_SCHEMA.empty_table(), data_time_ms=time_ms, **more)


def rated(*legs: dict[str, Any], labels: list[int] | None = None, time_ms: int = 1) -> RatedMessage:
    """Give a message that proposes a call per label (default: each leg its own)."""
    if not legs:
        return RatedMessage(None, time_ms)
    import numpy as np

    labels = list(range(len(legs))) if labels is None else labels
    return RatedMessage(propose_labelled(leg_table(*legs), np.array(labels), 1), time_ms)


def send(log: Log, message: ParsedMessage | RatedMessage, partition: int = 0) -> int:
    """Write a message to its topic; give its offset."""
    topic = PARSED if isinstance(message, ParsedMessage) else RATED
    value, headers = message.encode()
    producer = log.producer()
    return producer.send(topic, partition, value, headers=headers).result(60)
