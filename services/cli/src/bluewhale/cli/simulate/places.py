"""Four places with their own clocks and ways of dialling, all numbers fictitious.

Numbers come from ranges that regulators keep for drama and documentation:
Bundesnetzagentur (030 23125 xxx, 069 90009 xxx, 0171 39200 xx), Ofcom (020 7946
0xxx, 07700 900xxx, 0808 157 0xxx, 0909 879 0xxx), NANPA (555-01xx), ACMA (02
5550 xxxx, 03 7010 xxxx, 0491 570 xxx).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Destination:
    """A kind of number that people dial: how often, its digits, and its class.

    `dialled` makes the digits as keyed after the access code, `e164` the number
    they reach ("" = a special number without one).
    """

    weight: int
    call_class: str
    make: Callable[[random.Random], tuple[str, str]]  # -> (dialled, e164)


@dataclass(frozen=True, slots=True)
class Place:
    """One site template; `access_code` is dialled first for an outside line."""

    key: str
    city: str
    zone: str
    country: str
    area_code: str
    access_code: str
    first_extension: int
    destinations: tuple[Destination, ...]
    caller: Callable[[random.Random], tuple[str, str]]  # inbound: (as received, e164)


def _digits(r: random.Random, n: int) -> str:
    return "".join(r.choices("0123456789", k=n))


def _london(r: random.Random) -> str:
    return "44207946" + "0" + _digits(r, 3)


def _berlin(r: random.Random) -> str:
    return "493023125" + _digits(r, 3)


def _sydney(r: random.Random) -> str:
    return "6125550" + _digits(r, 4)


def _chicago(r: random.Random) -> str:
    return "1312555" + "01" + _digits(r, 2)


def _frankfurt(r: random.Random) -> tuple[str, str]:
    tail = "6990009" + _digits(r, 3)
    return "0" + tail, "49" + tail


def _german_mobile(r: random.Random) -> tuple[str, str]:
    tail = "17139200" + _digits(r, 2)
    return "0" + tail, "49" + tail


def _british_mobile(r: random.Random) -> tuple[str, str]:
    tail = "7700900" + _digits(r, 3)
    return "0" + tail, "44" + tail


def _australian_mobile(r: random.Random) -> tuple[str, str]:
    tail = "491570" + _digits(r, 3)
    return "0" + tail, "61" + tail


def _abroad(
    prefix: str, *makers: Callable[[random.Random], str]
) -> Callable[[random.Random], tuple[str, str]]:
    def make(r: random.Random) -> tuple[str, str]:
        e164 = r.choice(makers)(r)
        return prefix + e164, e164

    return make


def _berlin_local(r: random.Random) -> tuple[str, str]:
    e164 = _berlin(r)
    return e164[4:], e164


def _london_local(r: random.Random) -> tuple[str, str]:
    e164 = _london(r)
    return e164[4:], e164


def _sydney_local(r: random.Random) -> tuple[str, str]:
    e164 = _sydney(r)
    return e164[3:], e164


def _new_york_local(r: random.Random) -> tuple[str, str]:
    tail = "21255501" + _digits(r, 2)
    return "1" + tail, "1" + tail


def _new_york_national(r: random.Random) -> tuple[str, str]:
    e164 = _chicago(r)
    return e164, e164


def _melbourne(r: random.Random) -> tuple[str, str]:
    tail = "37010" + _digits(r, 4)
    return "0" + tail, "61" + tail


def _fixed(dialled: str, e164: str) -> Callable[[random.Random], tuple[str, str]]:
    return lambda _: (dialled, e164)


def _from(
    maker: Callable[[random.Random], str], printed: Callable[[str], str]
) -> Callable[[random.Random], tuple[str, str]]:
    def make(r: random.Random) -> tuple[str, str]:
        e164 = maker(r)
        return printed(e164), e164

    return make


PLACES: dict[str, Place] = {
    "berlin": Place(
        "berlin", "Berlin", "Europe/Berlin", "DE", "30", "0", 2000,
        (
            Destination(35, "local", _berlin_local),
            Destination(20, "national", _frankfurt),
            Destination(25, "mobile", _german_mobile),
            Destination(12, "international", _abroad("00", _london, _chicago, _sydney)),
            Destination(1, "emergency", _fixed("112", "")),
        ),
        _from(_berlin, lambda e: "0" + e[2:]),
    ),
    "newyork": Place(
        "newyork", "New York", "America/New_York", "US", "212", "9", 3000,
        (
            Destination(40, "local", _new_york_local),
            Destination(30, "national", _new_york_national),
            Destination(15, "international", _abroad("011", _london, _berlin, _sydney)),
            Destination(1, "emergency", _fixed("911", "")),
        ),
        _from(_chicago, lambda e: e[1:]),
    ),
    "sydney": Place(
        "sydney", "Sydney", "Australia/Sydney", "AU", "2", "0", 4000,
        (
            Destination(35, "local", _sydney_local),
            Destination(20, "national", _melbourne),
            Destination(25, "mobile", _australian_mobile),
            Destination(12, "international", _abroad("0011", _london, _berlin, _chicago)),
            Destination(1, "emergency", _fixed("000", "")),
        ),
        _from(_sydney, lambda e: "0" + e[2:]),
    ),
    "london": Place(
        "london", "London", "Europe/London", "GB", "20", "9", 5000,
        (
            Destination(35, "local", _london_local),
            Destination(25, "mobile", _british_mobile),
            Destination(15, "international", _abroad("00", _berlin, _chicago, _sydney)),
            Destination(1, "emergency", _fixed("999", "")),
        ),
        _from(_london, lambda e: "0" + e[2:]),
    ),
}  # fmt: skip
