"""The Tariffs service over real gRPC, on every engine of the main database."""

from __future__ import annotations

import grpc
import pytest
import zstandard
from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

from tests.integration.billing.places import LOOK_EVERY_MS, Place, Served, refused, tariff
from tests.support.stores import StoreFactory

LONDON = "+44 20 7946 0123"
CARRIER = api.VersionName(tariff_uid="carrier-2026", version=1)


def test_every_mistake_of_all_files_is_found_at_once_and_nothing_changes(served: Served) -> None:
    """A field nobody knows and two bad prices: three findings, each with place and remedy."""
    files = tariff("0.10", rows=["49,cheap", "33,"])
    files.files[0].plain += b"discount: 5\n"
    reply = served.stub.Validate(api.ValidateRequest(files=files), timeout=30)
    assert not reply.good
    assert reply.mistake_count == 3
    assert [(m.file, m.line, m.field, m.value) for m in reply.mistakes] == [
        ("carrier-2026.yaml", 8, "discount", ""),
        ("carrier-2026.csv", 3, "price", "cheap"),
        ("carrier-2026.csv", 4, "price", ""),
    ]
    assert all(m.problem and m.remedy and m.text for m in reply.mistakes)
    versions = served.stub.List(api.ListRequest(), timeout=30).versions
    assert [(v.tariff_uid, v.version) for v in versions] == [
        ("carrier-2026", 1),
        ("internal-2026", 1),
    ]


def test_a_good_tariff_says_what_it_would_change(served: Served) -> None:
    """Against the version in force: one line the same files do not have, others gone."""
    served.activate(tariff("0.10", rows=["49,0.02", "33,0.03"]))
    files = tariff("0.10", rows=["49,0.03", "34,0.04"])
    reply = served.stub.Validate(api.ValidateRequest(files=files), timeout=30)
    assert (reply.good, reply.version.version, reply.version.rates) == (True, 0, 3)
    change = reply.change
    assert (change.against.tariff_uid, change.against.version) == ("carrier-2026", 2)
    assert (change.added, change.removed, change.dearer, change.cheaper, change.same) == (
        1, 1, 1, 0, 1,
    )  # fmt: skip


def test_a_number_is_priced_on_every_price_list_with_its_reason(served: Served) -> None:
    """By a draft: 61 seconds in whole minutes at 0.10 are 0.2, and the receipt says so."""
    request = api.TryRequest(files=tariff("0.10"), number=LONDON, connected_ms=61_000)
    (trial,) = served.stub.Try(request, timeout=30).trials
    assert (trial.price_list, trial.status, trial.amount, trial.currency, trial.exact) == (
        "carrier", "rated", "0.2", "EUR", "0.2",
    )  # fmt: skip
    assert "2 x 60 s at 0.1 per 60 s = 0.2" in trial.text
    stored = served.stub.Try(api.TryRequest(number=LONDON), timeout=30)
    assert [t.price_list for t in stored.trials] == ["carrier", "internal"]
    assert all(t.tariff_version == 1 for t in stored.trials)


def test_a_tariff_is_activated_at_once_and_the_same_files_again_change_nothing(
    served: Served,
) -> None:
    """Version 2 prices from the reply on; the repeat says changed = false."""
    first = served.activate(tariff("0.10"), who="ada")
    assert (first.version.version, first.version.state, first.changed) == (2, "active", True)
    assert (first.version.created_by, first.version.activated_by) == ("ada", "ada")
    assert first.in_use_since_ms >= first.version.activated_at_ms
    assert first.others_look_every_ms == LOOK_EVERY_MS
    assert served.price() == ("0.1", 2)
    again = served.activate(tariff("0.10"), who="bob")
    assert (again.version, again.changed) == (first.version, False)


def test_an_earlier_version_is_activated_again_to_undo(served: Served) -> None:
    """2, then 3, then 2 again: the price is that of 2, though 3 has the higher number."""
    served.activate(tariff("0.10"))
    served.activate(tariff("0.30"))
    assert served.price() == ("0.3", 3)
    back = api.VersionName(tariff_uid="carrier-2026", version=2)
    reply = served.stub.Activate(api.ActivateRequest(stored=back), timeout=30)
    assert (reply.version.version, reply.changed) == (2, True)
    assert served.price() == ("0.1", 2)


