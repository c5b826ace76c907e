"""Messages of ownership survive the wire; what one side does not know does no harm."""

from __future__ import annotations

from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.ownership import (
    FAST,
    Acquire,
    Answer,
    Batch,
    HandOver,
    Leader,
    LinkStatus,
    LinkView,
    News,
    Open,
    Query,
    Release,
    Renew,
    Result,
    Revision,
    Rules,
    Token,
)
from bluewhale.ownership.wire import (
    pack_answer,
    pack_batch,
    pack_news,
    unpack_answer,
    unpack_batch,
    unpack_news,
    unpack_status,
)

SESSION = (1 << 64) - 1
NEWS = News(
    Revision(3, 41),
    (
        LinkView("smdr", "a", mine=True, token=Token(3, 7), leave=True, to="b"),
        LinkView("cdr", "", mine=False, token=Token(0, 0)),
    ),
)


def test_a_batch_arrives_as_it_was_sent_but_for_the_senders_clock():
    """Every item, the widest session, the revision; `sent_at` stays with the sender."""
    items = (
        Open((("smdr", Token(2, 9)),)),
        Renew(),
        Acquire(("smdr", "cdr")),
        Release("smdr", Token(2, 9), "b", stay=False),
        HandOver("cdr", "b"),
        Query(("smdr",)),
        Query(),
    )
    sent = Batch("a", SESSION, items, Revision(2, 40), sent_at=12.5)
    bytes_sent = pack_batch(sent).SerializeToString()
    got = unpack_batch(pb.BatchRequest.FromString(bytes_sent))
    assert got == Batch("a", SESSION, items, Revision(2, 40))


def test_an_answer_arrives_as_it_was_given():
    """Every result, the profile, the news, the state of links."""
    answer = Answer(3, tuple(Result), FAST, NEWS)
    status = LinkStatus("smdr", "a", Token(3, 7), 12.25, ("a", "b"), ("b",), "b")
    reply = pb.BatchReply.FromString(pack_answer(answer, [status]).SerializeToString())
    assert reply.leading
    assert unpack_answer(reply) == answer
    assert [unpack_status(s) for s in reply.links] == [status]


def test_news_arrive_as_they_were_told():
    """Owner, token, order to leave, and a link that nobody has."""
    assert unpack_news(pb.News.FromString(pack_news(NEWS).SerializeToString())) == NEWS


def test_what_a_newer_side_says_keeps_its_place_and_changes_nothing():
    """An item of unknown kind has its result; an unknown result is none that grants."""
    items = [pb.Item(open=pb.Open()), pb.Item(), pb.Item(acquire=pb.Acquire(link_uids=["smdr"]))]
    batch = unpack_batch(pb.BatchRequest(unit_uid="a", session=1, items=items))
    assert pack_batch(batch).items[1] == pb.Item()
    leader = Leader(term=1, profile=FAST, now=0.0, hold_off_s=0.0)
    leader.configure(Rules({"smdr": ("a", "b")}), 0.0)
    answer = leader.batch(batch, 0.0)
    assert answer.results == (Result.OK, Result.NOT_UNDERSTOOD, Result.OK)
    reply = pb.BatchReply(leading=True, term=1, profile=pb.Profile(lease_s=6), results=[99])
    assert unpack_answer(reply).results == (Result.NOT_UNDERSTOOD,)
