"""The term in a row and a Lease: what is away, deleted or spoilt moves nobody and takes no term back."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.database import Store, StoreAwayError
from bluewhale.database.terms import Terms
from bluewhale.ingest.exceptions import ApiAwayError, ApiRefusedError, TermUnclearError
from bluewhale.ingest.lease_api import LeaseApi
from bluewhale.ingest.term_lease import TermLease
from bluewhale.ingest.term_witnesses import TermWitnesses
from bluewhale.ownership import FAST, TermCandidate
from bluewhale.telemetry import configure_logs

from tests.support.leases import NAMESPACE, LeaseServer


class Copy(TermWitnesses):
    """The term as one copy of ingest has it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name, self.cut_off = world, name, False
        api = LeaseApi(
            "term", namespace=NAMESPACE, url="", credentials=world.server.folder, timeout_s=0.5
        )
        api._server = lambda: world.server.url  # the port is known when it serves
        super().__init__(self._rows, TermLease(api, instance=name), patience_s=0.5)
        self.renewals = 0

    def renew(self, term: int, holder: str, *, lease_s: float, count: int = 0) -> float | None:
        self.renewals += 1
        return super().renew(term, holder, count=count or self.renewals, lease_s=lease_s)

    def _rows(self) -> Terms:
        if self.world.database_away or self.cut_off:
            raise StoreAwayError("the database at db:5432 cannot be reached")
        return self.world.store.terms


class World:
    """A database, an API server, two copies; `x` leads term 1 at a:1 with a lease of 6 s."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder / "store")
        (folder / "account").mkdir()
        self.server = LeaseServer(folder / "account")
        self.database_away = False
        self.a, self.b = Copy(self, "ingest-0"), Copy(self, "ingest-1")

    def lead(self) -> None:
        """Let the first copy win the first term."""
        assert self.a.take(None, holder="x", address="a:1", lease_s=6.0).term == 1

    def lease(self) -> dict:
        """Give the Lease that stands."""
        return self.server.leases["term"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give it, with nobody leading yet."""
    made = World(tmp_path)
    with made.server:
        yield made
    made.a.close()
    made.b.close()
    made.store.close()


@pytest.fixture
def led(world: World) -> World:
    """Give it with the first copy leading."""
    world.lead()
    return world


def test_people_read_in_the_lease_who_leads_where_and_since_when(led: World):
    """Holder, duration and times as `kubectl get lease` shows them; the rest as annotations."""
    assert led.a.renew(1, "x", lease_s=6.0)
    spec, metadata = led.lease()["spec"], led.lease()["metadata"]
    assert spec["holderIdentity"] == "ingest-0_x"
    assert spec["leaseDurationSeconds"] == 6
    assert spec["leaseTransitions"] == 0
    assert spec["acquireTime"] < spec["renewTime"]
    assert metadata["annotations"] == {
        "bluewhale.dev/term": "1",
        "bluewhale.dev/address": "a:1",
        "bluewhale.dev/renewals": "1",
    }


def test_who_leads_goes_on_without_the_database_and_nobody_else_begins(led: World):
    """The Lease alone is renewed; a take needs both."""
    seen = led.b.read()
    led.database_away = True
    assert led.a.renew(1, "x", lease_s=6.0)
    with pytest.raises(StoreAwayError):
        led.b.read()
    with pytest.raises(StoreAwayError):
        led.b.take(seen, holder="y", address="b:1", lease_s=6.0)
    led.database_away = False
    assert led.b.take(seen, holder="y", address="b:1", lease_s=6.0) is None
    assert led.a.renew(1, "x", lease_s=6.0)


def test_a_longer_lease_counts_when_both_say_it_and_a_shorter_one_at_once(led: World):
    """The database is away: it still says 6 s, and may be all that the next leader finds."""
    led.database_away = True
    assert led.a.renew(1, "x", lease_s=15.0) == 6.0
    assert led.lease()["spec"]["leaseDurationSeconds"] == 15
    led.database_away = False
    assert led.a.renew(1, "x", lease_s=15.0) == 15.0
    assert led.b.read().lease_s == 15.0
    led.database_away = True
    assert led.a.renew(1, "x", lease_s=9.0) == 9.0
    assert led.a.renew(1, "x", lease_s=15.0) == 9.0  # the row may say less than was heard of it


