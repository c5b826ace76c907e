"""Numbers through the kernel equal their scalar twin; automata equal regular expressions."""

import random
import re

import pyarrow as pa
import pytest
from bluewhale.records.directory import Site
from bluewhale.records.numbers import compile_plan, normalise, normalise_one
from bluewhale.records.numbers.automata import PatternError, compile_patterns
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.phonemetadata import PhoneMetadata

SITES = [
    Site("a", "A", "UTC", "DE", "30", ("0",), (3, 4), (), {"*7": "030231250"}, "493023125"),
    Site("b", "B", "UTC", "DE", "30", ("0", "00"), (3,), ((100, 499), (7000, 7999)), {}, "4930231"),
    Site("c", "C", "UTC", "GB", "20", ("9",), (4,)),
    Site("d", "D", "UTC", "US", "617", ("9",), (4,), (), {"1": "+493023125", "#9": ""}),
    Site("e", "E", "UTC", "FR"),
    Site("f", "F", "UTC", "AU", "2", ("0",)),
    Site("g", "G", "UTC", "IT", "06"),
    Site("h", "H", "UTC", "BR", "11", ("0",)),
    Site("i", "I", "UTC", "RU", "495"),
]
HEADS = st.sampled_from(
    [
        "",
        "0",
        "00",
        "000",
        "9",
        "90",
        "9011",
        "011",
        "1",
        "+",
        "+49",
        "0049",
        "+1",
        "49",
        "1481",
        "112",
        "*",
        "#31#",
        "0800",
        "0900",
        "1800",
        "13",
        "0011",
        "+390",
        "06",
        "+800",
        "810",
        "8",
    ]
)
TEXT = st.builds(
    str.__add__,
    HEADS,
    st.text(alphabet="0123456789012345678901234567890123456789 -()*#+Xé", max_size=18),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.none() | TEXT, max_size=30),
    st.sampled_from(SITES),
    st.sampled_from(["called", "calling"]),
)
def test_column_equals_scalar(texts, site, role):
    """Any text, any plan, both roles; an E.164 form never has more than 15 digits."""
    plan = compile_plan(site)
    column = normalise(pa.array(texts, pa.string()), plan, role)
    for i, text in enumerate(texts):
        expected = normalise_one(text, plan, role)
        assert column.row(i) == expected, text
        assert expected.e164 is None or 0 < expected.e164 < 10**15


@pytest.mark.parametrize("region", ["DE", "GB", "US", "FR", "AU", "IT", "AT", "BR", "AR", "JP"])
def test_automata_match_what_regular_expressions_match(region):
    """Examples of each type, with random digits changed, through both."""
    metadata = PhoneMetadata.metadata_for_region(region)
    kinds = [metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate]
    kinds = [kind for kind in kinds if kind and kind.example_number]
    patterns = [(1 << i, kind.national_number_pattern) for i, kind in enumerate(kinds)]
    automaton = compile_patterns(patterns)
    chance = random.Random(region)
    for _ in range(500):
        digits = list(chance.choice(kinds).example_number)
        for _ in range(chance.randint(0, 3)):
            digits[chance.randrange(len(digits))] = chance.choice("0123456789")
        text = "".join(digits)[: chance.randint(1, 15)]
        assert automaton.match(text) == sum(
            tag for tag, pattern in patterns if re.fullmatch(pattern, text)
        )


@pytest.mark.parametrize("pattern", ["a", "(1", "1)", "(?=1)", "[a]", "1$"])
def test_a_pattern_outside_the_subset_is_refused(pattern):
    """Better no plan than a wrong one."""
    with pytest.raises(PatternError):
        compile_patterns([(1, pattern)])


@pytest.mark.parametrize("pattern", ["1*2", "1+2?", "(12)+", "[1-35]{2,}", "1{2,3}|", "(?:1|22)*3"])
def test_loops_and_counts_match_as_python_does(pattern):
    """All texts over 1, 2, 3, 5 up to five digits."""
    automaton = compile_patterns([(1, pattern)])
    texts = [""]
    for _ in range(5):
        texts += [t + d for t in texts for d in "1235" if len(t) < 5]
    for text in set(texts):
        assert bool(automaton.match(text)) == bool(re.fullmatch(pattern, text)), text
