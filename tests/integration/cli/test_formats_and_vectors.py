"""Dialects and published vectors at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli.door import bluewhale

DIALECTS = ("asterisk_csv", "avaya_cm", "cisco_cucm")
VECTORS = Path(__file__).parents[2] / "spec" / "rating" / "vectors" / "rating-vectors.json"
LINE = b"030226 0706 00349            2009             03023125049                            *799006 7 \r\n"


def test_dialects_are_listed_and_shown():
    """Three makes; each shows its options and its README."""
    rows = bluewhale("dialect", "list", "--json").rows()
    assert {r["dialect"] for r in rows} >= set(DIALECTS)
    for name in DIALECTS:
        assert bluewhale("dialect", "show", name).code == 0
        assert bluewhale("dialect", "show", name, "--json").rows()


def test_try_says_what_a_line_becomes():
    """One object a line: line, status, fields, reason."""
    rows = bluewhale(
        "dialect", "try", "avaya_cm", "-", "--option", "layout=custom-97", "--zone", "Europe/Berlin",
        "--country", "DE", "--json", stdin=LINE + b"GET / HTTP/1.1\r\n",
    ).rows()  # fmt: skip
    assert [(r["line"], r["status"]) for r in rows] == [(1, "accepted"), (2, "rejected")]
    assert rows[0]["fields"]["calling-num"]["value"] == "2009"
    assert rows[0]["reason"] == ""
    assert rows[1]["reason"].startswith("not_this_format: ")
    assert set(rows[0]) >= {"line", "status", "fields", "reason"}


def test_try_for_people():
    """Position, name and text of each field."""
    answer = bluewhale(
        "dialect", "try", "avaya_cm", "-", "--option", "layout=custom-97", stdin=LINE
    )
    assert answer.code == 0
    assert answer.out.startswith("line 1: accepted\n")
    assert "calling-num" in answer.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nortel"), 3, "no dialect 'nortel'; known: asterisk_csv, avaya_cm, cisco_cucm"),
        (("try", "nortel", "-"), 3, "no dialect 'nortel'; known: "),
        (("try", "avaya_cm", "-", "--option", "layout"), 2, "--option layout: expected name=value"),
        (("try", "avaya_cm", "-", "--option", "layot=1"), 2, "avaya_cm refuses the options:"),
        (
            ("try", "avaya_cm", "/nowhere"),
            2,
            "/nowhere: cannot be read (No such file or directory)",
        ),
        (
            ("try", "avaya_cm", "-"),
            2,
            "-: there is nothing to try; give lines in a file or on standard input",
        ),
        (("try", "avaya_cm", "-", "--zone", "Mars/Olympus"), 2, "Mars/Olympus"),
        (("try", "avaya_cm", "-", "--country", "XX"), 2, "XX"),
    ],
)
def test_mistakes_have_one_clear_sentence(arguments: tuple[str, ...], code: int, words: str):
    """No traceback, the documented exit code."""
    stdin = LINE if "--zone" in arguments or "--country" in arguments else b""
    answer = bluewhale("dialect", *arguments, stdin=stdin)
    assert answer.code == code
    assert words in answer.err


def test_published_vectors_pass_both_engines():
    """The last line counts; none failed."""
    answer = bluewhale("vectors", VECTORS)
    assert answer.code == 0, answer.out
    assert ", 0 failed, " in answer.out.splitlines()[-1]


def test_a_vector_file_that_is_none(tmp_path: Path):
    """Refused with a sentence, exit code 2."""
    file = tmp_path / "v.json"
    for text in ("", "{]", '{"hello": 1}'):
        file.write_text(text)
        answer = bluewhale("vectors", file)
        assert answer.code == 2, text
        assert answer.err.startswith("bluewhale: ")