@pytest.mark.parametrize("how", ["refused", "hanging", "ill"])
def test_who_leads_goes_on_without_the_api_server_and_nobody_else_begins(led: World, how: str):
    """The row alone is renewed, within the patience; when it is back, both are."""
    if how == "refused":
        led.server.stop()
    elif how == "hanging":
        led.server.hanging.set()
    else:
        led.server.status = 503
    for _ in range(3):
        began = time.monotonic()
        assert led.a.renew(1, "x", lease_s=6.0)
        assert time.monotonic() - began < 5.0  # the patience is 0.5 s, the lease 6 s
    with pytest.raises(ApiAwayError):
        led.b.read()
    led.server.hanging.clear()
    led.server.status = 0
    if how == "refused":
        led.server.start()
    time.sleep(0.6)  # what hung ends by itself
    assert led.a.renew(1, "x", lease_s=6.0)
    assert int(led.lease()["metadata"]["annotations"]["bluewhale.dev/renewals"]) >= 1
    assert led.b.read().holder == "x"


def test_one_witness_alone_is_told_once_and_so_is_its_end(led: World, capsys):
    """The third renewal in a row says it, with the reason; one that was late says nothing."""
    configure_logs(stream=sys.stdout, pretty=False)
    heard = Copy(led, "ingest-0")
    for turns in (2, 5):
        led.database_away = True
        for _ in range(turns):
            assert heard.renew(1, "x", lease_s=6.0)
        led.database_away = False
        assert heard.renew(1, "x", lease_s=6.0)
    heard.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(x["event"], x.get("error")) for x in lines] == [
        (
            "Term of ownership is renewed in the Lease alone",
            "the database at db:5432 cannot be reached",
        ),
        ("Term of ownership is renewed in both places again", None),
    ]


def test_without_both_it_is_not_known_who_leads(led: World):
    """Neither yes nor no: the leader stops at its own deadline."""
    led.database_away = True
    led.server.stop()
    with pytest.raises(TermUnclearError, match=r"database: .*db:5432.*; Lease: .*does not answer"):
        led.a.renew(1, "x", lease_s=6.0)


def test_a_deleted_lease_is_put_back_with_its_term(led: World):
    """Whoever led leads; the one who looked meanwhile saw the holder in the row."""
    del led.server.leases["term"]
    assert led.b.read().holder == "x"
    assert led.a.renew(1, "x", lease_s=6.0)
    assert led.lease()["spec"]["holderIdentity"] == "ingest-0_x"
    assert led.lease()["metadata"]["annotations"]["bluewhale.dev/term"] == "1"


def test_a_spoilt_lease_is_put_back(led: World):
    """A person wrote another holder and no number as the term."""
    spoilt = copy.deepcopy(led.lease())
    spoilt["spec"]["holderIdentity"] = "somebody"
    spoilt["metadata"]["annotations"]["bluewhale.dev/term"] = "many"
    led.server.write("term", spoilt)
    assert led.a.renew(1, "x", lease_s=6.0)
    assert led.lease()["spec"]["holderIdentity"] == "ingest-0_x"
    assert led.lease()["metadata"]["annotations"]["bluewhale.dev/term"] == "1"


def test_of_a_leader_that_died_a_deleted_lease_is_waited_for_and_its_term_not_repeated(led: World):
    """Lease gone, row unchanged: a full lease of 6 s (and 2 %) passes, then term 2 begins."""
    del led.server.leases["term"]
    candidate = TermCandidate(FAST)
    assert not candidate.may_take(led.b.read(), 100.0)
    assert not candidate.may_take(led.b.read(), 106.0)
    seen = led.b.read()
    assert candidate.may_take(seen, 106.2)
    assert led.b.take(seen, holder="y", address="b:1", lease_s=6.0).term == 2
    assert candidate.hold_off_s(seen) == pytest.approx(6.12)
    assert led.lease()["metadata"]["annotations"]["bluewhale.dev/term"] == "2"


