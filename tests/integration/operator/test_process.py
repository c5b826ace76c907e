"""The process of a pod: stands for election, works while it leads, gives the lead back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from bluewhale.operator import handlers
from bluewhale.operator.process import Worker

from tests.support.apiserver import ALLOWED, api_server, until
from tests.support.remoteunits import SETTINGS, body

LEASES, RU = "coordination.k8s.io/v1/leases", "bluewhale.dev/v1alpha1/remoteunits"


def test_a_replica_leads_follows_resources_and_ends_cleanly_on_sigterm(tmp_path: Path):
    """Exit code 0, and a Lease that nobody has: the next replica need not wait."""

    async def scenario() -> None:
        async with api_server(tmp_path) as (server, kubeconfig):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bluewhale.operator",
                env={
                    **os.environ,
                    "KUBECONFIG": str(kubeconfig),
                    "BLUEWHALE_OPERATOR_NAMESPACE": "bluewhale",
                    "BLUEWHALE_OPERATOR_POD": "operator-1",
                    "BLUEWHALE_OPERATOR_WATCH": "*",
                    "BLUEWHALE_OPERATOR_INGEST": "127.0.0.1:1",
                    "BLUEWHALE_OPERATOR_ENROLMENT": "127.0.0.1:2",
                    "BLUEWHALE_OPERATOR_UNIT_IMAGE": "unit:1",
                    "BLUEWHALE_OPERATOR_HEALTH_HOST": "127.0.0.1",
                    "BLUEWHALE_OPERATOR_HEALTH_PORT": "0",
                },
            )

            def lease() -> dict:
                return server.found(LEASES, "bluewhale-operator", "bluewhale") or {"spec": {}}

            try:
                await until(
                    lambda: lease()["spec"].get("holderIdentity") == "operator-1", "the lead"
                )
                made = body()
                made.pop("status")
                await server.post(
                    "/apis/bluewhale.dev/v1alpha1/namespaces/pbx/remoteunits", json=made
                )
                await until(
                    lambda: "conditions" in server.found(RU, "berlin").get("status", {}), "a look"
                )
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 20) == 0
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            assert lease()["spec"]["holderIdentity"] == ""
            ready = server.found(RU, "berlin")["status"]["conditions"][0]
            assert (ready["status"], ready["reason"]) == ("Unknown", "CentreUnreachable")

    asyncio.run(scenario())


def test_an_operator_without_a_right_is_not_ready_and_begins_when_it_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Somebody mends the role; nobody has to think of the pod."""
    monkeypatch.setattr(handlers, "START_AGAIN_S", 0.1)
    settings = SETTINGS.model_copy(update={"watch": "*", "ingest": "127.0.0.1:1"})

    async def scenario() -> None:
        async with api_server(tmp_path) as (_, kubeconfig):
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            worker = Worker(settings)
            ALLOWED.clear()
            try:
                worker.start()
                problem = await until(lambda: worker.problem, "a word")
                assert problem.startswith("the operator may not: get remoteunits.bluewhale.dev in")
                assert not worker.ready.is_set()
                ALLOWED.set()
                await until(worker.ready.is_set, "the start")
                assert worker.problem == ""
            finally:
                ALLOWED.set()
                await asyncio.to_thread(worker.stop)

    asyncio.run(scenario())


def test_wrong_settings_are_named_and_end_the_process_with_2():
    """Every one of them at once."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BLUEWHALE_OPERATOR_")}

    async def scenario() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bluewhale.operator",
            env=environment | {"BLUEWHALE_OPERATOR_INGEST": "nowhere"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, text = await process.communicate()
        return process.returncode, text.decode()

    code, text = asyncio.run(scenario())
    assert code == 2
    for name in ("NAMESPACE", "INGEST", "ENROLMENT", "UNIT_IMAGE"):
        assert f"BLUEWHALE_OPERATOR_{name}: " in text
