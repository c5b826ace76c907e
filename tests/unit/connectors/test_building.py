"""Connectors from documents: every type, every mistake named, framing tables exact."""

import json

import pytest
from bluewhale.capture import ContextRule, FramingTable
from bluewhale.connectors import (
    Folder,
    LinkRefusedError,
    SyslogTcp,
    SyslogUdp,
    TcpClient,
    TcpServer,
    build,
    framing_document,
    framing_of,
)
from bluewhale.journal import Journal

TABLE = FramingTable(
    version=3,
    separator=b"\r",
    strip_left=b"\x00\xff",
    continuation=b"\xa0",
    skip=(rb"-+",),
    context=(ContextRule("date", rb"\d{4}", 4, 4, "stream", resets_count=True),),
    record_length_max_bytes=1_000,
)


def link(connector, **more):
    """Give the entry of a link."""
    return {
        "link_uid": "smdr", "stream_id": 7, "connector": connector,
        "framing": framing_document(FramingTable()), **more,
    }  # fmt: skip


@pytest.fixture
def journal(tmp_path):
    """Give an open journal."""
    with Journal.open(tmp_path / "journal.db") as journal:
        yield journal


@pytest.mark.parametrize(
    ("connector", "kind"),
    [
        ({"type": "tcp_server", "port": 0}, TcpServer),
        ({"type": "tcp_server", "port": 9000, "host": "::1", "peers": ["10.0.0.0/8"]}, TcpServer),
        ({"type": "tcp_client", "host": "pbx", "port": 9000}, TcpClient),
        ({"type": "folder", "path": "/x", "mode": "tail"}, Folder),
        ({"type": "folder", "path": "/x", "archive": "/y", "complete": "renamed"}, Folder),
        ({"type": "syslog_udp", "port": 514}, SyslogUdp),
        ({"type": "syslog_tcp", "port": 514}, SyslogTcp),
    ],
)
def test_every_type_of_connector_is_made_from_its_entry(journal, connector, kind):
    """The keys are those of the configuration."""
    assert type(build(link(connector), journal)) is kind


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (link({"type": "modem"}), "connector type 'modem' is not one of tcp_server"),
        (link({"type": "tcp_server"}), "link smdr: port is missing"),
        (link({"type": "tcp_server", "port": 70_000}), "port 70000 is not 0 to 65535"),
        (link({"type": "tcp_server", "port": True}), "port is True, not int"),
        (link({"type": "tcp_server", "port": 1, "run": "rm"}), "tcp_server has no key 'run'"),
        (link({"type": "tcp_server", "port": 1, "peers": ["pbx"]}), "peers: 'pbx'"),
        (link({"type": "folder", "path": "/x", "mode": "all"}), "mode 'all' is not one of"),
        (link({"type": "folder", "path": 3}), "path is 3, not str"),
        (link({"type": "tcp_server", "port": 1}, link_uid=None), "link_uid is missing"),
        (link({"type": "tcp_server", "port": 1}, stream_id="7"), "stream_id is '7', not int"),
        (link({"type": "tcp_server", "port": 1}, framing={"depth": 1}), "framing table: .*depth"),
        (link({"type": "tcp_server", "port": 1}, framing={"separator": 1}), "framing table"),
    ],
)
def test_every_mistake_names_link_and_key(journal, entry, said):
    """Nothing is guessed."""
    with pytest.raises(LinkRefusedError, match=said):
        build(entry, journal)


def test_a_framing_table_survives_the_way_over_json():
    """Bytes that are no text, context rules, defaults left out."""
    sent = json.loads(json.dumps(framing_document(TABLE)))
    assert framing_of(sent) == TABLE
    assert framing_document(FramingTable()) == {}
