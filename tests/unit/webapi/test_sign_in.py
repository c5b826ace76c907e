"""Passwords, lock-out and sessions, over a real store with a clock that is set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bluewhale.configuration import WebSettings
from bluewhale.database import Store
from bluewhale.database.users import User
from bluewhale.statecache import MemoryStateCache
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.limits import FAILURES_PER_MINUTE, Limits, network_of
from bluewhale.webapi.passwords import Passwords, check_strength
from bluewhale.webapi.sign_in import KEPT_MS, SignIn, locked_until
from pydantic import ValidationError

PASSWORD = "correct horse battery"
MINUTE = 60_000


class Clock:
    """A clock that moves when it is told."""

    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    """Give the clock."""
    return Clock()


@pytest.fixture
def sign_in(tmp_path: Path, clock: Clock) -> Iterator[SignIn]:
    """Give a sign-in with one owner, ana; hashes are cheap."""
    with Store.open(tmp_path) as store:
        made = SignIn(store.users, Passwords(memory_kib=64, passes=1), WebSettings(), clock)
        token = made.first_link()
        made.welcome(token, "ana", PASSWORD, "")
        yield made


def code_of(sign_in: SignIn, name: str, password: str) -> str:
    """Try to sign in; give the code of the refusal."""
    with pytest.raises(RefusedError) as refused:
        sign_in.sign_in(name, password, "192.0.2.1")
    return refused.value.code


def test_a_wrong_name_and_a_wrong_password_are_refused_alike(sign_in: SignIn):
    """The same code five times, then the same lock: nobody learns which names there are."""
    for name in ("ana", "nobody"):
        codes = [code_of(sign_in, name, "wrong password") for _ in range(6)]
        assert codes == ["sign_in_refused"] * 4 + ["locked_out"] * 2


def test_a_lock_ends_and_the_right_password_forgets_it(sign_in: SignIn, clock: Clock):
    """While it holds the right password does not help either."""
    for _ in range(5):
        code_of(sign_in, "ana", "wrong password")
    assert code_of(sign_in, "ana", PASSWORD) == "locked_out"
    clock.ms += MINUTE
    assert sign_in.sign_in("ana", PASSWORD, "192.0.2.1").user.name == "ana"
    assert sign_in.users.named("ana").failures == 0


def test_locks_double_up_to_an_hour():
    """The fifth wrong password locks for a minute."""
    minutes = [locked_until(count, 0) // MINUTE for count in range(1, 15)]
    assert minutes == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_an_address_that_guesses_waits_for_the_next_minute():
    """Thirty wrong ones at second 20; another address is not concerned, nor is the next minute."""
    now = [1_200_000_020.0]
    limits = Limits(MemoryStateCache(lambda: now[0]), per_minute=0, clock=lambda: now[0])
    for _ in range(FAILURES_PER_MINUTE):
        limits.may_try("192.0.2.1")
        limits.failed("192.0.2.1")
    with pytest.raises(RefusedError, match="your address") as refused:
        limits.may_try("192.0.2.1")
    assert (refused.value.code, refused.value.retry_after_s) == ("locked_out", 40)
    limits.may_try("192.0.2.2")
    now[0] += 40
    limits.may_try("192.0.2.1")


def test_copies_of_the_role_count_together():
    """Three requests a minute, of one person, over two processes that share a state cache."""
    now = [1_200_000_000.0]
    shared = MemoryStateCache(lambda: now[0])
    here, there = (Limits(shared, per_minute=3, clock=lambda: now[0]) for _ in range(2))
    for limits in (here, there, here):
        limits.asked("person", "u_1")
    with pytest.raises(RefusedError) as refused:
        there.asked("person", "u_1")
    assert (refused.value.code, refused.value.retry_after_s) == ("too_many", 60)
    there.asked("person", "u_2")
    now[0] += 60
    there.asked("person", "u_1")


class _Away(MemoryStateCache):
    """A state cache that does not answer."""

    def count(self, key: str, *, window_ms: int) -> int | None:
        return None

    def get(self, key: str) -> bytes | None:
        return None


def test_without_the_state_cache_each_copy_counts_for_itself():
    """No limit is lost when Redis is away."""
    limits = Limits(_Away(), per_minute=2, clock=lambda: 1_200_000_000.0)
    limits.asked("person", "u_1")
    limits.asked("person", "u_1")
    with pytest.raises(RefusedError, match="2 requests a minute"):
        limits.asked("person", "u_1")
    for _ in range(FAILURES_PER_MINUTE):
        limits.failed("192.0.2.1")
    with pytest.raises(RefusedError, match="your address"):
        limits.may_try("192.0.2.1")


def test_a_customer_of_ipv6_is_one_address():
    """A /64 is handed out as a whole."""
    assert (
        network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    )
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("testclient") == "testclient"


def test_a_session_rotates_and_the_old_token_lives_a_minute(sign_in: SignIn, clock: Clock):
    """Whoever holds an old token later holds nothing; the session goes on."""
    first = sign_in.sign_in("ana", PASSWORD, "192.0.2.1")
    assert sign_in.of_token(first.token).token is None
    clock.ms += 15 * MINUTE
    second = sign_in.of_token(first.token)
    assert second.token not in {None, first.token}
    assert sign_in.of_token(first.token).session.session_id == first.session.session_id
    clock.ms += MINUTE
    assert sign_in.of_token(first.token) is None
    assert sign_in.of_token(second.token).session.csrf == first.session.csrf


def test_a_session_ends_unused_and_at_the_latest_after_its_hours(sign_in: SignIn, clock: Clock):
    """An hour without use; twelve hours in any case."""
    token = sign_in.sign_in("ana", PASSWORD, "192.0.2.1").token
    clock.ms += 61 * MINUTE
    assert sign_in.of_token(token) is None
    token = sign_in.sign_in("ana", PASSWORD, "192.0.2.1").token
    for _ in range(15):
        clock.ms += 50 * MINUTE
        found = sign_in.of_token(token)
        if found is None:
            break
        token = found.token or token
    assert clock.ms - 1_790_000_000_000 - 61 * MINUTE == 750 * MINUTE  # 14 of 50 min are 11:40 h


@pytest.fixture
def keeping(sign_in: SignIn, clock: Clock) -> SignIn:
    """Give a sign-in to the same store that knows sessions in memory, for a minute."""
    return SignIn(sign_in.users, sign_in.passwords, WebSettings(), clock, kept_ms=MINUTE)


def test_a_session_is_known_in_memory_as_long_as_said(
    keeping: SignIn, sign_in: SignIn, clock: Clock
):
    """From its first request on; whoever keeps none asks the database each time."""
    token = keeping.sign_in("ana", PASSWORD, "192.0.2.1").token
    assert keeping.kept(token) is None
    asked = keeping.of_token(token)
    clock.ms += MINUTE - 1
    assert keeping.kept(token) == asked
    clock.ms += 1
    assert keeping.kept(token) is None
    sign_in.of_token(token)
    assert sign_in.kept(token) is None


def _password(sign_in: SignIn, ben: User) -> None:
    sign_in.replace_password(ben, "another horse battery", keep="", who=ben)


def _disabled(sign_in: SignIn, ben: User) -> None:
    sign_in.change(dataclasses.replace(ben, state="disabled"), before=ben, who=ben)


def _signed_out(sign_in: SignIn, ben: User) -> None:
    [found] = [k.signed for k in sign_in._kept.values() if k.signed.user == ben]
    sign_in.users.end_session(found.session.session_id)


@pytest.mark.parametrize("end", [_password, _disabled, _signed_out])
def test_a_session_known_in_memory_ends_with_what_ends_it(
    keeping: SignIn, end: Callable[[SignIn, User], None]
):
    """At once: not at the end of the minute that it would be known."""
    keeping.add(keeping.made("ben", PASSWORD, "Ben", "viewer"), who=keeping.users.named("ana"))
    token = keeping.sign_in("ben", PASSWORD, "192.0.2.1").token
    keeping.of_token(token)
    end(keeping, keeping.kept(token).user)
    assert keeping.kept(token) is None
    assert keeping.of_token(token) is None


def test_a_session_that_another_process_ended_is_known_a_second_at_most(
    sign_in: SignIn, clock: Clock, tmp_path: Path
):
    """A command gives ana a new password while the page is served."""
    keeping = SignIn(sign_in.users, sign_in.passwords, WebSettings(), clock, kept_ms=KEPT_MS)
    token = keeping.sign_in("ana", PASSWORD, "192.0.2.1").token
    ana = keeping.of_token(token).user
    with Store.open(tmp_path) as command:
        command.users.set_password(ana.user_id, "-", keep="", now_ms=clock.ms, who="root")
    clock.ms += 1_000
    assert keeping.kept(token) is None
    assert keeping.of_token(token) is None


def test_rights_known_in_memory_are_those_of_now(keeping: SignIn):
    """Somebody who was made an analyst is one with the next request."""
    keeping.add(keeping.made("ben", PASSWORD, "Ben", "viewer"), who=keeping.users.named("ana"))
    token = keeping.sign_in("ben", PASSWORD, "192.0.2.1").token
    ben = keeping.of_token(token).user
    keeping.change(dataclasses.replace(ben, role="analyst"), before=ben, who=ben)
    assert (keeping.kept(token) or keeping.of_token(token)).user.role == "analyst"


def test_a_session_known_in_memory_is_seen_and_rotates_as_any(keeping: SignIn, clock: Clock):
    """Used each ten seconds for a quarter of an hour: it did not end as unused, and got a token."""
    token = keeping.sign_in("ana", PASSWORD, "192.0.2.1").token
    tokens = set()
    for _ in range(91):
        tokens.add((keeping.kept(token) or keeping.of_token(token)).token)
        clock.ms += 10_000
    assert len(tokens) == 2
    assert keeping.users.named("ana").seen_at_ms == clock.ms - 10_000


def test_there_is_no_second_first_start(sign_in: SignIn):
    """With an owner there is no link."""
    assert sign_in.first_link() is None


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaaaa", "ababababababab", "xxanaxx-ana-1"]
)
def test_weak_passwords_are_refused(password: str):
    """Short, of few letters, or with the name in it."""
    with pytest.raises(RefusedError) as refused:
        check_strength(password, "ana")
    assert refused.value.code == "password_weak"


def test_passwords_never_travel_in_the_clear():
    """An address of the network needs TLS, of ours or of a proxy; a forwarded port is none."""
    with pytest.raises(ValidationError, match="in the clear"):
        WebSettings(listen="0.0.0.0:8480")
    with pytest.raises(ValidationError, match="in the clear"):
        WebSettings(listen="0.0.0.0:8480", public_url="http://calls.example.com")
    assert WebSettings(listen="0.0.0.0:8480", public_url="https://calls.example.com").secure
    assert not WebSettings(listen="[::1]:8480").secure
    assert not WebSettings(listen="0.0.0.0:8480", public_url="http://localhost:8480").secure
