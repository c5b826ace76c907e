"""Who may read a link: sessions, grants, releases, hand-over, fail-back; by the clock handed in."""

from __future__ import annotations

from bluewhale.ownership import (
    FAST,
    Acquire,
    Answer,
    Batch,
    HandOver,
    Leader,
    Open,
    Profile,
    Release,
    Renew,
    Result,
    Rules,
    Token,
)

LINKS = {"smdr": ("a", "b"), "cdr": ("b", "a")}


def leading(*, term: int = 1, hold_off_s: float = 0.0, failback_hold_s: float | None = 300.0):
    """Give a leader of two links that two units share."""
    leader = Leader(
        term=term, profile=FAST, now=0.0, hold_off_s=hold_off_s, failback_hold_s=failback_hold_s
    )
    leader.configure(Rules(LINKS), 0.0)
    return leader


def say(leader: Leader, unit: str, now: float, *items, session: int = 1) -> Answer:
    """Let a unit say something at a moment."""
    return leader.batch(Batch(unit, session, items), now)


def owners(leader: Leader, now: float) -> dict[str, str]:
    """Give the owner of every link."""
    return {s.link_uid: s.owner for s in leader.query(now)}


def test_the_first_that_asks_gets_the_link_and_the_second_waits():
    """Unit b asks first and is granted token (1, 1); a sees b as the owner."""
    leader = leading()
    answer = say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    assert answer.results == (Result.OK, Result.OK)
    assert answer.news is not None
    assert [(v.link_uid, v.owner, v.mine, v.token) for v in answer.news.links] == [
        ("smdr", "b", True, Token(1, 1))
    ]
    answer = say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    assert answer.news is not None
    assert [(v.owner, v.mine) for v in answer.news.links] == [("b", False)]


def test_a_link_without_owner_goes_to_the_preferred_unit():
    """Both wait through the hold-off; smdr prefers a, cdr prefers b."""
    leader = leading(term=2, hold_off_s=6.12)
    say(leader, "b", 1.0, Open(), Acquire(("smdr", "cdr")))
    say(leader, "a", 1.0, Open(), Acquire(("smdr", "cdr")))
    assert owners(leader, 6.11) == {"smdr": "", "cdr": ""}
    assert owners(leader, 6.12) == {"smdr": "a", "cdr": "b"}


def test_a_lease_ends_for_the_centre_after_lease_and_margin():
    """6 s * 1.02 = 6.12 s after the last renewal was received, the link goes to the other."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "a", 1.0, Renew())
    say(leader, "b", 4.0, Open(), Acquire(("smdr",)))
    assert owners(leader, 7.11)["smdr"] == "a"
    assert owners(leader, 7.13)["smdr"] == "b"


def test_one_renewal_keeps_all_links_of_a_unit():
    """Two links, one Renew."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr", "cdr")))
    say(leader, "b", 5.0, Open(), Acquire(("smdr", "cdr")))
    say(leader, "a", 5.0, Renew())
    assert owners(leader, 11.0) == {"smdr": "a", "cdr": "a"}


def test_a_session_that_is_not_known_must_be_opened():
    """Renew, acquire and release of an unknown session change nothing and say so."""
    leader = leading()
    answer = say(leader, "a", 0.0, Renew(), Acquire(("smdr",)), Release("smdr", Token(1, 1)))
    assert answer.results == (Result.SESSION_UNKNOWN,) * 3
    assert owners(leader, 0.0)["smdr"] == ""


def test_a_unit_that_is_not_configured_gets_nothing():
    """Another unit, and a link that nobody declared."""
    leader = leading()
    answer = say(leader, "c", 0.0, Open(), Acquire(("smdr",)))
    assert answer.results == (Result.OK, Result.NOT_CONFIGURED)
    answer = say(leader, "a", 0.0, Open(), Acquire(("no-such-link", "smdr")))
    assert answer.results == (Result.OK, Result.NOT_CONFIGURED)
    assert owners(leader, 0.0)["smdr"] == "a"  # the other links of the batch are served


