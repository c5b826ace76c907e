"""Main database and log of an installation, as its configuration names them.

The only place that knows both sides. Does not own either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bluewhale.database import Store

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration, Settings
    from bluewhale.messaging import Log


def open_store(configuration: Configuration) -> Store:
    """Open the main database: PostgreSQL where the cluster names one, else SQLite in `data`.

    Raises
    ------
    StoreError
        As `Store.open` says.
    """
    return open_main(configuration.settings)


def open_main(settings: Settings) -> Store:
    """Open the main database as `open_store` does, where settings are all that is known."""
    database = settings.cluster.database if settings.cluster else None
    if database is not None and database.url:
        return Store.open(database.url, segments=database.segments)
    return Store.open(settings.data / "store")


def open_log(configuration: Configuration, role: str) -> Log:
    """Open the log and make its topics, if they are not there.

    Raises
    ------
    LogUnavailableError
        No broker answers; try again.
    TopicShapeError
        A topic has another count of partitions than the configuration says.
    """
    from bluewhale.messaging.kafka import KafkaLog

    kafka = configuration.cluster.kafka
    log = KafkaLog(kafka.bootstrap, client_id=f"bluewhale-{role}", prefix=kafka.prefix)
    try:
        log.ensure_topics(kafka.partitions, kafka.replication)
    except BaseException:
        log.close()
        raise
    return log
