"""The billing role serves tariffs: as a process beside another copy, and to the calls it prices."""

from __future__ import annotations

from pathlib import Path

import pytest
from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.billing.prices import AwaitedPrices
from bluewhale.billing.tariffs_door import TariffsDoor
from bluewhale.database import CallFilter
from bluewhale.nexus import serve
from bluewhale.nexus.peers import Peers

from tests.integration.billing.places import tariff
from tests.integration.cli.door import bluewhale
from tests.integration.roles.in_memory import Installation
from tests.integration.roles.places import installation
from tests.support.roles_world import with_roles, world_of
from tests.support.running import wait_until

LISTEN = "BLUEWHALE_CLUSTER__BILLING__LISTEN"


def test_calls_that_come_after_an_activation_are_priced_by_it(tmp_path: Path) -> None:
    """One PBX before, one after; no worker is made anew."""
    world = world_of(tmp_path, calls=30)
    configuration = with_roles(world, {"east": [0, 1, 2]})
    it = Installation(world, configuration, tmp_path / "data")
    awaited = AwaitedPrices(2_000)
    awaited.prices = it.prices
    served = serve("tariffs", TariffsDoor(awaited))
    peers = Peers({}, (), here=lambda _: True, look=lambda _: served)
    first, second, _ = world.pbxs
    try:
        it.send(first.pbx_uid, "east")
        it.settle()
        peers.stub("tariffs", "test").Activate(api.ActivateRequest(files=tariff("0.10")))
        it.send(second.pbx_uid, "east")
        it.settle()
        calls = it.store.search_calls(CallFilter(), limit=1_000).column("call_id").to_pylist()
        versions: dict[str, set[int]] = {}
        for call_id in calls:
            detail = it.store.get_call(call_id)
            pbx = detail.legs.column("pbx_uid")[0].as_py()
            for charge in detail.charges.to_pylist():
                if charge["tariff_uid"] == "carrier-2026":
                    versions.setdefault(pbx, set()).add(charge["tariff_version"])
    finally:
        peers.close()
        it.close()
    assert versions == {first.pbx_uid: {1}, second.pbx_uid: {2}}


@pytest.mark.services
def test_a_running_installation_is_steered_by_the_command(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str
) -> None:
    """Two billings: one is asked, both price by the new version without a restart."""
    world = world_of(tmp_path, calls=30)
    draft = tmp_path / "draft"
    draft.mkdir()
    for file in tariff("0.10").files:
        (draft / file.name).write_bytes(file.plain)
    document = draft / "carrier-2026.yaml"
    with installation(
        world, tmp_path, kafka=kafka_bootstrap, prefix=kafka_prefix, database=postgres_url
    ) as it:
        it.start_roles(("storage", "billing"))
        other = it.start_role("billing", copy=2)
        it.wait_ready(other)
        second = it.fleet[other].environment[LISTEN]

        def ask(*arguments: str | Path):
            return bluewhale(*arguments, "--config", tmp_path)

        def priced(*where: str) -> list[tuple[str, str, int]]:
            answer = ask("tariff", "try", "+44 20 7946 0123", "--json", *where)
            return [(t["price_list"], t["amount"], t["tariff_version"]) for t in answer.rows()][:1]

        assert [
            (r["tariff_uid"], r["version"], r["state"])
            for r in ask("tariff", "list", "--json").rows()
        ] == [("carrier-2026", 1, "active"), ("internal-2026", 1, "active")]
        there = ask("tariff", "check", document, "--server", second)
        assert "against carrier-2026@1: 1 added, 24 removed, 0 dearer, 0 cheaper" in there.out
        answer = ask("tariff", "import", document, "--activate")
        assert answer.code == 0, answer.err
        assert answer.out.splitlines()[1] == "carrier-2026 version 2 is active"
        assert "prices by it within 2 s" in answer.err
        assert priced() == [("carrier", "0.1", 2)]
        wait_until(lambda: priced("--server", second) == [("carrier", "0.1", 2)], 60, "the look")
        assert ask("tariff", "show", "carrier-2026@2", "--json").rows()[0]["prefix"] == ""
        back = ask("tariff", "activate", "carrier-2026@1", "--server", second)
        assert back.out == "carrier-2026 version 1 is active\n"
        wait_until(lambda: priced()[0][2] == 1, 60, "the look of the first")
        missing = ask("explain", "a" * 26)
        assert (missing.code, missing.out) == (3, "")
        it.fleet.check()
        it.fleet.stop("billing")
        away = ask("tariff", "list")
        assert away.code == 4
        assert f"billing at 127.0.0.1:{it.ports['billing']} does not answer" in away.err
