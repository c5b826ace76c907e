"""The decision on proposed calls: pure, over what is stored and what is offered.

Billing proposes, the database decides. Owns the rule which proposal becomes a
version of a call, which legs must be joined anew, and which legs are work
because no call has them. Does no I/O: the database gathers, asks, and applies
the answer in one transaction. It knows nothing of join keys: who is joined with
whom comes as pairs.

Source: the product's record rules, docs/reference/records.md, "Joining legs".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

CaptureKey = tuple[int, int, int]  # stream_id, incarnation, seq


@dataclass(frozen=True, slots=True)
class Member:
    """A leg as a proposal names it: the id it was given and its capture key."""

    cdr_id: bytes
    capture: CaptureKey


@dataclass(frozen=True, slots=True)
class LiveCall:
    """The live version of a stored call."""

    call_id: bytes
    version: int
    leg_ids: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored about the legs of a proposal, read in the deciding transaction.

    `captures`: capture key -> id of the stored leg it stands for (for a
    duplicate: of its twin). `legs`: which of the proposed ids are stored.
    `live`: every live call that shares a leg with the proposal, and for a
    re-rating the call it names. `last_version`: the highest version ever given
    to a call id, live or not; 0 where absent.
    """

    captures: Mapping[CaptureKey, bytes]
    legs: Collection[bytes]
    live: Mapping[bytes, LiveCall]
    last_version: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A whole call as billing saw it; `rerates` = (call_id, version) a re-rating read."""

    members: tuple[Member, ...]
    rerates: tuple[bytes, int] | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """A leg is not stored, or under another id: nothing is applied, stored legs are marked."""

    mark: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Ignore:
    """Some live call already has all these legs; equal sets are never priced again."""

    call_id: bytes


@dataclass(frozen=True, slots=True)
class Stale:
    """A re-rating read another version than the one that lives now; it asks again."""


@dataclass(frozen=True, slots=True)
class Rejoin:
    """Neither contains the other: the union is made by a re-join of these legs."""

    mark: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Accept:
    """Store this version of the call.

    `replaces`: the live versions whose charges are reversed. Of these, every
    call but `call_id` itself becomes `superseded_by` it. All legs get `call_id`
    as their call and are touched (`legs_to_mark`).
    """

    call_id: bytes
    version: int
    leg_ids: frozenset[bytes]
    replaces: tuple[LiveCall, ...]

    @property
    def supersedes(self) -> frozenset[bytes]:
        """Give the calls that end in this one."""
        return frozenset(c.call_id for c in self.replaces if c.call_id != self.call_id)


Decision = Refuse | Ignore | Stale | Rejoin | Accept


def decide(stored: Stored, proposal: Proposal) -> Decision:
    """Decide one proposed call against what is stored.

    1. Each member is resolved: by its capture key, else by its id. One that is
       not stored, or whose stored id differs from the offered one: refuse.
    2. A live call has them all: ignore. The proposal has all legs of every live
       call it touches: accept.
    3. Otherwise: re-join.

    A re-rating compares instead: the call it names must still be live in the
    version that it read, with the same legs.
    """
    offered = frozenset(m.cdr_id for m in proposal.members)
    resolved, complete = _resolve(stored, proposal)
    if not complete or not offered or resolved != offered:
        return Refuse(mark=resolved)
    touched = {c: call for c, call in stored.live.items() if call.leg_ids & offered}
    if proposal.rerates is not None:
        call_id, version = proposal.rerates
        current = stored.live.get(call_id)
        if current is None or current.version != version or current.leg_ids != offered:
            return Stale()
        return _accept(stored, offered, {call_id: current})
    for call in touched.values():
        if call.leg_ids >= offered:
            return Ignore(call.call_id)
    if all(call.leg_ids <= offered for call in touched.values()):
        return _accept(stored, offered, touched)
    return Rejoin(mark=offered)


def _resolve(stored: Stored, proposal: Proposal) -> tuple[frozenset[bytes], bool]:
    """Give the stored ids that the members stand for, and whether all are stored."""
    found: set[bytes] = set()
    complete = True
    for member in proposal.members:
        if member.capture in stored.captures:
            found.add(stored.captures[member.capture])
        elif member.cdr_id in stored.legs:
            found.add(member.cdr_id)
        else:
            complete = False
    return frozenset(found), complete


def _accept(stored: Stored, legs: frozenset[bytes], touched: Mapping[bytes, LiveCall]) -> Accept:
    """Give the next version of the call of these legs; its id is the smallest of theirs."""
    call_id = min(legs)
    return Accept(
        call_id=call_id,
        version=stored.last_version.get(call_id, 0) + 1,
        leg_ids=legs,
        replaces=tuple(touched[c] for c in sorted(touched)),
    )


def legs_to_mark(
    touched: Collection[bytes],
    pairs: Iterable[tuple[bytes, bytes]],
    owners: Mapping[bytes, bytes],
) -> frozenset[bytes]:
    """Say which legs must be joined anew because a leg or a call was stored.

    Parameters
    ----------
    touched: legs just stored, or legs of a call just stored.
    pairs: directly joined pairs of stored legs with at least one of `touched`.
    owners: leg -> its live call; absent = in none.

    Returns
    -------
    Of each pair whose two legs are not in one live call, the touched legs. Two
    legs in no call at all are left to the stream and to `legs_without_call`.
    """
    marked: set[bytes] = set()
    for one, other in pairs:
        if owners.get(one) != owners.get(other):
            marked.update(leg for leg in (one, other) if leg in touched)
    return frozenset(marked)


def closure(
    seeds: Iterable[bytes], neighbours: Callable[[bytes], Iterable[bytes]]
) -> frozenset[bytes]:
    """Follow joins from some legs to whole components, over hot and sealed legs alike.

    A re-join must offer all legs that the join puts together, not only those of
    one key: a leg with two keys connects two groups.
    """
    done: set[bytes] = set()
    todo = list(seeds)
    while todo:
        leg = todo.pop()
        if leg not in done:
            done.add(leg)
            todo.extend(other for other in neighbours(leg) if other not in done)
    return frozenset(done)


def legs_without_call(
    ingested_ms: Mapping[bytes, int],
    owners: Mapping[bytes, bytes],
    *,
    data_time_ms: int,
    window_ms: int,
) -> frozenset[bytes]:
    """Give the legs that are work: in no call two windows behind the partition's data time."""
    before = data_time_ms - 2 * window_ms
    return frozenset(
        leg for leg, moment in ingested_ms.items() if leg not in owners and moment <= before
    )
