"""The phonenumbers library as an oracle over valid numbers of six countries.

Allowed differences, each stated where it is allowed:
- class: fixed or mobile undecided (North America) is national here; shared-cost,
  personal, pager and company-wide numbers are special, VoIP is national, voicemail is mobile;
- a number of another country behind +1 is international.
"""

import random

import phonenumbers as pn
import pyarrow as pa
import pytest
from bluewhale.records.directory import Site
from bluewhale.records.numbers import CLASSES, compile_plan, normalise
from phonenumbers.phonemetadata import PhoneMetadata

Kind = pn.PhoneNumberType
CLASS_OF_TYPE = {
    Kind.FIXED_LINE: "national",
    Kind.FIXED_LINE_OR_MOBILE: "national",
    Kind.VOIP: "national",
    Kind.MOBILE: "mobile",
    Kind.VOICEMAIL: "mobile",
    Kind.TOLL_FREE: "free",
    Kind.PREMIUM_RATE: "premium",
    Kind.SHARED_COST: "special",
    Kind.PERSONAL_NUMBER: "special",
    Kind.PAGER: "special",
    Kind.UAN: "special",
}
PREFIXES = {"DE": "0", "GB": "0", "US": "1", "FR": "0", "AU": "0", "IT": ""}
ABROAD = {"DE": "00", "GB": "00", "US": "011", "FR": "00", "AU": "0011", "IT": "00"}
NO_EXTENSIONS = ((999_999_998, 999_999_999),)


def _valid_numbers(region, count):
    """Numbers near the examples of the metadata that the library calls valid."""
    metadata = PhoneMetadata.metadata_for_region(region)
    names = ["fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"]
    names += ["personal_number", "voip", "pager", "uan"]
    examples = [kind.example_number for kind in (getattr(metadata, n) for n in names) if kind]
    examples = [e for e in examples if e]
    chance = random.Random(region)
    found = []
    while len(found) < count:
        digits = list(chance.choice(examples))
        for _ in range(chance.randint(0, 5)):
            digits[chance.randrange(1, len(digits))] = chance.choice("0123456789")
        number = pn.parse(f"+{metadata.country_code}{''.join(digits)}", None)
        if pn.is_valid_number(number) and pn.region_code_for_number(number) == region:
            found.append(("".join(digits), number))
    return metadata.country_code, found


@pytest.mark.parametrize("region", ["DE", "GB", "US", "FR", "AU", "IT"])
def test_valid_numbers_have_the_same_form_and_class(region):
    """1,000 valid numbers per country, dialled in national and in international form."""
    plan = compile_plan(Site("s", "S", "UTC", region, extension_ranges=NO_EXTENSIONS))
    country, numbers = _valid_numbers(region, 1000)
    plus = normalise(pa.array([f"+{country}{digits}" for digits, _ in numbers]), plan)
    dialled = normalise(
        pa.array([_national_form(region, digits, number) for digits, number in numbers]), plan
    )
    for i, (digits, number) in enumerate(numbers):
        expected = int(pn.format_number(number, pn.PhoneNumberFormat.E164)[1:])
        assert plus.e164[i] == expected, digits
        assert CLASSES[plus.call_class[i]] == CLASS_OF_TYPE[pn.number_type(number)], digits
        assert not plus.assumed[i], digits
        assert dialled.e164[i] == expected, digits
        assert dialled.call_class[i] == plus.call_class[i], digits


def _national_form(region, digits, number):
    # 13, 1300 and 1800 numbers of Australia are dialled without the prefix 0.
    if region == "AU" and digits.startswith("1"):
        return digits
    return PREFIXES[region] + digits


@pytest.mark.parametrize("region", ["DE", "GB", "US", "FR", "AU", "IT"])
def test_foreign_numbers_have_the_same_form(region):
    """Valid numbers of the other five countries behind plus and behind the prefix for abroad."""
    plan = compile_plan(Site("s", "S", "UTC", region, extension_ranges=NO_EXTENSIONS))
    for other in {"DE", "GB", "US", "FR", "AU", "IT"} - {region}:
        country, numbers = _valid_numbers(other, 60)
        wanted = [int(pn.format_number(n, pn.PhoneNumberFormat.E164)[1:]) for _, n in numbers]
        for prefix in ("+", ABROAD[region]):
            column = normalise(pa.array([f"{prefix}{country}{d}" for d, _ in numbers]), plan)
            assert column.e164.tolist() == wanted
            assert {CLASSES[c] for c in column.call_class} == {"international"}


@pytest.mark.parametrize("region", ["DE", "GB", "US", "FR", "AU", "IT"])
def test_emergency_numbers_are_those_of_the_library(region):
    """Every number of up to four digits."""
    plan = compile_plan(Site("s", "S", "UTC", region, extension_ranges=NO_EXTENSIONS))
    texts = [f"{i:0{width}d}" for width in (2, 3, 4) for i in range(10**width)]
    column = normalise(pa.array(texts), plan)
    found = {t for t, c in zip(texts, column.call_class, strict=True) if CLASSES[c] == "emergency"}
    assert found == {t for t in texts if pn.is_emergency_number(t, region)}
