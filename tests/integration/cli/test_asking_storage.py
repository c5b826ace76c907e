"""The same questions, asked of storage over its query API: the answers of the store, word for word."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import yaml
from bluewhale.api.query.v1 import query_pb2_grpc as doors
from bluewhale.database import Store
from bluewhale.storage.marks_feed import MarksFeed
from bluewhale.storage.query_door import QueryDoor

from tests.integration.cli.door import Answer, bluewhale
from tests.integration.cli.places import CALLS, Place


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[str]:
    """Give the address of a storage that serves the same store."""
    with Store.open(place.folder / "data" / "store") as store:
        served = grpc.server(ThreadPoolExecutor(4))
        doors.add_QueryServicer_to_server(QueryDoor(store, MarksFeed(store)), served)
        port = served.add_insecure_port("127.0.0.1:0")
        served.start()
        yield f"127.0.0.1:{port}"
        served.stop(0).wait()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder without any configuration."""
    monkeypatch.chdir(tmp_path)


QUESTIONS = {
    "calls": ("calls", "--limit", "1000"),
    "calls as a machine reads them": ("calls", "--limit", "1000", "--json"),
    "calls as CSV": ("calls", "--limit", "20", "--format", "csv"),
    "calls of a time": ("calls", "--from", "2026-03-02T07:00:00", "--until", "2026-03-02T12:00:00"),
    "calls by facts": ("calls", "--direction", "outbound", "--disposition", "answered", "--json"),
    "calls by class and text": ("calls", "--class", "international", "--text", "4", "--json"),
    "calls between two costs": ("calls", "--min-cost", "0.10", "--max-cost", "2.50", "--json"),
    "calls of nobody": ("calls", "--person", "nobody"),
    "unrated calls": ("calls", "--unrated"),
    "report": ("report",),
    "report by day": ("report", "--by", "day", "--site", "berlin"),
    "report of one price list": ("report", "--by", "destination", "--price-list", "carrier"),
    "completeness": ("completeness",),
    "completeness of a site": ("completeness", "--site", "berlin"),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.usefixtures("nowhere")
def test_storage_answers_as_the_store_does(place: Place, server: str, question: str) -> None:
    """Table, JSON and CSV are the same to the letter; no configuration is needed."""
    words = QUESTIONS[question]
    here, there = place.ask(*words), bluewhale(*words, "--server", server)
    assert there == here
    assert here.out


@pytest.mark.usefixtures("nowhere")
def test_a_call_is_shown_by_the_letters_of_the_list(place: Place, server: str) -> None:
    """Legs, joins, ledger and the PBX's own lines, of each of the newest calls."""
    rows = bluewhale("calls", "--limit", "5", "--json", "--server", server).rows()
    for row in rows:
        name = row["call_id"][:12]
        here, there = place.ask("call", name), bluewhale("call", name, "--server", server)
        assert there == here
        assert "what the PBX printed" in here.out


@pytest.mark.usefixtures("nowhere")
def test_a_call_as_json_says_the_same_of_all_that_the_wire_knows(place: Place, server: str) -> None:
    """Of legs the wire leaves out columns; what it has is equal."""
    (row,) = bluewhale("calls", "--limit", "1", "--json", "--server", server).rows()
    (here,) = place.ask("call", row["call_id"], "--json").rows()
    (there,) = bluewhale("call", row["call_id"], "--json", "--server", server).rows()
    for part in ("versions", "legs", "charges"):
        assert len(there[part]) == len(here[part])
    both = [(there["call"], here["call"])]
    for part in ("versions", "legs", "charges"):
        both += zip(there[part], here[part], strict=True)
    for far, near in both:
        shared = far.keys() & near.keys()
        assert {k: far[k] for k in shared} == {k: near[k] for k in shared}
        assert len(shared) >= 15
    assert there["contexts"] == here["contexts"]


def test_departments_below_come_from_the_directory(place: Place, server: str, tmp_path) -> None:
    """With a configuration the option works over the wire; without, it says what is missing."""
    words = ("calls", "--department", "berlin-sales", "--limit", "1000", "--json")
    here = place.ask(*words)
    assert place.ask(*words, "--server", server) == here
    assert 0 < len(here.rows()) < CALLS
    alone = bluewhale(*words, "--server", server, "--config", tmp_path)
    assert alone.code == 2
    assert "--department needs the directory: say --config, too" in alone.err


@pytest.mark.usefixtures("nowhere")
def test_refusals_of_storage_are_those_of_the_command(server: str) -> None:
    """An unknown call: exit 3; no id, a wrong word: exit 2; nobody there: exit 4."""

    def asked(*words: str, at: str = server) -> Answer:
        return bluewhale(*words, "--server", at)

    assert asked("call", "aaaaaaaaaaaa").code == 3
    assert "no call begins with 'aaaaaaaaaaaa'" in asked("call", "aaaaaaaaaaaa").err
    short = asked("call", "abc")
    assert short.code == 2
    assert "'abc' is too short; give 6 letters or more" in short.err
    wrong = asked("calls", "--direction", "sideways")
    assert wrong.code == 2
    assert "'sideways': one of inbound, outbound, internal, tandem" in wrong.err
    away = asked("calls", at="127.0.0.1:9")
    assert away.code == 4
    assert "storage at 127.0.0.1:9 does not answer" in away.err


def test_an_installation_on_postgresql_is_asked_at_its_storage(
    place: Place, server: str, tmp_path: Path
) -> None:
    """Its sealed segments are not on this machine: the configuration says where storage is."""
    document = yaml.safe_load((place.folder / "bluewhale.yaml").read_text("utf-8"))
    document["directory"] = [str(place.folder / x) for x in document["directory"]]
    document["cluster"] = {
        "database": {"url": "postgresql://nobody@127.0.0.1:9/none"},
        "storage": {"listen": server},
    }
    (tmp_path / "bluewhale.yaml").write_text(yaml.safe_dump(document), "utf-8")
    assert bluewhale("report", "--config", tmp_path) == place.ask("report")
