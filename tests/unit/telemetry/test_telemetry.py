"""Logs carry known attributes, metrics are listed, numbers are masked, the door answers."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from bluewhale.telemetry import (
    ATTRIBUTES,
    METRICS,
    Endpoint,
    Metrics,
    attributes,
    canonical_line,
    configure_logs,
    get_logger,
    mask_number,
    mask_text,
    metrics,
)
from bluewhale.telemetry.endpoint import PortInUseError

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("log-attributes.md", attributes.reference_page()),
        ("metrics.md", metrics.reference_page()),
    ],
)
def test_reference_pages_are_current(page: str, text: str) -> None:
    """The pages are generated from the closed lists."""
    assert (REFERENCE / page).read_text() == text


def test_names_are_given_once() -> None:
    """No attribute and no metric twice."""
    assert len({a.name for a in ATTRIBUTES}) == len(ATTRIBUTES)
    assert len({m.name for m in METRICS}) == len(METRICS)


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+49 30 23125 042", "+49 ** ***** *42"),
        ("0301234", "03***34"),
        ("201", "201"),
        ("110", "110"),
        ("12345", "12345"),
        ("", ""),
    ],
)
def test_numbers_keep_their_ends_alone(number: str, masked: str) -> None:
    """Two digits at each end; five digits or fewer stay."""
    assert mask_number(number) == masked


def test_numbers_inside_text_are_masked() -> None:
    """A message that quotes a number does not leak it."""
    assert (
        mask_text("no rate for +493023125042 on trunk 7") == "no rate for +49********42 on trunk 7"
    )


def lines(out: io.StringIO) -> list[dict]:
    """Give the JSON lines written."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_batch_is_one_canonical_json_line() -> None:
    """Counts in, accepted, rejected by reason, duration; nothing else."""
    out = io.StringIO()
    configure_logs(stream=out)
    canonical_line(
        get_logger("database"), "batch committed", records_in=10, accepted=8,
        rejected_by_reason={"field_malformed": 2}, duration_ms=12, link_uid="hq-1",
    )  # fmt: skip
    line = lines(out)[0]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch committed", "level": "info", "room": "database", "records_in": 10,
        "accepted": 8, "rejected": 2, "rejected_by_reason": {"field_malformed": 2},
        "duration_ms": 12, "link_uid": "hq-1",
    }  # fmt: skip


def test_an_attribute_outside_the_list_is_dropped_and_named() -> None:
    """The line is written all the same; a number in it is masked."""
    out = io.StringIO()
    configure_logs(stream=out)
    get_logger("database").warning("call looked up", colour="red", number="0301234")
    line = lines(out)[0]
    assert "colour" not in line
    assert line["error"] == "attributes outside the closed list were dropped: colour"
    assert line["number"] == "03***34"


def test_levels_below_the_wanted_one_are_silent() -> None:
    """And a terminal gets text, not JSON."""
    out = io.StringIO()
    configure_logs(stream=out, level="warning")
    get_logger("database").info("started")
    assert not out.getvalue()
    configure_logs(stream=out, pretty=True)
    get_logger("database").info("started")
    assert "started" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_metrics_count_and_are_served_with_health() -> None:
    """/metrics in Prometheus' text format, /healthz 200 or 503 with what is wrong."""
    found = Metrics()
    found.add("bluewhale_legs_stored_total", 3, link_uid="hq-1")
    found.set("bluewhale_journal_bytes", 42)
    found.observe("bluewhale_commit_seconds", 0.5)
    wrong: dict[str, str] = {}
    with Endpoint(found, lambda: wrong, port=0) as endpoint:
        base = f"http://127.0.0.1:{endpoint.port}"
        text = urllib.request.urlopen(f"{base}/metrics").read().decode()
        assert 'bluewhale_legs_stored_total{link_uid="hq-1"} 3.0' in text
        assert "bluewhale_journal_bytes 42.0" in text
        assert "bluewhale_commit_seconds_count 1.0" in text
        answer = json.loads(urllib.request.urlopen(f"{base}/healthz").read())
        assert answer == {"healthy": True, "wrong": {}}
        wrong["journal"] = "full"
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{base}/healthz")
        assert raised.value.code == 503
        assert json.loads(raised.value.read()) == {"healthy": False, "wrong": {"journal": "full"}}
        raised.value.close()
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"{base}/secret")
        assert missing.value.code == 404
        missing.value.close()
        with pytest.raises(PortInUseError, match="choose another port"):
            Endpoint(found, dict, port=endpoint.port)
