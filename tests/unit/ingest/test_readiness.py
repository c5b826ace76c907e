"""What makes ingest unready, and what is told to operators alone."""

from __future__ import annotations

from bluewhale.nexus import Health


def test_a_condition_that_does_not_gate_is_told_and_the_role_stays_ready() -> None:
    """A second copy of a unit is bad news; the log being away sends units elsewhere."""
    health = Health(clock_ms=lambda: 7)
    health.started = True
    health.condition("unit_copies", good=False, message="depot runs twice", gates=False)
    assert health.unready() == {}
    assert [(c.name, c.good, c.message) for c in health.conditions()] == [
        ("unit_copies", False, "depot runs twice")
    ]
    health.condition("log", good=False, message="Kafka does not answer")
    assert health.unready() == {"log": "Kafka does not answer"}
