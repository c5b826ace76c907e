"""The fixed layouts of Avaya CM as tables: item, first, last, confidence, meaning.

Positions are 1-based and inclusive, as the guides print them. Positions that no
item covers are spaces, which is how a foreign format is recognised, except
those under `unread`. Confidence: V = read in a vendor document, R = read in an
open collector, I = inferred; the README lists the documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

GUIDE = "DEFINITY R8.2 Administrator's Guide 555-233-506; MultiVantage 2002; CM 2003"


@dataclass(frozen=True, slots=True)
class Item:
    """One data item of a layout; `first` and `last` are 1-based, inclusive."""

    name: str
    first: int
    last: int
    confidence: str = "V"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A record layout.

    `length` is the text without CR, LF and NULs; records up to `length_max` are
    accepted (items beyond `length` were not seen). `inverted`: circuit id 123 is
    printed 231. `date_line` is the shape of the date record, None = none was
    ever seen for this layout. `line_feed`: column of an LF inside the record.
    """

    name: str
    title: str
    length: int
    items: tuple[Item, ...]
    inverted: bool = False
    date_line: str | None = None
    line_feed: int = 0
    length_max: int = 0
    unread: tuple[tuple[int, int], ...] = ()
    nulls: int = 3
    ending: bytes = b"\r\n"
    source: str = GUIDE

    def item(self, name: str) -> Item | None:
        """Find an item by name."""
        return next((item for item in self.items if item.name == name), None)


MEANINGS: dict[str, str] = {
    "date": "civil day on which the call ended, six digits in the configured order",
    "time": "time of day the call ended, hhmm, 24 hours, clock of the PBX",
    "hours": "duration, hours",
    "minutes": "duration, minutes",
    "tenths": "duration, tenths of a minute, truncated",
    "duration": "duration, H MM T: hours, minutes, tenths of a minute",
    "sec-dur": "duration in seconds",
    "cond-code": "condition code: what kind of call or record this is",
    "code-dial": "access code dialled",
    "code-used": "access code used: the trunk access code where it differs",
    "dialed-num": "number dialled; for incoming calls the extension that was called",
    "calling-num": "calling number; for incoming calls the number received",
    "calling-last": "calling extension, digits 2 to 5",
    "calling-first": "calling extension, first digit",
    "acct-code": "account code dialled",
    "auth-code": "authorization code dialled",
    "frl": "facility restriction level, or disconnect information",
    "ixc-code": "interexchange carrier code",
    "in-crt-id": "circuit id of the incoming trunk member",
    "out-crt-id": "circuit id of the outgoing trunk member",
    "in-crt-tu": "incoming circuit id, tens and units",
    "in-crt-h": "incoming circuit id, hundreds",
    "out-crt-tu": "outgoing circuit id, tens and units",
    "out-crt-h": "outgoing circuit id, hundreds",
    "in-trk-code": "access code of the incoming trunk group",
    "feat-flag": "feature flag",
    "attd-console": "attendant console",
    "node-num": "node number",
    "ins": "ISDN network service",
    "isdn-nsv": "ISDN network service value",
    "bcc": "bearer capability class",
    "ma-uui": "message associated user-to-user information",
    "res_flag": "resource flag",
    "ppm": "periodic pulse metering count",
    "packet": "packet count of a temporary signalling connection",
    "tsc_flag": "temporary signalling connection flag",
    "vdn": "vector directory number",
    "queue": "time in queue",
    "isdn-cc": "ISDN call charge",
    "clg-num/in-tac": "calling number, or the incoming trunk access code where it is not known",
    "bandwidth": "bandwidth",
    "country-from": "country code of the origin",
    "country-to": "country code of the destination",
    "tsc_ct": "count of temporary signalling connection messages",
    "reserved": "reserved by the vendor",
}

