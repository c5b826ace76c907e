"""The half of the term that is a Lease of Kubernetes, changed by compare-and-set.

Owns what the Lease says: holder, duration and times where `kubectl get lease` looks
for them, term, address and count of renewals as annotations; whatever else stands
there stays. Does not own when it may be taken, nor the numbers of terms: they come
from the row (`term_witnesses`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from bluewhale.ingest.exceptions import ApiAwayError

TERM, ADDRESS, RENEWALS = "bluewhale.dev/term", "bluewhale.dev/address", "bluewhale.dev/renewals"
LABELS = {"app.kubernetes.io/part-of": "bluewhale"}
TRIES = 3
LEASE_S = 15.0  # of a Lease that does not say it


class Leases(Protocol):
    """One Lease: `lease_api.LeaseApi`."""

    name: str

    def read(self) -> dict[str, Any] | None:
        """Give it; None = there is none."""

    def create(self, document: dict[str, Any]) -> bool:
        """Make it; False = there is one."""

    def replace(self, document: dict[str, Any]) -> bool:
        """Write over the version that the document names; False = it has changed."""


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """What a Lease said when it was read; `version` tells it from any other moment."""

    term: int
    holder: str
    address: str
    lease_s: float
    version: str
    document: dict[str, Any] = field(compare=False, repr=False)


class TermLease:
    """The Lease; any thread. `instance` = what people read before the holder's name."""

    def __init__(
        self,
        api: Leases,
        *,
        instance: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api, self._instance, self._now = api, instance, now

    def read(self) -> LeaseSeen | None:
        """Give what the Lease says; None = there is none."""
        document = self._api.read()
        return None if document is None else _seen(document)

    def take(
        self, seen: LeaseSeen | None, *, term: int, holder: str, address: str, lease_s: float
    ) -> bool:
        """Write ourselves over what was seen; False = it has changed meanwhile."""
        says = {TERM: str(term), ADDRESS: address, RENEWALS: "0"}
        return self._write(seen, says, holder, lease_s)

    def renew(self, term: int, holder: str, *, lease_s: float) -> bool:
        """Count a renewal; False = the Lease is gone, or says another holder or term."""
        seen = self.read()
        if seen is None or (seen.holder, seen.term) != (holder, term):
            return False
        count = _count(seen.document["metadata"]["annotations"].get(RENEWALS))
        if not self._write(seen, {RENEWALS: str(count + 1)}, holder, lease_s):
            raise ApiAwayError("the Lease was changed in the same moment; repeat")
        return True

    def put_back(self, term: int, holder: str, address: str, *, lease_s: float) -> bool:
        """Write ourselves over whatever is there, as somebody who knows that we lead."""
        return self.take(self.read(), term=term, holder=holder, address=address, lease_s=lease_s)

    def resign(self, term: int, holder: str) -> None:
        """Give the Lease up; nothing if it is another's."""
        for _ in range(TRIES):  # a last renewal of ours may be under way
            seen = self.read()
            if seen is None or (seen.holder, seen.term) != (holder, term):
                return
            if self._write(seen, {ADDRESS: ""}, "", seen.lease_s):
                return
        raise ApiAwayError("the Lease was changed at each attempt to give it up")

    def _write(
        self, seen: LeaseSeen | None, says: dict[str, str], holder: str, lease_s: float
    ) -> bool:
        document = copy.deepcopy(seen.document) if seen is not None else _new(self._api.name)
        metadata, spec = document["metadata"], document.setdefault("spec", {})
        metadata["annotations"] = (metadata.get("annotations") or {}) | says
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec["leaseDurationSeconds"] = math.ceil(lease_s)
        spec["renewTime"] = now
        if seen is None or seen.holder != holder:
            spec["holderIdentity"] = f"{self._instance}_{holder}" if holder else ""
        if holder and (seen is None or seen.holder != holder):
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (
                0 if seen is None else _count(spec.get("leaseTransitions")) + 1
            )
        return self._api.create(document) if seen is None else self._api.replace(document)


def _new(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {},
    }


def _seen(document: dict[str, Any]) -> LeaseSeen:
    metadata, spec = document["metadata"], document.get("spec") or {}
    says = metadata.get("annotations") or {}
    return LeaseSeen(
        term=_count(says.get(TERM)),
        holder=(spec.get("holderIdentity") or "").rpartition("_")[2],
        address=says.get(ADDRESS, ""),
        lease_s=float(spec.get("leaseDurationSeconds") or LEASE_S),
        version=metadata.get("resourceVersion", ""),
        document=document,
    )


def _count(text: Any) -> int:
    """Read a number that a person may have spoilt; then it is 0, and the row knows better."""
    try:
        return max(0, int(text))
    except (TypeError, ValueError):
        return 0
