"""What people do to topics of a broker, for tests."""

from __future__ import annotations

import time

from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError


def remake(bootstrap: str, name: str, partitions: int) -> None:
    """Delete a topic of a broker and make it again."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
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
    finally:
        admin.close()