_CLOCK_5 = (("time", 1, 4), ("hours", 5, 5), ("minutes", 6, 7), ("tenths", 8, 8))
_CLOCK_6 = (("time", 1, 4), ("hours", 6, 6), ("minutes", 7, 8), ("tenths", 9, 9))


def _items(*rows: tuple[str, int, int] | tuple[str, int, int, str]) -> tuple[Item, ...]:
    """Make items from rows; the fourth part is the confidence where it is not V."""
    return tuple(Item(*row) for row in rows)


_TELESEER_TAIL = (
    ("code-used", 16, 18), ("dialed-num", 19, 33), ("calling-num", 34, 38), ("acct-code", 39, 53),
)  # fmt: skip
_TELESEER_CLOCK = (
    ("time", 4, 7), ("hours", 8, 8), ("minutes", 9, 10), ("tenths", 11, 11), ("cond-code", 12, 12),
)  # fmt: skip
_TELESEER_ENDS = (
    ("in-crt-id", 56, 58), ("out-crt-id", 59, 61), ("feat-flag", 62, 62), ("auth-code", 63, 69),
)  # fmt: skip
_LSU_HEAD = (
    ("hours", 1, 1), ("minutes", 2, 3), ("tenths", 4, 4), ("cond-code", 5, 5),
    ("code-used", 9, 11), ("dialed-num", 12, 26), ("calling-last", 27, 30), ("acct-code", 31, 35),
    ("auth-code", 36, 42), ("calling-first", 46, 46), ("in-crt-tu", 47, 48), ("feat-flag", 49, 49),
    ("out-crt-tu", 50, 51), ("out-crt-h", 52, 52), ("in-crt-h", 53, 53),
)  # fmt: skip
_INT_HEAD = (
    *_CLOCK_6, ("cond-code", 11, 11), ("code-dial", 13, 16), ("code-used", 18, 21),
    ("dialed-num", 23, 37), ("calling-num", 39, 48), ("acct-code", 50, 64),
)  # fmt: skip
_UNFORMATTED = (
    *_CLOCK_5, ("cond-code", 9, 9), ("code-dial", 10, 13), ("code-used", 14, 17),
    ("dialed-num", 18, 32), ("calling-num", 33, 42), ("acct-code", 43, 57), ("auth-code", 58, 64),
    ("frl", 67, 67), ("in-crt-id", 68, 70), ("out-crt-id", 71, 73), ("feat-flag", 74, 74),
    ("attd-console", 75, 76), ("in-trk-code", 77, 80), ("node-num", 81, 82), ("ins", 83, 85),
    ("ixc-code", 86, 88), ("bcc", 89, 89), ("ma-uui", 90, 90), ("res_flag", 91, 91),
    ("packet", 92, 95), ("tsc_flag", 96, 96), ("reserved", 97, 100),
)  # fmt: skip

