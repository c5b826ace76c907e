"""What people want to be told about: rules over priced calls and over silence, without any I/O."""

from bluewhale.alerting.evaluate import Costs, costs_of, costs_of_totals, evaluate
from bluewhale.alerting.rules import (
    NO_RULES,
    BlacklistRule,
    EmergencyCallRule,
    ExpensiveCallRule,
    LongCallRule,
    NightPremiumRule,
    Rule,
    Rules,
    SilentPbxRule,
)
from bluewhale.alerting.silences import Heard, silence, usual_records

__all__ = [
    "NO_RULES",
    "BlacklistRule",
    "Costs",
    "EmergencyCallRule",
    "ExpensiveCallRule",
    "Heard",
    "LongCallRule",
    "NightPremiumRule",
    "Rule",
    "Rules",
    "SilentPbxRule",
    "costs_of",
    "costs_of_totals",
    "evaluate",
    "silence",
    "usual_records",
]
