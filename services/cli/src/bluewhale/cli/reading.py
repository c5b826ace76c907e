"""What a worker of `bluewhale up` answers: questions that only read.

Owns which services a worker has. Does not own the processes (`nexus.workers`) or the answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.nexus.workers import When, always

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2
    from bluewhale.database import Store
    from bluewhale.nexus import Served


def _one_page(request: query_pb2.SearchCallsRequest) -> bool:
    """Say whether a list is one page: longer ones stream, so that none is whole in memory."""
    return 0 < request.limit <= request.page_rows


QUERY: Mapping[str, When] = {
    "GetCall": always,
    "SearchCalls": _one_page,
    "Report": always,
    "Reports": always,
    "Completeness": always,
}
TARIFFS: Mapping[str, When] = {"Explain": always}


def _ready(store: Store) -> None:
    """Read the sums of all calls, if they were counted ahead, before anybody is answered.

    Everybody asks for them, and they take longest the first time; meanwhile the process that
    began this one answers.
    """
    if not store.cells.ahead(store.run_read(store.files.live), 1):
        store.report("direction")


@contextlib.contextmanager
def doors(path: Path) -> Iterator[list[Served]]:
    """Open the main database of a configuration and answer questions about it."""
    from bluewhale.billing.tariffs_door import TariffsDoor
    from bluewhale.cli.embedded import Prices
    from bluewhale.configuration import load
    from bluewhale.database import Store
    from bluewhale.nexus import serve
    from bluewhale.storage.marks_feed import MarksFeed
    from bluewhale.storage.query_door import QueryDoor

    configuration = load(path)
    store = Store.open(configuration.settings.data / "store")
    try:
        _ready(store)
        query = QueryDoor(store, MarksFeed(store))  # which is never started: nobody asks
        tariffs = TariffsDoor(Prices(configuration, store))
        yield [serve("query", query), serve("tariffs", tariffs)]
    finally:
        store.close()
