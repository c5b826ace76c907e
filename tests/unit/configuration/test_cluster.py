"""The sections of roles: streams of every unit, environment, every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bluewhale.configuration import ConfigurationError, load, read_settings, stream_id

DIRECTORY = {
    "sites": [{"site_uid": "hq", "name": "HQ", "zone": "Europe/Berlin", "country": "DE"}],
    "pbxs": [
        {"pbx_uid": "pbx-1", "site_uid": "hq", "name": "one"},
        {"pbx_uid": "pbx-2", "site_uid": "hq", "name": "two"},
    ],
}
LINKS = [
    {
        "link_uid": f"link-{n}",
        "pbx_uid": f"pbx-{n}",
        "dialect": "asterisk_csv",
        "options": {"columns": "21"},
        "connector": {"type": "tcp_server", "port": 9000},
    }
    for n in (1, 2)
]


def write(folder: Path, **more: object) -> Path:
    """Write a configuration of two links, each read by a unit of its own."""
    (folder / "directory.yaml").write_text(yaml.safe_dump(DIRECTORY))
    document = {
        "data": "data",
        "directory": ["directory.yaml"],
        "links": LINKS,
        "units": [
            {"unit_uid": "east", "links": ["link-1"]},
            {"unit_uid": "west", "links": ["link-2", "link-1"]},
        ],
        **more,
    }
    (folder / "bluewhale.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def mistakes(folder: Path) -> tuple[str, ...]:
    """Load what must be refused; give what is wrong with it."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder)
    return caught.value.mistakes


def test_every_unit_and_link_has_a_stream_and_so_has_the_embedded_runtime(tmp_path: Path):
    """Two links, three readings of them and two embedded streams: five profiles."""
    links = [LINKS[0], {**LINKS[1], "connector": {"type": "tcp_server", "port": 9001}}]
    found = load(write(tmp_path, links=links))
    assert {(s.link_uid, s.pbx_uid) for s in found.streams.values()} == {
        ("link-1", "pbx-1"),
        ("link-2", "pbx-2"),
    }
    assert set(found.streams) == {
        stream_id("link-1"),
        stream_id("link-2"),
        stream_id("link-1", "east"),
        stream_id("link-1", "west"),
        stream_id("link-2", "west"),
    }
    assert all(key == profile.stream_id for key, profile in found.streams.items())
    assert [x.link_uid for x in found.unit_links("west")] == ["link-2", "link-1"]
    assert found.unit_links("north") == []
    assert found.readers("link-1") == ["east", "west"]


def test_the_pbx_is_the_merge_domain_unless_the_link_names_another(tmp_path: Path):
    """Two links that name one domain meet in one partition."""
    links = [
        {**LINKS[0], "merge_domain": "company"},
        {**LINKS[1], "connector": {"type": "tcp_server", "port": 9001}},
    ]
    found = load(write(tmp_path, links=links))
    assert found.merge_domain(stream_id("link-1", "east")) == "company"
    assert found.merge_domain(stream_id("link-2", "west")) == "pbx-2"


def test_one_unit_cannot_listen_twice_on_a_port_but_two_units_can(tmp_path: Path):
    """West reads both links on port 9000: a mistake; without link-1 it is none."""
    write(tmp_path)
    assert mistakes(tmp_path) == (
        f"{tmp_path}/bluewhale.yaml:13: links.1.port: 9000 is used by link-1 already; choose another",
    )
    units = [{"unit_uid": "east", "links": ["link-1"]}, {"unit_uid": "west", "links": ["link-2"]}]
    load(write(tmp_path, units=units))


