"""What is stored about Remote Units keeps its promises on every engine."""

from __future__ import annotations

import threading

import pytest
from bluewhale.database import NotFoundError
from bluewhale.database.units import Issued, Report, TokenRefusedError, Units

from tests.support.stores import StoreFactory

NOW = 1_790_000_000_000
HOUR = 3_600_000
SECRET = bytes(range(32))
KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def issued(serial: str = "a1", unit_uid: str = "depot", key: bytes = KEY) -> Issued:
    """Give a certificate of 30 days."""
    return Issued(serial, unit_uid, key, NOW, NOW + 30 * 24 * HOUR, f"PEM {serial}")


def test_a_token_admits_one_key_once_and_gives_a_lost_answer_again(
    store_factory: StoreFactory,
) -> None:
    """The key that used a token gets its certificate again; another key is refused."""
    with store_factory() as store:
        units = store.units
        units.mint(
            token_hash=SECRET, unit_uid="depot", now_ms=NOW, expires_at_ms=NOW + HOUR, who="ada"
        )
        assert units.enrol(token_hash=SECRET, issued=issued(), now_ms=NOW + 1).serial == "a1"
        again = units.enrol(token_hash=SECRET, issued=issued("a2"), now_ms=NOW + 2)
        assert again.serial == "a1"
        with pytest.raises(TokenRefusedError) as refused:
            units.enrol(token_hash=SECRET, issued=issued("b1", key=OTHER_KEY), now_ms=NOW + 3)
        assert refused.value.reason == "token_used"
        assert [c.serial for c in units.certificates("depot")] == ["a1"]


@pytest.mark.parametrize(
    ("token", "unit_uid", "at", "reason"),
    [
        (b"x" * 32, "depot", NOW + 1, "token_unknown"),
        (SECRET, "shop", NOW + 1, "token_other_unit"),
        (SECRET, "depot", NOW + HOUR, "token_expired"),
    ],
)
def test_a_token_that_is_unknown_of_another_unit_or_expired_admits_nobody(
    store_factory: StoreFactory, token: bytes, unit_uid: str, at: int, reason: str
) -> None:
    """Each reason has a code of its own, and nothing is stored."""
    with store_factory() as store:
        store.units.mint(
            token_hash=SECRET, unit_uid="depot", now_ms=NOW, expires_at_ms=NOW + HOUR, who="ada"
        )
        with pytest.raises(TokenRefusedError) as refused:
            store.units.enrol(token_hash=token, issued=issued(unit_uid=unit_uid), now_ms=at)
        assert refused.value.reason == reason
        assert store.units.certificates(unit_uid) == []


def test_of_two_keys_that_bring_one_token_at_once_one_is_admitted(
    store_factory: StoreFactory,
) -> None:
    """Eight enrolments race with one token; one certificate is stored."""
    with store_factory() as store:
        store.units.mint(
            token_hash=SECRET, unit_uid="depot", now_ms=NOW, expires_at_ms=NOW + HOUR, who="ada"
        )
        outcomes: list[str] = []

        def race(number: int) -> None:
            try:
                store.units.enrol(
                    token_hash=SECRET,
                    issued=issued(f"c{number}", key=bytes([number]) * 32),
                    now_ms=NOW + 1,
                )
                outcomes.append("admitted")
            except TokenRefusedError as error:
                outcomes.append(error.reason)

        threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["admitted", *["token_used"] * 7]
        assert len(store.units.certificates("depot")) == 1


def test_revoking_ends_certificates_and_tokens_and_a_new_token_admits_again(
    store_factory: StoreFactory,
) -> None:
    """Unit and serials are listed as revoked until the unit enrols anew."""
    with store_factory() as store:
        units = store.units
        for token in (SECRET, b"t" * 32):
            units.mint(
                token_hash=token, unit_uid="depot", now_ms=NOW, expires_at_ms=NOW + HOUR, who="ada"
            )
        units.enrol(token_hash=SECRET, issued=issued(), now_ms=NOW)
        assert units.revoke("depot", reason="stolen", who="ada", now_ms=NOW + 5) == 1
        revoked = units.revocations(NOW + 6)
        assert (revoked.units, revoked.serials) == ({"depot"}, {"a1"})
        with pytest.raises(TokenRefusedError) as refused:
            units.enrol(token_hash=b"t" * 32, issued=issued("a2"), now_ms=NOW + 7)
        assert refused.value.reason == "token_expired"
        units.mint(
            token_hash=b"n" * 32, unit_uid="depot", now_ms=NOW, expires_at_ms=NOW + HOUR, who="ada"
        )
        units.enrol(token_hash=b"n" * 32, issued=issued("a3", key=OTHER_KEY), now_ms=NOW + 8)
        assert units.revocations(NOW + 9).units == frozenset()
        assert units.revocations(NOW + 9).serials == {"a1"}
        assert units.revocations(NOW + 31 * 24 * HOUR).serials == frozenset()