def test_a_release_by_an_old_token_changes_nothing():
    """The first token of a is (1, 1); b holds (1, 2) now, and a's late release is stale."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    assert say(leader, "a", 1.0, Release("smdr", Token(1, 1), "b")).results == (Result.OK,)
    assert say(leader, "a", 1.0, Release("smdr", Token(1, 1), "b")).results == (Result.STALE_TOKEN,)
    assert leader.query(1.0, ["smdr"])[0].token == Token(1, 2)


def test_a_planned_hand_over_waits_for_the_owner_to_stop():
    """The order tells a to leave; only a's release gives the link to b, with a new token."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    assert leader.batch(Batch("", 0, (HandOver("smdr", "b"),)), 1.0).results == (Result.OK,)
    news = leader.news("a", 1)
    assert news is not None
    assert [(v.leave, v.to) for v in news.links] == [(True, "b")]
    assert owners(leader, 1.0)["smdr"] == "a"
    say(leader, "a", 1.2, Release("smdr", Token(1, 1), "b"))
    assert owners(leader, 1.2)["smdr"] == "b"


def test_an_order_to_a_unit_that_is_not_there_is_refused():
    """Unit b has no session: not ready; c is no unit of the link: not configured."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    items = (HandOver("smdr", "b"), HandOver("smdr", "c"), HandOver("other", "a"))
    assert leader.batch(Batch("", 0, items), 1.0).results == (
        Result.NOT_READY,
        Result.NOT_CONFIGURED,
        Result.NOT_CONFIGURED,
    )


def test_an_order_is_forgotten_when_the_next_owner_goes():
    """Unit b was ordered to take over and lost contact: a is not told to leave any more."""
    leader = leading()
    say(leader, "b", 0.0, Open(), Acquire(("cdr",)))
    say(leader, "a", 0.0, Open(), Acquire(("cdr",)))
    leader.batch(Batch("", 0, (HandOver("cdr", "a"),)), 0.5)
    say(leader, "b", 6.0, Renew())
    assert leader.query(6.5, ["cdr"])[0].to == ""  # a's lease ended at 6.12
    assert owners(leader, 6.5)["cdr"] == "b"


def test_a_new_process_of_a_unit_waits_until_the_lease_of_the_old_one_is_over():
    """The old process may be frozen, not dead: its link is free 6.12 s after its last renewal."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)), session=1)
    answer = say(leader, "a", 3.0, Open(), Acquire(("smdr",)), session=2)
    assert answer.news is not None
    assert [(v.owner, v.mine) for v in answer.news.links] == [("a", False)]
    assert say(leader, "a", 3.0, Renew(), session=1).results == (Result.SESSION_UNKNOWN,)
    assert leader.query(6.11, ["smdr"])[0].token == Token(1, 1)
    assert leader.query(6.13, ["smdr"])[0].token == Token(1, 2)


def test_a_new_term_confirms_what_owners_tell_and_grants_nothing_before():
    """Unit b holds cdr by token (1, 9), a claims it by (1, 4): b keeps it, by a token of term 2."""
    leader = leading(term=2, hold_off_s=6.12)
    say(leader, "a", 1.0, Open(held=(("cdr", Token(1, 4)),)), Acquire(("cdr",)))
    say(leader, "b", 2.0, Open(held=(("cdr", Token(1, 9)),)), Acquire(("cdr",)))
    assert leader.query(6.0, ["cdr"])[0].token == Token(1, 9)
    assert [e for e in leader.take_events() if e.kind.value == "granted"] == []
    status = leader.query(6.2, ["cdr"])[0]
    assert (status.owner, status.token) == ("b", Token(2, 1))


def test_tokens_are_not_claimed_once_grants_began():
    """After the hold-off a late claim counts for nothing: b waits behind a."""
    leader = leading(term=2, hold_off_s=6.12)
    say(leader, "a", 6.0, Open(), Acquire(("cdr",)))
    say(leader, "b", 6.5, Open(held=(("cdr", Token(1, 9)),)), Acquire(("cdr",)))
    assert leader.query(6.5, ["cdr"])[0].owner == "a"


