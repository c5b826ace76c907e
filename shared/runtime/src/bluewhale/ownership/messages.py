"""What units and the leader say to each other; the shapes of the contract, without gRPC.

Owns the items of a batch, their results and the view of a unit. Does not own
their meaning (`leader`, `unit`) or their bytes (bluewhale.api.ownership.v1).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from bluewhale.ownership.profile import Profile


class Token(NamedTuple):
    """Names one grant: greater than the token of every earlier grant of any link."""

    term: int
    sequence: int


class Revision(NamedTuple):
    """A state of the grants; the greater one is the later one."""

    term: int
    number: int


NO_TOKEN = Token(0, 0)
NOTHING_KNOWN = Revision(0, 0)


class Result(enum.Enum):
    """What came of one item."""

    OK = "ok"
    SESSION_UNKNOWN = "session_unknown"  # open a session first
    STALE_TOKEN = "stale_token"  # noqa: S105 - a result, no secret; nothing changed
    NOT_CONFIGURED = "not_configured"  # the unit is not one of the link's, or no such link
    NOT_READY = "not_ready"  # the unit named in a hand-over is not there
    NOT_UNDERSTOOD = "not_understood"  # of a newer release; nothing changed


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a session, or begin it again with a new leader.

    `held` = (link_uid, token) that the unit is entitled to at the moment of sending.
    """

    held: tuple[tuple[str, Token], ...] = ()


@dataclass(frozen=True, slots=True)
class Renew:
    """Extend the session: one per unit, whatever the number of its links."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Ask for links, now or as soon as they are free; repeating it changes nothing."""

    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Give a link back. `to` = unit that shall have it; `stay` = keep asking for it."""

    link_uid: str
    token: Token
    to: str = ""
    stay: bool = True


@dataclass(frozen=True, slots=True)
class HandOver:
    """A person or the operator orders a planned hand-over to a unit."""

    link_uid: str
    to: str


@dataclass(frozen=True, slots=True)
class Query:
    """Ask how links stand, () = all; answered beside the results."""

    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """An item of a newer release; it keeps its place, so that results keep theirs."""


Item = Open | Renew | Acquire | Release | HandOver | Query | NotUnderstood


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one session, applied in order. `sent_at` stays with the sender."""

    unit_uid: str
    session: int  # random, one per process start; 0 = a person, who holds nothing
    items: tuple[Item, ...]
    known: Revision = NOTHING_KNOWN
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkView:
    """One link as a unit that asked for it may see it."""

    link_uid: str
    owner: str  # unit_uid, "" = nobody
    mine: bool  # owned by this very session
    token: Token
    leave: bool = False  # the owner shall stop reading and release
    to: str = ""  # the unit that shall have it next


@dataclass(frozen=True, slots=True)
class News:
    """All links that a session asked for, at one revision."""

    revision: Revision
    links: tuple[LinkView, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a batch; `news` only where the sender knew less."""

    term: int
    results: tuple[Result, ...]
    profile: Profile
    news: News | None = None


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link as an operator may see it; `held_s` = since the present owner has it."""

    link_uid: str
    owner: str
    token: Token
    held_s: float
    units: tuple[str, ...]  # configured, preferred first
    ready: tuple[str, ...]  # of these, the ones that ask for it now
    to: str  # hand-over under way


class EventKind(enum.Enum):
    """What a leader decided; for logs, metrics and tests."""

    GRANTED = "granted"
    RELEASED = "released"
    EXPIRED = "expired"
    ORDERED = "hand_over_ordered"
    REPLACED = "session_replaced"


@dataclass(frozen=True, slots=True)
class Event:
    """One decision; `link_uid` is empty where it concerns a whole session."""

    kind: EventKind
    link_uid: str
    unit_uid: str
    session: int
    token: Token
