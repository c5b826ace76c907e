"""Objects of the cluster that follow from a RemoteUnit: pure functions, spec in, object out.

    stateful_set(resource, "berlin-1", settings, image="...") -> {"kind": "StatefulSet", ...}

Owns what each object looks like. Does not own whether and when it is applied
(`bluewhale.operator.decide`), nor any I/O.
"""

from bluewhale.operator.specs.fragment import fragment_name, fragment_text, units_configmap
from bluewhale.operator.specs.labels import COMPONENT_SELECTOR, REMOTE_UNIT, UNIT, WANTED
from bluewhale.operator.specs.lease import link_lease
from bluewhale.operator.specs.service import service_name, unit_service
from bluewhale.operator.specs.token import token_name, token_secret
from bluewhale.operator.specs.unit import (
    disruption_budget,
    journal_claim,
    pod_of,
    stateful_set,
    unit_configmap,
)

__all__ = [
    "COMPONENT_SELECTOR",
    "REMOTE_UNIT",
    "UNIT",
    "WANTED",
    "disruption_budget",
    "fragment_name",
    "fragment_text",
    "journal_claim",
    "link_lease",
    "pod_of",
    "service_name",
    "stateful_set",
    "token_name",
    "token_secret",
    "unit_configmap",
    "unit_service",
    "units_configmap",
]
