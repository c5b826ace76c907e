from __future__ import annotations

import asyncio
import threading

import pytest
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.nexus import (
    Nexus,
    PluginFailedError,
    PluginSlowToStopError,
    PluginsUnresolvedError,
    ServiceNotStartedError,
    ServiceUnknownError,
    State,
)

from tests.unit.nexus.actors import plugin


def test_plugins_end_in_reverse_order_of_their_start():
    """journal, uplink start; uplink, journal end."""
    seen: list[str] = []

    async def run():
        manifests = [
            plugin("uplink", requires={"journal": ">=1"}),
            plugin("journal", provides={"journal": "1.0"}),
        ]
        async with Nexus(manifests, settings=seen) as nexus:
            assert nexus.service("journal") == "journal of journal"
            assert nexus.states() == {"journal": State.ACTIVE, "uplink": State.ACTIVE}
        assert nexus.states() == {"journal": State.STOPPED, "uplink": State.STOPPED}

    asyncio.run(run())
    assert seen == ["start journal", "start uplink", "end uplink", "end journal"]


def test_nothing_starts_when_anything_is_wrong():
    """An activator that cannot be imported is found before the first plugin starts."""
    seen: list[str] = []

    async def run():
        manifests = [plugin("good"), plugin("bad", "nowhere"), plugin("worse", "neither")]
        async with Nexus(manifests, settings=seen):
            pass

    with pytest.raises(PluginsUnresolvedError) as caught:
        asyncio.run(run())
    assert [p.split(":")[0] for p in caught.value.problems] == ["bad", "worse"]
    assert seen == []


def test_a_lazy_plugin_starts_at_the_first_look_up_and_ends_in_its_place():
    """Nobody looks: it never runs. A look-up starts it once; it ends after the one that requires it."""
    seen: list[str] = []
    manifests = [
        plugin("uplink", requires={"journal": ""}),
        plugin("journal", provides={"journal": "1.0"}, lazy_start=True),
    ]

    async def run(look: bool):
        async with Nexus(manifests, settings=seen) as nexus:
            if look:
                found = [await nexus.lookup("journal") for _ in range(2)]
                assert found == ["journal of journal"] * 2
        assert nexus.states()["journal"] is State.STOPPED

    asyncio.run(run(look=False))
    assert seen == ["start uplink", "end uplink"]
    seen.clear()
    asyncio.run(run(look=True))
    assert seen == ["start uplink", "start journal", "end uplink", "end journal"]


def test_a_lazy_plugin_starts_from_a_thread_too_but_never_blocks_the_loop():
    """service() in a worker thread waits for the start; on the loop it says what to use instead."""

    async def run():
        manifests = [plugin("journal", provides={"journal": "1.0"}, lazy_start=True)]
        async with Nexus(manifests, settings=[]) as nexus:
            with pytest.raises(ServiceNotStartedError, match=r"await context\.lookup"):
                nexus.service("journal")
            return await asyncio.to_thread(nexus.service, "journal")

    assert asyncio.run(run()) == "journal of journal"


def test_a_plugin_that_requires_a_lazy_one_may_start_it_while_starting():
    """The activator awaits lookup."""
    seen: list[str] = []

    async def run():
        manifests = [
            plugin("eager", "looking", requires={"journal": ""}),
            plugin("journal", provides={"journal": "1.0"}, lazy_start=True),
        ]
        async with Nexus(manifests, settings=seen):
            pass

    asyncio.run(run())
    assert seen == ["start journal", "journal of journal", "end journal"]


def test_an_operating_error_at_start_comes_through_and_what_had_started_ends():
    """The text of the plugin reaches the operator as it is."""
    seen: list[str] = []

    async def run():
        async with Nexus([plugin("a"), plugin("b", "refused")], settings=seen) as nexus:
            pass
        assert nexus.states() == {"a": State.STOPPED, "b": State.FAILED}

    with pytest.raises(TemporaryError, match="does not answer; start it"):
        asyncio.run(run())
    assert seen == ["start a", "end a"]


