"""Ownership's messages as bytes: between the shapes of `messages` and the contract.

Owns the translation, both ways, for units and leaders alike. Does not own the
shapes or the contract. What a newer side says that this one does not know is
left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.ownership.messages import (
    Acquire,
    Answer,
    Batch,
    HandOver,
    Item,
    LinkStatus,
    LinkView,
    News,
    NotUnderstood,
    Open,
    Query,
    Release,
    Renew,
    Result,
    Revision,
    Token,
)
from bluewhale.ownership.profile import Profile

_RESULTS = {
    Result.OK: pb.RESULT_OK,
    Result.SESSION_UNKNOWN: pb.RESULT_SESSION_UNKNOWN,
    Result.STALE_TOKEN: pb.RESULT_STALE_TOKEN,
    Result.NOT_CONFIGURED: pb.RESULT_NOT_CONFIGURED,
    Result.NOT_READY: pb.RESULT_NOT_READY,
    Result.NOT_UNDERSTOOD: pb.RESULT_NOT_UNDERSTOOD,
}
_RESULTS_BACK = {number: result for result, number in _RESULTS.items()}


def pack_batch(batch: Batch) -> pb.BatchRequest:
    """Give the request of a batch; `sent_at` stays here."""
    return pb.BatchRequest(
        unit_uid=batch.unit_uid,
        session=batch.session,
        known=pb.Revision(term=batch.known.term, number=batch.known.number),
        items=[_pack_item(item) for item in batch.items],
    )


def unpack_batch(request: pb.BatchRequest) -> Batch:
    """Give the batch of a request; every item keeps its place, also one of a newer release."""
    items = tuple(_unpack_item(packed) for packed in request.items)
    known = Revision(request.known.term, request.known.number)
    return Batch(request.unit_uid, request.session, items, known)


def pack_answer(answer: Answer, links: Sequence[LinkStatus] = ()) -> pb.BatchReply:
    """Give the reply of a leader."""
    profile = answer.profile
    return pb.BatchReply(
        leading=True,
        term=answer.term,
        results=[_RESULTS[result] for result in answer.results],
        profile=pb.Profile(
            lease_s=profile.lease_s,
            deadline_s=profile.deadline_s,
            retry_s=profile.retry_s,
            drift=profile.drift,
        ),
        news=pack_news(answer.news) if answer.news is not None else None,
        links=[_pack_status(status) for status in links],
    )


def unpack_answer(reply: pb.BatchReply) -> Answer:
    """Give the answer of a leader."""
    assert reply.leading
    found = reply.profile
    return Answer(
        reply.term,
        tuple(_RESULTS_BACK.get(r, Result.NOT_UNDERSTOOD) for r in reply.results),
        Profile(found.lease_s, found.deadline_s, found.retry_s, found.drift),
        unpack_news(reply.news) if reply.HasField("news") else None,
    )


def pack_news(news: News) -> pb.News:
    """Give the message of news."""
    return pb.News(
        revision=pb.Revision(term=news.revision.term, number=news.revision.number),
        links=[
            pb.LinkView(
                link_uid=view.link_uid,
                owner=view.owner,
                mine=view.mine,
                token=_pack_token(view.token),
                leave=view.leave,
                to=view.to,
            )
            for view in news.links
        ],
    )


def unpack_news(news: pb.News) -> News:
    """Give the news of a message."""
    return News(
        Revision(news.revision.term, news.revision.number),
        tuple(
            LinkView(v.link_uid, v.owner, v.mine, _token(v.token), v.leave, v.to)
            for v in news.links
        ),
    )


def unpack_status(status: pb.LinkStatus) -> LinkStatus:
    """Give the state of a link as an operator asked for it."""
    return LinkStatus(
        status.link_uid,
        status.owner,
        _token(status.token),
        status.held_s,
        tuple(status.units),
        tuple(status.ready),
        status.to,
    )


def _pack_status(status: LinkStatus) -> pb.LinkStatus:
    return pb.LinkStatus(
        link_uid=status.link_uid,
        owner=status.owner,
        token=_pack_token(status.token),
        held_s=status.held_s,
        units=status.units,
        ready=status.ready,
        to=status.to,
    )


def _pack_item(item: Item) -> pb.Item:
    match item:
        case Open():
            held = [pb.Held(link_uid=uid, token=_pack_token(t)) for uid, t in item.held]
            return pb.Item(open=pb.Open(held=held))
        case Renew():
            return pb.Item(renew=pb.Renew())
        case Acquire():
            return pb.Item(acquire=pb.Acquire(link_uids=item.links))
        case Release():
            return pb.Item(
                release=pb.Release(
                    link_uid=item.link_uid,
                    token=_pack_token(item.token),
                    to=item.to,
                    stay=item.stay,
                )
            )
        case HandOver():
            return pb.Item(hand_over=pb.HandOver(link_uid=item.link_uid, to=item.to))
        case Query():
            return pb.Item(query=pb.Query(link_uids=item.links))
        case NotUnderstood():
            return pb.Item()


def _unpack_item(packed: pb.Item) -> Item:
    match packed.WhichOneof("item"):
        case "open":
            return Open(tuple((h.link_uid, _token(h.token)) for h in packed.open.held))
        case "renew":
            return Renew()
        case "acquire":
            return Acquire(tuple(packed.acquire.link_uids))
        case "release":
            found = packed.release
            return Release(found.link_uid, _token(found.token), found.to, found.stay)
        case "hand_over":
            return HandOver(packed.hand_over.link_uid, packed.hand_over.to)
        case "query":
            return Query(tuple(packed.query.link_uids))
        case _:
            return NotUnderstood()


def _pack_token(token: Token) -> pb.Token:
    return pb.Token(term=token.term, sequence=token.sequence)


def _token(token: pb.Token) -> Token:
    return Token(token.term, token.sequence)
