"""Directories are loaded whole, or every mistake is named."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bluewhale.records.directory import DepartmentTree, Extension, Site
from bluewhale.records.directory_files import DirectoryError, load_directory
from bluewhale.records.directory_guide import FIELDS_HEADING, field_tables

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "directory.md"


def _write(folder, **files):
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def guide(tmp_path):
    """The example of the guide as files."""
    text = GUIDE.read_text(encoding="utf-8")
    for name, body in re.findall(r"`([\w.]+)`\n\n```\w+\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(body, encoding="utf-8")
    return tmp_path


def _mistakes(path):
    with pytest.raises(DirectoryError) as caught:
        load_directory(path)
    return [str(m).replace(str(path) + "/", "") for m in caught.value.mistakes]


def test_the_example_of_the_guide_loads(guide):
    """What the guide shows is what the loader takes."""
    directory = load_directory(guide)
    assert directory.version == 1
    assert directory.sites[0] == Site(
        site_uid="berlin",
        name="Berlin, head office",
        zone="Europe/Berlin",
        country="DE",
        area_code="30",
        access_codes=("0",),
        extension_ranges=((100, 499), (7000, 7999)),
        short_codes={"700": "+442079460018", "*55": ""},
        main_number="493023125",
    )
    assert directory.site("sydney").extension_lengths == (4,)
    assert [p.site_uid for p in directory.pbxs] == ["berlin", "sydney"]
    assert [t.grace_ms for t in directory.trunks] == [0, 20000]
    assert [(d.department_uid, d.parent_uid) for d in directory.departments] == [
        ("company", ""),
        ("sales", "company"),
        ("sales-export", "sales"),
        ("support", "company"),
    ]
    assert len(directory.persons) == 4
    # 1 March begins in Berlin at 23:00 UTC of 28 February.
    assert directory.extensions[2] == Extension(
        site_uid="berlin",
        extension="101",
        person_uid="ben",
        active_from=datetime(2026, 2, 28, 23, tzinfo=UTC),
    )
    assert directory.extensions[-1].department_uid == "support"
    assert [e.extension for e in directory.extensions[1:3]] == ["101", "101"]
    with pytest.raises(IndexError):
        directory.extensions[4]
    with pytest.raises(KeyError):
        directory.site("paris")


def test_the_fields_of_the_guide_are_current():
    """The tables at its end are made from the declared fields."""
    assert GUIDE.read_text(encoding="utf-8").split(FIELDS_HEADING)[1] == field_tables()


def test_paths_may_be_files_and_the_version_may_be_given(guide):
    """Several paths are put together; the caller's version wins."""
    files = [guide / n for n in ("directory.yaml", "persons.csv", "extensions.csv")]
    directory = load_directory(files, version=7)
    assert (directory.version, len(directory.extensions)) == (7, 4)
    assert load_directory(str(guide / "directory.yaml")).version == 1


def test_three_mistakes_are_named_at_once(guide):
    """File, line, field, what is wrong and what to do."""
    _write(
        guide,
        extensions_csv="site_uid,extension,person_uid,active_until\n"
        "berlin,100,eve,\n\nparis,200,ada,\nberlin,300,ada,31.12.2026\n",
    )
    assert _mistakes(guide) == [
        (
            "extensions.csv:2: person_uid: 'eve' is not among persons. "
            "Add it to persons, or correct it."
        ),
        "extensions.csv:4: site_uid: 'paris' is not among sites. Add it to sites, or correct it.",
        (
            "extensions.csv:5: active_until: '31.12.2026' is no date. "
            "Write it as 2026-01-31 or 2026-01-31T08:00."
        ),
    ]


def test_overlapping_intervals_of_one_extension_are_named(guide):
    """Both entries with their lines; intervals that only touch are fine."""
    _write(
        guide,
        extensions_csv="site_uid,extension,person_uid,active_from,active_until\n"
        "berlin,100,ada,2026-01-01,2026-07-01\n"
        "berlin,100,ben,2026-07-01,\n"
        "berlin,101,ada,,2026-07-02\n"
        "sydney,101,ada,,\n"
        "berlin,101,ben,2026-07-01,\n",
    )
    assert _mistakes(guide) == [
        (
            "extensions.csv:6: extension: '101' holds twice at the same time, "
            "also by extensions.csv:4. "
            "End the earlier entry (active_until) where the later begins."
        )
    ]


