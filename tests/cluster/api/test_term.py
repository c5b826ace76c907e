"""The term of ingest by a row and a Lease of a real API server, with the rights that the chart gives."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from bluewhale.database import Store
from bluewhale.ingest.exceptions import ApiRefusedError
from bluewhale.ingest.lease_api import LeaseApi
from bluewhale.ingest.ownership_term import TermKeeper
from bluewhale.ingest.term_lease import TermLease
from bluewhale.ingest.term_witnesses import TermWitnesses
from bluewhale.ownership import FAST, Rules

from tests.cluster.api.places import Api, api_server, namespace

pytestmark = pytest.mark.cluster

NAME = "bluewhale-ownership"
RULES = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": [NAME],
        "verbs": ["get", "update"],
    },
]


class Place:
    """A namespace with a service account, and the folder that a pod of it would have."""

    def __init__(self, api: Api, where: str, folder: Path) -> None:
        self.api, self.where, self.folder = api, where, folder
        self.store = Store.open(folder / "store")
        self.opened: list[TermWitnesses] = []
        kubeconfig = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        self.cluster = kubeconfig["clusters"][0]["cluster"]

    async def sign_in(self, *, rights: bool) -> None:
        """Make the account, with or without its rights, and its files."""
        account, at = {"metadata": {"name": "ingest"}}, f"namespaces/{self.where}"
        await self.api.done("POST", f"/api/v1/{at}/serviceaccounts", account)
        if rights:
            roles = f"/apis/rbac.authorization.k8s.io/v1/{at}"
            role = {"metadata": {"name": "term"}, "rules": RULES}
            await self.api.done("POST", f"{roles}/roles", role)
            binding = {
                "metadata": {"name": "term"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "Role",
                    "name": "term",
                },
                "subjects": [{"kind": "ServiceAccount", "name": "ingest"}],
            }
            await self.api.done("POST", f"{roles}/rolebindings", binding)
        asked = await self.api.done(
            "POST", f"/api/v1/{at}/serviceaccounts/ingest/token", {"spec": {}}
        )
        (self.folder / "ca.crt").write_bytes(self._authority())
        (self.folder / "token").write_text(asked["status"]["token"])
        (self.folder / "namespace").write_text(self.where)

    def _authority(self) -> bytes:
        if data := self.cluster.get("certificate-authority-data"):
            return base64.b64decode(data)
        return Path(self.cluster["certificate-authority"]).read_bytes()

    def copy(self, instance: str) -> TermWitnesses:
        """Give the term as one copy of ingest has it."""
        api = LeaseApi(
            NAME, namespace="", url=self.cluster["server"], credentials=self.folder, timeout_s=5
        )
        lease = TermLease(api, instance=instance)
        self.opened.append(TermWitnesses(lambda: self.store.terms, lease, patience_s=5))
        return self.opened[-1]

    def keeper(self, instance: str) -> TermKeeper:
        """Give a copy that stands for election."""
        terms = self.copy(instance)
        return TermKeeper(
            lambda: terms,
            lambda: Rules({}),
            address=f"{instance}:7440",
            profile=FAST,
            failback_hold_s=None,
            renewed=lambda _took, _left: None,
        )

    async def lease(self) -> dict:
        """Give the Lease as the API server has it."""
        at = f"/apis/coordination.k8s.io/v1/namespaces/{self.where}/leases/{NAME}"
        return await self.api.done("GET", at)


@asynccontextmanager
async def place(folder: Path, *, rights: bool = True) -> AsyncIterator[Place]:
    """Give a place, taken away behind the test."""
    async with api_server() as api, namespace(api) as where:
        made = Place(api, where, folder)
        try:
            await made.sign_in(rights=rights)
            yield made
        finally:
            for one in made.opened:
                one.close()
            made.store.close()


def test_a_leader_keeps_a_deleted_lease_and_hands_over_at_its_end(tmp_path: Path) -> None:
    """Term 1 of a; the Lease is deleted and comes back as it was; a ends, b has term 2 at once."""

    async def scenario() -> None:
        async with place(tmp_path) as at:
            a, b = at.keeper("ingest-0"), at.keeper("ingest-1")
            leads = asyncio.create_task(a.run())
            await _until(lambda: a.leading() is not None)
            waits = asyncio.create_task(b.run())
            await _until(lambda: b.leader_address == "ingest-0:7440")
            before = await at.lease()
            assert before["spec"]["holderIdentity"].startswith("ingest-0_")
            await at.api.done("DELETE", _path(at))
            await at.api.until(lambda: _back(at, before), "the Lease to be put back")
            assert (a.term, a.leading() is not None, b.leading()) == (1, True, None)
            leads.cancel()
            await asyncio.gather(leads, return_exceptions=True)
            await _until(lambda: b.leading() is not None)
            after = await at.lease()
            assert after["spec"]["holderIdentity"].startswith("ingest-1_")
            assert after["metadata"]["annotations"]["bluewhale.dev/term"] == "2"
            assert after["spec"]["leaseTransitions"] == 1
            waits.cancel()
            await asyncio.gather(waits, return_exceptions=True)

    asyncio.run(scenario())


def test_of_many_takers_at_once_one_wins_each_term(tmp_path: Path) -> None:
    """Six takers, five terms: five winners."""

    async def scenario() -> None:
        async with place(tmp_path) as at:
            copies = [at.copy(f"ingest-{n}") for n in range(6)]
            await asyncio.to_thread(_race, copies)

    asyncio.run(scenario())


def _race(copies: list[TermWitnesses]) -> None:
    with ThreadPoolExecutor(len(copies)) as pool:
        for term in range(1, 6):
            seen = [one.read() for one in copies]

            def take(n: int, seen: list = seen) -> object:
                return copies[n].take(seen[n], holder=f"h{n}", address="a:1", lease_s=6.0)

            won = [row for row in pool.map(take, range(len(copies))) if row is not None]
            assert [row.term for row in won] == [term]


def test_an_account_without_rights_is_told_what_it_lacks(tmp_path: Path) -> None:
    """403, with the API server's own words."""

    async def scenario() -> None:
        async with place(tmp_path, rights=False) as at:
            with pytest.raises(ApiRefusedError) as caught:
                await asyncio.to_thread(at.copy("ingest-0").read)
            told = str(caught.value)
            assert "let the service account of ingest get, create and update leases" in told
            assert f'"system:serviceaccount:{at.where}:ingest" cannot get resource "leases"' in told

    asyncio.run(scenario())


def _path(at: Place) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{at.where}/leases/{NAME}"


async def _back(at: Place, before: dict) -> bool:
    status, found = await at.api.ask("GET", _path(at))
    return (
        status == 200
        and found["metadata"]["uid"] != before["metadata"]["uid"]
        and found["spec"]["holderIdentity"] == before["spec"]["holderIdentity"]
    )


async def _until(true, timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - the condition is no event
            await asyncio.sleep(0.05)
