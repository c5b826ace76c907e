"""The visible list of stages, composed once for every runtime and role."""

from bluewhale.stages.framing import raw_batch
from bluewhale.stages.pipeline import Stages, parse_stage, propose, span_billables

__all__ = ["Stages", "parse_stage", "propose", "raw_batch", "span_billables"]