TELESEER = Layout(
    "teleseer",
    "TELESEER",
    76,
    _items(
        *_TELESEER_CLOCK, ("code-dial", 13, 15), *_TELESEER_TAIL,
        ("frl", 54, 54), ("ixc-code", 55, 55), *_TELESEER_ENDS,
    ),
    inverted=True,
    date_line="MMDD",
)  # fmt: skip
ISDN_TELESEER = Layout(
    "isdn-teleseer",
    "ISDN TELESEER",
    76,
    _items(
        *_TELESEER_CLOCK, ("ixc-code", 13, 15), *_TELESEER_TAIL,
        ("ins", 54, 54), ("frl", 55, 55), *_TELESEER_ENDS, ("isdn-nsv", 70, 71),
    ),
    inverted=True,
    date_line="MMDD",
    ending=b"\n",
)  # fmt: skip
PRINTER = Layout(
    "printer",
    "Printer",
    82,
    _items(
        *_CLOCK_6, ("cond-code", 11, 11), ("code-dial", 13, 15), ("code-used", 17, 19),
        ("dialed-num", 21, 35), ("calling-num", 37, 41), ("acct-code", 43, 57),
        ("auth-code", 59, 65), ("frl", 70, 70), ("ixc-code", 72, 72), ("in-crt-id", 74, 76),
        ("out-crt-id", 78, 80, "I"), ("feat-flag", 82, 82, "I"),
    ),
    inverted=True,
    date_line="MM DD",
)  # fmt: skip
ENHANCED_PRINTER = Layout(
    "enhanced-printer",
    "Enhanced Printer",
    83,
    _items(
        *_CLOCK_6, ("cond-code", 11, 11), ("ixc-code", 13, 16), ("code-used", 18, 21),
        ("dialed-num", 23, 37), ("calling-num", 39, 43), ("acct-code", 45, 59),
        ("auth-code", 61, 67), ("isdn-nsv", 69, 71), ("frl", 73, 73), ("in-crt-id", 75, 77),
        ("out-crt-id", 79, 81), ("feat-flag", 83, 83),
    ),
    inverted=True,
    date_line="MM DD",
)  # fmt: skip
LSU = Layout(
    "lsu",
    "LSU",
    54,
    _items(*_LSU_HEAD, ("code-dial", 6, 8), ("frl", 45, 45), ("ixc-code", 54, 54)),
)
ISDN_LSU = Layout(
    "isdn-lsu",
    "ISDN LSU",
    54,
    _items(*_LSU_HEAD, ("ins", 43, 44), ("frl", 45, 45), ("ixc-code", 54, 54)),
)
ENHANCED_LSU = Layout(
    "enhanced-lsu",
    "Enhanced LSU",
    54,
    _items(*_LSU_HEAD, ("ixc-code", 6, 8, "I"), ("ins", 43, 45, "I"), ("frl", 54, 54)),
)
LSU_EXPAND = Layout(
    "lsu-expand",
    "LSU-Expand",
    73,
    _items(
        *_CLOCK_6, ("cond-code", 11, 11), ("code-dial", 13, 15), ("code-used", 16, 18),
        ("dialed-num", 20, 34), ("calling-last", 36, 39), ("acct-code", 41, 45),
        ("auth-code", 47, 53), ("frl", 58, 58), ("calling-first", 60, 60), ("in-crt-tu", 62, 63),
        ("feat-flag", 65, 65), ("out-crt-tu", 67, 68), ("out-crt-h", 70, 70), ("in-crt-h", 72, 72),
        ("ixc-code", 73, 73),
    ),
)  # fmt: skip
INT_DIRECT = Layout(
    "int-direct",
    "Int-Direct",
    78,
    _items(
        ("time", 1, 4, "I"), ("hours", 6, 6, "I"), ("minutes", 7, 8, "I"), ("tenths", 9, 9, "I"),
        ("cond-code", 11, 11, "I"), ("code-dial", 13, 16, "I"), ("code-used", 18, 21, "I"),
        ("dialed-num", 27, 44), ("calling-num", 46, 50), ("acct-code", 52, 66), ("ppm", 68, 72),
        ("in-crt-tu", 74, 75), ("out-crt-tu", 77, 78),
    ),
    date_line="MMDD",
    unread=((22, 26),),
)  # fmt: skip
INT_ISDN = Layout(
    "int-isdn",
    "Int-ISDN",
    131,
    _items(
        *_INT_HEAD, ("auth-code", 66, 72), ("frl", 76, 76), ("in-crt-id", 78, 80),
        ("out-crt-id", 82, 84), ("feat-flag", 86, 86), ("attd-console", 88, 89),
        ("in-trk-code", 91, 94), ("node-num", 96, 97), ("ins", 99, 101), ("ixc-code", 103, 106),
        ("bcc", 108, 108), ("ma-uui", 110, 110), ("res_flag", 112, 112), ("reserved", 114, 119),
        ("ppm", 120, 124),
    ),
    date_line="MMDD",
    line_feed=74,
    nulls=1,
)  # fmt: skip
EXPANDED = Layout(
    "expanded",
    "Expanded",
    64,
    _items(*_INT_HEAD),
    date_line="MM DD",
    length_max=200,
    unread=((65, 200),),
)
UNFORMATTED = Layout("unformatted", "Unformatted", 100, _items(*_UNFORMATTED))
ENHANCED_UNFORMATTED = Layout(
    "enhanced-unformatted",
    "Enhanced Unformatted",
    100,
    _items(*_UNFORMATTED, ("queue", 65, 66)),
    length_max=118,
    unread=((101, 118),),
    source=GUIDE + "; total length 123: open node decoder",
)

