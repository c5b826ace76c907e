"""What people do to topics of a broker, for tests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from bluewhale.messaging.kafka_connection import Connection
from bluewhale.messaging.kafka_security import KafkaSecurity
from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError


@contextlib.contextmanager
def administrator(bootstrap: str) -> Iterator[KafkaAdminClient]:
    """Give an admin client; closing it leaves no socket that was on its way to a broker."""
    admin = Connection(bootstrap, "tests", KafkaSecurity()).open(KafkaAdminClient)
    try:
        yield admin
    finally:
        admin.close()


def remake(bootstrap: str, name: str, partitions: int) -> None:
    """Delete a topic of a broker and make it again."""
    with administrator(bootstrap) as admin:
        admin.delete_topics([name])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})
            except TopicAlreadyExistsError:
                time.sleep(0.05)
            else:
                break
        admin.wait_for_topics([name])
