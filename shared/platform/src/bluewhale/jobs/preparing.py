"""Tell the main database what the configuration says, and make the stages from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bluewhale.jobs.directories import keep_directory
from bluewhale.jobs.tariffs import keep, versions_in_use
from bluewhale.stages import Stages

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.database import Store


def prepare(configuration: Configuration, store: Store) -> Stages:
    """Tell the store its links, tariffs and directory; give the stages to run with.

    Tariffs that the configuration names are stored and activated once; the book
    holds every version in use, so that a version switched by command is used too.
    """
    settings = configuration.settings
    now_ms = int(time.time() * 1000)
    profiles = configuration.streams.values()
    store.declare_links(
        [(p.link_uid, p.stream_id, p.pbx_uid, p.site.site_uid, p.dialect_id) for p in profiles]
    )
    for version, path in zip(configuration.tariffs, settings.tariffs, strict=True):
        stored = keep(store, path, version, "configuration")
        if stored.state == "validated":
            store.activate_tariff(
                stored.tariff_uid, stored.version, who="configuration", now_ms=now_ms
            )
    directory = keep_directory(store, settings.directory, configuration.directory)
    return Stages.of(
        directory, versions_in_use(store), settings.payer_policy, configuration.alerting.rules
    )
