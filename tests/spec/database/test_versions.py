"""Stored versions of tariffs and directories."""

from __future__ import annotations

import pytest
from bluewhale.database import NotFoundError, StateError, Store

from tests.support.stores import StoreFactory


def put(store: Store, text: bytes, **more):
    """Store a tariff of two files."""
    facts = {
        "tariff_uid": "telco", "name": "Telco", "price_list": "carrier", "currency": "EUR",
        "files": {"telco.yaml": text, "deck.csv": b"prefix,price\n49,0.01\n"}, "rows": 1,
        "who": "ada", "now_ms": 1,
    }  # fmt: skip
    return store.put_tariff(**(facts | more))


def test_activating_a_version_retires_the_one_before(store_factory: StoreFactory) -> None:
    """Validated -> active; the files of both stay readable."""
    with store_factory() as store:
        first, second = put(store, b"one"), put(store, b"two")
        assert (first.version, second.version, first.state) == (1, 2, "validated")
        store.activate_tariff("telco", 1, who="ada", now_ms=2)
        store.activate_tariff("telco", 2, who="bob", now_ms=3)
        found = [(t.version, t.state, t.activated_by) for t in store.list_tariffs()]
        assert found == [(1, "retired", "ada"), (2, "active", "bob")]
        assert store.tariff_files("telco", 1)["telco.yaml"] == b"one"
        assert [t.version for t in store.list_tariffs("active")] == [2]
        assert store.activate_tariff("telco", 1, who="ada", now_ms=4).state == "active"


def test_versions_in_force_from_different_days_are_active_together(
    store_factory: StoreFactory,
) -> None:
    """A price change next month does not end the present prices."""
    with store_factory() as store:
        put(store, b"one", effective_from_ms=1000)
        put(store, b"two", effective_from_ms=2000)
        store.activate_tariff("telco", 1, who="ada", now_ms=2)
        store.activate_tariff("telco", 2, who="ada", now_ms=2)
        assert [t.version for t in store.list_tariffs("active")] == [1, 2]


def test_the_same_files_again_are_the_same_version(store_factory: StoreFactory) -> None:
    """An import repeated changes nothing."""
    with store_factory() as store:
        assert put(store, b"one") == put(store, b"one", now_ms=99)
        assert len(store.list_tariffs()) == 1


def test_a_draft_cannot_be_activated(store_factory: StoreFactory) -> None:
    """Only what was validated goes into force."""
    with store_factory() as store:
        put(store, b"one", state="draft")
        with pytest.raises(StateError, match="is draft"):
            store.activate_tariff("telco", 1, who="ada", now_ms=2)
        with pytest.raises(NotFoundError, match="telco version 9"):
            store.get_tariff("telco", 9)
        with pytest.raises(NotFoundError, match="no tariff other"):
            store.get_tariff("other")


def test_directories_are_kept_by_version(store_factory: StoreFactory) -> None:
    """The same files keep their version; older ones stay."""
    with store_factory() as store:
        assert store.put_directory({"a.yaml": b"1"}, who="ada", now_ms=1) == 1
        assert store.put_directory({"a.yaml": b"1"}, who="ada", now_ms=2) == 1
        assert store.put_directory({"a.yaml": b"2"}, who="ada", now_ms=3) == 2
        assert store.directory_files() == (2, {"a.yaml": b"2"})
        assert store.directory_files(1) == (1, {"a.yaml": b"1"})
        with pytest.raises(NotFoundError, match="version 7"):
            store.directory_files(7)