def test_units_that_cannot_be_are_all_named(tmp_path: Path):
    """A reserved name, a name used twice, an unknown link, a link named twice."""
    units = [
        {"unit_uid": "embedded", "links": ["link-1"]},
        {"unit_uid": "east", "links": ["link-9", "link-2"]},
        {"unit_uid": "east", "links": ["link-1", "link-1"]},
    ]
    file = tmp_path / "bluewhale.yaml"
    links = [LINKS[0], {**LINKS[1], "connector": {"type": "tcp_server", "port": 9001}}]
    write(tmp_path, units=units, links=links)
    assert mistakes(tmp_path) == (
        f"{file}:22: units.0 (embedded): unit_uid: this name is our own; choose another",
        f"{file}:25: units.1 (east): links: 'link-9' is no link; add it to links, or use one of link-1, link-2",
        f"{file}:29: units.2 (east): unit_uid: another unit has this name; choose another",
        f"{file}:29: units.2 (east): links: a link stands twice; remove one",
    )


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Texts, numbers, none, a list, a place in a list; options of the command stay out of it."""
    monkeypatch.setenv("BLUEWHALE_CONFIG", "elsewhere")
    monkeypatch.setenv("BLUEWHALE_CLUSTER__KAFKA__BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("BLUEWHALE_CLUSTER__KAFKA__PARTITIONS", "12")
    monkeypatch.setenv("BLUEWHALE_CLUSTER__REDIS__URL", "null")
    monkeypatch.setenv("BLUEWHALE_CLUSTER__INGEST__NAMES", "[a.example, b.example]")
    monkeypatch.setenv("BLUEWHALE_LINKS__1__CONNECTOR__PORT", "9001")
    cluster = {"kafka": {"bootstrap": "other:1", "prefix": "p"}, "redis": {"url": "redis://x"}}
    settings = read_settings(write(tmp_path, cluster=cluster))
    assert settings.cluster is not None
    assert settings.cluster.kafka.bootstrap == "kafka:9092"
    assert settings.cluster.kafka.partitions == 12
    assert settings.cluster.kafka.prefix == "p"
    assert settings.cluster.redis.url is None
    assert settings.cluster.ingest.names == ["a.example", "b.example"]
    assert [x.connector.port for x in settings.links] == [9000, 9001]
    assert settings.cluster.database.segments == tmp_path / "segments"


def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file cannot be blamed for what it does not say; a password is never repeated."""
    monkeypatch.setenv("BLUEWHALE_CLUSTER__KAFKA__PARTITIONS", "many")
    monkeypatch.setenv("BLUEWHALE_CLUSTR__KAFKA__PREFIX", "x")
    monkeypatch.setenv("BLUEWHALE_CLUSTER__DATABASE__URL", "mysql://root:secret@host/db")
    write(tmp_path, cluster={"storage": {"listen": "nowhere"}})
    found = mistakes(tmp_path)
    assert found == (
        "environment BLUEWHALE_CLUSTER__KAFKA__PARTITIONS: cluster.kafka.partitions: Input should be a valid integer, unable to parse string as an integer; found 'many'",
        "environment BLUEWHALE_CLUSTER__DATABASE__URL: cluster.database.url: String should match pattern '^$|^postgres(ql)?://'; see docs/reference/configuration.md",
        f"{tmp_path}/bluewhale.yaml:31: cluster.storage.listen: String should match pattern '^(\\S+):\\d{{1,5}}$|^unix:\\S+$'; found 'nowhere'",
        "environment BLUEWHALE_CLUSTR__KAFKA__PREFIX: clustr: Extra inputs are not permitted; remove it, or correct its spelling",
    )
    assert "secret" not in "".join(found)


def test_a_role_needs_the_section_cluster(tmp_path: Path):
    """The embedded runtime does not; a role says what to add."""
    units = [{"unit_uid": "east", "links": ["link-1"]}, {"unit_uid": "west", "links": ["link-2"]}]
    found = load(write(tmp_path, units=units))
    with pytest.raises(ConfigurationError, match="a role needs this section"):
        found.cluster  # noqa: B018 - the property refuses


def test_a_server_that_listens_everywhere_is_reached_here_unless_it_says_where(tmp_path: Path):
    """0.0.0.0 is no address to call."""
    listen = {"listen": "0.0.0.0:7442"}
    cluster = {"storage": listen, "billing": {**listen, "advertised": "dns:///billing:7442"}}
    settings = read_settings(write(tmp_path, cluster=cluster))
    assert settings.cluster is not None
    assert settings.cluster.storage.address == "127.0.0.1:7442"
    assert settings.cluster.billing.address == "dns:///billing:7442"
    assert settings.cluster.ingest.internal.address == "127.0.0.1:7441"


