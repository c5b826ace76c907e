"""The processes of an installation: seen, made to say more, ended; every copy of a name."""

from __future__ import annotations

import os

from bluewhale.webapi.processes import addresses_of

from tests.integration.webapi.places import Site


def test_one_process_says_how_it_is(site: Site):
    """Role, version, what waits in the journal, its log; no other role is there."""
    answer = site.owner.get("/server").json()
    (process,) = answer["items"]
    assert (process["role"], process["state"], process["address"]) == ("embedded", "ready", "")
    assert process["instance"].endswith(f"-{os.getpid()}")
    assert process["lag"] == {"count": 0, "unit": "records", "behind_ms": 0, "oldest_at": None}
    assert process["memory_bytes"] > 10_000_000
    assert process["load_ratio"] >= 0
    assert all(c["good"] for c in process["conditions"])


def test_roles_that_do_not_answer_stand_there_as_away(roles_site: Site):
    """The role webapi answers for itself; nobody listens where parser and ingest should."""
    found = {p["role"]: p for p in roles_site.owner.get("/server").json()["items"]}
    assert list(found) == ["ingest", "parser", "billing", "storage", "webapi"]
    assert (found["webapi"]["state"], found["webapi"]["lag"]) == ("ready", None)
    assert found["parser"]["state"] == "away"
    assert found["parser"]["conditions"][0]["message"] != ""


def test_a_log_level_is_for_a_time_and_is_kept_in_the_trail(site: Site):
    """Raised by an owner for a minute; the answer says until when."""
    instance = site.owner.get("/server").json()["items"][0]["instance"]
    asked = {"instance": instance, "level": "debug", "minutes": 1}
    process = site.owner.post("/server/log-level", asked).json()
    assert process["log_level"] == "debug"
    assert process["log_level_until"] is not None
    entry = site.owner.get("/audit?limit=1").json()["items"][0]
    assert (entry["action"], entry["subject"], entry["detail"]) == (
        "log level",
        f"embedded {instance}",
        "debug for 1 min",
    )
    site.owner.post("/server/log-level", {**asked, "level": "info"})


def test_a_process_that_is_not_there_is_not_steered(roles_site: Site):
    """By a wrong name, or away."""
    assert (
        roles_site.owner.post("/server/drain", {"instance": "none"}).json()["code"] == "not_found"
    )
    items = roles_site.owner.get("/server").json()["items"]
    away = next(p["instance"] for p in items if p["role"] == "parser")
    asked = {"instance": away, "level": "debug"}
    assert roles_site.owner.post("/server/log-level", asked).json()["code"] == "away"


def test_nobody_drains_a_role_beside_one_that_is_away_unawares(roles_site: Site):
    """The refusal names what is away; nothing was asked to end."""
    items = roles_site.owner.get("/server").json()["items"]
    webapi = next(p["instance"] for p in items if p["role"] == "webapi")
    refused = roles_site.owner.post("/server/drain", {"instance": webapi}).json()
    away = [p["instance"] for p in items if p["state"] == "away"]
    assert (refused["code"], refused["params"]["instances"]) == ("state_conflict", away)
    assert roles_site.owner.get("/me").status_code == 200


def test_a_name_stands_for_each_of_its_copies():
    """By the port that was stated; what is no name stays as it is."""
    assert addresses_of("127.0.0.1:7442") == ["127.0.0.1:7442"]
    assert addresses_of("dns:///127.0.0.1:7442") == ["127.0.0.1:7442"]
    assert addresses_of("unix:/run/storage") == ["unix:/run/storage"]
    assert addresses_of("no.such.name.invalid:1") == ["no.such.name.invalid:1"]