def test_any_other_error_at_start_names_the_plugin():
    """A KeyError alone would tell an operator nothing."""

    async def run():
        async with Nexus([plugin("b", "broken")], settings=[]):
            pass

    with pytest.raises(PluginFailedError, match=r"b failed to start: KeyError\('listen'\)"):
        asyncio.run(run())


def test_a_promised_service_must_be_given():
    """The manifest promises query; the activator yields nothing."""

    async def run():
        async with Nexus([plugin("b", "forgetful", provides={"query": "1.0"})], settings=[]):
            pass

    with pytest.raises(
        PluginFailedError, match="gave the services none, its manifest promises query"
    ):
        asyncio.run(run())


def test_a_plugin_that_falls_over_while_running_ends_the_nexus_with_its_error():
    """The failure asks the owner of the nexus to stop, makes it unready, and is raised at the end."""
    seen: list[str] = []

    async def run():
        async with Nexus([plugin("a"), plugin("b", "falling")], settings=seen) as nexus:
            await asyncio.wait_for(nexus.stopping.wait(), 5)
            assert nexus.states()["b"] is State.FAILED
            assert "the disk went away" in nexus.health.unready()["b"]

    with pytest.raises(TemporaryError, match="the disk went away; mount it"):
        asyncio.run(run())
    assert seen == ["start a", "end a"]


def test_a_plugin_that_does_not_end_is_cut_off_after_the_time_to_drain():
    """The others end all the same."""
    seen: list[str] = []

    async def run():
        manifests = [plugin("a"), plugin("b", "endless")]
        async with Nexus(manifests, settings=seen, drain_s=0.05) as nexus:
            pass
        assert nexus.states() == {"a": State.STOPPED, "b": State.FAILED}

    with pytest.raises(PluginSlowToStopError, match="b did not end within"):
        asyncio.run(run())
    assert seen == ["start a", "end a"]


def test_a_worker_finishes_what_is_begun():
    """Its thread is told to stop, ends by itself, and is waited for."""
    seen: list[str] = []

    async def run():
        async with Nexus([plugin("a", "working")], settings=seen):
            assert seen == []

    asyncio.run(run())
    assert seen == ["work finished"]
    assert [t.name for t in threading.enumerate() if t.name == "loop"] == []


def test_a_worker_that_fails_ends_the_nexus():
    """The error of the thread is the error of the nexus."""

    async def run():
        async with Nexus([plugin("a", "crashing")], settings=[]) as nexus:
            await asyncio.wait_for(nexus.stopping.wait(), 5)

    with pytest.raises(TemporaryError, match="the database is away; start it"):
        asyncio.run(run())


def test_a_plugin_may_look_up_only_what_its_manifest_requires():
    """Otherwise its place in the order would be luck."""

    async def run():
        manifests = [plugin("journal", provides={"journal": "1.0"}), plugin("z", "asking")]
        async with Nexus(manifests, settings=[]):
            pass

    with pytest.raises(ServiceUnknownError, match="z looks up journal but does not require it"):
        asyncio.run(run())


def test_a_stopped_plugin_does_not_come_back():
    """Python cannot unload modules: a new process is the way."""

    async def run():
        async with Nexus([plugin("a", provides={"journal": "1.0"})], settings=[]) as nexus:
            pass
        nexus.service("journal")

    with pytest.raises(ServiceUnknownError, match="a is stopped; a new process brings it back"):
        asyncio.run(run())


def test_a_look_up_never_starts_a_plugin_out_of_its_turn():
    """Only lazy plugins start by a look-up; all others keep their place in the order."""
    seen: list[str] = []

    async def run():
        nexus = Nexus(
            [
                plugin("a", "peeking"),
                plugin("b", provides={"journal": "1.0"}),
            ],
            settings=seen,
        )
        seen.append(nexus)
        async with nexus:
            pass

    asyncio.run(run())
    assert seen[1] == "journal is not there yet: b starts in its turn; require it, or wait"
    assert seen[2:] == ["start b", "end b"]
