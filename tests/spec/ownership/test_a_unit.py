"""What a unit counts on: its own lease, its lapse, and reading on without contact."""

from __future__ import annotations

from bluewhale.ownership import (
    FAST,
    Acquire,
    Answer,
    LinkView,
    News,
    Open,
    Profile,
    Release,
    Renew,
    Result,
    Revision,
    Token,
    UnitSide,
)

MINE = LinkView("smdr", "a", mine=True, token=Token(1, 1))


def news(number: int, *links: LinkView, term: int = 1) -> News:
    """Give what a leader says of links."""
    return News(Revision(term, number), links)


def answer(unit: UnitSide, batch, now: float, told: News | None = None, *results) -> None:
    """Let a leader answer a batch."""
    given = results or (Result.OK,) * len(batch.items)
    unit.answered(batch, Answer(1 if told is None else told.revision.term, given, FAST, told), now)


def owning(now: float = 0.0) -> UnitSide:
    """A unit that owns smdr since its request of `now`."""
    unit = UnitSide("a", 7, ["smdr"], profile=FAST)
    batch = unit.request(now)
    assert batch is not None
    answer(unit, batch, now + 0.1, news(1, MINE))
    return unit


def test_a_unit_opens_and_asks_for_its_links_then_renews_once_per_pause():
    """First batch: open and acquire; then one renew a second, whatever the links."""
    unit = UnitSide("a", 7, ["smdr", "cdr"], profile=FAST)
    batch = unit.request(0.0)
    assert batch is not None
    assert batch.items == (Open(), Acquire(("cdr", "smdr")))
    told = news(1, MINE, LinkView("cdr", "b", mine=False, token=Token(1, 2)))
    answer(unit, batch, 0.1, told)
    assert unit.request(0.9) is None
    batch = unit.request(1.0)
    assert batch is not None
    assert batch.items == (Renew(),)
    assert batch.known == Revision(1, 1)


def test_a_lease_is_over_for_the_unit_before_lease_and_margin_since_it_sent():
    """Sent at 0, answered at 0.1: 6 s * 0.98 = 5.88 s, counted from the sending."""
    unit = owning()
    assert unit.entitled("smdr", 5.87)
    assert not unit.entitled("smdr", 5.88)


def test_an_owner_without_contact_reads_on_though_not_entitled():
    """Hours after its lease the link is still read into the journal."""
    unit = owning()
    for now in range(1, 7200):
        unit.request(float(now))
    assert not unit.entitled("smdr", 7200.0)
    assert unit.reads("smdr", 7200.0)


def test_an_owner_stops_when_it_learns_that_another_is_entitled():
    """Contact again, and b owns the link by (1, 2): a stops."""
    unit = owning()
    batch = unit.request(60.0)
    assert batch is not None
    answer(unit, batch, 60.1, None, Result.SESSION_UNKNOWN, Result.SESSION_UNKNOWN)
    assert unit.reads("smdr", 60.1)
    batch = unit.request(60.1)
    assert batch is not None
    assert isinstance(batch.items[0], Open)
    told = news(9, LinkView("smdr", "b", mine=False, token=Token(1, 2)))
    results = [Result.STALE_TOKEN if isinstance(i, Release) else Result.OK for i in batch.items]
    answer(unit, batch, 60.2, told, *results)
    assert not unit.reads("smdr", 60.2)
    assert unit.owner("smdr") == "b"


def test_a_token_whose_lease_was_over_once_entitles_no_more():
    """An answer at 7 s to a request of 3 s comes after the lapse: not entitled until a new token."""
    unit = owning()
    late = unit.request(3.0)
    assert late is not None
    answer(unit, late, 7.0)
    assert unit.lease_end == 3.0 + 5.88
    assert not unit.entitled("smdr", 7.0)
    batch = unit.request(7.0)
    assert batch is not None
    assert batch.items == (Renew(), Release("smdr", Token(1, 1), "a"))  # and it wants it again
    again = news(2, LinkView("smdr", "a", mine=True, token=Token(1, 2)))
    answer(unit, batch, 7.1, again)
    assert unit.entitled("smdr", 7.1)


def test_a_unit_told_to_leave_stops_then_releases_to_the_named_one():
    """leave: not read any more, still held until `left`; then released to b at once."""
    unit = owning()
    leave = LinkView("smdr", "a", mine=True, token=Token(1, 1), leave=True, to="b")
    unit.watched(news(2, leave), 0.5)
    assert unit.leaving() == ("smdr",)
    assert not unit.reads("smdr", 0.5)
    assert unit.entitled("smdr", 0.5)
    unit.left("smdr", 0.6)
    assert not unit.entitled("smdr", 0.6)
    batch = unit.request(0.6)
    assert batch is not None
    assert batch.items == (Renew(), Release("smdr", Token(1, 1), "b"))


