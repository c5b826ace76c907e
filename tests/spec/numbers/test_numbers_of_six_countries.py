"""Printed numbers of six countries: what each means, literally.

Sites: Berlin and Sydney dial 0 for a public line, London and Boston 9, Paris 0 with
extensions 3000 to 3999, Rome has no access code. Numbers lie in ranges that
regulators reserve for fiction where these exist.
"""

import re

import pyarrow as pa
import pytest
from bluewhale.records.directory import Site
from bluewhale.records.exceptions import NumberPlanError
from bluewhale.records.numbers import compile_plan, normalise, normalise_one

BERLIN = Site(
    "berlin",
    "Berlin",
    "Europe/Berlin",
    "DE",
    area_code="30",
    access_codes=("0",),
    extension_lengths=(3, 4),
    main_number="493023125",
    short_codes={"*71": "+442079460018", "700": "0030231250", "*55": ""},
)
LONDON = Site(
    "london", "London", "Europe/London", "GB", "20", access_codes=("9",), extension_lengths=(4,)
)
BOSTON = Site(
    "boston", "Boston", "America/New_York", "US", "617", access_codes=("9",), extension_lengths=(4,)
)
PARIS = Site(
    "paris", "Paris", "Europe/Paris", "FR", access_codes=("0",), extension_ranges=((3000, 3999),)
)
SYDNEY = Site(
    "sydney", "Sydney", "Australia/Sydney", "AU", "2", access_codes=("0",), extension_lengths=(4,)
)
ROMA = Site("roma", "Roma", "Europe/Rome", "IT", extension_lengths=(3,))

