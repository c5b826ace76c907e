"""What is stored about people keeps its promises on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bluewhale.database import NotFoundError, StateError
from bluewhale.database.users import LinkRefusedError, Session, User

from tests.support.stores import StoreFactory

NOW = 1_790_000_000_000
MINUTE = 60_000
ANA = User(user_id="u_1", name="ana", display_name="Ana", role="owner", password="hash of ana")
BEN = User(
    user_id="u_2", name="ben", display_name="Ben", role="viewer", sites=("berlin",), departments=()
)


def session(token: bytes, user: User = ANA, session_id: str = "s_1") -> Session:
    """Give a session of an hour."""
    return Session(
        session_id=session_id,
        user_id=user.user_id,
        token_hash=token,
        csrf="c",
        created_at_ms=NOW,
        rotated_at_ms=NOW,
        seen_at_ms=NOW,
        expires_at_ms=NOW + 60 * MINUTE,
    )


def test_a_link_makes_one_owner_and_no_other(store_factory: StoreFactory):
    """Two links of two starts: the first one used ends both."""
    with store_factory() as store:
        users = store.users
        for token in (b"a", b"b"):
            users.make_link(token, now_ms=NOW, expires_at_ms=NOW + MINUTE)
        assert not users.exist()
        users.use_link(b"b", ANA, now_ms=NOW + 1)
        with pytest.raises(LinkRefusedError):
            users.use_link(b"a", BEN, now_ms=NOW + 2)
        assert [u.name for u in users.listed()] == ["ana"]


def test_a_link_ends_with_its_time(store_factory: StoreFactory):
    """A second too late it makes nobody."""
    with store_factory() as store:
        store.users.make_link(b"a", now_ms=NOW, expires_at_ms=NOW + MINUTE)
        with pytest.raises(LinkRefusedError):
            store.users.use_link(b"a", ANA, now_ms=NOW + MINUTE)
        assert not store.users.exist()


def test_a_person_is_stored_as_given_and_a_name_once(store_factory: StoreFactory):
    """None is all sites, an empty list is none: both come back as they were."""
    with store_factory() as store:
        for user in (ANA, BEN):
            store.users.add(user, now_ms=NOW, who="ana")
        assert store.users.named("ben") == BEN
        assert store.users.get("u_1") == ANA
        with pytest.raises(StateError, match="taken"):
            store.users.add(replace(BEN, user_id="u_3"), now_ms=NOW, who="ana")
        with pytest.raises(NotFoundError):
            store.users.get("u_3")


def test_an_owner_is_always_left(store_factory: StoreFactory):
    """The last active owner keeps role and state; with a second one the first may go."""
    with store_factory() as store:
        users = store.users
        users.add(ANA, now_ms=NOW, who="link")
        users.add(BEN, now_ms=NOW, who="ana")
        for less in (replace(ANA, role="viewer"), replace(ANA, state="disabled")):
            with pytest.raises(StateError, match="last active owner"):
                users.change(less, owner="owner", now_ms=NOW, who="ana")
        assert users.get("u_1") == ANA
        users.change(replace(BEN, role="owner"), owner="owner", now_ms=NOW, who="ana")
        users.open_session(session(b"t"), now_ms=NOW)
        users.change(replace(ANA, state="disabled"), owner="owner", now_ms=NOW, who="ben")
        assert users.session(b"t", NOW + 1) is None


def test_a_session_is_found_by_its_token_until_its_end(store_factory: StoreFactory):
    """After a rotation the old token holds for the time that was given, then not."""
    with store_factory() as store:
        users = store.users
        users.add(ANA, now_ms=NOW, who="link")
        users.open_session(session(b"old"), now_ms=NOW)
        assert users.session(b"old", NOW + 1)[1].name == "ana"
        until = NOW + 2 * MINUTE
        assert users.rotate("s_1", b"old", b"new", now_ms=NOW + MINUTE, old_until_ms=until)
        assert not users.rotate("s_1", b"old", b"other", now_ms=NOW + MINUTE, old_until_ms=until)
        assert users.session(b"old", until - 1)[0].token_hash == b"new"
        assert users.session(b"old", until) is None
        assert users.session(b"new", NOW + 60 * MINUTE - 1) is not None
        assert users.session(b"new", NOW + 60 * MINUTE) is None


def test_wrong_passwords_are_counted_until_a_right_one(store_factory: StoreFactory):
    """The count decides about the lock; a session forgets both."""
    with store_factory() as store:
        users = store.users
        users.add(ANA, now_ms=NOW, who="link")

        def lock(count: int) -> int:
            return NOW + MINUTE if count >= 2 else 0

        assert users.failed("u_1", lock, now_ms=NOW) == (1, 0)
        assert users.failed("u_1", lock, now_ms=NOW) == (2, NOW + MINUTE)
        assert users.get("u_1").locked_until_ms == NOW + MINUTE
        users.open_session(session(b"t"), now_ms=NOW + MINUTE)
        found = users.get("u_1")
        assert (found.failures, found.locked_until_ms) == (0, 0)


def test_another_password_ends_all_sessions_but_the_one_it_was_changed_in(
    store_factory: StoreFactory,
):
    """Whoever stole a session loses it."""
    with store_factory() as store:
        users = store.users
        users.add(ANA, now_ms=NOW, who="link")
        for token, name in ((b"a", "s_1"), (b"b", "s_2")):
            users.open_session(session(token, session_id=name), now_ms=NOW)
        users.set_password("u_1", "another hash", keep="s_2", now_ms=NOW, who="ana")
        assert users.session(b"a", NOW + 1) is None
        assert users.session(b"b", NOW + 1)[1].password == "another hash"
        assert [row[2] for row in store.audit()][:2] == ["user password", "sign-in"]
