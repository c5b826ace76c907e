"""Two real units for one link: another reads soon, whatever happens to the one that does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bluewhale.cli.simulate.installation import Endpoints

from bench.failover import run

# 4 of each kind take two minutes; BLUEWHALE_FAILOVER_ROUNDS=30 is what is claimed
ROUNDS = int(os.environ.get("BLUEWHALE_FAILOVER_ROUNDS", "4"))


@pytest.mark.slow
@pytest.mark.services("kafka", "postgres")
def test_another_unit_reads_in_time_and_no_line_is_lost_or_doubled(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str, capsys
):
    """Planned within 3 s; crash, freeze, lost centre within 9 s; every line stored once."""
    found = run(
        tmp_path, Endpoints(kafka=kafka_bootstrap, database=postgres_url), kafka_prefix, ROUNDS
    )
    with capsys.disabled():
        print(f"\n{found.table()}")
    assert found.problems() == []
    assert {kind: len(seconds) for kind, seconds in found.seconds.items()} == {
        "planned": ROUNDS,
        "crash": ROUNDS,
        "freeze": ROUNDS,
        "cut": ROUNDS,
    }
    assert found.printed > 100
    # a cut needs the link at the unit whose wire can be cut: ordered there where it is not
    assert found.moves["ordered"] >= ROUNDS
    assert found.moves["expired"] + found.moves["new_term"] >= 3 * ROUNDS
    assert found.sent_again > 0  # lines that both units heard: kept aside, never charged