# (site, as printed, E.164 digits, class, marks)
CALLED = [
    (BERLIN, "0112", None, "emergency", ""),
    (BERLIN, "0110", None, "emergency", ""),
    (BERLIN, "112", None, "emergency", ""),
    (BERLIN, "003023125123", 493023125123, "local", "extension"),
    (BERLIN, "0003312345", 3312345, "international", ""),
    (BERLIN, "00049302312500", 49302312500, "local", ""),
    (BERLIN, "000441632960018", 441632960018, "international", ""),
    (BERLIN, "000442079460018", 442079460018, "international", ""),
    (BERLIN, "+442079460018", 442079460018, "international", ""),
    (BERLIN, "023125123", 493023125123, "local", "extension assumed"),
    (BERLIN, "023125", 493023125, "local", "assumed"),
    (BERLIN, "00800123456", 49800123456, "free", "assumed"),
    (BERLIN, "008001234567", 498001234567, "free", ""),
    (BERLIN, "009001234567", 499001234567, "premium", ""),
    (BERLIN, "00180123456", 49180123456, "special", ""),
    (BERLIN, "0118", 4930118, "local", "assumed"),
    (BERLIN, "011833", None, "special", ""),
    (BERLIN, "0116117", None, "special", ""),
    (BERLIN, "003012", 493012, "local", "assumed"),
    (BERLIN, "0015112345678", 4915112345678, "mobile", ""),
    (BERLIN, "00", None, "unknown", ""),
    (BERLIN, "0", None, "unknown", ""),
    (BERLIN, "123", 493023125123, "internal", "extension"),
    (BERLIN, "1234", 4930231251234, "internal", "extension"),
    (BERLIN, "*71", 442079460018, "international", ""),
    (BERLIN, "700", 4930231250, "local", ""),
    (BERLIN, "*55", None, "special", ""),
    (BERLIN, "*21*100#", None, "special", ""),
    (BERLIN, "#31#", None, "special", ""),
    (BERLIN, "0030231250#", 4930231250, "local", ""),
    (BERLIN, "0030231250#17", 4930231250, "local", "assumed"),
    (BERLIN, "00302312500123456789", None, "unknown", ""),
    (BERLIN, "000800123456789", 800123456789, "free", ""),
    (BERLIN, "0000800123456789", None, "unknown", ""),
    (BERLIN, "+80012345678", 80012345678, "free", ""),
    (BERLIN, "+979123456789", 979123456789, "premium", ""),
    (BERLIN, "000999123456", None, "unknown", ""),
    (BERLIN, "anonymous", None, "unknown", ""),
    (BERLIN, "0+4930", None, "unknown", ""),
    (BERLIN, "+49(0)3023125123", 493023125123, "local", "extension assumed"),
    (BERLIN, "000049302312", None, "unknown", ""),
    (BERLIN, "0030/231-25.100", 493023125100, "local", "extension"),
    (LONDON, "9112", None, "emergency", ""),
    (LONDON, "9999", None, "emergency", ""),
    (LONDON, "999", None, "emergency", ""),
    (LONDON, "112", None, "emergency", ""),
    (LONDON, "902079460018", 442079460018, "local", ""),
    (LONDON, "979460018", 442079460018, "local", "assumed"),
    (LONDON, "900493023125123", 493023125123, "international", ""),
    (LONDON, "9+493023125123", None, "unknown", ""),
    (LONDON, "908081570000", 448081570000, "free", ""),
    (LONDON, "909012345678", 449012345678, "premium", ""),
    (LONDON, "907700900123", 447700900123, "mobile", "assumed"),
    (LONDON, "9118500", None, "special", ""),
    (LONDON, "9123", None, "special", ""),
    (LONDON, "901481960000", 441481960000, "national", ""),
    (LONDON, "4321", None, "internal", "extension"),
    (LONDON, "900353", None, "unknown", ""),
    (LONDON, "901632960018", 441632960018, "national", "assumed"),
    (LONDON, "9016329600181234", None, "unknown", ""),
    (BOSTON, "9911", None, "emergency", ""),
    (BOSTON, "911", None, "emergency", ""),
    (BOSTON, "9112", None, "emergency", ""),
    (BOSTON, "916175550123", 16175550123, "local", ""),
    (BOSTON, "95550123", 16175550123, "local", "assumed"),
    (BOSTON, "96175550123", 16175550123, "local", ""),
    (BOSTON, "912125550123", 12125550123, "national", ""),
    (BOSTON, "918005550199", 18005550199, "free", ""),
    (BOSTON, "919005550199", 19005550199, "premium", ""),
    (BOSTON, "9011493023125123", 493023125123, "international", ""),
    (BOSTON, "914165550123", 14165550123, "international", ""),
    (BOSTON, "918765550123", 18765550123, "international", ""),
    (BOSTON, "9411", None, "special", ""),
    (BOSTON, "9211", None, "special", ""),
    (BOSTON, "4567", None, "internal", "extension"),
    (BOSTON, "91617555012399", 16175550123, "local", "assumed"),
    (BOSTON, "91", None, "unknown", ""),
    (BOSTON, "916175", None, "unknown", ""),
    (BOSTON, "9+493023125123", None, "unknown", ""),
    (BOSTON, "915551234567", 15551234567, "national", "assumed"),
    (PARIS, "015", None, "emergency", ""),
    (PARIS, "018", None, "emergency", ""),
    (PARIS, "0112", None, "emergency", ""),
    (PARIS, "112", None, "emergency", ""),
    (PARIS, "3123", None, "internal", "extension"),
    (PARIS, "00199001234", 33199001234, "national", ""),
    (PARIS, "0000493023125123", None, "unknown", ""),
    (PARIS, "00612345678", 33612345678, "mobile", ""),
    (PARIS, "00800123456", 33800123456, "free", ""),
    (PARIS, "00891123456", 33891123456, "premium", ""),
    (PARIS, "03615", None, "special", ""),
    (PARIS, "00891", None, "unknown", ""),
    (PARIS, "0102030", None, "unknown", ""),
    (PARIS, "199001234", 33199001234, "national", "assumed"),
    (PARIS, "0118712", None, "special", ""),
    (PARIS, "15", None, "emergency", ""),
    (SYDNEY, "0000", None, "emergency", ""),
    (SYDNEY, "000", None, "emergency", ""),
    (SYDNEY, "0106", None, "emergency", ""),
    (SYDNEY, "0112", None, "emergency", ""),
    (SYDNEY, "0255501234", 61255501234, "local", "assumed"),
    (SYDNEY, "00255501234", 61255501234, "local", ""),
    (SYDNEY, "055501234", 61255501234, "local", "assumed"),
    (SYDNEY, "00011493023125123", 493023125123, "international", ""),
    (SYDNEY, "00491570156", 61491570156, "mobile", ""),
    (SYDNEY, "01300123456", 611300123456, "special", ""),
    (SYDNEY, "0131234", 61131234, "special", ""),
    (SYDNEY, "01800123456", 611800123456, "free", ""),
    (SYDNEY, "01900123456", 611900123456, "premium", ""),
    (SYDNEY, "4000", None, "internal", "extension"),
    (SYDNEY, "000112125550123", 2125550123, "international", ""),
    (SYDNEY, "018001234561", 611800123456, "free", "assumed"),
    (ROMA, "112", None, "emergency", ""),
    (ROMA, "113", None, "emergency", ""),
    (ROMA, "118", None, "emergency", ""),
    (ROMA, "0669812345", 390669812345, "national", ""),
    (ROMA, "3123456789", 393123456789, "mobile", ""),
    (ROMA, "0049302312", 49302312, "international", ""),
    (ROMA, "00493023125123", 493023125123, "international", ""),
    (ROMA, "800123456", 39800123456, "free", ""),
    (ROMA, "899123456", 39899123456, "premium", ""),
    (ROMA, "1240", None, "special", ""),
    (ROMA, "123", None, "internal", "extension"),
    (ROMA, "0212345678", 390212345678, "national", ""),
    (ROMA, "+390669812345", 390669812345, "national", ""),
    (ROMA, "00390669812345", 390669812345, "national", ""),
]
CALLING = [
    (BERLIN, "3023125123", 493023125123, "local", "extension assumed"),
    (BERLIN, "03023125123", 493023125123, "local", "extension"),
    (BERLIN, "493023125123", 493023125123, "local", "extension assumed"),
    (BERLIN, "004930231251", 4930231251, "local", ""),
    (BERLIN, "00442079460018", 442079460018, "international", ""),
    (BERLIN, "442079460018", 49442079460018, "national", "assumed"),
    (BERLIN, "23125123", 4923125123, "national", "assumed"),
    (BERLIN, "1234", 4930231251234, "internal", "extension"),
    (BERLIN, "anonymous", None, "unknown", ""),
    (BERLIN, "+493023125123", 493023125123, "local", "extension"),
    (BERLIN, "15112345678", 4915112345678, "mobile", "assumed"),
    (BERLIN, "48221234567", 4948221234567, "national", "assumed"),
    (LONDON, "02079460018", 442079460018, "local", ""),
    (LONDON, "2079460018", 442079460018, "local", "assumed"),
    (LONDON, "442079460018", 442079460018, "local", "assumed"),
    (LONDON, "00493023125123", 493023125123, "international", ""),
    (LONDON, "493023125123", 493023125123, "international", "assumed"),
    (LONDON, "447700900123", 447700900123, "mobile", "assumed"),
    (LONDON, "7946001", None, "unknown", ""),
    (BOSTON, "6175550123", 16175550123, "local", "assumed"),
    (BOSTON, "16175550123", 16175550123, "local", ""),
    (BOSTON, "+16175550123", 16175550123, "local", ""),
    (BOSTON, "5550123", 16175550123, "local", "assumed"),
    (BOSTON, "493023125123", 493023125123, "international", "assumed"),
    (BOSTON, "011493023125123", 493023125123, "international", ""),
    (BOSTON, "1234", None, "internal", "extension"),
    (BOSTON, "4165550123", 14165550123, "international", "assumed"),
    (PARIS, "199001234", 33199001234, "national", "assumed"),
    (PARIS, "0199001234", 33199001234, "national", ""),
    (PARIS, "33199001234", 33199001234, "national", "assumed"),
    (PARIS, "0033199001234", 33199001234, "national", ""),
    (PARIS, "3123", None, "internal", "extension"),
    (SYDNEY, "255501234", 61255501234, "local", "assumed"),
    (SYDNEY, "0255501234", 61255501234, "local", ""),
    (SYDNEY, "61255501234", 61255501234, "local", "assumed"),
    (SYDNEY, "00116125550123", 6125550123, "local", "assumed"),
    (SYDNEY, "55501234", 61255501234, "local", "assumed"),
    (ROMA, "0669812345", 390669812345, "national", ""),
    (ROMA, "390669812345", 390669812345, "national", "assumed"),
    (ROMA, "3123456789", 393123456789, "mobile", ""),
    (ROMA, "00442079460018", 442079460018, "international", ""),
    (ROMA, "442079460018", 442079460018, "international", "assumed"),
]


