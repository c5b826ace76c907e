"""The demo's page has something to show: alerts of calls that are made while it is served."""

from __future__ import annotations

from pathlib import Path

from bluewhale.cli.demo_page import call_now, prepare
from bluewhale.cli.simulate.session import DIALECTS, World

from tests.integration.cli.places import change
from tests.integration.webapi.places import embedded
from tests.support.running import wait_until


def test_three_calls_of_now_are_told(tmp_path: Path):
    """Over two hours, for more than four euros, to 112: each of another extension in Berlin."""
    world = World.of(tmp_path, 3, DIALECTS, 30, 7, 0)
    world.write()
    prepare(tmp_path)
    change(tmp_path, web={"listen": "127.0.0.1:0"})

    def told() -> set[tuple[str, str]]:
        items = site.owner.get("/alerts").json()["items"]
        return {(item["rule"], item["object"]["uid"]) for item in items}

    with embedded(tmp_path, reading=True) as site:
        call_now(tmp_path, world.pbxs)
        wait_until(lambda: len(told()) == 3, 60, "three alerts")
        assert told() == {("long", "2001"), ("dear", "2002"), ("help", "2003")}