def test_a_link_stays_where_it_is_until_the_preferred_unit_was_there_for_the_hold_time():
    """Unit a is back at 10 s; hold 300 s; at 310 s b is told to leave, not before."""
    leader = leading()
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    for now in range(5, 320, 5):
        say(leader, "b", float(now), Renew())
        if now >= 10:
            say(leader, "a", float(now), Open() if now == 10 else Renew(), Acquire(("smdr",)))
        assert leader.query(float(now), ["smdr"])[0].to == ("a" if now >= 310 else "")


def test_without_a_hold_time_a_link_goes_back_by_order_alone():
    """failback_hold_s None: b keeps what it has for a day."""
    leader = leading(failback_hold_s=None)
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    for now in range(5, 86_400, 5):
        leader.batch(Batch("a", 1, (Renew(),)), float(now))
        leader.batch(Batch("b", 1, (Renew(),)), float(now))
    assert leader.query(86_400.0, ["smdr"])[0].owner == "b"


def test_an_owner_that_is_not_configured_any_more_is_told_to_leave():
    """Link smdr belongs to b alone now: a leaves, releases, and b has it."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    leader.configure(Rules({"smdr": ("b",)}), 1.0)
    news = leader.news("a", 1)
    assert news is not None
    assert [(v.link_uid, v.mine, v.leave) for v in news.links] == [("smdr", True, True)]
    say(leader, "a", 1.0, Release("smdr", Token(1, 1)))
    assert owners(leader, 1.0) == {"smdr": "b"}
    assert leader.batch(Batch("a", 1, (Acquire(("smdr",)),)), 1.0).results == (
        Result.NOT_CONFIGURED,
    )


def test_a_link_that_is_gone_is_nobodys():
    """The news of its owner and of who waited leave it out; a release of it is stale."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    leader.configure(Rules({}), 1.0)
    for unit in ("a", "b"):
        news = leader.news(unit, 1)
        assert news is not None
        assert news.links == ()
    assert say(leader, "a", 1.0, Release("smdr", Token(1, 1))).results == (Result.STALE_TOKEN,)
    assert leader.query(20.0) == []  # and their sessions end without it


def test_news_come_only_to_who_knows_less():
    """The same revision known: no news; after a change: news, and the session is named once."""
    leader = leading()
    first = say(leader, "a", 0.0, Open(), Acquire(("smdr",))).news
    assert first is not None
    assert leader.batch(Batch("a", 1, (Renew(),), first.revision), 0.5).news is None
    assert leader.take_changed() == [("a", 1)]
    assert leader.take_changed() == []
    say(leader, "b", 0.5, Open(), Acquire(("smdr",)))
    leader.batch(Batch("", 0, (HandOver("smdr", "b"),)), 0.6)
    news = leader.batch(Batch("a", 1, (Renew(),), first.revision), 0.7).news
    assert news is not None
    assert news.revision > first.revision


def test_an_owner_that_is_configured_again_before_it_left_stays_and_hears_what_follows():
    """Unit a is out and in again: the order is taken back, and when b gets the link, a is told."""
    leader = leading()
    say(leader, "a", 0.0, Open(), Acquire(("smdr",)))
    say(leader, "b", 0.0, Open(), Acquire(("smdr",)))
    leader.configure(Rules({"smdr": ("b",)}), 1.0)
    leader.configure(Rules(LINKS), 1.5)
    news = leader.news("a", 1)
    assert news is not None
    assert [(v.mine, v.leave) for v in news.links] == [(True, False)]
    say(leader, "a", 2.0, Release("smdr", Token(1, 1), "b"))
    news = leader.news("a", 1)
    assert news is not None
    assert [v.owner for v in news.links] == ["b"]


SLOW = Profile(lease_s=12.0, deadline_s=8.0, retry_s=2.0)


def of_two_kinds(*, covered_s: float = 12.0) -> Leader:
    """Give a leader of the two links; b has timings of its own."""
    leader = Leader(term=1, profile=FAST, now=0.0, hold_off_s=0.0, covered_s=covered_s)
    leader.configure(Rules(LINKS, {"b": SLOW}), 0.0)
    return leader