def _check(site, text, e164, call_class, marks, role):
    plan = compile_plan(site)
    column = normalise(pa.array([text]), plan, role)
    for found in (normalise_one(text, plan, role), column.row(0)):
        assert found.e164 == e164
        assert found.call_class == call_class
        assert found.is_extension == ("extension" in marks)
        assert found.assumed == ("assumed" in marks)


@pytest.mark.parametrize(("site", "text", "e164", "call_class", "marks"), CALLED)
def test_a_called_number_means(site, text, e164, call_class, marks):
    """What was dialled inside the site, through the column and its scalar twin."""
    _check(site, text, e164, call_class, marks, "called")


@pytest.mark.parametrize(("site", "text", "e164", "call_class", "marks"), CALLING)
def test_a_calling_number_means(site, text, e164, call_class, marks):
    """What the network delivered, through the column and its scalar twin."""
    _check(site, text, e164, call_class, marks, "calling")


@pytest.mark.parametrize(
    "text", [None, "", "   ", "anonymous", "UNKNOWN", "1-800-FLOWERS", "é", "+", "+0491", "1" * 33]
)
@pytest.mark.parametrize("role", ["called", "calling"])
def test_what_is_no_number_is_unknown(text, role):
    """Null, blank, words, a bare plus and endless digits have no form and no class."""
    _check(LONDON, text, None, "unknown", "", role)


