"""A site's number plan, compiled from numbering metadata to tables.

Owns the compilation (once per distinct site, cached) and the meaning of the
tables. `scalar` and `kernel` read them; nothing here looks at a single number.

Source: `phonenumbers` metadata (Google libphonenumber), by country: types of
national numbers, international and national prefixes, short numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from bluewhale.records.directory import Site
from bluewhale.records.enums import CallClass
from bluewhale.records.exceptions import NumberPlanError
from bluewhale.records.numbers import countries
from bluewhale.records.numbers.automata import SYMBOLS, Automaton, PatternError, compile_patterns

DIGITS_MAX = 15  # of an E.164 number, country code included
SYMBOLS_MAX = 32  # of a printed number after cleaning; a longer one is no number
ABROAD_DIGITS_MIN = 4  # behind the country code; the shortest plans have four
LOCAL_DIGITS_MIN = 3
RANGE_DIGITS_MAX = 9  # of an extension in a range

# Tags of the national automaton, in the order in which one wins over another.
PREMIUM, FREE, SHARED, PERSONAL, PAGER, UAN, VOIP, VOICEMAIL, FIXED, MOBILE, FOREIGN = (
    1 << i for i in range(11)
)
_TYPES = {
    "premium_rate": PREMIUM,
    "toll_free": FREE,
    "shared_cost": SHARED,
    "personal_number": PERSONAL,
    "pager": PAGER,
    "uan": UAN,
    "voip": VOIP,
    "voicemail": VOICEMAIL,
    "fixed_line": FIXED,
    "mobile": MOBILE,
}
EMERGENCY, SPECIAL = 1, 2  # tags of the short number automaton

CLASSES = tuple(CallClass)
CLASS_CODE: Mapping[CallClass, int] = {c: i for i, c in enumerate(CLASSES)}
GEOGRAPHIC = -1  # decided by the area code: local or national


def class_of_tags(tags: int) -> int:
    """Give the class code of a set of tags; `GEOGRAPHIC` = local or national."""
    if tags & PREMIUM:
        return CLASS_CODE[CallClass.PREMIUM]
    if tags & FREE:
        return CLASS_CODE[CallClass.FREE]
    if tags & (SHARED | PERSONAL | PAGER | UAN):
        return CLASS_CODE[CallClass.SPECIAL]
    if tags & (FIXED | VOIP):
        return GEOGRAPHIC  # where fixed and mobile share numbers, national
    if tags & (MOBILE | VOICEMAIL):
        return CLASS_CODE[CallClass.MOBILE]
    if tags & FOREIGN:
        return CLASS_CODE[CallClass.INTERNATIONAL]
    return GEOGRAPHIC


# The plan as one int32 array: a head with counts and with the places of its sections.
# Rows of an automaton are its steps by symbol, then its tags.
(
    COUNTRY_CODE,
    COUNTRY_DIGITS,
    LEAST_DIGITS,
    TRUNK_EXISTS,
    PREFIX_MISSING,  # a national number without its prefix is an assumption
    AREA_DIGITS,
    MAIN_DIGITS,
    ACCESS_COUNT,
    RANGE_COUNT,
    CODE_COUNT,
    NATIONAL,  # 10 steps, class (-1 geographic, -2 none), class still possible, plain
    SHORT,
    ABROAD,
    TRUNK,
    CODE,
    CODE_MEANING,  # class, is extension, assumed; from index 1
    ACCESS,  # digits, then their values
    EXTENSION_LENGTH,  # by count of digits
    RANGE,  # low, high, digits of low, digits of high
    AREA,
    MAIN,
    COUNTRY,  # length by first three digits; class by code; drops a zero by code
) = range(22)
HEAD = 22
WIDTH = 11
CODE_WIDTH = 13
NATIONAL_WIDTH = 13
ACCESS_WIDTH = SYMBOLS_MAX + 1
NO_MATCH = -2


@dataclass(frozen=True, slots=True, eq=False)
class NumberPlan:
    """The compiled plan of one site; immutable, made by `compile_plan`."""

    site: Site
    country_code: int
    national: Automaton
    short: Automaton
    abroad: Automaton
    trunk: Automaton | None
    trunk_optional: bool
    national_digits_min: int
    codes: Mapping[str, Any]  # own short code -> Normalised
    table: npt.NDArray[np.int32]
    code_e164: npt.NDArray[np.int64]  # by index of the own short code, 0 = none


@dataclass(frozen=True, slots=True)
class World:
    """Country codes of the world as tables; the same for all plans."""

    length: npt.NDArray[np.int8]
    call_class: npt.NDArray[np.int8]
    drops_zero: npt.NDArray[np.bool_]


@lru_cache(maxsize=1)
def world() -> World:
    """Compile the list of country codes once."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    length = np.zeros(1000, np.int8)
    kind = np.full(1000, CLASS_CODE[CallClass.INTERNATIONAL], np.int8)
    drops_zero = np.zeros(1000, np.bool_)
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        digits = len(str(code))
        first = code * 10 ** (3 - digits)
        length[first : first + 10 ** (3 - digits)] = digits
        if code in countries.GLOBAL_CODES:
            kind[code] = CLASS_CODE[countries.GLOBAL_CODES[code]]
        if regions[0] == "001":
            continue
        metadata = _metadata(regions[0])
        if metadata.national_prefix == "0":
            general = compile_patterns([(1, metadata.general_desc.national_number_pattern)])
            drops_zero[code] = general.step[1, 0] == 0
    return World(length=length, call_class=kind, drops_zero=drops_zero)