FIXED: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        TELESEER, ISDN_TELESEER, PRINTER, ENHANCED_PRINTER, LSU, ISDN_LSU, ENHANCED_LSU,
        LSU_EXPAND, INT_DIRECT, INT_ISDN, EXPANDED, UNFORMATTED, ENHANCED_UNFORMATTED,
    )
}  # fmt: skip

_GAP = ("space", 1)
_UNSEEN = "unseen"  # a stretch of a customised layout that is not known to us

# Ready lists for customised links: (data item, length) from the left, and the order of the date.
PROFILES: dict[str, tuple[tuple[tuple[str, int], ...], str, str]] = {
    "custom-97": (
        (
            ("date", 6), _GAP, ("time", 4), _GAP, ("sec-dur", 5), _GAP, ("calling-num", 15), _GAP,
            ("dialed-num", 23), _GAP, ("auth-code", 13), _GAP, ("in-trk-code", 4),
            ("in-crt-id", 3), _GAP, ("code-dial", 4), _GAP, ("code-used", 4), ("out-crt-id", 3),
            _GAP, ("cond-code", 1), _GAP,
        ),
        "MMDDYY",
        "open collector OlegPowerC/avayacdrparce",
    ),
    "custom-114": (
        (
            ("date", 6), _GAP, ("time", 4), _GAP, ("sec-dur", 5), _GAP, ("cond-code", 1), _GAP,
            ("code-dial", 4), _GAP, ("code-used", 4), _GAP, ("dialed-num", 23), _GAP,
            ("calling-num", 15), _GAP, ("acct-code", 15), _GAP, ("ppm", 5), _GAP,
            ("in-crt-id", 3), _GAP, ("out-crt-id", 3), _GAP, ("in-trk-code", 4), _GAP, ("vdn", 7),
            _GAP, ("feat-flag", 1),
        ),
        "DDMMYY",
        "open collector nevian427/yaacc",
    ),
    "custom-112": (
        (
            ("date", 6), _GAP, ("time", 4), _GAP, ("duration", 4), _GAP, ("sec-dur", 5), _GAP,
            ("cond-code", 1), _GAP, ("code-dial", 4), _GAP, ("code-used", 4), _GAP,
            ("dialed-num", 23), _GAP, ("calling-num", 15), (_UNSEEN, 15), ("in-crt-id", 3), _GAP,
            ("out-crt-id", 3), (_UNSEEN, 16),
        ),
        "MMDDYY",
        "three sample lines of a public test server; positions derived from them",
    ),
}  # fmt: skip

LAYOUT_NAMES = (*FIXED, *PROFILES, "custom")
_NOT_ITEMS = {"space", "return", "line-feed", "null", _UNSEEN}
_LIMITS = {"code-dial": 4, "code-used": 4, "in-trk-code": 4, "in-crt-id": 3, "out-crt-id": 3}
_EXACT = {"date": 6, "time": 4, "duration": 4, "sec-dur": 5, "cond-code": 1}


