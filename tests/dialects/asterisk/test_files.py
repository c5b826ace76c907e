"""Asterisk files: channels, columns on demand, exact bytes, trunk time."""

from datetime import datetime
from pathlib import Path

import pytest
from bluewhale.dialects import get_dialect
from bluewhale.dialects.asterisk import writer
from bluewhale.dialects.asterisk.layout import (
    EXTENSION,
    LOCAL,
    OTHER,
    TRUNK,
    channel_of,
    stable_part,
)
from bluewhale.merge import build_calls, components

from tests.support.dialect_twins import link, raw_batch, run

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("channel", "kind", "name", "extension"),
    [
        ("SIP/101-0000001a", EXTENSION, "SIP/101", "101"),
        ("PJSIP/my-provider-0000001b", TRUNK, "PJSIP/my-provider", None),
        ("PJSIP/9-1", TRUNK, "PJSIP/9", None),
        ("DAHDI/i1/0302312555-9", TRUNK, "DAHDI/i1", None),
        ("DAHDI/1-1", TRUNK, "DAHDI/1", None),
        ("IAX2/carrier-77", TRUNK, "IAX2/carrier", None),
        ("SCCP/103-1", EXTENSION, "SCCP/103", "103"),
        ("SCCP/lobby-1", OTHER, "SCCP/lobby", None),
        ("Local/200@from-internal-0000002a;1", LOCAL, "Local/200@from-internal", None),
        ("AsyncGoto/SIP/102-00000001", EXTENSION, "SIP/102", "102"),
        ("Console/dsp", OTHER, "Console/dsp", None),
        ("", OTHER, "", None),
    ],
)
def test_channels_say_extension_trunk_or_neither(channel, kind, name, extension):
    """The unique part and a dialled number are cut off; a number as long as an extension is one."""
    found = channel_of(stable_part(channel))
    assert (found.kind, found.name, found.extension) == (kind, name, extension)


def test_configured_trunks_decide_alone():
    """With `trunks` given no other peer is a line outside."""
    assert channel_of("SIP/101", ("SIP/10.",)).kind == TRUNK
    assert channel_of("PJSIP/provider", ("SIP/10.",)).kind == OTHER


def test_the_writer_prints_what_cdr_csv_prints():
    """Strings quoted with quotes doubled, seconds bare, an absent answer an empty string."""
    line = writer.record_line(
        {
            "src": "101", "dst": "102", "dcontext": "default",
            "clid": writer.caller_id("Bob", "101"), "channel": "SIP/101-1", "lastapp": "Dial",
            "start": datetime(2021, 5, 3, 10, 0, 0), "end": "2021-05-03 10:00:09",  # noqa: DTZ001
            "duration": 9, "disposition": "NO ANSWER", "amaflags": "DOCUMENTATION",
        },
        "16",
    )  # fmt: skip
    assert line == (
        b'"","101","102","default","""Bob"" <101>","SIP/101-1","","Dial","",'
        b'"2021-05-03 10:00:00","","2021-05-03 10:00:09",9,0,"NO ANSWER","DOCUMENTATION"'
    )
    with pytest.raises(KeyError):
        writer.record_line({"uniqueid": "1.2"}, "16")


def test_every_column_is_shown_on_demand():
    """The 17th column is what it looks like; a torn line shows what stands before the tear."""
    fields = get_dialect("asterisk_csv").fields
    line = writer.record_line({"src": "101", "duration": 9}, "17f")
    shown = fields(line[:-2] + b'"note"', None, {})
    assert [field.name for field in shown][15:] == ["amaflags", "userfield"]
    assert (shown[12].position, shown[12].value) == ("column 13", 9)
    torn = fields(b'"","10', None, {})
    assert torn[-1].note.startswith("record_truncated")
    assert fields(b"a,b", None, {"columns": "16"})[1].value == "b"


def test_a_pattern_that_is_no_expression_is_refused():
    """The check names the option and the pattern."""
    (mistake,) = get_dialect("asterisk_csv").mistakes({"trunks": ["SIP/("]})
    assert "SIP/(" in mistake


def test_a_trunk_channel_in_two_records_is_billed_once():
    """60 s by 101 and 180 s after the transfer to 102 are 240 s of one line."""
    profile = link("asterisk_csv", {"columns": "21"}, access_codes=["0"], extension_lengths=[3])
    data = (HERE / "local_channels_and_transfer" / "input.csv").read_bytes()
    legs = run(raw_batch(data, profile, 1_620_032_400_000), profile).accepted
    found = build_calls(legs, components(legs))
    assert found.calls.num_rows == 1
    (span,) = [row for row in found.billables.to_pylist() if row["direction"] != "internal"]
    assert (span["quantity_ms"], span["called_number"]) == (240_000, "0302312557")
    assert (span["direction"], span["payer"]) == ("outbound", "101")
