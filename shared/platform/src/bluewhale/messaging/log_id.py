"""Which log a record was taken into: an id that travels with it, and who believes it.

A record passes two topics on its way to the main database: raw and parsed. A
*log* here is these two topics, named by their ids. Whoever wipes a topic makes
another log of it. Ingest notices that a moment later, asks the units again for
everything that is not stored, and has put frames into the new topic meanwhile:
with a hole before them, which it is about to close. So each frame carries the id
of the log that it was meant for, and so does what becomes of it; a reader
passes over what was meant for another topic than the one it reads. What is read
of one log has no hole.

Owns that id. Does not own noticing (`bluewhale.ingest`), nor the topic's own
promises: what a log acknowledged and lost under the same id nobody can see here.
"""

from __future__ import annotations

from bluewhale.messaging.port import PARSED, RAW, Log, Message

HEADER = "log_id"
_TOPICS = (RAW, PARSED)  # in the order in which a record passes them


def log_id_of(log: Log) -> str:
    """Give the id of the log as it is now; `LogUnavailableError`, `TopicShapeError`."""
    return "/".join(log.topic_id(name) for name in _TOPICS)


def meant_for(log_id: str, topic: str, topic_id: str) -> bool:
    """Say whether what is marked so was meant for this topic.

    "" (of a release that did not mark) and topics that no record passes: yes.
    """
    said = dict(zip(_TOPICS, log_id.split("/"), strict=False)).get(topic)
    return not said or said == topic_id


def is_meant(message: Message, topic_id: str) -> bool:
    """Say whether a message was meant for the topic that it was read from."""
    return meant_for((message.header(HEADER) or b"").decode(), message.topic, topic_id)
