"""What the product says about itself: logs, metrics, health.

Owns the closed lists of log attributes and metrics, set-up of structlog, the
masking of phone numbers and the local HTTP endpoint. Does not own alerting.
"""

from bluewhale.telemetry import tracing
from bluewhale.telemetry.attributes import ATTRIBUTES, Attribute
from bluewhale.telemetry.endpoint import Endpoint
from bluewhale.telemetry.logs import canonical_line, configure_logs, get_logger
from bluewhale.telemetry.masking import mask_number, mask_text
from bluewhale.telemetry.metrics import METRICS, Metric, Metrics

__all__ = [
    "ATTRIBUTES",
    "METRICS",
    "Attribute",
    "Endpoint",
    "Metric",
    "Metrics",
    "canonical_line",
    "configure_logs",
    "get_logger",
    "mask_number",
    "mask_text",
    "tracing",
]