def test_a_database_that_lost_the_row_takes_no_term_back(led: World):
    """A backup was restored: the Lease says term 1, so the next is 2."""
    with led.store.db.write_beside() as tx:
        tx.run("DELETE FROM ownership_term")
    assert led.a.renew(1, "x", lease_s=6.0)  # the Lease is still its own
    led.a.resign(1, "x")
    assert led.b.take(led.b.read(), holder="y", address="b:1", lease_s=6.0).term == 2


def test_who_wins_the_row_and_not_the_lease_does_not_lead_nor_free_the_row(led: World):
    """The leader renewed the Lease in between, without the database: it leads on."""
    seen = led.b.read()
    led.a.cut_off = True
    assert led.a.renew(1, "x", lease_s=6.0)
    assert led.b.take(seen, holder="y", address="b:1", lease_s=6.0) is None
    assert led.store.terms.read().holder == "y"
    assert led.b.read().holder == "x"
    led.a.cut_off = False
    assert led.a.renew(1, "x", lease_s=6.0)


def test_renewed_credentials_are_used_at_once(led: World):
    """Kubernetes renews token and authority in the files of a running pod."""
    led.server.renew_credentials("second")
    led.database_away = True  # so that the Lease alone decides
    assert led.a.renew(1, "x", lease_s=6.0)


def test_missing_rights_are_told_with_what_to_grant(world: World):
    """403: what the service account must be allowed."""
    world.server.status = 403
    with pytest.raises(ApiRefusedError) as caught:
        world.a.read()
    assert str(caught.value) == (
        "the API server refuses us the Lease term (403): let the service account of ingest get,"
        " create and update leases (as the test wants it)"
    )


def test_a_pod_without_a_token_is_told(world: World):
    """The pod does not mount its service account."""
    (world.server.folder / "token").unlink()
    with pytest.raises(ApiRefusedError, match=r"No such file.*let the pod mount its token"):
        world.a.read()


def test_what_others_wrote_into_the_lease_stays(led: World):
    """Labels of a deployment tool, owners, annotations of anybody."""
    touched = copy.deepcopy(led.lease())
    touched["metadata"]["labels"]["team"] = "telephony"
    touched["metadata"]["annotations"]["note"] = "do not page"
    led.server.write("term", touched)
    assert led.a.renew(1, "x", lease_s=6.0)
    assert led.lease()["metadata"]["labels"] == {
        "app.kubernetes.io/part-of": "bluewhale",
        "team": "telephony",
    }
    assert led.lease()["metadata"]["annotations"]["note"] == "do not page"


def test_giving_up_lets_another_begin_at_once(led: World):
    """Both places are free, and the lease that units may count on stands in them."""
    led.a.resign(1, "x")
    seen = led.b.read()
    assert (seen.holder, seen.lease_s) == ("", 6.0)
    assert led.lease()["spec"]["holderIdentity"] == ""
    assert led.b.take(seen, holder="y", address="b:1", lease_s=6.0).term == 2
    assert led.lease()["spec"]["leaseTransitions"] == 1


def test_a_resignation_that_meets_a_last_renewal_is_repeated(led: World):
    """Two writes come too late, the third frees the Lease; always too late is told."""
    led.server.conflicts = 2
    led.a.resign(1, "x")
    assert led.lease()["spec"]["holderIdentity"] == ""
    assert led.b.take(led.b.read(), holder="y", address="b:1", lease_s=6.0).term == 2
    led.server.conflicts = 3
    with pytest.raises(ApiAwayError, match="at each attempt"):
        led.b.resign(2, "y")


def test_half_a_resignation_leaves_the_rest_to_time(led: World):
    """The API server is away: the row is free, the Lease is not; nobody begins at once."""
    led.server.stop()
    with pytest.raises(TemporaryError):
        led.a.resign(1, "x")
    led.server.start()
    assert led.b.read().holder == "x"
    assert not TermCandidate(FAST).may_take(led.b.read(), 100.0)
