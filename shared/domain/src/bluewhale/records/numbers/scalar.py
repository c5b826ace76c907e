"""One printed number to E.164, class and extension: the rules, readable.

The scalar twin of `kernel`; the order of the rules is the specification.

Called numbers: blank or not a number; own short code; feature code; own
extension; emergency (bare or behind an access code); access code taken off;
international prefix; public short number; national prefix; local number with
the site's area code; national number without its prefix.

Calling numbers, as the network delivers them: no access code. A number without
any prefix is read, in this order, as: own country code in front (11 digits or
more), national number, own country code in front, foreign number of 10 to 15
digits, local number. Every reading without a prefix is `assumed`.

A number that goes on behind its complete national form (digits keyed during the
call) is cut there, `assumed`. Behind `*` or `#` nothing is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bluewhale.records.enums import CallClass
from bluewhale.records.numbers.plan import (
    ABROAD_DIGITS_MIN,
    CLASSES,
    DIGITS_MAX,
    EMERGENCY,
    FIXED,
    GEOGRAPHIC,
    LOCAL_DIGITS_MIN,
    MOBILE,
    SPECIAL,
    SYMBOLS_MAX,
    NumberPlan,
    class_of_tags,
    world,
)

Role = Literal["called", "calling"]
SEPARATORS = " -./()\t"
OWN_CODE_DIGITS_MIN = 11
FOREIGN_DIGITS_MIN = 10


@dataclass(frozen=True, slots=True)
class Normalised:
    """What one printed number means on a plan; `e164` None = it has no such form.

    `extension_digits` is how many last digits of the printed number are the
    own extension; 0 = it is none.
    """

    e164: int | None = None
    call_class: CallClass = CallClass.UNKNOWN
    is_extension: bool = False
    assumed: bool = False
    extension_digits: int = 0


_UNKNOWN = Normalised()


def clean(text: str) -> tuple[str, bool] | None:
    """Give (symbols, has plus) without separators; None = not a number."""
    plus = False
    symbols = ""
    for sign in text:
        if sign in "0123456789*#":
            symbols += sign
        elif sign == "+" and not symbols and not plus:
            plus = True
        elif sign not in SEPARATORS:
            return None
    if not symbols or len(symbols) > SYMBOLS_MAX:
        return None
    return symbols, plus


def normalise_one(text: str | None, plan: NumberPlan, role: Role = "called") -> Normalised:
    """Give E.164 form, class and extension of one number as printed.

    Parameters
    ----------
    text
        As printed; None, blank, or words such as "anonymous" give unknown.
    plan
        The number plan of the site whose PBX printed it.
    role
        "called": as dialled (or received) inside the site; "calling": as
        delivered by the network.
    """
    cleaned = clean(text) if text is not None else None
    if cleaned is None:
        return _UNKNOWN
    symbols, plus = cleaned
    if not plus and symbols in plan.codes and role == "called":
        return plan.codes[symbols]
    if not symbols[0].isdigit():
        return Normalised(call_class=CallClass.SPECIAL) if not plus else _UNKNOWN
    digits = symbols
    noise = False
    for i, sign in enumerate(symbols):
        if not sign.isdigit():
            digits = symbols[:i]
            noise = i < len(symbols) - 1  # a single last # only ends dialling
            break
    if plus:
        result = _international(digits, plan)
    elif role == "called":
        result = _called(digits, plan)
    else:
        result = _calling(digits, plan)
    if noise and result.e164 is not None:
        result = replace(result, assumed=True)
    return _own_direct_dial(result, plan)


def is_own_extension(digits: str, plan: NumberPlan) -> bool:
    """Say whether digits are an extension by range or, without ranges, by length."""
    site = plan.site
    if site.extension_ranges:
        return any(
            len(str(low)) <= len(digits) <= len(str(high)) and low <= int(digits) <= high
            for low, high in site.extension_ranges
        )
    return len(digits) in site.extension_lengths and not digits.startswith("0")


def _own_extension(digits: str, plan: NumberPlan) -> Normalised:
    main = plan.site.main_number
    whole = main + digits
    e164 = int(whole) if main and len(whole) <= DIGITS_MAX else None
    return Normalised(e164, CallClass.INTERNAL, is_extension=True, extension_digits=len(digits))


def _own_direct_dial(result: Normalised, plan: NumberPlan) -> Normalised:
    """Recognise the main number with an own extension behind it."""
    main = plan.site.main_number
    if result.e164 is None or result.is_extension or not main:
        return result
    text = str(result.e164)
    rest = text[len(main) :]
    if text.startswith(main) and rest and is_own_extension(rest, plan):
        return replace(result, is_extension=True, extension_digits=len(rest))
    return result


def _called(digits: str, plan: NumberPlan) -> Normalised:
    site = plan.site
    if site.extension_ranges and is_own_extension(digits, plan):
        return _own_extension(digits, plan)
    if plan.short.match(digits) & EMERGENCY:
        return Normalised(call_class=CallClass.EMERGENCY)
    access = max((c for c in site.access_codes if digits.startswith(c)), key=len, default="")
    if access:
        return _public(digits[len(access) :], plan)
    if not site.extension_ranges and is_own_extension(digits, plan):
        return _own_extension(digits, plan)
    return _public(digits, plan)


def _public(digits: str, plan: NumberPlan) -> Normalised:
    """Read digits as dialled on a public line of the site."""
    short = plan.short.match(digits)
    if short & EMERGENCY:
        return Normalised(call_class=CallClass.EMERGENCY)
    abroad = [n for n in plan.abroad.prefix_lengths(digits) if n < len(digits)]
    if abroad:
        return _international(digits[abroad[-1] :], plan)
    if short & SPECIAL:
        return Normalised(call_class=CallClass.SPECIAL)
    trunk = _trunk_length(digits, plan)
    if trunk:
        return _nation(digits[trunk:], plan, assumed=False)
    tags = plan.national.match(digits)
    area = plan.site.area_code
    if len(digits) >= LOCAL_DIGITS_MIN and area and plan.national.match(area + digits):
        return _nation(area + digits, plan, assumed=True)
    prefix_missing = plan.trunk is not None and not plan.trunk_optional
    if tags:
        return _nation(digits, plan, assumed=prefix_missing and bool(tags & (FIXED | MOBILE)))
    if not prefix_missing:
        return _nation(digits, plan, assumed=True)
    if _goes_on(digits, plan):
        return _nation(digits, plan, assumed=True)
    if len(digits) >= LOCAL_DIGITS_MIN and area:
        return _nation(area + digits, plan, assumed=True)
    return _UNKNOWN


def _goes_on(digits: str, plan: NumberPlan) -> bool:
    """Say whether a complete number that needs no prefix (1800 ...) has digits behind it."""
    states = plan.national.walk(digits)
    lengths = plan.national.prefix_lengths(digits)
    if not lengths or len(states) == len(digits) or lengths[-1] < plan.national_digits_min:
        return False
    return not int(plan.national.accept[states[lengths[-1] - 1]]) & (FIXED | MOBILE)


def _calling(digits: str, plan: NumberPlan) -> Normalised:
    if is_own_extension(digits, plan):
        return _own_extension(digits, plan)
    abroad = [n for n in plan.abroad.prefix_lengths(digits) if n < len(digits)]
    if abroad:
        result = _international(digits[abroad[-1] :], plan)
        if result.e164 is not None:
            return result
    trunk = _trunk_length(digits, plan)
    if trunk:
        return _nation(digits[trunk:], plan, assumed=False)
    code = str(plan.country_code)
    behind = digits[len(code) :]
    own_code = digits.startswith(code) and plan.national.match(behind)
    if own_code and len(digits) >= OWN_CODE_DIGITS_MIN:
        return _nation(behind, plan, assumed=True)
    if plan.national.match(digits):
        return _nation(digits, plan, assumed=plan.trunk is not None)
    if own_code:
        return _nation(behind, plan, assumed=True)
    if FOREIGN_DIGITS_MIN <= len(digits) <= DIGITS_MAX:
        result = _international(digits, plan)
        if result.e164 is not None:
            return replace(result, assumed=True)
    area = plan.site.area_code
    if area and plan.national.match(area + digits):
        return _nation(area + digits, plan, assumed=True)
    return _UNKNOWN


def _trunk_length(digits: str, plan: NumberPlan) -> int:
    """Give how many digits are the national prefix: the longest that leaves a known number."""
    if plan.trunk is None:
        return 0
    lengths = [n for n in plan.trunk.prefix_lengths(digits) if n < len(digits)]
    if not lengths:
        return 0
    fitting = [n for n in lengths if plan.national.match(digits[n:])]
    if fitting:
        return fitting[-1]
    return 0 if plan.national.match(digits) else lengths[0]


def _international(digits: str, plan: NumberPlan) -> Normalised:
    """Read digits that begin with a country code."""
    length = int(world().length[int((digits + "00")[:3])])
    if length == 0 or digits[0] == "0" or len(digits) < length:
        return _UNKNOWN
    code = int(digits[:length])
    rest = digits[length:]
    assumed = False
    if world().drops_zero[code] and rest.startswith("0"):
        rest = rest[1:]  # "+49 (0) 30": the national prefix does not belong there
        assumed = True
    if code == plan.country_code:
        return _nation(rest, plan, assumed=assumed)
    if len(rest) < ABROAD_DIGITS_MIN or length + len(rest) > DIGITS_MAX:
        return _UNKNOWN
    return Normalised(
        int(digits[:length] + rest), CLASSES[world().call_class[code]], assumed=assumed
    )


def _nation(number: str, plan: NumberPlan, *, assumed: bool) -> Normalised:
    """Class a national number (no prefix) and give its E.164 form."""
    most = DIGITS_MAX - len(str(plan.country_code))
    least = plan.national_digits_min
    states = plan.national.walk(number)
    lengths = plan.national.prefix_lengths(number)
    best = lengths[-1] if lengths else 0
    if best != len(number) and not (least <= best <= most and len(states) < len(number)):
        # Unknown to the metadata: a new range, or digits are missing.
        if not least <= len(number) <= most:
            return _UNKNOWN
        tags = int(plan.national.reach[states[-1]]) if states else 0
        code = class_of_tags(tags) if tags & (tags - 1) == 0 else GEOGRAPHIC
        return _made(number, code, plan, assumed=True)
    if not number or best > most:
        return _UNKNOWN
    code = class_of_tags(int(plan.national.accept[states[best - 1]]))
    return _made(number[:best], code, plan, assumed=assumed or best < len(number))


def _made(number: str, code: int, plan: NumberPlan, *, assumed: bool) -> Normalised:
    if code == GEOGRAPHIC:
        area = plan.site.area_code
        local = bool(area) and number.startswith(area)
        kind = CallClass.LOCAL if local else CallClass.NATIONAL
    else:
        kind = CLASSES[code]
    return Normalised(int(f"{plan.country_code}{number}"), kind, assumed=assumed)