def _metadata(region: str) -> Any:
    from phonenumbers.phonemetadata import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        raise NumberPlanError(
            f"country {region!r} has no numbering plan: use an ISO 3166 code such as DE or US"
        )
    return metadata


def _national(region: str, code: int) -> Automaton:
    """Compile all types of national numbers that a site of this country can reach."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    patterns: list[tuple[int, str]] = []
    for other in COUNTRY_CODE_TO_REGION_CODE[code]:
        metadata = _metadata(other)
        for name, tag in _TYPES.items():
            kind = getattr(metadata, name)
            pattern = kind.national_number_pattern if kind else None
            if not pattern:
                continue
            if other != region and code in countries.FOREIGN_WITHIN_CODE:
                if tag in {FIXED, MOBILE}:
                    patterns.append((FOREIGN, pattern))
            else:
                patterns.append((tag, pattern))
    return compile_patterns(patterns)


def _short(region: str) -> Automaton:
    """Compile emergency and special numbers; codes for text messages only are left out."""
    from phonenumbers.phonemetadata import PhoneMetadata

    metadata = PhoneMetadata.short_metadata_for_region(region)
    patterns: list[tuple[int, str]] = []
    if metadata is not None:
        emergency = metadata.emergency and metadata.emergency.national_number_pattern
        if emergency:
            patterns.append((EMERGENCY, emergency))
        if metadata.short_code and metadata.short_code.national_number_pattern:
            patterns.append((SPECIAL, metadata.short_code.national_number_pattern))
        messages = metadata.sms_services and metadata.sms_services.national_number_pattern
        if messages:
            patterns.append((_MESSAGES, messages))
    automaton = compile_patterns(patterns)
    special = automaton.accept & SPECIAL != 0
    text_only = automaton.accept & (_MESSAGES | EMERGENCY) == _MESSAGES
    accept = np.where(special & text_only, 0, automaton.accept & (EMERGENCY | SPECIAL))
    return Automaton(automaton.step, accept.astype(np.int32), automaton.reach)


_MESSAGES = 4


def _trunk(region: str, metadata: Any) -> Automaton | None:
    if region in countries.TRUNK_PREFIXES:
        return compile_patterns([(1, countries.TRUNK_PREFIXES[region])])
    pattern = metadata.national_prefix_for_parsing
    if metadata.national_prefix_transform_rule or not pattern:
        pattern = metadata.national_prefix
    return compile_patterns([(1, pattern)]) if pattern else None


def _rows(automaton: Automaton) -> npt.NDArray[np.int32]:
    return np.column_stack([automaton.step, automaton.accept]).astype(np.int32)


def _national_rows(automaton: Automaton) -> npt.NDArray[np.int32]:
    found = [class_of_tags(t) if t else NO_MATCH for t in automaton.accept.tolist()]
    possible = [
        class_of_tags(t) if t & (t - 1) == 0 else GEOGRAPHIC for t in automaton.reach.tolist()
    ]
    plain = (automaton.accept & (FIXED | MOBILE)) != 0
    return np.column_stack([automaton.step, found, possible, plain]).astype(np.int32)


def _packed(head: Mapping[int, int], sections: Mapping[int, Any]) -> npt.NDArray[np.int32]:
    """Put sections behind a head that says where each begins."""
    parts = [np.zeros(HEAD, np.int32)]
    for name, value in head.items():
        parts[0][name] = value
    at = HEAD
    for name, values in sections.items():
        flat = np.asarray(values, np.int32).reshape(-1)
        parts[0][name] = at
        at += len(flat)
        parts.append(flat)
    table = np.concatenate(parts)
    table.flags.writeable = False
    return table


def _literal_rows(texts: list[str]) -> npt.NDArray[np.int32]:
    """Give a trie of own short codes; the tag of each is its index from 1."""
    steps: list[list[int]] = [[0] * CODE_WIDTH, [0] * CODE_WIDTH]
    for index, text in enumerate(texts, start=1):
        state = 1
        for sign in text:
            symbol = SYMBOLS.index(sign)
            if steps[state][symbol] == 0:
                steps[state][symbol] = len(steps)
                steps.append([0] * CODE_WIDTH)
            state = steps[state][symbol]
        steps[state][CODE_WIDTH - 1] = index
    return np.array(steps, np.int32)


def _check(site: Site) -> None:
    wrong = [
        f"{name} {text!r} must be digits"
        for name, texts in (
            ("access code", site.access_codes),
            ("area code", (site.area_code or "0",)),
            ("main number", (site.main_number or "0",)),
        )
        for text in texts
        if not (text.isascii() and text.isdigit())
    ]
    if len(site.main_number) > DIGITS_MAX or site.main_number.startswith("0"):
        wrong.append(
            f"main number {site.main_number!r} must begin with the country code "
            f"and have at most {DIGITS_MAX} digits"
        )
    wrong += [
        f"short code {code!r} must be 1 to {SYMBOLS_MAX} of 0-9, * and #"
        for code in site.short_codes
        if not 0 < len(code) <= SYMBOLS_MAX or set(code) - set("0123456789*#")
    ]
    wrong += [
        f"extension range {low}-{high} must rise and have at most {RANGE_DIGITS_MAX} digits"
        for low, high in site.extension_ranges
        if not 0 <= low <= high < 10**RANGE_DIGITS_MAX
    ]
    if wrong:
        raise NumberPlanError(f"site {site.site_uid!r}: " + "; ".join(wrong))


@lru_cache(maxsize=512)
def _compiled_country(region: str) -> tuple[Any, Automaton, Automaton, Automaton, Automaton | None]:
    metadata = _metadata(region)
    try:
        return (
            metadata,
            _national(region, metadata.country_code),
            _short(region),
            compile_patterns([(1, metadata.international_prefix or "00")]),
            _trunk(region, metadata),
        )
    except PatternError as error:
        raise NumberPlanError(
            f"the numbering plan of {region} cannot be compiled: {error}"
        ) from error


_PLANS: dict[tuple[object, ...], NumberPlan] = {}
_PLANS_MAX = 4096


def compile_plan(site: Site) -> NumberPlan:
    """Compile the number plan of a site; equal plans are compiled once.

    Raises
    ------
    NumberPlanError
        The country is unknown, or a code or number of the site is not digits.
    """
    key = (
        site.country.upper(),
        site.area_code,
        site.access_codes,
        site.extension_lengths,
        site.extension_ranges,
        tuple(sorted(site.short_codes.items())),
        site.main_number,
    )
    plan = _PLANS.get(key)
    if plan is None:
        plan = _compile(site)
        if len(_PLANS) >= _PLANS_MAX:
            _PLANS.clear()
        _PLANS[key] = plan
    return plan


def _compile(site: Site) -> NumberPlan:
    from bluewhale.records.numbers.scalar import Normalised, normalise_one

    _check(site)
    metadata, national, short, abroad, trunk = _compiled_country(site.country.upper())
    code: int = metadata.country_code
    lengths = metadata.general_desc.possible_length
    least = min((x for x in lengths if x > 0), default=4)
    optional = code in countries.OPTIONAL_TRUNK_PREFIX_CODES

    access = sorted(site.access_codes, key=lambda c: (-len(c), c))
    nothing = compile_patterns([])
    head = {
        COUNTRY_CODE: code,
        COUNTRY_DIGITS: len(str(code)),
        LEAST_DIGITS: least,
        TRUNK_EXISTS: trunk is not None,
        PREFIX_MISSING: trunk is not None and not optional,
        AREA_DIGITS: len(site.area_code),
        MAIN_DIGITS: len(site.main_number),
        ACCESS_COUNT: len(access),
        RANGE_COUNT: len(site.extension_ranges),
    }
    sections: dict[int, Any] = {
        NATIONAL: _national_rows(national),
        SHORT: _rows(short),
        ABROAD: _rows(abroad),
        TRUNK: _rows(trunk or nothing),
        ACCESS: [[len(c), *map(int, c), *[0] * (ACCESS_WIDTH - 1 - len(c))] for c in access],
        EXTENSION_LENGTH: [i in site.extension_lengths for i in range(SYMBOLS_MAX + 1)],
        RANGE: [[a, b, len(str(a)), len(str(b))] for a, b in site.extension_ranges],
        AREA: [int(c) for c in site.area_code],
        MAIN: [int(c) for c in site.main_number],
        COUNTRY: [world().length, world().call_class, world().drops_zero],
    }

    def build(codes: Mapping[str, Normalised]) -> NumberPlan:
        own = _literal_rows(list(codes))
        meanings = [Normalised(), *codes.values()]
        table = _packed(
            {**head, CODE_COUNT: len(codes)},
            {
                **sections,
                CODE: own,
                CODE_MEANING: [
                    [CLASS_CODE[m.call_class], m.is_extension, m.assumed] for m in meanings
                ],
            },
        )
        code_e164 = np.array([m.e164 or 0 for m in meanings], np.int64)
        code_e164.flags.writeable = False
        return NumberPlan(
            site,
            code,
            national,
            short,
            abroad,
            trunk,
            optional,
            least,
            dict(codes),
            table,
            code_e164,
        )

    # A short code stands for what its number means on this very plan.
    plain = build({})
    meanings = {}
    for own_code, target in sorted(site.short_codes.items()):
        if target:
            meaning = normalise_one(target, plain, "called")
            meanings[own_code] = replace(meaning, extension_digits=0)
        else:
            meanings[own_code] = Normalised(call_class=CallClass.SPECIAL)
    return build(meanings) if meanings else plain
