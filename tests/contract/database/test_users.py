"""What is stored about people keeps its promises on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bluewhale.database import NotFoundError, StateError
from bluewhale.database.provided import Begun
from bluewhale.database.repeats import Answered, Repeats
from bluewhale.database.users import ChangedError, LinkRefusedError, Session, User

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
                users.change(less, before=ANA, owner="owner", now_ms=NOW, who="ana")
        assert users.get("u_1") == ANA
        users.change(replace(BEN, role="owner"), before=BEN, owner="owner", now_ms=NOW, who="ana")
        users.open_session(session(b"t"), now_ms=NOW)
        gone = replace(ANA, state="disabled")
        users.change(gone, before=ANA, owner="owner", now_ms=NOW, who="ben")
        assert users.session(b"t", NOW + 1) is None


def test_of_two_changes_of_what_was_seen_the_second_is_refused(store_factory: StoreFactory):
    """What the person chose meanwhile counts too: nothing is overwritten unseen."""
    with store_factory() as store:
        users = store.users
        users.add(ANA, now_ms=NOW, who="link")
        users.add(BEN, now_ms=NOW, who="ana")
        mine = replace(BEN, language="de")
        users.change(mine, before=BEN, owner="owner", now_ms=NOW, who="ben")
        with pytest.raises(ChangedError):
            users.change(
                replace(BEN, role="finance"), before=BEN, owner="owner", now_ms=NOW, who="ana"
            )
        assert users.get("u_2") == mine


def test_a_code_is_used_once_however_many_bring_it(store_factory: StoreFactory):
    """The step of a code only grows; a recovery code goes with its use."""
    with store_factory() as store:
        factors = store.users.factors
        factors.start("u_2", b"secret")
        assert factors.of("u_2").secret is None
        assert not factors.confirm("u_2", b"other", 7, [b"h"], now_ms=NOW, who="ben")
        assert factors.confirm("u_2", b"secret", 7, [b"h", b"i"], now_ms=NOW, who="ben")
        assert factors.holders() == {"u_2"}
        assert [factors.use_step("u_2", step) for step in (7, 8, 8, 6)] == [
            False,
            True,
            False,
            False,
        ]
        used = [factors.use_recovery("u_2", b"h", now_ms=NOW, who="ben") for _ in range(2)]
        assert used == [True, False]
        assert factors.of("u_2").recovery_left == 1
        assert factors.remove("u_2", "ben", now_ms=NOW, who="ana")
        assert (factors.of("u_2").secret, factors.of("u_2").recovery_left) == (None, 0)


def test_half_a_sign_in_is_finished_once_and_in_time(store_factory: StoreFactory):
    """A challenge of a minute."""
    with store_factory() as store:
        factors = store.users.factors
        factors.challenge(b"t", "u_2", now_ms=NOW, expires_at_ms=NOW + MINUTE)
        assert factors.challenged(b"t", NOW + MINUTE - 1) == "u_2"
        assert factors.challenged(b"t", NOW + MINUTE) is None
        assert [factors.answered(b"t"), factors.answered(b"t")] == [True, False]


def test_a_sign_in_by_a_provider_is_taken_once_and_in_time(store_factory: StoreFactory):
    """And its person is bound to issuer and subject, once."""
    with store_factory() as store:
        provided = store.users.provided
        begun = Begun(browser_hash=b"b", nonce="n", verifier="v", expires_at_ms=NOW + MINUTE)
        for state in (b"s", b"late"):
            provided.begin(state, begun, now_ms=NOW)
        assert [provided.take(b"s", NOW), provided.take(b"s", NOW)] == [begun, None]
        assert provided.take(b"late", NOW + MINUTE) is None
        store.users.add(BEN, now_ms=NOW, who="the provider", bound=("https://login", "7"))
        assert provided.of("https://login", "7") == "u_2"
        assert provided.of("https://login", "8") is provided.of("https://other", "7") is None
        with pytest.raises(StateError, match="taken"):
            store.users.add(
                replace(BEN, user_id="u_3"), now_ms=NOW, who="x", bound=("https://login", "8")
            )
        assert provided.of("https://login", "8") is None


def test_an_answer_is_kept_for_a_day(store_factory: StoreFactory):
    """Per person and key; then the key may be used for something else."""
    with store_factory() as store:
        repeats = Repeats(store.db)
        assert repeats.claim("u_1", "k", b"request", NOW) is None
        assert repeats.claim("u_1", "k", b"request", NOW) == Answered(b"request", 0, "{}", None)
        repeats.answer("u_1", "k", 201, '{"etag": "x"}', b"body")
        kept = Answered(b"request", 201, '{"etag": "x"}', b"body")
        assert repeats.claim("u_1", "k", b"other", NOW + 24 * 60 * MINUTE) == kept
        assert repeats.claim("u_2", "k", b"request", NOW) is None
        assert repeats.claim("u_1", "k", b"other", NOW + 24 * 60 * MINUTE + 1) is None
        repeats.let_go("u_2", "k")
        assert repeats.claim("u_2", "k", b"other", NOW) is None


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
