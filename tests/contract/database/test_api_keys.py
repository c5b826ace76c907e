"""Keys of programs keep their promises on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bluewhale.database import NotFoundError
from bluewhale.database.api_keys import ApiKey

from tests.support.stores import StoreFactory

NOW = 1_790_000_000_000
DAY = 86_400_000
KEY = ApiKey(
    key_id="k_1",
    name="nightly",
    role="analyst",
    sites=("berlin",),
    created_by="ana",
    created_at_ms=NOW,
    expires_at_ms=NOW + DAY,
)


def test_a_key_holds_from_its_making_to_its_end(store_factory: StoreFactory):
    """By its token, until it expires or is ended; ended keys stay in the list."""
    with store_factory() as store:
        keys = store.api_keys
        keys.add(KEY, b"one")
        keys.add(replace(KEY, key_id="k_2", created_at_ms=NOW + 1, sites=None), b"two")
        assert keys.of_token(b"one", NOW) == KEY
        assert keys.of_token(b"one", NOW + DAY) is None
        assert keys.of_token(b"none", NOW) is None
        keys.used("k_1", NOW + 5)
        assert keys.of_token(b"one", NOW).used_at_ms == NOW + 5
        keys.end("k_1", now_ms=NOW + 9, who="ana")
        assert keys.of_token(b"one", NOW + 10) is None
        with pytest.raises(NotFoundError):
            keys.end("k_1", now_ms=NOW + 11, who="ana")
        assert [(k.key_id, k.ended_at_ms, k.sites) for k in keys.listed()] == [
            ("k_2", 0, None),
            ("k_1", NOW + 9, ("berlin",)),
        ]
        assert [row[2] for row in store.audit()] == ["key end", "key add", "key add"]
