"""The published vectors of docs/reference/identity.md, through both twins."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bluewhale.records import ids
from bluewhale.records.exceptions import IdTextError

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "identity.md"
LINE = b"1200 005 9 0302312500"
LONG = bytes(range(250)) + b"x" * 50

RAW_VECTORS = [
    ("berlin", 0, b"", 1, "000000d434baa96bda6ff36976b66853", "aaaabvbuxkuwxwtp6nuxnntikm"),
    ("berlin", 20000, LINE, 1, "004e205438afeca1ebb2fdfbd797afbd", "abhcavbyv7wkd25s7x55pf5pxu"),
    ("berlin", 20000, LINE, 2, "004e20a5d6e2765d5131cd324ff10ab0", "abhcbjow4j3f2ujrzuze74ikwa"),
    ("berlin", 20001, LINE, 1, "004e218487fe0f571fb355746a561f88", "abhcdbeh7yhvoh5tkv2guvq7ra"),
    ("sydney", 20000, LINE, 1, "004e20d8bd690729a9ecef7084bed05d", "abhcbwf5nedstkpm55yijpwqlu"),
    ("berlin", 20000, LONG, 1, "004e20dd7b6e3be168bb2f5b8196dfb6", "abhcbxl3ny56c2f3f5nydfw7wy"),
]
NATIVE_VECTORS = [
    ("5c3b2f9e-1d2c-4e0b-9f2a-0a1b2c3d4e5f", "004e20d7bbbba08830ad71af28376fa2"),
    ("Zürich-7", "004e209f8215ed3b76ca4be95c89506b"),
    ("", "004e20f5d5ca62b521514d2d1ec21311"),
]
JOIN_VECTORS = [
    ("global_call_id", "cucm-1", "1-52014", 5129765960038048021),
    ("linkedid", "", "1700000000.12", 5533144009942645665),
    ("trunk", "berlin", "", 4873751730980116861),
]
CALL_ID = bytes.fromhex("004e205438afeca1ebb2fdfbd797afbd")
CHARGE_VECTORS = [
    (1, 0, "carrier", "charge", "004e20e5af0e5d71591bce9db72cf5cc"),
    (2, 0, "carrier", "reversal", "004e2029e2a19ca2816b5ba658764da7"),
    (1, 1, "internal", "charge", "004e20dbc828aae08d4602a9bd54f7da"),
]


def _spans(*records):
    data = np.frombuffer(b"".join(records) + b"\0", np.uint8)
    ends = np.cumsum([len(r) for r in records]).astype(np.int64)
    return data, ends - [len(r) for r in records], ends


@pytest.mark.parametrize(("pbx", "day", "raw", "n", "expected", "text"), RAW_VECTORS)
def test_raw_rule_gives_the_published_id(pbx, day, raw, n, expected, text):
    """Column, scalar and page agree on an id made from record bytes."""
    column = ids.leg_ids(
        pbx_uid=pbx,
        day=np.array([day], np.int32),
        raw=_spans(raw),
        n=np.array([n], np.int32),
    )
    assert column[0].as_py().hex() == expected
    assert ids.leg_id(pbx_uid=pbx, day=day, raw=raw, n=n).hex() == expected
    assert ids.id_text(bytes.fromhex(expected)) == text
    assert ids.parse_id_text(text).hex() == expected


def test_native_rule_gives_the_published_ids_and_ignores_n():
    """Rows with a native key use it, whatever their bytes and count; null rows use the bytes."""
    native = pa.array([*[key for key, _ in NATIVE_VECTORS], None])
    column = ids.leg_ids(
        pbx_uid="cucm-1",
        day=np.full(4, 20000, np.int32),
        raw=_spans(b"a", b"b", b"c", LINE),
        native=native,
        n=np.array([1, 2, 3, 1], np.int32),
    )
    assert [i.hex() for i in column.to_pylist()[:3]] == [h for _, h in NATIVE_VECTORS]
    assert column[3].as_py() == ids.leg_id(pbx_uid="cucm-1", day=20000, raw=LINE, n=1)
    for key, expected in NATIVE_VECTORS:
        assert ids.leg_id(pbx_uid="cucm-1", day=20000, native=key, n=9).hex() == expected


@pytest.mark.parametrize(("kind", "pbx", "text", "expected"), JOIN_VECTORS)
def test_join_key_is_the_published_number(kind, pbx, text, expected):
    """Column, scalar and page agree on a join key; a null text has none."""
    keys, valid = ids.join_keys_column(kind, pbx, pa.array([text, None]))
    assert int(keys[0]) == expected
    assert ids.join_key(kind, pbx, text) == expected
    assert valid.tolist() == [True, False]


@pytest.mark.parametrize(("version", "span", "price_list", "entry", "expected"), CHARGE_VECTORS)
def test_charge_id_is_the_published_one(version, span, price_list, entry, expected):
    """Column, scalar and page agree on the id of a ledger entry."""
    column = ids.charge_ids(
        pa.array([CALL_ID], pa.binary(16)),
        np.array([version], np.int32),
        np.array([span], np.int32),
        price_list,
        entry,
    )
    assert column[0].as_py().hex() == expected
    scalar = ids.charge_id(
        call_id=CALL_ID, call_version=version, span=span, price_list=price_list, entry=entry
    )
    assert scalar.hex() == expected


def test_every_vector_stands_on_the_page():
    """The page publishes exactly what the tests hold the code to."""
    page = PAGE.read_text(encoding="utf-8")
    for vector in [*RAW_VECTORS, *NATIVE_VECTORS, *JOIN_VECTORS, *CHARGE_VECTORS]:
        assert f"| {vector[4] if len(vector) > 4 else vector[-1]} |" in page


def test_a_sliced_column_has_the_ids_of_its_rows():
    """Slices of Arrow columns are read from where they begin."""
    native = pa.array(["x", "5c3b2f9e-1d2c-4e0b-9f2a-0a1b2c3d4e5f"]).slice(1)
    column = ids.leg_ids(pbx_uid="cucm-1", day=np.array([20000], np.int32), native=native)
    assert column[0].as_py().hex() == "004e20d7bbbba08830ad71af28376fa2"
    both = pa.array([bytes(16), CALL_ID], pa.binary(16)).slice(1)
    charge = ids.charge_ids(
        both, np.array([1], np.int32), np.array([0], np.int32), "carrier", "charge"
    )
    assert charge[0].as_py().hex() == "004e20e5af0e5d71591bce9db72cf5cc"


def test_an_empty_column_has_no_ids():
    """Zero rows in, zero rows out."""
    assert len(ids.leg_ids(pbx_uid="b", day=np.zeros(0, np.int32), raw=_spans())) == 0
    assert len(ids.join_keys_column("k", "b", pa.array([], pa.string()))[0]) == 0


@pytest.mark.parametrize(
    "text",
    ["", "abhc", "abhcavbyv7wkd25s7x55pf5px1", "abhcavbyv7wkd25s7x55pf5pxv", "é" * 26],
)
def test_text_that_is_no_id_is_refused(text):
    """Wrong length, a character outside the alphabet and stray last bits are named errors."""
    with pytest.raises(IdTextError):
        ids.parse_id_text(text)


def test_capitals_and_blanks_around_an_id_do_not_matter():
    """People copy ids from mails."""
    assert ids.parse_id_text(" ABHCAVBYV7WKD25S7X55PF5PXU\n").hex() == (
        "004e205438afeca1ebb2fdfbd797afbd"
    )


def test_the_day_of_an_id_can_be_read_back():
    """The first three bytes are the day."""
    assert ids.id_day(CALL_ID) == 20000
