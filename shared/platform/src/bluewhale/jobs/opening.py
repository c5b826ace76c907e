"""Main database and log of an installation, as its configuration names them.

The only place that knows both sides. Does not own either.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.database import Store, StoreAwayError
from bluewhale.database.opening import Where, is_server

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration, Settings
    from bluewhale.configuration.cluster import DatabaseSettings
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
    segments = settings.cluster.database.segments if settings.cluster else None
    where = main_address(settings)
    return Store.open(where, segments=None if isinstance(where, Path) else segments)


def main_address(settings: Settings) -> Where:
    """Give where the main database is: a folder, or PostgreSQL."""
    database = settings.cluster.database if settings.cluster else None
    return (database and server_address(database)) or settings.data / "store"


def server_address(database: DatabaseSettings) -> Where | None:
    """Give the address of PostgreSQL, read anew where a file holds it; None = there is none."""
    if database.url_file is not None:
        return partial(_url_in, database.url_file)
    return database.url or None


def _url_in(path: Path) -> str:
    try:
        url = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreAwayError(
            f"the file with the address of the database cannot be read ({error}): mount it, or"
            " correct cluster.database.url_file"
        ) from None
    if not is_server(url):
        raise StoreAwayError(
            f"{path} holds no address of a database: write postgresql://user:password@host/database"
        )
    return url


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
    from bluewhale.messaging.kafka_security import KafkaSecurity

    kafka = configuration.cluster.kafka
    log = KafkaLog(
        kafka.bootstrap,
        client_id=f"bluewhale-{role}",
        prefix=kafka.prefix,
        security=KafkaSecurity(
            protocol=kafka.security,
            ca=kafka.ca,
            certificate=kafka.certificate,
            key=kafka.key,
            mechanism=kafka.mechanism,
            username=kafka.username,
            password_file=kafka.password_file,
        ),
    )
    try:
        log.ensure_topics(kafka.partitions, kafka.replication)
    except BaseException:
        log.close()
        raise
    return log