def customised(name: str, pairs: Sequence[tuple[str, int]], source: str, confidence: str) -> Layout:
    """Make a layout from a site's list of (data item, length) pairs."""
    items: list[Item] = []
    unread: list[tuple[int, int]] = []
    at = 1
    line_feed = 0
    text: list[tuple[str, int]] = [pair for pair in pairs if pair[0] not in {"return", "null"}]
    while text and text[-1][0] == "line-feed":
        text.pop()
    for item_name, width in text:
        last = at + width - 1
        if item_name == "line-feed":
            line_feed = at
        elif item_name == _UNSEEN:
            unread.append((at, last))
        elif item_name not in _NOT_ITEMS:
            items.append(Item(item_name, at, last, confidence))
        at = last + 1
    return Layout(
        name,
        f"Customised ({name})",
        at - 1,
        tuple(items),
        line_feed=line_feed,
        unread=tuple(unread),
        nulls=0,
        source=source,
    )


def custom_mistakes(pairs: object) -> list[str]:
    """List what is wrong with a configured list of pairs; empty = good."""
    found: list[str] = []
    if not isinstance(pairs, (list, tuple)) or not pairs:
        return ["option 'items' lists the data items of the customised layout, as [name, length]"]
    names: list[str] = []
    for index, pair in enumerate(pairs):
        good = (
            isinstance(pair, (list, tuple))
            and len(pair) == 2
            and isinstance(pair[0], str)
            and isinstance(pair[1], int)
            and 0 < pair[1] <= 99
        )
        if not good:
            found.append(f"items[{index}] is {pair!r}; write [name, length] with a length of 1..99")
            continue
        name, width = pair
        if name not in MEANINGS and name not in _NOT_ITEMS:
            found.append(f"items[{index}] {name!r} is no data item of Avaya CM")
        if name in _EXACT and width != _EXACT[name]:
            found.append(f"items[{index}] {name!r} has length {width}; it is {_EXACT[name]}")
        if name in _LIMITS and width > _LIMITS[name]:
            found.append(f"items[{index}] {name!r} has length {width}; at most {_LIMITS[name]}")
        if name in names and name not in _NOT_ITEMS:
            found.append(f"items[{index}] {name!r} occurs twice")
        names.append(name)
    found.extend(
        f"the layout has no {name!r}, which a call needs"
        for name in ("time", "cond-code", "dialed-num", "calling-num")
        if name not in names and not (name == "calling-num" and "clg-num/in-tac" in names)
    )
    if not {"duration", "sec-dur"} & set(names):
        found.append("the layout has neither 'duration' nor 'sec-dur', one of which a call needs")
    return found


def layout_of(options: Mapping[str, object]) -> Layout:
    """Give the layout that a link's options name, with the site's variations applied."""
    items = options.get("items", ())
    assert isinstance(items, (list, tuple)), "options were checked"
    return _layout(
        str(options.get("layout", "unformatted")),
        tuple((str(name), int(width)) for name, width in items),
        str(options.get("circuit_id", "as_layout")),
        int(str(options.get("account_code_length", 5))),
    )


@lru_cache(maxsize=256)
def _layout(
    name: str, pairs: tuple[tuple[str, int], ...], circuit_id: str, account_code_length: int
) -> Layout:
    """Build the layout once per setting."""
    if name == "custom":
        layout = customised("custom", pairs, "configuration of the link", "site")
    elif name in PROFILES:
        pairs, _, source = PROFILES[name]
        confidence = "I" if name == "custom-112" else "R"
        layout = customised(name, pairs, source, confidence)
    else:
        layout = FIXED[name]
    if circuit_id != "as_layout":
        layout = replace(layout, inverted=circuit_id == "inverted")
    if name in {"lsu", "isdn-lsu", "enhanced-lsu"} and account_code_length > 5:
        layout = replace(layout, items=_long_account(layout.items, account_code_length))
    return layout


def _long_account(items: tuple[Item, ...], length: int) -> tuple[Item, ...]:
    """Let an account code of 6 to 15 digits overwrite its neighbours, as LSU prints it."""
    last = 30 + (max(12, length))
    kept = tuple(
        item for item in items if item.name != "acct-code" and not 36 <= item.first <= last
    )
    note = "overwrites the authorization code and what follows it"
    return (*kept, Item("acct-code", 31, last, "V", note))
