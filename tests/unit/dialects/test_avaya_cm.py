"""Avaya CM beside the cases: options, fields on demand, layouts."""

import pytest
from bluewhale.dialects import DIALECTS, get_dialect
from bluewhale.dialects.avaya_cm.layouts import FIXED, PROFILES, customised

AVAYA = get_dialect("avaya_cm")
LINE = b"081313 1652 0005 00034 7  *00 *799                   66000           13537                   116"


def test_every_option_mistake_is_found_at_once():
    """Unknown names, wrong choices and wrong types come in one list."""
    found = AVAYA.mistakes({"layout": "printr", "splitting": "yes", "colour": 1})
    assert len(found) == 3
    assert any("'colour' is not known" in text for text in found)
    assert any("'printr'; choose one of: teleseer" in text for text in found)
    assert any("'splitting' is 'yes'; write true or false" in text for text in found)


def test_a_customised_layout_is_checked_whole():
    """A misspelt item, a wrong length and what is missing are all named."""
    found = AVAYA.mistakes(
        {"layout": "custom", "items": [["time", 5], ["cond-kode", 1], ["dialed-num", 18], ["x"]]}
    )
    text = "\n".join(found)
    assert "items[0] 'time' has length 5; it is 4" in text
    assert "items[1] 'cond-kode' is no data item of Avaya CM" in text
    assert "items[3] is ['x']" in text
    assert "no 'cond-code'" in text
    assert "no 'calling-num'" in text
    assert "neither 'duration' nor 'sec-dur'" in text


def test_items_belong_to_the_custom_layout_only():
    """A list of items beside a named layout is a mistake, not ignored."""
    assert AVAYA.mistakes({"layout": "printer", "items": [["time", 4]]}) == [
        "option 'items' belongs to layout 'custom' only"
    ]


def test_good_options_have_no_mistakes():
    """Every named layout is a valid configuration."""
    for name in (*FIXED, *PROFILES):
        assert AVAYA.mistakes({"layout": name}) == []


def test_fields_show_every_item_with_its_place():
    """`dialect try` sees what each column of a line became."""
    fields = {field.name: field for field in AVAYA.fields(LINE, None, {"layout": "custom-112"})}
    assert (fields["dialed-num"].position, fields["dialed-num"].value) == ("36-58", "66000")
    assert fields["cond-code"].value == "outgoing call over automatic route selection"
    assert fields["out-crt-id"].note == "position inferred"


def test_fields_turn_inverted_circuits_round():
    """TELESEER prints circuit 123 as 231; the field says so."""
    record = b" " * 3 + b"09300125" + b"7" + b" " * 46 + b"231" + b" " * 15
    fields = {field.name: field for field in AVAYA.fields(record, b"0813", {"layout": "teleseer"})}
    assert fields["out-crt-id"].value == "123"
    assert fields["date-line"].text == "0813"


@pytest.mark.parametrize("name", sorted(FIXED))
def test_items_of_a_layout_do_not_overlap(name):
    """Each position belongs to one item."""
    layout = FIXED[name]
    columns = [c for item in layout.items for c in range(item.first, item.last + 1)]
    assert len(columns) == len(set(columns))
    assert max(columns) <= layout.length


@pytest.mark.parametrize(
    ("name", "length"), [("custom-97", 95), ("custom-114", 114), ("custom-112", 112)]
)
def test_ready_layouts_have_their_published_length(name, length):
    """97 counts CR and LF; 114 and 112 do not."""
    assert customised(name, PROFILES[name][0], "", "R").length == length


def test_dialects_are_one_explicit_list():
    """The registry is keyed by the dialects' own ids, and an unknown id lists them."""
    assert all(key == dialect.dialect_id for key, dialect in DIALECTS.items())
    with pytest.raises(KeyError, match="avaya_cm"):
        get_dialect("avaya")


def test_each_room_is_complete():
    """README, sample and writer stand in the dialect's room."""
    for name in ("README.md", "writer.py"):
        assert (AVAYA.room / name).is_file()
    assert list(AVAYA.room.glob("sample.*"))