def test_each_unit_has_its_own_lease_and_is_told_its_timings():
    """Unit b is heard first and last for 12 s * 1.02, a later and for 6.12 s: a ends first."""
    leader = of_two_kinds()
    assert say(leader, "b", 0.0, Open(), Acquire(("cdr",))).profile == SLOW
    assert say(leader, "a", 1.0, Open(), Acquire(("smdr",))).profile == FAST
    say(leader, "b", 1.0, Acquire(("smdr",)))
    assert owners(leader, 7.11) == {"smdr": "a", "cdr": "b"}
    assert owners(leader, 7.13) == {"smdr": "b", "cdr": "b"}
    assert owners(leader, 12.23) == {"smdr": "b", "cdr": "b"}
    assert owners(leader, 12.25) == {"smdr": "", "cdr": ""}


def test_a_longer_lease_is_given_when_the_row_of_the_term_says_it():
    """The row says 6 s: b goes by them, and the row is asked for 12 s; then b has its own."""
    leader = of_two_kinds(covered_s=6.0)
    assert say(leader, "b", 0.0, Open(), Acquire(("smdr",))).profile == FAST
    assert leader.longest_lease_s() == 12.0
    leader.cover(12.0)
    assert say(leader, "b", 1.0, Renew()).profile == SLOW
    say(leader, "a", 8.0, Open(), Acquire(("smdr",)))
    assert owners(leader, 13.23)["smdr"] == "b"
    assert owners(leader, 13.25)["smdr"] == "a"


def test_a_lease_that_was_given_under_a_longer_profile_stays_what_it_was():
    """Shortened at 2 s: what b was given at 1 s runs to 13.24 s, and the row says 12 s until then."""
    leader = of_two_kinds()
    say(leader, "b", 1.0, Open(), Acquire(("smdr",)))
    leader.configure(Rules(LINKS), 2.0)
    assert say(leader, "b", 3.0, Renew()).profile == FAST
    say(leader, "a", 8.0, Open(), Acquire(("smdr",)))
    assert (owners(leader, 13.23)["smdr"], leader.longest_lease_s()) == ("b", 12.0)
    say(leader, "a", 13.23, Renew())
    assert (owners(leader, 13.25)["smdr"], leader.longest_lease_s()) == ("a", 6.0)


def test_a_lease_given_now_counts_once_it_ends_later_than_a_longer_one_before():
    """Given 12 s at 1 s and 6 s at 8 s: it ends at 14.12 s, and 6 s in the row are enough."""
    leader = of_two_kinds()
    say(leader, "b", 1.0, Open(), Acquire(("smdr",)))
    leader.configure(Rules(LINKS), 2.0)
    say(leader, "b", 8.0, Renew())
    assert leader.longest_lease_s() == 6.0
    assert owners(leader, 14.11)["smdr"] == "b"
    assert owners(leader, 14.13)["smdr"] == ""


def test_a_link_has_its_own_hold_time():
    """The leader holds 300 s; smdr 10 s; cdr goes back by order alone."""
    leader = leading()
    leader.configure(Rules(LINKS, failback_hold_s={"smdr": 10.0, "cdr": None}), 0.0)
    for unit in ("b", "a"):
        say(leader, unit, 0.0, Open(), Acquire(("smdr",)))
    for unit in ("a", "b"):
        say(leader, unit, 0.0, Acquire(("cdr",)))
    assert owners(leader, 0.0) == {"smdr": "b", "cdr": "a"}
    for now in range(1, 400):
        for unit in ("a", "b"):
            say(leader, unit, float(now), Renew())
        to = {s.link_uid: s.to for s in leader.query(float(now))}
        assert to == {"smdr": "a" if now >= 10 else "", "cdr": ""}


def test_another_preferred_unit_gets_the_link_after_the_hold_time_of_its_last_move():
    """Unit a reads since 0 s; from 400 s on b is preferred, and there for longer than the hold."""
    leader = leading()
    for unit in ("a", "b"):
        say(leader, unit, 0.0, Open(), Acquire(("smdr",)))
    for now in range(5, 400, 5):
        for unit in ("a", "b"):
            say(leader, unit, float(now), Renew())
    leader.configure(Rules(LINKS | {"smdr": ("b", "a")}), 399.0)
    assert leader.query(400.0, ["smdr"])[0].to == "b"
