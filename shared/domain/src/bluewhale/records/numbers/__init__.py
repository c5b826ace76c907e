"""Numbers as printed to numbers of the world: E.164 form, class, own extensions.

Owns a site's number plan, compiled from numbering metadata to tables, the rules
(`scalar`, the readable specification) and the kernel that applies them to a
column at millions a second. Does not own which field of a record is a number.

>>> from bluewhale.records.directory import Site
>>> site = Site("b", "Berlin", "Europe/Berlin", "DE", area_code="30", access_codes=("0",))
>>> normalise_one("0030123456", compile_plan(site)).e164
4930123456
"""

from bluewhale.records.numbers.columns import NormalisedColumn, normalise
from bluewhale.records.numbers.direction import (
    DIRECTION_CODE,
    DIRECTIONS,
    NO_HINT,
    direction,
    direction_one,
    leg_class,
    leg_class_one,
)
from bluewhale.records.numbers.plan import CLASS_CODE, CLASSES, NumberPlan, compile_plan
from bluewhale.records.numbers.scalar import Normalised, Role, normalise_one

__all__ = [
    "CLASSES",
    "CLASS_CODE",
    "DIRECTIONS",
    "DIRECTION_CODE",
    "NO_HINT",
    "Normalised",
    "NormalisedColumn",
    "NumberPlan",
    "Role",
    "compile_plan",
    "direction",
    "direction_one",
    "leg_class",
    "leg_class_one",
    "normalise",
    "normalise_one",
]