def test_an_order_that_was_taken_back_lets_the_unit_read_on():
    """leave, then not: reading again without a new token."""
    unit = owning()
    leave = LinkView("smdr", "a", mine=True, token=Token(1, 1), leave=True, to="b")
    unit.watched(news(2, leave), 0.5)
    unit.watched(news(3, MINE), 0.6)
    assert unit.reads("smdr", 0.6)
    assert unit.leaving() == ()


def test_a_release_is_repeated_until_it_was_answered():
    """Two requests without an answer carry the same release; after the answer none does."""
    unit = owning()
    unit.left("smdr", 0.5)
    release = Release("smdr", Token(1, 1), "")
    first, second = unit.request(0.5), unit.request(1.5)
    assert first is not None
    assert second is not None
    assert first.items[1] == second.items[1] == release
    answer(unit, second, 1.6)
    third = unit.request(2.5)
    assert third is not None
    assert third.items == (Renew(),)


def test_pushed_news_extend_no_lease():
    """News at 5 s tell of a second link; both end at 5.88 s."""
    unit = UnitSide("a", 7, ["smdr", "cdr"], profile=FAST)
    batch = unit.request(0.0)
    assert batch is not None
    answer(unit, batch, 0.1, news(1, MINE))
    unit.watched(news(2, MINE, LinkView("cdr", "a", mine=True, token=Token(1, 2))), 5.0)
    assert unit.entitled("cdr", 5.8)
    assert not unit.entitled("cdr", 5.9)


def test_older_news_and_answers_of_an_older_term_change_nothing():
    """Revision 1 after 2, and term 1 after 2, are of the past."""
    unit = owning()
    other = LinkView("smdr", "b", mine=False, token=Token(2, 1))
    unit.watched(news(1, other, term=2), 0.5)
    unit.watched(news(9, MINE), 0.6)
    assert unit.owner("smdr") == "b"
    batch = unit.request(1.0)
    assert batch is not None
    unit.answered(batch, Answer(1, (Result.OK,), FAST), 1.1)
    assert unit.lease_end == 5.88


def test_a_unit_tells_a_new_leader_what_it_holds_while_it_holds_it():
    """A new leader knows no session: the next batch opens with the token; a lapsed one not."""
    unit = owning()
    batch = unit.request(1.0)
    assert batch is not None
    answer(unit, batch, 1.1, None, Result.SESSION_UNKNOWN)
    batch = unit.request(1.1)
    assert batch is not None
    assert batch.items == (Open((("smdr", Token(1, 1)),)), Acquire(("smdr",)))
    batch = unit.request(9.0)
    assert batch is not None
    assert batch.items[0] == Open()


def test_after_a_restart_without_contact_the_links_read_before_are_read_again():
    """kept: not at once, another may own them by now; after 4 s without an answer they are."""
    unit = UnitSide("a", 8, ["smdr"], profile=FAST, kept=["smdr", "gone"])
    unit.request(100.0)
    assert not unit.reads("smdr", 103.9)
    assert unit.reads("smdr", 104.0)
    assert unit.kept() == {"smdr"}


def test_a_unit_that_never_owned_a_link_does_not_read_it_without_contact():
    """A standby cut off from the centre leaves the PBX alone."""
    unit = UnitSide("b", 9, ["smdr"], profile=FAST)
    unit.request(0.0)
    assert not unit.reads("smdr", 1e6)


def test_a_clean_end_gives_everything_back():
    """give_up: one batch that releases all and asks for nothing any more."""
    unit = owning()
    batch = unit.give_up(1.0)
    assert batch.items == (Release("smdr", Token(1, 1), "", stay=False),)
    assert not unit.reads("smdr", 1.0)
    assert not unit.entitled("smdr", 1.0)


def test_a_link_that_is_not_shared_any_more_is_given_back():
    """set_links without it: released, not asked for, not read by way of ownership."""
    unit = owning()
    unit.set_links(["cdr"], 1.0)
    batch = unit.request(1.0)
    assert batch is not None
    assert batch.items == (
        Renew(),
        Release("smdr", Token(1, 1), "", stay=False),
        Acquire(("cdr",)),
    )
    assert unit.reading(1.0) == frozenset()


def test_a_unit_with_long_pauses_looks_for_the_leader_every_two_seconds():
    """It renews every 20 s; whoever it asked does not lead: asked again after 2 s."""
    unit = UnitSide("a", 7, ["smdr"], profile=Profile(lease_s=60.0, deadline_s=40.0, retry_s=20.0))
    assert unit.request(0.0) is not None
    assert unit.next_at == 20.0
    unit.unanswered(0.5)
    assert unit.next_at == 2.5
    assert unit.request(2.5) is not None
