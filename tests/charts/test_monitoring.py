"""Alerts and the dashboard name metrics and labels that exist."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from bluewhale.telemetry.metrics import METRICS

from tests.support.helm import CHART

ALERTS = [
    rule
    for group in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
ASKED = {
    **{rule["alert"]: rule["expr"] for rule in ALERTS},
    **{panel["title"]: target["expr"] for panel in PANELS for target in panel["targets"]},
}
OF_SCRAPING = {"namespace", "pod", "le"}


@pytest.mark.parametrize("expression", ASKED.values(), ids=ASKED.keys())
def test_an_expression_asks_for_metrics_and_labels_that_exist(expression: str):
    """A renamed metric or label would otherwise be a rule that never fires."""
    labels = {m.name: set(m.labels) for m in METRICS}
    asked = re.findall(r"(bluewhale_\w+)\{([^}]*)\}", expression)
    assert asked
    for series, chosen in asked:
        name = series.removesuffix("_bucket")
        assert name in labels
        matched = set(re.findall(r"(\w+)=", chosen))
        assert matched - OF_SCRAPING <= labels[name]
        assert "namespace" in matched
        for grouped in re.findall(r"by \(([^)]*)\)", expression):
            assert set(re.split(r"\s*,\s*", grouped)) - OF_SCRAPING <= labels[name]


def test_every_alert_says_what_it_means_and_how_bad_it_is():
    """A person who is woken by it knows where to look."""
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names)) == 16
