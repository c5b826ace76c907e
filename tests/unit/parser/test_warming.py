"""Kernels are loaded before the first record: every sample parses, merges and is priced."""

from __future__ import annotations

from pathlib import Path

from bluewhale.jobs.warming import warm_billing, warm_parsing

from tests.support.roles_world import with_roles, world_of


def test_the_sample_of_every_dialect_goes_through_all_stages(tmp_path: Path):
    """Legs come out for each of the three dialects, so their kernels have run."""
    configuration = with_roles(world_of(tmp_path, calls=30), {"east": [0, 1, 2]})
    legs = warm_parsing(configuration)
    dialects = {d for t in legs for d in t.column("dialect_id").to_pylist()}
    assert dialects == {"avaya_cm", "cisco_cucm", "asterisk_csv"}
    warm_billing(configuration)
