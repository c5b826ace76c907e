"""Roles, branches and masked numbers, each decided in one place."""

from __future__ import annotations

import pytest
from bluewhale.api.query.v1.query_pb2 import Call, CallFilter
from bluewhale.database.users import Session, User
from bluewhale.webapi import access
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.filters import parse
from bluewhale.webapi.masking import Masker, hidden
from bluewhale.webapi.paging import Pages

SESSION = Session(
    session_id="s", user_id="u", token_hash=b"", csrf="", created_at_ms=0, rotated_at_ms=0,
    seen_at_ms=0, expires_at_ms=0,
)  # fmt: skip


def reader(role: str = "viewer", **branch: tuple[str, ...]) -> access.Reader:
    """Give somebody; sales has a department below it."""
    user = User(user_id="u", name="u", display_name="U", role=role, **branch)
    return access.reader_of(user, SESSION, lambda uid: {uid, f"{uid}-north"})


def test_a_branch_stands_in_every_question():
    """Whoever asks for everything gets the branch, with departments below."""
    asked = access.narrowed(reader(sites=("berlin",), departments=("sales",)), CallFilter())
    assert list(asked.site_uids) == ["berlin"]
    assert list(asked.department_uids) == ["sales", "sales-north"]


def test_an_empty_branch_sees_nothing():
    """No site at all is not the same as every site."""
    asked = access.narrowed(reader(sites=()), CallFilter())
    assert list(asked.site_uids) == [access.NOWHERE]


def test_more_than_the_branch_is_refused_by_name():
    """Nothing is narrowed silently."""
    with pytest.raises(RefusedError) as refused:
        access.narrowed(reader(sites=("berlin",)), CallFilter(site_uids=["berlin", "lima"]))
    assert (refused.value.code, refused.value.params) == ("out_of_scope", {"sites": ["lima"]})


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        (Call(site_uid="berlin", department_uid="sales"), True),
        (Call(site_uid="berlin", department_uid="sales-north"), True),
        (Call(site_uid="lima", department_uid="sales"), False),
        (Call(site_uid="berlin"), False),
        (Call(department_uid="sales"), False),
    ],
)
def test_a_call_found_by_its_id_must_be_in_the_branch(call: Call, seen: bool):
    """Site and department both; what is not known is not in a branch."""
    somebody = reader(sites=("berlin",), departments=("sales",))
    if seen:
        access.holds(somebody, call)
    else:
        with pytest.raises(RefusedError, match="outside your branch"):
            access.holds(somebody, call)


def test_whoever_sees_masked_numbers_cannot_search_them():
    """Hidden digits could be found by trying."""
    for text in ("number=34915550100", "text~=0100"):
        with pytest.raises(RefusedError) as refused:
            access.check(reader("finance"), parse(text))
        assert refused.value.code == "numbers_masked"
        access.check(reader("telecom_admin"), parse(text))


def test_every_role_has_what_the_weaker_one_has():
    """An owner has all; a role that is not known any more has nothing."""
    assert access.ROLES["owner"] == set(access.PERMISSIONS)
    for role in access.ROLE_NAMES:
        assert access.ROLES["viewer"] <= access.ROLES[role]
    assert reader("emperor").permissions == frozenset()


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+34 915 550 100", "+34 915 550 •••"),
        ("0034915550100", "0034915550•••"),
        ("112", "112"),
        ("5001", "5001"),
        ("123456", "123456"),
        ("1234567", "1234•••"),
    ],
)
def test_numbers_of_others_lose_their_last_digits(number: str, shown: str):
    """Extensions and emergency numbers stay."""
    assert hidden(number) == shown


def test_a_masked_party_sends_no_digit_more():
    """Not in its international form either, also where the short form needs no mask."""
    masker = Masker(masks=True)
    party = masker.party("203", "493023125203")
    assert (party.shown, party.e164, party.masked) == ("203", None, True)
    assert masker.text("+34 915 550 100 -> prefix +34") == "+34 915 550 ••• -> prefix +34"
    assert Masker(masks=False).party("203", "493023125203").e164 == "+493023125203"


def test_a_page_token_leads_on_and_back():
    """From the first to the third page and back; a strange token is refused."""
    first = Pages.read(None)
    second = Pages.read(first.next("10:a"))
    third = Pages.read(second.next("5:b"))
    assert (first.place, second.place, third.place) == ("", "10:a", "5:b")
    assert Pages.read(third.prev()) == second
    assert Pages.read(second.prev()) == first
    assert first.prev() is third.next("") is None
    for token in ("x", "W10", "é", "bnVsbA", "WzFd"):
        with pytest.raises(RefusedError):
            Pages.read(token)
