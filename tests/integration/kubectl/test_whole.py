"""The plugin, kubectl, the operator and ingest, each the real one; only the API server is emulated."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import yaml

from tests.integration.operator.test_first_resource import apply, conditions, installation, known
from tests.support.apiserver import until
from tests.support.kubectl import RU, ForKubectl, Plugin

pytestmark = pytest.mark.usefixtures("kubectl")


def test_a_token_goes_from_ingest_to_the_file_of_a_unit_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ordered twice, there are two tokens; status says what the resource waits for."""

    async def scenario() -> None:
        async with installation(tmp_path, monkeypatch, ForKubectl) as server:
            plugin = Plugin(os.environ["KUBECONFIG"])
            await apply(server, known(runs="Outside"))

            def waits() -> bool:
                return conditions(server).get("Ready") == ("False", "WaitingForUnit")

            await until(waits, "a token")
            shown = await asyncio.to_thread(plugin.run, "status", "-n", "pbx")
            assert shown.code == 1
            assert "Enrolled: WaitingForUnit" in shown.out
            words = ["enrol", "berlin", "-n", "pbx", "--centre", "ingest.example.net:7440"]
            tokens = set()
            for _ in range(2):
                said = await asyncio.to_thread(plugin.run, *words)
                assert said.code == 0, said
                file = yaml.safe_load(said.out)
                assert (file["unit_uid"], file["enrolment"]) == (
                    "berlin",
                    "ingest.example.net:7444",
                )
                tokens.add(file["token"])
            assert {t.split(".")[0:2] == ["bw1", "berlin"] for t in tokens} == {True}
            assert len(tokens) == 2
            ordered = server.found(RU, "berlin")["metadata"]["annotations"]
            assert "bluewhale.dev/enrol" not in ordered

    asyncio.run(scenario())
