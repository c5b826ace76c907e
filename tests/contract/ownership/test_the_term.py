"""The row of the term, on every engine: one winner, renewals that count, a clean end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bluewhale.ownership import TermRow

from tests.support.stores import StoreFactory


def test_the_first_term_is_won_once(store_factory: StoreFactory):
    """No row: one of two takers wins term 1, the other gets nothing."""
    with store_factory() as store:
        assert store.terms.read() is None
        first = store.terms.take(None, holder="x", address="a:1", lease_s=6.0)
        assert first == TermRow(1, "x", "a:1", 0, 6.0)
        assert store.terms.take(None, holder="y", address="b:1", lease_s=6.0) is None
        assert store.terms.read() == first


def test_a_term_is_taken_only_as_it_was_seen(store_factory: StoreFactory):
    """Renewed since it was seen: nothing; as it is now: the next term."""
    with store_factory() as store:
        seen = store.terms.take(None, holder="x", address="a:1", lease_s=6.0)
        assert store.terms.renew(1, "x", lease_s=9.0)
        assert store.terms.take(seen, holder="y", address="b:1", lease_s=15.0) is None
        now = store.terms.read()
        assert now == TermRow(1, "x", "a:1", 1, 9.0)
        taken = store.terms.take(now, holder="y", address="b:1", lease_s=15.0)
        assert taken == TermRow(2, "y", "b:1", 0, 15.0)
        assert not store.terms.renew(1, "x", lease_s=6.0)


def test_a_term_that_was_given_up_has_no_holder_and_keeps_its_lease(store_factory: StoreFactory):
    """The lease stays in the row: units may still count on it. Another's resignation is nothing."""
    with store_factory() as store:
        store.terms.take(None, holder="x", address="a:1", lease_s=6.0)
        store.terms.resign(1, "y")
        assert store.terms.read() == TermRow(1, "x", "a:1", 0, 6.0)
        store.terms.resign(1, "x")
        assert store.terms.read() == TermRow(1, "", "", 0, 6.0)
        assert not store.terms.renew(1, "x", lease_s=6.0)


def test_of_many_takers_at_once_one_wins_each_term(store_factory: StoreFactory):
    """Eight takers, ten terms: ten winners, terms 1 to 10 without a gap."""
    with store_factory() as store, ThreadPoolExecutor(8) as pool:
        for term in range(1, 11):
            seen = store.terms.read()

            def take(name: int, seen: TermRow | None = seen) -> TermRow | None:
                return store.terms.take(seen, holder=f"h{name}", address="a:1", lease_s=6.0)

            won = [row for row in pool.map(take, range(8)) if row is not None]
            assert [row.term for row in won] == [term]
