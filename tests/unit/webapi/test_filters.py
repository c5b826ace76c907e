"""The filter grammar: what is written is asked, fixed in time, and printed so that it reads the same."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.filters import message, parse
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def below(uid: str) -> list[str]:
    """Give a department of two."""
    return [uid, f"{uid}-north"] if uid == "sales" else [uid]


def test_conditions_become_a_question():
    """Each field of the grammar stands in its field of the query service."""
    text = (
        "site=berlin,madrid&department=sales&number=+34%20915&cost>=1&cost<=2.50&text~=a%26b"
        "&class=mobile&unpriced=true&from=2026-11-01T00:00:00Z"
    )
    asked = message(parse(text).fixed(NOW, BERLIN), below)
    assert list(asked.site_uids) == ["berlin", "madrid"]
    assert list(asked.department_uids) == ["sales", "sales-north"]
    assert (asked.number, asked.text, asked.call_class) == ("+34 915", "a&b", "mobile")
    assert (asked.cost_min, asked.cost_max, asked.unrated_only) == ("1", "2.50", True)
    assert asked.from_ms == 1_793_491_200_000
    assert not asked.HasField("until_ms")


def test_a_department_itself_is_asked_without_those_below_it():
    """What a line of a report counts; beside a department with all below it, it has no meaning."""
    asked = message(parse("department_itself=sales"), below)
    assert list(asked.department_uids) == ["sales"]
    with pytest.raises(RefusedError, match="department_itself: without department"):
        parse("department=legal&department_itself=sales")


@pytest.mark.parametrize(
    ("period", "scope"),
    [
        ("today", "from=2026-11-21T23:00:00Z&to=2026-11-22T23:00:00Z"),
        ("yesterday", "from=2026-11-20T23:00:00Z&to=2026-11-21T23:00:00Z"),
        ("last-7d", "from=2026-11-15T23:00:00Z&to=2026-11-22T23:00:00Z"),
        ("last-30d", "from=2026-10-23T22:00:00Z&to=2026-11-22T23:00:00Z"),  # summer time began it
        ("this-month", "from=2026-10-31T23:00:00Z&to=2026-11-22T23:00:00Z"),
        ("last-month", "from=2026-09-30T22:00:00Z&to=2026-10-31T23:00:00Z"),
    ],
)
def test_a_period_is_fixed_by_the_clock_of_its_zone(period: str, scope: str):
    """A shared scope means the same calls tomorrow."""
    assert str(parse(f"period={period}").fixed(NOW, BERLIN)) == scope


def test_days_are_half_open_in_the_zone():
    """From the first midnight up to, not into, the second one."""
    fixed = parse("from=2026-03-29&to=2026-03-30").fixed(NOW, BERLIN)
    assert str(fixed) == "from=2026-03-28T23:00:00Z&to=2026-03-29T22:00:00Z"  # 23 hours


def test_every_mistake_is_named_at_once():
    """Nothing is dropped silently: unknown field, sign, word, amount, time, repetition."""
    text = "colour=red&cost=1&direction=up&cost>=x&from=gestern&person=a&person=b&tz=Mars/Base"
    with pytest.raises(RefusedError) as refused:
        parse(text)
    assert refused.value.code == "filter_invalid"
    fields = [f["field"] for f in refused.value.params["fields"]]
    assert fields == ["colour", "cost", "direction", "cost", "from", "person", "tz"]


def test_an_end_before_the_begin_is_refused():
    """Also where it shows only with the zone."""
    with pytest.raises(RefusedError, match="not before"):
        parse("from=2026-11-02&to=2026-11-01").fixed(NOW, BERLIN)


def test_a_period_beside_from_is_refused():
    """One of both must be wrong."""
    with pytest.raises(RefusedError, match="without from and to"):
        parse("period=today&from=2026-11-01")


_words = st.text(min_size=1, max_size=20).filter(lambda t: "\0" not in t and t.isprintable())


@given(
    person=_words,
    sites=st.lists(_words, min_size=1, max_size=3),
    number=st.from_regex(r"\+?[0-9 ()/-]{1,15}", fullmatch=True),
)
def test_what_is_printed_reads_the_same(person: str, sites: list[str], number: str):
    """A scope that was handed out comes back as the filter it was, whatever signs are in it."""
    wanted = parse("").with_(person=person, sites=tuple(sites), number=number)
    assert parse(str(wanted)) == wanted


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str):
    """No text brings an error of ours."""
    try:
        wanted = parse(text).fixed(NOW, BERLIN)
    except RefusedError:
        return
    assert parse(str(wanted)) == wanted
