"""A file of alert rules is good as a whole, or every mistake has its line and its remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bluewhale.alerting import NightPremiumRule
from bluewhale.configuration import ConfigurationError, Following, load
from bluewhale.configuration.alerting import (
    AlertingError,
    AlertingSettings,
    WebhookSettings,
    parse_alerting,
    read_alerting,
)

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "small-site"


def mistakes(text: str) -> list[str]:
    """Say what is wrong with rules."""
    with pytest.raises(AlertingError) as refused:
        parse_alerting(text, "alerts.yaml", Path())
    return [mistake.text() for mistake in refused.value.found]


def test_the_file_of_the_guide_is_good():
    """What docs/guides/alerts.md shows can be used as it stands: six rules of six kinds."""
    guide = (ROOT / "docs" / "guides" / "alerts.md").read_text("utf-8")
    block = re.search(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert block is not None
    read = parse_alerting(block[1], "alerts.yaml", Path("/etc/bluewhale"))
    assert [rule.kind for rule in read.rules.live] == [
        "emergency_call",
        "blacklist",
        "long_call",
        "expensive_call",
        "night_premium",
        "silent_pbx",
    ]
    night = read.rules.get("night")
    assert isinstance(night, NightPremiumRule)
    assert (night.from_minute, night.until_minute) == (22 * 60, 6 * 60)
    soc = read.channels["soc"]
    assert isinstance(soc, WebhookSettings)
    assert soc.secret_file == Path("/etc/bluewhale/soc-secret")
    assert soc.numbers == "masked"


def test_every_mistake_is_named_with_its_line():
    """Five rules, five mistakes, one answer."""
    text = """channels:
  - {channel: soc, type: webhook, secret_file: s, url: "ftp://soc"}
rules:
  - rule: night
    kind: night_premium
    name: Night
    night_from: "25:00"
  - {rule: list, kind: blacklist, name: List}
  - {rule: long, kind: long_call, name: Long}
  - {rule: dear, kind: expensive_call, name: Dear, cost_min: {EUR: -1}}
  - {rule: numbers, kind: blacklist, name: Numbers, numbers: ["0049301234"]}
"""
    assert mistakes(text) == [
        (
            "alerts.yaml:2: channels.0.url: String should match pattern '^https?://[^\\s@]+$'; found"
            " 'ftp://soc'"
        ),
        (
            'alerts.yaml:7: rules.0.night_from: write it as "22:00", in quotes; see'
            " docs/guides/alerts.md"
        ),
        "alerts.yaml:8: rules.1: numbers, prefixes: give one at least; see docs/guides/alerts.md",
        "alerts.yaml:9: rules.2.talk_minutes_min: Field required; add it",
        "alerts.yaml:10: rules.3.cost_min.EUR: Input should be greater than 0; found -1",
        (
            "alerts.yaml:11: rules.4.numbers.0: write it as +49 30 1234, at most 15 digits, in quotes;"
            " see docs/guides/alerts.md"
        ),
    ]


def test_names_stand_once_and_channels_are_declared():
    """Two rules of one name; a channel that nobody declared."""
    text = """rules:
  - {rule: help, kind: emergency_call, name: Help, to: [soc]}
  - {rule: help, kind: emergency_call, name: Help}
"""
    assert mistakes(text) == [
        "alerts.yaml:3: rules.1: 'help' stands twice; choose another name",
        "alerts.yaml:2: rules.0.to: 'soc' is no channel; declare it, or use one of none",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "not YAML"),
        ("rules: 7", "Input should be a valid list"),
        ("- rule: x", "valid dictionary"),
        ("rules:\n  - {rule: X!, kind: emergency_call, name: N}", "String should match pattern"),
        ("rulez: []", "Extra inputs are not permitted; remove it"),
        ("!!python/object:os.system {}", "not YAML"),
    ],
)
def test_what_is_no_file_of_rules_is_said(text: str, said: str):
    """Never an exception of another library."""
    assert said in mistakes(text)[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("host: smtp.example.com, tls: none", "travel in the clear"),
        ("host: localhost, user: u", "give both or none"),
    ],
)
def test_a_mail_does_not_travel_in_the_clear(more: str, said: str):
    """Beyond this machine there is TLS, or nothing is sent."""
    head = "channels:\n  - {channel: m, type: mail, sender: a@b, recipients: [c@d], "
    assert said in mistakes(f"{head}{more}}}")[0]


def test_a_small_file_that_means_a_huge_value_is_refused_in_little():
    """Ten levels of ten aliases are ten thousand million words; a mistake quotes some."""
    levels = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = mistakes("\n".join([*levels, "rules: *a9", ""]))
    assert len(found) == 20
    assert max(map(len, found)) < 500


def test_no_file_is_no_rules_and_a_missing_one_is_a_mistake(tmp_path: Path):
    """Nothing is declared: nothing to tell."""
    assert read_alerting(None).rules.all == ()
    with pytest.raises(AlertingError, match="cannot be read"):
        read_alerting(tmp_path / "none.yaml")


def test_a_changed_file_is_taken_and_a_bad_one_is_told(tmp_path: Path):
    """Rules change while a role runs: whole, or not at all."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("bluewhale.yaml", "directory.yaml"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    text = (folder / "bluewhale.yaml").read_text("utf-8")
    text = re.sub(r"^tariffs: .*$", "tariffs: []", text, flags=re.MULTILINE)
    (folder / "bluewhale.yaml").write_text(f"{text}\nalerts: alerts.yaml\n", "utf-8")
    rules = folder / "alerts.yaml"
    rules.write_text("rules:\n  - {rule: help, kind: emergency_call, name: Help}\n", "utf-8")
    following = Following(load(folder))
    assert [r.rule_uid for r in following.configuration.alerting.rules.all] == ["help"]
    rules.write_text("rules:\n  - {rule: other, kind: emergency_call, name: Other}\n", "utf-8")
    assert following.refresh()
    assert [r.rule_uid for r in following.configuration.alerting.rules.all] == ["other"]
    rules.write_text("rules:\n  - {rule: other, kind: none, name: Other}\n", "utf-8")
    assert not following.refresh()
    assert f"{rules}:2: rules.0" in following.told
    assert [r.rule_uid for r in following.configuration.alerting.rules.all] == ["other"]
    with pytest.raises(ConfigurationError):
        load(folder)


def test_the_schema_for_editors_is_the_shape_of_the_file():
    """docs/reference/alerts.schema.json is made from the code."""
    page = json.loads((ROOT / "docs" / "reference" / "alerts.schema.json").read_text("utf-8"))
    assert page == AlertingSettings.model_json_schema()