def test_files_of_secrets_are_read_from_the_folder_of_the_configuration(tmp_path: Path):
    """A relative path means a file beside bluewhale.yaml, an absolute one itself."""
    kafka = {
        "security": "sasl_ssl",
        "ca": "/var/run/kafka/ca.crt",
        "username": "bluewhale",
        "password_file": "kafka-password",
    }
    term = {"kubernetes": {"credentials": "account"}}
    cluster = {
        "kafka": kafka,
        "database": {"url_file": "database-url"},
        "ingest": {"ownership": {"term": term}},
    }
    settings = read_settings(write(tmp_path, cluster=cluster))
    assert settings.cluster is not None
    assert settings.cluster.kafka.ca == Path("/var/run/kafka/ca.crt")
    assert settings.cluster.kafka.password_file == tmp_path / "kafka-password"
    assert settings.cluster.kafka.certificate is None
    assert settings.cluster.kafka.mechanism == "SCRAM-SHA-512"
    assert settings.cluster.database.url_file == tmp_path / "database-url"
    kubernetes = settings.cluster.ingest.ownership.term.kubernetes
    assert kubernetes is not None
    assert kubernetes.credentials == tmp_path / "account"
    assert kubernetes.lease == "bluewhale-ownership"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"security": "sasl_ssl", "username": "x"}, "needs username and password_file"),
        ({"username": "x"}, "security plaintext knows no user: sasl_ssl does"),
        ({"ca": "ca.crt"}, "security plaintext knows no certificates: ssl does"),
        ({"security": "ssl", "key": "k"}, "certificate and key: give both or none"),
    ],
)
def test_half_a_way_to_sign_in_is_refused(tmp_path: Path, section: dict, told: str):
    """Otherwise a role would connect in another way than its owner believes."""
    write(tmp_path, cluster={"kafka": section})
    (found,) = mistakes(tmp_path)
    assert told in found


def test_two_addresses_of_the_database_are_refused_and_none_is_repeated(tmp_path: Path):
    """The one in the file is a secret."""
    url = "postgresql://bluewhale:geheim@db/books"
    write(tmp_path, cluster={"database": {"url": url, "url_file": "database-url"}})
    (found,) = mistakes(tmp_path)
    assert "url and url_file: give one of them; see docs/reference/configuration.md" in found
    assert "geheim" not in found


def test_a_link_may_prefer_any_of_its_units_and_no_other(tmp_path: Path):
    """West instead of east, which is named first; north is no unit of link-1."""
    links = [
        {**LINKS[0], "preferred": "west"},
        {**LINKS[1], "connector": {"type": "tcp_server", "port": 9001}},
    ]
    assert load(write(tmp_path, links=links)).readers("link-1") == ["west", "east"]
    links[1]["preferred"] = "east"
    write(tmp_path, links=links)
    said = "'east' is no unit of this link; use one of west, or leave it out"
    assert mistakes(tmp_path) == (
        f"{tmp_path}/bluewhale.yaml:14: links.1 (link-2): preferred: {said}",
    )


@pytest.mark.parametrize(
    ("timings", "said"),
    [
        ((6, 6, 1), "lease_s must be more than deadline_s"),
        ((15, 6, 5), "deadline_s must be more than 1.2 times retry_s"),
        ((2, 1, 1), "Input should be greater than or equal to 3"),
    ],
)
def test_timings_that_cannot_be_kept_are_refused(
    tmp_path: Path, timings: tuple[float, float, float], said: str
):
    """A lease outlives the deadline, and that more than one retry."""
    names = ("lease_s", "deadline_s", "retry_s")
    failover = dict(zip(names, timings, strict=True))
    units = [{"unit_uid": "east", "links": ["link-1"], "failover": failover}]
    found = mistakes(write(tmp_path, units=units))
    assert "units.0.failover" in found[0]
    assert said in found[0]
