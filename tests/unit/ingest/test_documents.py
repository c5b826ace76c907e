"""What a unit is told, and what an operator may change of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from bluewhale.configuration import load
from bluewhale.connectors import framing_of
from bluewhale.dialects import get_dialect
from bluewhale.ingest.documents import read_overrides, unit_document
from bluewhale.ingest.exceptions import AdmissionError

from tests.integration.ingest.places import ASTERISK, AVAYA, write_configuration


def test_a_document_holds_connector_and_framing_of_each_link_and_nothing_of_prices(
    tmp_path: Path,
) -> None:
    """The framing table is the dialect's; a link of two units is marked as shared."""
    configuration = load(write_configuration(tmp_path))
    made = unit_document(configuration, "depot", {})
    assert made.hash == hashlib.sha256(made.content).hexdigest()
    document = json.loads(made.content)
    assert sorted(document) == ["limits", "links", "trace"]
    avaya, asterisk = document["links"]
    assert (avaya["link_uid"], avaya["stream_id"], avaya["shared"]) == (
        "hq-avaya-cdr",
        AVAYA,
        False,
    )
    assert (asterisk["stream_id"], asterisk["shared"]) == (ASTERISK, True)
    assert avaya["connector"] == {
        "type": "tcp_server",
        "host": "127.0.0.1",
        "port": 0,
        "peers": [],
    }
    assert framing_of(avaya["framing"]) == get_dialect("avaya_cm").framing({"layout": "custom-114"})
    assert b"dialect" not in made.content


def test_overrides_pause_a_link_trace_and_set_the_quota(tmp_path: Path) -> None:
    """The same configuration with overrides has another hash."""
    configuration = load(write_configuration(tmp_path))
    overrides = read_overrides(
        '{"paused_links": ["hq-avaya-cdr"], "trace": true, "journal_quota_mib": 64}'
    )
    made = unit_document(configuration, "depot", overrides)
    document = json.loads(made.content)
    assert [link["link_uid"] for link in document["links"]] == ["london-asterisk-cdr"]
    assert document["trace"] is True
    assert document["limits"] == {"journal_quota_mib": 64}
    assert made.hash != unit_document(configuration, "depot", {}).hash


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"connector": {"host": "10.0.0.1"}}', "connector: Extra inputs"),
        ('{"journal_quota_mib": 0}', "journal_quota_mib: Input should be greater"),
        ('{"log_level": "loud"}', "log_level: Input should be"),
        ("[1]", "document: Input should be an object"),
        ("{", "document: Invalid JSON"),
    ],
)
def test_what_is_not_on_the_whitelist_is_refused_and_named(text: str, why: str) -> None:
    """A unit cannot be pointed at another address by an override."""
    with pytest.raises(AdmissionError) as refused:
        read_overrides(text)
    assert refused.value.reason == "overrides_invalid"
    assert why in str(refused.value)
    assert "keys are trace, log_level, paused_links, journal_quota_mib" in str(refused.value)