def test_a_price_change_next_year_leaves_the_present_prices(served: Served) -> None:
    """Both are active; the moment of the call decides."""
    served.activate(tariff("0.10"))
    reply = served.activate(tariff("0.50", since="2031-01-01"))
    assert reply.version.effective_from_ms == 1_924_988_400_000
    assert served.price(at_ms=1_924_988_399_999) == ("0.1", 2)
    assert served.price(at_ms=1_924_988_400_000) == ("0.5", 3)


def test_a_tariff_with_a_mistake_is_refused_whole(served: Served) -> None:
    """Nothing is stored; the text names the place, the code is for machines."""
    code, text, stable = refused(
        served.stub.Activate, api.ActivateRequest(files=tariff("0.10", rows=["49,cheap"]))
    )
    assert (code, stable) == (grpc.StatusCode.FAILED_PRECONDITION, "tariff_invalid")
    assert text.startswith(
        "the tariff has 1 mistake; nothing was changed\ncarrier-2026.csv:3: price"
    )
    listed = served.stub.List(api.ListRequest(tariff_uid="carrier-2026"), timeout=30)
    assert len(listed.versions) == 1


def test_a_thousand_mistakes_fit_into_a_status(served: Served) -> None:
    """The text is cut, so that it is not lost with the whole trailer."""
    files = tariff("0.10", rows=[f"{n},cheap" for n in range(1000, 3000)])
    code, text, stable = refused(served.stub.Activate, api.ActivateRequest(files=files))
    assert (code, stable) == (grpc.StatusCode.FAILED_PRECONDITION, "tariff_invalid")
    assert text.startswith("the tariff has 2,000 mistakes; nothing was changed")
    assert len(text) < 2_100


def test_a_tariff_may_be_kept_without_pricing_by_it(served: Served) -> None:
    """Validated; activated later by its number."""
    kept = served.activate(tariff("0.10"), keep_only=True, who="ada")
    assert (kept.version.state, kept.changed, kept.in_use_since_ms) == ("validated", True, 0)
    assert served.price()[1] == 1
    name = api.VersionName(tariff_uid="carrier-2026")
    reply = served.stub.Activate(api.ActivateRequest(stored=name, who="bob"), timeout=30)
    assert (reply.version.version, reply.version.activated_by) == (2, "bob")
    assert served.price() == ("0.1", 2)


def test_versions_are_listed_in_pages_with_who_when_and_checksum(served: Served) -> None:
    """Three versions in pages of two; one with its files, which are those that came."""
    files = tariff("0.10")
    served.activate(files, who="ada")
    page = served.stub.List(api.ListRequest(page_size=2), timeout=30)
    rest = served.stub.List(
        api.ListRequest(page_size=2, page_token=page.next_page_token), timeout=30
    )
    assert [(v.tariff_uid, v.version, v.state) for v in (*page.versions, *rest.versions)] == [
        ("carrier-2026", 1, "retired"),
        ("carrier-2026", 2, "active"),
        ("internal-2026", 1, "active"),
    ]
    assert (rest.next_page_token, len(page.versions[1].checksum)) == ("", 64)
    (one,) = served.stub.List(
        api.ListRequest(tariff_uid="carrier-2026", version=2, with_files=True), timeout=30
    ).versions
    assert {f.name: zstandard.ZstdDecompressor().decompress(f.zstd) for f in one.files} == {
        f.name: f.plain for f in files.files
    }