def test_an_extension_is_the_last_digits_of_what_was_printed():
    """Behind the own main number the extension is found, and given as text."""
    column = normalise(
        pa.array(["123", "+49 30 23125-0100", "003023125123", "0112", None]),
        compile_plan(BERLIN),
    )
    assert column.extensions().to_pylist() == ["123", None, "123", None, None]
    assert column.e164_array().to_pylist() == [
        493023125123,
        4930231250100,
        493023125123,
        None,
        None,
    ]
    assert column.class_array().to_pylist() == [
        "internal",
        "local",
        "local",
        "emergency",
        "unknown",
    ]


def test_extension_ranges_decide_alone_when_given():
    """3999 is an extension of Paris, 4000 (as long) is not; a range beats an emergency number."""
    plan = compile_plan(PARIS)
    assert normalise_one("3999", plan).is_extension
    assert not normalise_one("4000", plan).is_extension
    odd = Site("odd", "Odd", "Europe/Berlin", "DE", extension_ranges=((100, 199),))
    assert normalise_one("112", compile_plan(odd)).call_class == "internal"


def test_dictionary_columns_and_chunks_mean_the_same():
    """Encodings of a column do not matter; each distinct word is normalised once."""
    plan = compile_plan(BERLIN)
    texts = ["123", None, "0112", "00049302312500", "123"]
    plain = normalise(pa.array(texts), plan)
    coded = normalise(pa.array(texts).dictionary_encode(), plan)
    chunks = normalise(pa.chunked_array([texts[:2], texts[2:]]), plan)
    large = normalise(pa.array(texts, pa.large_string()).slice(0, 5), plan)
    for other in (coded, chunks, large):
        assert [other.row(i) for i in range(5)] == [plain.row(i) for i in range(5)]
        assert other.extensions().to_pylist() == ["123", None, None, None, "123"]


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (Site("s", "S", "UTC", "XX"), "no numbering plan"),
        (Site("s", "S", "UTC", "DE", access_codes=("0#",)), "access code '0#' must be digits"),
        (Site("s", "S", "UTC", "DE", area_code="0x"), "area code '0x' must be digits"),
        (Site("s", "S", "UTC", "DE", main_number="+49"), "main number '+49' must be digits"),
        (Site("s", "S", "UTC", "DE", short_codes={"": "1"}), "short code ''"),
        (Site("s", "S", "UTC", "DE", extension_ranges=((9, 1),)), "extension range 9-1"),
    ],
)
def test_a_site_that_cannot_be_compiled_says_why(site, words):
    """Country, codes and ranges are checked before the first number."""
    with pytest.raises(NumberPlanError, match=re.escape(words)):
        compile_plan(site)


def test_equal_plans_are_compiled_once():
    """Ten thousand sites that dial alike share one plan."""
    twin = Site("other", "Other", "Europe/Rome", "IT", extension_lengths=(3,))
    assert compile_plan(twin) is compile_plan(ROMA)