def test_revoking_an_unknown_unit_is_refused(store_factory: StoreFactory) -> None:
    """A name that was mistyped is not silently taken."""
    with store_factory() as store, pytest.raises(NotFoundError, match="never enrolled"):
        store.units.revoke("depto", reason="", who="ada", now_ms=NOW)


def test_an_expired_certificate_renews_once_after_approval(store_factory: StoreFactory) -> None:
    """Without approval nothing is stored; an approval is used up."""
    with store_factory() as store:
        units = store.units
        units.declare(["depot"], NOW)
        units.renew(issued(), NOW)
        assert not units.renew_expired(issued("a2"), NOW + 1)
        units.approve_expired("depot", now_ms=NOW, until_ms=NOW + HOUR, who="ada")
        assert units.renew_expired(issued("a2"), NOW + 2)
        assert not units.renew_expired(issued("a3"), NOW + 3)
        assert {c.serial for c in units.certificates_of_key(KEY)} == {"a1", "a2"}


def version_of(units: Units, digest: str, document: str) -> int:
    """Desire a document for one unit; give its version."""
    return units.desire({"depot": (digest, document)}, NOW)["depot"].version


def test_a_document_keeps_its_version_until_its_content_changes(
    store_factory: StoreFactory,
) -> None:
    """Two processes that make the same document agree on its version."""
    with store_factory() as store, store_factory() as other:
        assert store.units.desired("depot") is None
        assert version_of(store.units, "h1", "{}") == 1
        assert version_of(other.units, "h1", "{}") == 1
        assert version_of(other.units, "h2", '{"a":1}') == 2
        assert version_of(store.units, "h1", "{}") == 3
        both = store.units.desire({"depot": ("h1", "{}"), "shop": ("h9", "{}")}, NOW)
        assert {uid: d.version for uid, d in both.items()} == {"depot": 3, "shop": 1}
        found = other.units.desired("depot")
        assert found is not None
        assert (found.version, found.hash, found.document) == (3, "h1", "{}")


def test_overrides_are_kept_per_unit_and_cleared_by_an_empty_object(
    store_factory: StoreFactory,
) -> None:
    """Only declared units take overrides."""
    with store_factory() as store:
        units = store.units
        units.declare(["depot", "shop"], NOW)
        units.override("shop", {"trace": True}, who="ada", now_ms=NOW)
        assert {u.unit_uid: u.overrides for u in units.all()} == {
            "depot": {},
            "shop": {"trace": True},
        }
        units.override("shop", {}, who="ada", now_ms=NOW)
        assert units.all()[1].overrides == {}
        with pytest.raises(NotFoundError, match="not declared"):
            units.override("kiosk", {}, who="ada", now_ms=NOW)


def test_the_latest_report_of_each_session_is_kept_for_a_day(store_factory: StoreFactory) -> None:
    """Two running copies have two reports; old ones fade."""
    with store_factory() as store:
        units = store.units
        units.report(
            [
                Report("depot", "s1", {"n": 1}, connected=True, reported_at_ms=NOW),
                Report("depot", "s2", {"n": 2}, connected=True, reported_at_ms=NOW + 1),
            ],
            NOW,
        )
        units.report(
            [Report("depot", "s1", {"n": 3}, connected=False, reported_at_ms=NOW + 2)], NOW
        )
        found = [(r.session, r.report["n"], r.connected) for r in units.reports("depot")]
        assert found == [("s1", 3, False), ("s2", 2, True)]
        units.report(
            [Report("shop", "s3", {}, connected=True, reported_at_ms=NOW + 25 * HOUR)],
            NOW + 25 * HOUR,
        )
        assert [r.session for r in units.reports()] == ["s3"]


def test_what_is_lost_is_counted_by_stream_and_certificates_come_for_all_units(
    store_factory: StoreFactory,
) -> None:
    """A list of a thousand units asks twice, not a thousand times."""
    with store_factory() as store:
        units = store.units
        assert (units.records_lost(), units.all_certificates()) == ({}, {})
        for name, serial in (("depot", "a1"), ("shop", "b1")):
            units.mint(
                token_hash=serial.encode() * 16,
                unit_uid=name,
                now_ms=NOW,
                expires_at_ms=NOW + HOUR,
                who="ada",
            )
            units.enrol(
                token_hash=serial.encode() * 16, issued=issued(serial, name), now_ms=NOW + 1
            )
        found = units.all_certificates()
        assert {name: [c.serial for c in some] for name, some in found.items()} == {
            "depot": ["a1"],
            "shop": ["b1"],
        }
        with units._db.write_beside() as tx:
            for stream, first, last, state in (
                (7, 1, 9, "stored"),
                (7, 10, 12, "lost"),
                (7, 20, 20, "lost"),
                (8, 1, 1, "lost"),
            ):
                tx.run(
                    "INSERT INTO stream_interval"
                    " (stream_id, incarnation, first_seq, last_seq, state, reason)"
                    " VALUES (?, 1, ?, ?, ?, '')",
                    (stream, first, last, state),
                )
        assert units.records_lost() == {7: 4, 8: 1}
