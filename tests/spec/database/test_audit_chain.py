"""The audit trail is a chain: what is changed, removed or put between is found."""

from __future__ import annotations

import hashlib
from threading import Thread

import pytest
from bluewhale.database import Store, audit

from tests.support.stores import StoreFactory

NONE = "00" * 32


def _noted(store: Store, count: int) -> None:
    for n in range(1, count + 1):
        store.users.audited(
            who="ana", action="look", subject=f"call {n}", detail="why: Grüße", now_ms=n
        )


def test_an_empty_trail_is_unbroken(store_factory: StoreFactory) -> None:
    """Nothing happened; the hash before the first entry is all zeros."""
    with store_factory() as store:
        assert audit.verify(store.db) == audit.Chain(entries=0, broken_at=None, head=NONE)


def test_a_hash_is_sha256_of_the_hash_before_and_the_entry_as_json(
    store_factory: StoreFactory,
) -> None:
    """So that anybody can follow the chain with tools of their own."""
    with store_factory() as store:
        store.users.audited(who="ana", action="look", subject="call 1", detail="ü", now_ms=7)
        said = bytes(32) + b'[1,7,"ana","look","call 1","\\u00fc"]'
        assert audit.verify(store.db).head == hashlib.sha256(said).hexdigest()


@pytest.mark.parametrize(
    ("deed", "found_at"),
    [
        ("UPDATE audit SET detail = 'nothing' WHERE position = 3", 3),
        ("UPDATE audit SET who = 'ben' WHERE position = 5", 5),
        ("UPDATE audit SET at = at + 1 WHERE position = 1", 1),
        ("UPDATE audit SET hash = NULL WHERE position = 2", 2),
        ("DELETE FROM audit WHERE position = 2", 2),
        ("DELETE FROM audit WHERE position = 5", 5),
        ("DELETE FROM audit", 1),
        ("DELETE FROM audit_head", 6),
        ("UPDATE audit SET position = position + 10 WHERE position > 3", 4),
        (
            "INSERT INTO audit (at, who, action, subject, detail) VALUES (9, 'b', 'look', 'x', '')",
            6,
        ),
    ],
)
def test_any_change_and_any_removal_is_found(
    store_factory: StoreFactory, deed: str, found_at: int
) -> None:
    """Of five entries; also the newest, which no later one vouches for."""
    with store_factory() as store:
        _noted(store, 5)
        assert audit.verify(store.db).unbroken
        with store.db.write() as tx:
            tx.run(deed)
        assert audit.verify(store.db).broken_at == found_at


def test_entries_that_come_at_once_stand_one_behind_the_other(store_factory: StoreFactory) -> None:
    """Four threads, in transactions that do not wait for each other otherwise."""
    with store_factory() as store:

        def write(who: str) -> None:
            for n in range(10):
                with store.db.write_rows() as tx:
                    audit.append(tx, n, who, "look", "call")

        threads = [Thread(target=write, args=(f"thread {n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = audit.verify(store.db)
        assert (found.entries, found.unbroken) == (40, True)


def test_a_transaction_that_is_rolled_back_leaves_no_gap(store_factory: StoreFactory) -> None:
    """What did not happen has no entry, and the next one takes its place."""
    with store_factory() as store:
        _noted(store, 1)

        def undone() -> None:
            with store.db.write_rows() as tx:
                audit.append(tx, 2, "ana", "look", "call 2")
                raise KeyError

        with pytest.raises(KeyError):
            undone()
        _noted(store, 1)
        found = audit.verify(store.db)
        assert (found.entries, found.unbroken) == (2, True)


def test_entries_are_found_by_who_and_by_words_and_page_by_page(
    store_factory: StoreFactory,
) -> None:
    """Signs of a pattern are letters like any other; the newest first, each once."""
    with store_factory() as store:
        _noted(store, 5)
        store.users.audited(who="ben", action="Log Level", subject="50%", detail="", now_ms=9)
        first = audit.found(store.db, 4)
        assert [e.position for e in first] == [6, 5, 4, 3]
        assert [e.position for e in audit.found(store.db, 4, before=3)] == [2, 1]
        assert [e.at_ms for e in audit.found(store.db, 9, who="ben")] == [9]
        assert [e.who for e in audit.found(store.db, 9, text="log level")] == ["ben"]
        assert [e.subject for e in audit.found(store.db, 9, text="0%")] == ["50%"]
        assert audit.found(store.db, 9, text="c_ll") == []
        assert len(audit.found(store.db, 9, text="call", who="ana")) == 5
