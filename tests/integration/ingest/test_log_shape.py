"""A raw topic of another count of partitions is refused with the remedy; units wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from bluewhale.messaging.kafka import KafkaLog

from tests.integration.ingest.places import (
    client_of,
    ingest_on,
    keys_of,
    until,
    write_configuration,
)

pytestmark = pytest.mark.services


def test_a_topic_of_another_count_of_partitions_is_refused_with_the_remedy(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Made with three, configured with two: not ready, and units are told to come again."""
    log = KafkaLog(kafka_bootstrap, client_id="other", prefix=kafka_prefix)
    log.ensure_topics(3, 1)
    log.close()

    async def scenario() -> None:
        path = write_configuration(tmp_path, bootstrap=kafka_bootstrap, prefix=kafka_prefix)
        async with ingest_on(
            path, lambda: KafkaLog(kafka_bootstrap, client_id="ingest", prefix=kafka_prefix)
        ) as (ingest, conditions):
            await until(
                lambda: (
                    "partitions" in conditions.latest["log"][1] and conditions.latest["database"][0]
                ),
                "the refusal",
            )
            assert "has 3 partitions, this installation 2: set" in conditions.latest["log"][1]
            assert ingest.credentials is not None
            keys = keys_of(ingest.credentials.authority(), "depot")
            async with client_of(ingest, "depot", keys) as client:
                status, text = await client.ended()
                assert status is grpc.StatusCode.UNAVAILABLE
                assert text.startswith("log_unavailable: topic")
                assert "cluster.kafka.partitions to 3" in text

    asyncio.run(scenario())
