"""Governed requests: a configured list of layers around each, compiled to plain closures."""

from bluewhale.nexus.governance.invocation import HEADER, Invocation, asking, current
from bluewhale.nexus.governance.layer import (
    Answer,
    Ask,
    ChannelPlan,
    Form,
    Layer,
    Method,
    PortPlan,
    RequestError,
)

__all__ = [
    "HEADER",
    "Answer",
    "Ask",
    "ChannelPlan",
    "Form",
    "Invocation",
    "Layer",
    "Method",
    "PortPlan",
    "RequestError",
    "asking",
    "current",
]