def test_what_cannot_be_asked_is_refused_by_name(served: Served) -> None:
    """Unknown versions, no source, bad words, bad pages, no such call or charge."""
    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    stub = served.stub
    nine = api.VersionName(tariff_uid="carrier-2026", version=9)
    other = api.VersionName(tariff_uid="nobody")
    month = {"from_ms": 1, "until_ms": 2}
    cases = [
        (stub.Validate, api.ValidateRequest(stored=nine), missing, "carrier-2026 version 9"),
        (stub.Validate, api.ValidateRequest(), invalid, "source: send files"),
        (stub.Activate, api.ActivateRequest(stored=other), missing, "no tariff nobody"),
        (stub.Activate, api.ActivateRequest(stored=CARRIER, keep_only=True), invalid, "keep_only"),
        (stub.Activate, api.ActivateRequest(stored=CARRIER, who="a\0b"), invalid, "who:"),
        (stub.Preview, api.PreviewRequest(stored=nine, **month), missing, "version 9"),
        (stub.Preview, api.PreviewRequest(stored=CARRIER, from_ms=2, until_ms=2), invalid, "until_ms"),
        (stub.Preview, api.PreviewRequest(stored=CARRIER, differences=1001, **month), invalid, "differences = 1001"),
        (stub.Try, api.TryRequest(), invalid, "number: say which"),
        (stub.Try, api.TryRequest(number=LONDON, stored=nine), missing, "version 9"),
        (stub.Try, api.TryRequest(number=LONDON, direction="up"), invalid, "direction = 'up'"),
        (stub.Try, api.TryRequest(number=LONDON, connected_ms=-1), invalid, "connected_ms = -1"),
        (stub.Try, api.TryRequest(number=LONDON, at_ms=2**62), invalid, "at_ms ="),
        (stub.List, api.ListRequest(tariff_uid="nobody"), missing, "no tariff nobody"),
        (stub.List, api.ListRequest(page_size=1001), invalid, "page_size = 1001"),
        (stub.List, api.ListRequest(page_token="x"), invalid, "page_token"),
        (stub.List, api.ListRequest(with_files=True), invalid, "tariff_uid: say of which"),
        (stub.Explain, api.ExplainRequest(), invalid, "what: name a call"),
        (stub.Explain, api.ExplainRequest(call="abc"), invalid, "too short"),
        (stub.Explain, api.ExplainRequest(call="!" * 26), invalid, "is not a call id"),
        (stub.Explain, api.ExplainRequest(call="a" * 26), missing, "call"),
        (stub.Explain, api.ExplainRequest(charge_id="!"), invalid, "charge_id:"),
        (stub.Explain, api.ExplainRequest(charge_id="a" * 26), missing, "there is no charge"),
    ]  # fmt: skip
    for method, request, code, text in cases:
        found = refused(method, request)
        assert found[0] is code, (request, found)
        assert text in found[1], (request, found)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd.yaml", "../up.yaml", "a/../b.yaml", "a\\b.yaml", "./a.yaml", "n\0.yaml"],
)
def test_a_file_name_never_leaves_its_folder(served: Served, name: str) -> None:
    """Refused before anything is written."""
    files = api.Files(files=[api.File(name=name, plain=b"tariff: x\n")])
    code, text, _ = refused(served.stub.Validate, api.ValidateRequest(files=files))
    assert (code, "is no name of a file" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_a_deck_outside_of_the_upload_is_a_mistake_and_is_not_read(served: Served) -> None:
    """The document names a file of the server: the finding shows none of it."""
    for place in ("/etc/passwd", "../../../etc/passwd", '"a\\0b.csv"'):
        document = f"tariff: x\nprice_list: x\ncurrency: EUR\nzone: UTC\neffective_from: 2026-01-01\ndecks: [{{file: {place}}}]\n"
        files = api.Files(files=[api.File(name="x.yaml", plain=document.encode())])
        reply = served.stub.Validate(api.ValidateRequest(files=files), timeout=30)
        assert not reply.good
        assert "root" not in str(reply)


def test_a_huge_upload_is_refused_with_the_limit_named(served: Served) -> None:
    """Too big unpacked, too big as a message, too many files; a small message is not unpacked."""
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(300 << 20))
    assert len(bomb) < 1 << 20
    files = tariff("0.10")
    files.files[1].zstd = bomb
    code, text, _ = refused(served.stub.Validate, api.ValidateRequest(files=files))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 268,435,456 bytes (256 MiB)" in text
    files.files[1].plain = bytes(17 << 20)
    code, text, _ = refused(served.stub.Activate, api.ActivateRequest(files=files))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "16777216" in text
    many = api.Files(files=[api.File(name=f"{n}.csv") for n in range(101)])
    code, text, _ = refused(served.stub.Try, api.TryRequest(number="+44", files=many))
    assert (code, "at most 100" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_files_that_are_none_are_refused(served: Served) -> None:
    """No zstd, no size, no document, two documents, twice the same, a file that is a folder."""
    sizeless = zstandard.ZstdCompressor(write_content_size=False).compress(b"prefix,price\n")
    for files, text in [
        ([api.File(name="a.yaml", zstd=b"no")], "is no zstd frame"),
        ([api.File(name="a.yaml", zstd=sizeless)], "does not say its unpacked size"),
        ([api.File(name="a.csv")], "0 YAML documents"),
        ([api.File(name="a.yaml"), api.File(name="b.yml")], "2 YAML documents"),
        ([api.File(name="a.yaml"), api.File(name="a.yaml")], "came twice"),
        ([api.File(name="a.yaml"), api.File(name="d"), api.File(name="d/e.csv")], "a file and a"),
    ]:
        request = api.ValidateRequest(files=api.Files(files=files))
        code, said, _ = refused(served.stub.Validate, request)
        assert (code, text in said) == (grpc.StatusCode.INVALID_ARGUMENT, True), said


def test_who_may_not_ask_is_denied(place: Place, store_factory: StoreFactory) -> None:
    """A policy that lets this machine look, not change; and one that names nobody."""
    look = {
        "layer": "access",
        "policy": [{"callers": ["local"], "methods": ["Tariffs/List", "Tariffs/Explain"]}],
    }
    served = Served(place, store_factory(), layers=[look])
    try:
        assert len(served.stub.List(api.ListRequest(), timeout=30).versions) == 2
        request = api.ActivateRequest(files=tariff("0.10"))
        code, text, _ = refused(served.stub.Activate, request)
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert text.startswith("local may not ask Tariffs/Activate")
        month = api.PreviewRequest(stored=CARRIER, from_ms=1, until_ms=2)
        assert refused(served.stub.Preview, month)[0] is grpc.StatusCode.PERMISSION_DENIED
        assert [t.state for t in served.store.list_tariffs()] == ["active", "active"]
    finally:
        served.end()


def test_no_more_tariffs_are_read_at_once_than_may_be(served: Served) -> None:
    """Two readers hold their places: a third is told to come again, and may when one is done."""
    with served.door.working(), served.door.working():
        code, text, stable = refused(served.stub.Validate, api.ValidateRequest(stored=CARRIER))
        assert (code, stable) == (grpc.StatusCode.UNAVAILABLE, "tariffs_busy")
        assert text.startswith("2 tariffs are being read")
    assert served.stub.Validate(api.ValidateRequest(stored=CARRIER), timeout=30).good


def test_a_request_that_is_late_is_over(served: Served) -> None:
    """A millisecond is no time for a preview."""
    request = api.PreviewRequest(stored=CARRIER, from_ms=0, until_ms=4_102_444_800_000)
    with pytest.raises(grpc.RpcError) as error:
        list(served.stub.Preview(request, timeout=0.001))
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_while_the_main_database_is_not_there_callers_are_told_to_come_again(
    served: Served,
) -> None:
    """The role runs, its prices are awaited: UNAVAILABLE, then answered."""
    served.awaited.prices = None
    code, text, stable = refused(served.stub.List, api.ListRequest())
    assert (code, stable) == (grpc.StatusCode.UNAVAILABLE, "prices_missing")
    assert text.startswith("the main database is not there yet")
    served.awaited.prices = served.prices
    assert len(served.stub.List(api.ListRequest(), timeout=30).versions) == 2


def test_an_operator_is_kept_as_the_author_whomever_the_request_names(served: Served) -> None:
    """Who asks is what the transport proves; a program of this machine names whom it acts for."""
    with served.within("operator/ada") as stub:
        reply = stub.Activate(api.ActivateRequest(files=tariff("0.10"), who="mallory"))
    assert (reply.version.created_by, reply.version.activated_by) == ("operator/ada",) * 2
    with served.within("plugin/desk") as stub:
        reply = stub.Activate(api.ActivateRequest(files=tariff("0.20"), who="bob"))
        assert reply.version.activated_by == "bob"
        assert stub.Activate(api.ActivateRequest(files=tariff("0.30"))).version.activated_by == (
            "plugin/desk"
        )


@pytest.mark.parametrize("caller", ["unit/berlin-1", "anonymous"])
def test_units_and_strangers_may_ask_nothing_of_tariffs(served: Served, caller: str) -> None:
    """Every method is denied by the usual layers, and nothing changed."""
    with served.within(caller) as stub:
        for method, request in [
            (stub.Validate, api.ValidateRequest(stored=CARRIER)),
            (stub.Preview, api.PreviewRequest(stored=CARRIER, from_ms=1, until_ms=2)),
            (stub.Try, api.TryRequest(number=LONDON)),
            (stub.Activate, api.ActivateRequest(files=tariff("0.10"))),
            (stub.List, api.ListRequest()),
            (stub.Explain, api.ExplainRequest(call="a" * 26)),
        ]:
            assert refused(method, request)[0] is grpc.StatusCode.PERMISSION_DENIED
    assert [t.state for t in served.store.list_tariffs()] == ["active", "active"]
