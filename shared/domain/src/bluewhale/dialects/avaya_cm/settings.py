"""The options of an Avaya CM link, documented and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bluewhale.dialects.avaya_cm.layouts import (
    LAYOUT_NAMES,
    PROFILES,
    custom_mistakes,
    layout_of,
)
from bluewhale.dialects.engine.dialect import Option, option_value
from bluewhale.records.enums import Flag

OPTIONS = (
    Option(
        "layout",
        "choice",
        "unformatted",
        "Record layout, as `Primary Output Format` of the switch says; custom-* are ready "
        "customised layouts, custom takes the list `items`.",
        LAYOUT_NAMES,
    ),
    Option("items", "list", (), "Customised layout: [data item, length] from left to right."),
    Option(
        "date_order",
        "choice",
        "as_layout",
        "Order of day and month in date lines and dates (`CDR Date Format`). Nothing in the "
        "stream says it. as_layout = month first, or as the ready layout has it.",
        ("as_layout", "month_first", "day_first"),
    ),
    Option(
        "date_lines",
        "choice",
        "as_layout",
        "required: records wait for a date line; optional: without one the day nearest to "
        "the moment of receipt is taken. as_layout = required where the guides show one.",
        ("as_layout", "required", "optional"),
    ),
    Option(
        "circuit_id",
        "choice",
        "as_layout",
        "plain where `Modified Circuit ID Display` is y; inverted prints 123 as 231.",
        ("as_layout", "plain", "inverted"),
    ),
    Option(
        "account_code_length",
        "integer",
        5,
        "LSU layouts only: the site's account code length; from 6 on it overwrites the "
        "authorization code and more.",
    ),
    Option(
        "splitting",
        "flag",
        False,
        "ITCS or OTCS is on: each party's part of a trunk call is a record; parts are joined.",
    ),
    Option(
        "access_code_in_number",
        "flag",
        False,
        "The dialled number contains the trunk access code (normally it has its own item).",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Options as parsing reads them."""

    day_first: bool
    date_required: bool
    has_date: bool
    has_time: bool
    call_splitting: bool
    access_code_in_number: bool
    flags: int


def settings_of(options: Mapping[str, object]) -> Settings:
    """Read checked options."""
    layout = layout_of(options)
    name = str(value(options, "layout"))
    order = value(options, "date_order")
    if order == "as_layout":
        day_first = name in PROFILES and PROFILES[name][1] == "DDMMYY"
    else:
        day_first = order == "day_first"
    has_date = layout.item("date") is not None
    has_time = layout.item("time") is not None
    lines = value(options, "date_lines")
    required = layout.date_line is not None if lines == "as_layout" else lines == "required"
    flags = Flag(0)
    if layout.item("sec-dur") is None:
        flags |= Flag.DURATION_COARSE
    flags |= Flag.SECONDS_UNKNOWN
    if (
        name in {"lsu", "isdn-lsu", "enhanced-lsu"}
        and int(value(options, "account_code_length")) > 5
    ):
        flags |= Flag.CHARGE_OVERWRITTEN
    return Settings(
        day_first=day_first,
        date_required=required and not has_date and has_time,
        has_date=has_date,
        has_time=has_time,
        call_splitting=bool(value(options, "splitting")),
        access_code_in_number=bool(value(options, "access_code_in_number")),
        flags=int(flags),
    )


def value(options: Mapping[str, object], name: str) -> Any:
    """Give an option or its default."""
    return option_value(OPTIONS, options, name)


def mistakes(options: Mapping[str, object]) -> list[str]:
    """List what the option list alone cannot say."""
    found = []
    if value(options, "layout") == "custom":
        found.extend(custom_mistakes(value(options, "items")))
    elif value(options, "items"):
        found.append("option 'items' belongs to layout 'custom' only")
    if not 1 <= int(value(options, "account_code_length")) <= 15:
        found.append("option 'account_code_length' is from 1 to 15")
    return found