def test_a_loop_of_departments_is_named_with_its_path(tmp_path):
    """Each loop once."""
    _write(
        tmp_path,
        departments_csv="department_uid,name,parent_uid\na,A,c\nb,B,a\nc,C,b\nd,D,a\ne,E,e\n",
    )
    assert _mistakes(tmp_path) == [
        (
            "departments.csv:2: parent_uid: departments are in a loop: a -> c -> b -> a. "
            "Give one of them another parent, or none."
        ),
        (
            "departments.csv:6: parent_uid: departments are in a loop: e -> e. "
            "Give one of them another parent, or none."
        ),
    ]


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("b,B,Europe/Berlinn,DE,,", "sites.csv:2: zone: zone 'Europe/Berlinn' is not in the zone"),
        ("b,B,UTC,XX,,", "sites.csv:2: country: country 'XX' has no numbering plan"),
        ("b,B,UTC,DE,0x,", "sites.csv:2: site_uid: site 'b': area code '0x' must be digits"),
        ("b b,B,UTC,DE,,", "sites.csv:2: site_uid: 'b b' is no name for ever"),
        ("b,,UTC,DE,,", "sites.csv:2: name: is empty. Give what people call it."),
        ("b,B,UTC,DE,,3;x", "sites.csv:2: extension_lengths: '3;x' cannot be read. Write 3;4."),
        ("b,B,UTC,DE", "sites.csv:2: has 4 values, the head has 6."),
    ],
)
def test_a_bad_site_is_named(tmp_path, site, expected):
    """Zone, country, digits, uid, empty fields, lists and the count of values."""
    head = "site_uid,name,zone,country,area_code,extension_lengths\n"
    _write(tmp_path, sites_csv=head + site + "\n")
    (mistake,) = _mistakes(tmp_path)
    assert mistake.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sites: [", "d.yaml:1: is not YAML"),
        ("- a\n", "d.yaml:1: has no keys such as sites"),
        ("sitez: []\n", "d.yaml:1: sitez: is not known here. Did you mean sites?"),
        ("sites: 5\n", "d.yaml:1: sites: is not a list"),
        ("sites:\n  - 5\n", "d.yaml:2: sites: is not an entry"),
        ("version: x\n", "d.yaml:1: version: is not a number from 1"),
        ("zone: Mars\n", "d.yaml: zone: zone 'Mars' is not in the zone database"),
        ("cost_centers:\n  - {cost_center_uid: a, nam: b}\n", "d.yaml:2: nam: is not a field of"),
        (
            "cost_centers:\n  - {cost_center_uid: a}\n  - {cost_center_uid: a}\n",
            "d.yaml:3: cost_center_uid: 'a' stands twice, first in d.yaml:2",
        ),
        (
            "persons:\n  - {person_uid: a, name: A, active_from: 2026-02-01, active_until: 2026-01-01}\n",
            "d.yaml:2: active_until: is not after active_from",
        ),
    ],
)
def test_a_bad_yaml_file_is_named(tmp_path, text, expected):
    """Syntax, unknown keys, wrong shapes, values."""
    (tmp_path / "d.yaml").write_text(text, encoding="utf-8")
    (mistake,) = _mistakes(tmp_path)
    assert mistake.startswith(expected)


def test_bad_files_are_named(tmp_path):
    """A missing file, an empty folder, a wrong encoding, an unknown name, a bad head."""
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "sites.csv").write_bytes(b"site_uid,name\nb,Z\xfcrich\n")
    (tmp_path / "people.csv").write_text("a\n", encoding="utf-8")
    (tmp_path / "pbxs.csv").write_text("pbx_uid,pbx_uid,site\n", encoding="utf-8")
    with pytest.raises(DirectoryError) as caught:
        load_directory([tmp_path / "none.yaml", empty, tmp_path])
    found = "\n".join(str(m).replace(str(tmp_path) + "/", "") for m in caught.value.mistakes)
    for expected in (
        "none.yaml: cannot be read: No such file or directory",
        "empty: the folder has no .yaml or .csv file",
        "sites.csv:2: is not UTF-8 here",
        "people.csv: no kind of entry is called 'people'",
        "pbxs.csv:1: pbx_uid: stands twice in the head",
        "pbxs.csv:1: site: is not a field of pbxs. Did you mean site_uid?",
        "pbxs.csv:1: site_uid: is missing in the head",
    ):
        assert expected in found


def test_a_trunk_with_wrong_values_is_named(guide):
    """Choice and number."""
    _write(
        guide,
        trunks_csv="pbx_uid,trunk,direction,grace_ms\nberlin-avaya,1,inn,\nberlin-avaya,2,in,-5\n",
    )
    assert _mistakes(guide) == [
        "trunks.csv:2: direction: 'inn' is not known. Use in, out, both.",
        "trunks.csv:3: grace_ms: '-5' is no whole number. Write 0 or more.",
    ]


def test_a_thousand_equal_mistakes_are_enough(tmp_path):
    """The rest is counted."""
    lines = "".join(f"p{i},P,nowhere\n" for i in range(1500))
    _write(tmp_path, persons_csv="person_uid,name,department_uid\n" + lines)
    mistakes = _mistakes(tmp_path)
    assert len(mistakes) == 1001
    assert mistakes[-1].startswith("persons.csv:1002: department_uid: and 500 more")


def test_the_tree_of_departments_has_paths_and_subtrees(guide):
    """From the root down, and everything below."""
    tree = DepartmentTree.of(load_directory(guide).departments)
    assert tree.path("sales-export") == ("company", "sales", "sales-export")
    assert tree.subtree("sales") == {"sales", "sales-export"}
    assert tree.subtree("company") == {"company", "sales", "sales-export", "support"}
    assert tree.path("") == ()
    assert tree.loop() == ()
