"""Write Master.csv byte by byte as Asterisk's cdr_csv does.

Owns the outgoing format alone: it knows nothing of how records are read.
Strings are quoted (a quote inside doubled), `duration`, `billsec` and
`sequence` are bare, an absent time is an empty string in quotes.

Source: Asterisk cdr_csv and cdr.conf.

>>> record_line({"src": "101", "duration": 5}, columns="16")[:11]
b'"","101","'
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

_FIRST: Final = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata",
    "start", "answer", "end", "duration", "billsec", "disposition", "amaflags",
)  # fmt: skip
SHAPES: Final = {
    "16": _FIRST,
    "17u": (*_FIRST, "uniqueid"),
    "17f": (*_FIRST, "userfield"),
    "18": (*_FIRST, "uniqueid", "userfield"),
    "21": (*_FIRST, "uniqueid", "userfield", "peeraccount", "linkedid", "sequence"),
}
_BARE: Final = frozenset({"duration", "billsec", "sequence"})


def record_line(values: Mapping[str, object], columns: str = "21") -> bytes:
    """Write one record without its line end.

    Parameters
    ----------
    values: by column name; times as `datetime` (the wall clock is printed) or
        text, seconds and sequence as integers (0 where absent).
    columns: the shape of the file: 16, 17u, 17f, 18 or 21.

    Raises
    ------
    KeyError: a value for a column that the file does not have.
    """
    names = SHAPES[columns]
    for name in values:
        if name not in names:
            raise KeyError(f"no such column: {name}")
    return ",".join(_field(name, values.get(name)) for name in names).encode()


def caller_id(name: str, number: str) -> str:
    """Give the clid text: `"Bob" <101>`, or only the number where there is no name."""
    return f'"{name}" <{number}>' if name else number


def file_bytes(lines: list[bytes]) -> bytes:
    """Write a whole file; there is no header."""
    return b"".join(line + b"\n" for line in lines)


def _field(name: str, value: object) -> str:
    if name in _BARE:
        assert value is None or isinstance(value, int), f"{name} is an integer"
        return str(int(value or 0))
    if isinstance(value, datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S")
    else:
        text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"'
