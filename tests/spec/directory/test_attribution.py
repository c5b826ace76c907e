"""Who pays for a call, as of its start."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from bluewhale.records.directory import (
    AccountCode,
    Department,
    Directory,
    EntryTable,
    Extension,
    Person,
    Trunk,
)
from bluewhale.records.directory_index import DirectoryIndex, entry_columns
from bluewhale.records.schemas import CALL_SCHEMA
from bluewhale.records.times import wall_ms


def _day(month, day=1):
    return datetime(2026, month, day, tzinfo=UTC)


DIRECTORY = Directory(
    version=5,
    cost_centers=(("4000", "Sales"), ("9000", "Everybody"), ("7", "Ada's own")),
    departments=(
        Department("company", "The company", "", "9000"),
        Department("sales", "Sales", "company", "4000"),
        Department("export", "Export", "sales"),
        Department("support", "Support", "company"),
    ),
    persons=(
        Person("ada", "Ada", "export", "7"),
        Person("ben", "Ben", "support", active_until=_day(7)),
        Person("ben", "Ben", "export", active_from=_day(7)),
        Person("eve", "Eve", "sales", active_until=_day(2)),
    ),
    extensions=(
        Extension("berlin", "101", "ada", active_until=_day(3), subscriber_group="managers"),
        Extension("berlin", "101", "ben", active_from=_day(3)),
        Extension("berlin", "102", "ada", "support"),
        Extension("berlin", "103", "eve"),
        Extension("sydney", "101", "", "support"),
    ),
    account_codes=(
        AccountCode("8812", "Fair", "sales"),
        AccountCode("8813", "Ledger", "", "7"),
        AccountCode("8814", "Both", "sales", "9000", active_until=_day(6)),
    ),
    trunks=(
        Trunk("b-1", "009001", "9", "telco-a", active_until=_day(6)),
        Trunk("b-1", "009001", "9", "telco-b", grace_ms=20_000, active_from=_day(6)),
        Trunk("b-1", "009002"),
    ),
)

# site, extension, account code, month -> person, department, cost centre
CASES = [
    ("berlin", "101", None, 1, "ada", "export", "7"),
    ("berlin", "101", None, 4, "ben", "support", "9000"),  # inherited from the company
    ("berlin", "101", None, 8, "ben", "export", "4000"),  # inherited from sales
    (
        "berlin",
        "102",
        None,
        1,
        "ada",
        "support",
        "7",
    ),  # the extension's department, her cost centre
    ("berlin", "103", None, 1, "eve", "sales", "4000"),
    ("berlin", "103", None, 3, None, None, None),  # nobody any more
    ("sydney", "101", None, 1, None, "support", "9000"),
    ("paris", "101", None, 1, None, None, None),
    ("berlin", "999", None, 1, None, None, None),
    (None, None, None, 1, None, None, None),
    ("berlin", "101", "8812", 1, "ada", "sales", "4000"),  # the code's department and its cost
    ("berlin", "101", "8813", 1, "ada", "export", "7"),
    ("berlin", "101", "8814", 1, "ada", "sales", "9000"),
    ("berlin", "101", "8814", 8, "ben", "export", "4000"),  # the code has ended
    ("berlin", "101", "0000", 1, "ada", "export", "7"),  # unknown code
    (None, None, "8812", 1, None, "sales", "4000"),
]


def _columns():
    at = np.array([wall_ms(2026, c[3], 15) for c in CASES])
    return [pa.array([c[i] for c in CASES], pa.string()) for i in range(3)], at


@pytest.mark.parametrize("columnar", [False, True])
@pytest.mark.parametrize("encoded", [False, True])
def test_attribution_follows_the_documented_precedence(columnar, encoded):
    """Every case, with entries as objects and as columns, texts plain and encoded."""
    directory = DIRECTORY
    if columnar:
        directory = Directory(
            version=5,
            cost_centers=DIRECTORY.cost_centers,
            departments=DIRECTORY.departments,
            persons=EntryTable(Person, entry_columns(DIRECTORY.persons, Person)),
            extensions=EntryTable(Extension, entry_columns(DIRECTORY.extensions, Extension)),
            account_codes=DIRECTORY.account_codes,
        )
    index = DirectoryIndex(directory)
    texts, at = _columns()
    if encoded:
        texts = [t.dictionary_encode() for t in texts]
    found = index.attribute(*texts, at)
    assert index.words(found.person, index.person_words).to_pylist() == [c[4] for c in CASES]
    assert index.words(found.department, index.department_words).to_pylist() == [
        c[5] for c in CASES
    ]
    assert index.words(found.cost_center, index.cost_center_words).to_pylist() == [
        c[6] for c in CASES
    ]


def test_calls_get_their_directory_columns():
    """Person, department, cost centre and version, in the schema of calls."""
    texts, at = _columns()
    columns = {f.name: pa.nulls(len(at), f.type) for f in CALL_SCHEMA}
    columns["site_uid"] = texts[0].dictionary_encode()
    columns["extension"], columns["account_code"] = texts[1], texts[2]
    columns["started_at"] = pa.array(at).cast(pa.timestamp("ms", "UTC"))
    calls = DirectoryIndex(DIRECTORY).attribute_calls(pa.table(columns))
    assert calls.schema.equals(CALL_SCHEMA)
    assert calls["person_uid"].to_pylist() == [c[4] for c in CASES]
    assert calls["department_uid"].to_pylist() == [c[5] for c in CASES]
    assert calls["cost_center_uid"].to_pylist() == [c[6] for c in CASES]
    assert set(calls["directory_version"].to_pylist()) == {5}


def test_an_interval_begins_with_its_first_millisecond():
    """Until is not included, from is."""
    index = DirectoryIndex(DIRECTORY)
    edge = wall_ms(2026, 3, 1)
    found = index.attribute(
        "berlin", pa.array(["101", "101"]), pa.nulls(2, pa.string()), [edge - 1, edge]
    )
    assert index.words(found.person, index.person_words).to_pylist() == ["ada", "ben"]


def test_trunks_have_carrier_group_and_grace_of_their_time():
    """Unknown trunks and empty fields are null."""
    facts = DirectoryIndex(DIRECTORY).trunk_facts(
        "b-1",
        pa.array(["009001", "009001", "009002", "7", None]),
        [wall_ms(2026, 5, 1), wall_ms(2026, 6, 1), 0, 0, 0],
    )
    assert facts.carrier.to_pylist() == ["telco-a", "telco-b", None, None, None]
    assert facts.trunk_group.to_pylist() == ["9", "9", None, None, None]
    assert facts.grace_ms.tolist() == [0, 20_000, 0, 0, 0]


def test_subscriber_groups_are_those_of_the_extension():
    """Null where none is named."""
    groups = DirectoryIndex(DIRECTORY).subscriber_groups(
        "berlin", pa.array(["101", "102", "9"]), [wall_ms(2026, 1, 1)] * 3
    )
    assert groups.to_pylist() == ["managers", None, None]


def test_an_empty_directory_knows_nobody():
    """And does not stumble."""
    index = DirectoryIndex(Directory(version=1))
    found = index.attribute("x", pa.array(["1"]), pa.array(["2"]), [0])
    assert index.words(found.person, index.person_words).to_pylist() == [None]
    assert found.cost_center.tolist() == [-1]
    assert index.trunk_facts("p", pa.array(["1"]), [0]).carrier.to_pylist() == [None]
    assert index.subscriber_groups("x", pa.array(["1"]), [0]).to_pylist() == [None]
