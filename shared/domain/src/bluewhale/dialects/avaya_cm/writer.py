"""Byte-exact writer of Avaya CM records, for the simulator and for tests.

Owns its own tables of positions, typed from the guides a second time, on
purpose: it imports nothing of the parser, so a slip in one is seen in the other.

Example: `record({"time": "1652", "duration": tenths(34), ...}, {"layout":
"unformatted"})` gives one record with CR LF and its NULs; `date_line(8, 13,
{"layout": "printer"})` the date record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# layout: (text length, bytes behind the text, date record, circuit ids inverted).
_SHAPES: dict[str, tuple[int, bytes, str, bool]] = {
    "teleseer": (76, b"\r\n\0\0\0", "{0:02d}{1:02d}", True),
    "isdn-teleseer": (76, b"\n\0\0\0", "{0:02d}{1:02d}", True),
    "printer": (82, b"\r\n\0\0\0", "{0:02d} {1:02d}", True),
    "enhanced-printer": (83, b"\r\n\0\0\0", "{0:02d} {1:02d}", True),
    "lsu": (54, b"\r\n\0\0\0", "", False),
    "isdn-lsu": (54, b"\r\n\0\0\0", "", False),
    "enhanced-lsu": (54, b"\r\n\0\0\0", "", False),
    "lsu-expand": (73, b"\r\n\0\0\0", "", False),
    "int-direct": (78, b"\r\n\0\0\0", "{0:02d}{1:02d}", False),
    "int-isdn": (131, b"\r\n\0", "{0:02d}{1:02d}", False),
    "expanded": (64, b"\r\n\0\0\0", "{0:02d} {1:02d}", False),
    "unformatted": (100, b"\r\n\0\0\0", "", False),
    "enhanced-unformatted": (100, b"\r\n\0\0\0", "", False),
    "custom-97": (95, b"\r\n", "", False),
    "custom-114": (114, b"\r\n", "", False),
    "custom-112": (112, b"\r\n", "", False),
}

# layout: key -> (first position counted from 1, width, "<" left or ">" right adjusted, "0" zeros).
_PLACES: dict[str, dict[str, tuple[int, int, str]]] = {
    "teleseer": {
        "time": (4, 4, "0"), "duration": (8, 4, "0"),
        "cond-code": (12, 1, ">"), "code-dial": (13, 3, ">"), "code-used": (16, 3, ">"),
        "dialed-num": (19, 15, ">"), "calling-num": (34, 5, ">"), "acct-code": (39, 15, ">"),
        "in1": (56, 3, ">"), "out1": (59, 3, ">"), "auth-code": (63, 7, ">"),
    },
    "isdn-teleseer": {
        "time": (4, 4, "0"), "duration": (8, 4, "0"),
        "cond-code": (12, 1, ">"), "code-used": (16, 3, ">"), "dialed-num": (19, 15, ">"),
        "calling-num": (34, 5, ">"), "acct-code": (39, 15, ">"), "in1": (56, 3, ">"),
        "out1": (59, 3, ">"), "auth-code": (63, 7, ">"),
    },
    "printer": {
        "time": (1, 4, "0"), "duration": (6, 4, "0"),
        "cond-code": (11, 1, ">"), "code-dial": (13, 3, ">"), "code-used": (17, 3, ">"),
        "dialed-num": (21, 15, ">"), "calling-num": (37, 5, ">"), "acct-code": (43, 15, ">"),
        "auth-code": (59, 7, ">"), "in1": (74, 3, ">"), "out1": (78, 3, ">"),
    },
    "enhanced-printer": {
        "time": (1, 4, "0"), "duration": (6, 4, "0"),
        "cond-code": (11, 1, ">"), "code-used": (18, 4, ">"), "dialed-num": (23, 15, ">"),
        "calling-num": (39, 5, ">"), "acct-code": (45, 15, ">"), "auth-code": (61, 7, ">"),
        "in1": (75, 3, ">"), "out1": (79, 3, ">"),
    },
    "lsu": {
        "duration": (1, 4, "0"), "cond-code": (5, 1, ">"),
        "code-dial": (6, 3, ">"), "code-used": (9, 3, ">"), "dialed-num": (12, 15, ">"),
        "calling_rest": (27, 4, ">"), "acct-code": (31, 5, ">"),
        "auth-code": (36, 7, ">"), "calling_first": (46, 1, ">"), "in_tu": (47, 2, ">"),
        "out_tu": (50, 2, ">"), "out_h": (52, 1, ">"), "in_h": (53, 1, ">"),
    },
    "lsu-expand": {
        "time": (1, 4, "0"), "duration": (6, 4, "0"),
        "cond-code": (11, 1, ">"), "code-dial": (13, 3, ">"), "code-used": (16, 3, ">"),
        "dialed-num": (20, 15, ">"), "calling_rest": (36, 4, ">"), "acct-code": (41, 5, ">"),
        "auth-code": (47, 7, ">"), "calling_first": (60, 1, ">"), "in_tu": (62, 2, ">"),
        "out_tu": (67, 2, ">"), "out_h": (70, 1, ">"), "in_h": (72, 1, ">"),
    },
    "int-direct": {
        "time": (1, 4, "0"), "duration": (6, 4, "0"),
        "cond-code": (11, 1, ">"), "code-dial": (13, 4, ">"), "code-used": (18, 4, ">"),
        "dialed-num": (27, 18, ">"), "calling-num": (46, 5, ">"), "acct-code": (52, 15, ">"),
        "in_tu": (74, 2, ">"), "out_tu": (77, 2, ">"),
    },
    "int-isdn": {
        "time": (1, 4, "0"), "duration": (6, 4, "0"),
        "cond-code": (11, 1, ">"), "code-dial": (13, 4, ">"), "code-used": (18, 4, ">"),
        "dialed-num": (23, 15, ">"), "calling-num": (39, 10, ">"), "acct-code": (50, 15, ">"),
        "auth-code": (66, 7, ">"), "line_feed": (74, 1, ">"), "in-crt-id": (78, 3, ">"),
        "out-crt-id": (82, 3, ">"), "in-trk-code": (91, 4, ">"),
    },
    "expanded": {
        "time": (1, 4, "0"), "duration": (6, 4, "0"),
        "cond-code": (11, 1, ">"), "code-dial": (13, 4, ">"), "code-used": (18, 4, ">"),
        "dialed-num": (23, 15, ">"), "calling-num": (39, 10, ">"), "acct-code": (50, 15, ">"),
    },
    "unformatted": {
        "time": (1, 4, "0"), "duration": (5, 4, "0"),
        "cond-code": (9, 1, ">"), "code-dial": (10, 4, ">"), "code-used": (14, 4, ">"),
        "dialed-num": (18, 15, ">"), "calling-num": (33, 10, ">"), "acct-code": (43, 15, ">"),
        "auth-code": (58, 7, ">"), "in-crt-id": (68, 3, ">"), "out-crt-id": (71, 3, ">"),
        "in-trk-code": (77, 4, ">"),
    },
    "custom-97": {
        "date": (1, 6, "0"), "time": (8, 4, "0"), "sec-dur": (13, 5, "0"), "calling-num": (19, 15, ">"),
        "dialed-num": (35, 23, ">"), "auth-code": (59, 13, ">"), "in-trk-code": (73, 4, ">"),
        "in-crt-id": (77, 3, ">"), "code-dial": (81, 4, ">"), "code-used": (86, 4, ">"),
        "out-crt-id": (90, 3, ">"), "cond-code": (94, 1, ">"),
    },
    "custom-114": {
        "date": (1, 6, "0"), "time": (8, 4, "0"), "sec-dur": (13, 5, "0"),
        "cond-code": (19, 1, ">"), "code-dial": (21, 4, ">"), "code-used": (26, 4, ">"),
        "dialed-num": (31, 23, ">"), "calling-num": (55, 15, ">"), "acct-code": (71, 15, ">"),
        "in-crt-id": (93, 3, ">"), "out-crt-id": (97, 3, ">"), "in-trk-code": (101, 4, ">"),
    },
    "custom-112": {
        "date": (1, 6, "0"), "time": (8, 4, "0"), "duration": (13, 4, "0"), "sec-dur": (18, 5, "0"), "cond-code": (24, 1, ">"),
        "code-dial": (26, 4, "<"), "code-used": (31, 4, "<"), "dialed-num": (36, 23, ">"),
        "calling-num": (60, 15, ">"), "in-crt-id": (90, 3, ">"), "out-crt-id": (94, 3, ">"),
    },
}  # fmt: skip
_PLACES["isdn-lsu"] = {k: v for k, v in _PLACES["lsu"].items() if k != "code-dial"}
_PLACES["enhanced-lsu"] = _PLACES["isdn-lsu"]
_PLACES["enhanced-unformatted"] = _PLACES["unformatted"]

LAYOUTS: Sequence[str] = tuple(_SHAPES)


def record(items: Mapping[str, str], options: Mapping[str, object]) -> bytes:
    """Give the bytes of one record, with line end and NULs as the switch sends them.

    Parameters
    ----------
    items: printed values by data item: `time` (hhmm of the end), `duration`
        (H MM T, see `tenths`), `sec-dur`, `date` (six digits in the layout's
        order), `cond-code`, `dialed-num`, `calling-num`, and as known
        `code-dial`, `code-used`, `in-crt-id` and `out-crt-id` (three digits in
        their true order), `in-trk-code`, `acct-code`, `auth-code`. Items that the
        layout does not have are not printed; too long ones are cut on the right.
    options: `layout`, and `circuit_id` where it is not the layout's own.
    """
    return record_text(items, options) + _SHAPES[_layout(options)][1]


def record_text(items: Mapping[str, str], options: Mapping[str, object]) -> bytes:
    """Give the text of one record without its line end; see `record`."""
    layout = _layout(options)
    places = _PLACES[layout]
    line = bytearray(b" " * _SHAPES[layout][0])
    for key, text in _printed(items, layout, str(options.get("circuit_id", "as_layout"))).items():
        if key not in places or not text:
            continue
        first, width, adjust = places[key]
        shown = text[:width]
        if adjust == "<":
            shown = shown.ljust(width)
        else:
            shown = shown.rjust(width, "0" if adjust == "0" else " ")
        line[first - 1 : first - 1 + width] = shown.encode("ascii")
    return bytes(line)


def date_line(month: int, day: int, options: Mapping[str, object]) -> bytes:
    """Give the date record of a day; empty for layouts that send none."""
    shape = _SHAPES[_layout(options)][2]
    if not shape:
        return b""
    day_first = options.get("date_order") == "day_first"
    return shape.format(*((day, month) if day_first else (month, day))).encode("ascii") + _NULS


def tenths(seconds: int) -> str:
    """Print a duration as H MM T, tenths of a minute cut off; at most 9:59.9.

    34 s -> "0005" (0.5 minutes).
    """
    steps = min(seconds // 6, 5999)
    return f"{steps // 600}{steps // 10 % 60:02d}{steps % 10}"


_NULS = b"\r\n\0\0\0"


def _layout(options: Mapping[str, object]) -> str:
    """Give the layout's name."""
    return str(options.get("layout", "unformatted"))


def _printed(items: Mapping[str, str], layout: str, circuit_id: str) -> dict[str, str]:
    """Split what some layouts print in parts."""
    printed = dict(items)
    calling = printed.get("calling-num", "")
    printed["calling_first"] = calling[:1] if len(calling) == 5 else ""
    printed["calling_rest"] = calling[-4:]
    printed["line_feed"] = "\n"
    inverted = _SHAPES[layout][3] if circuit_id == "as_layout" else circuit_id == "inverted"
    for side in ("in", "out"):
        circuit = printed.get(f"{side}-crt-id", "")
        if circuit:
            hundreds, tens_units = circuit[0], circuit[1:]
            shown = tens_units + hundreds if inverted else circuit
            printed[f"{side}-crt-id"] = printed[f"{side}1"] = shown
            printed[f"{side}_tu"], printed[f"{side}_h"] = tens_units, hundreds
    return printed
