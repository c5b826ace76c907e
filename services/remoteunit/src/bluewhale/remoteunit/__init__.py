"""The Remote Unit: connectors, journal, uplink in one light process."""
