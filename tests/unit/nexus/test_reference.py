from __future__ import annotations

import re
from pathlib import Path

from bluewhale.nexus import Manifest
from bluewhale.nexus.governance.compiling import BUILT_IN
from bluewhale.nexus.reference import page

from tests.unit.nexus.ways import layers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "plugins.md"


def test_the_page_of_plugins_is_what_the_models_say():
    """docs/reference/plugins.md is made, never written; `make fix` renews it."""
    assert PAGE.read_text("utf-8") == page()


def test_every_field_of_a_manifest_and_every_layer_stands_on_the_page():
    """With its meaning: no row ends empty."""
    text = page()
    for name in Manifest.model_fields:
        assert f"| `{name}` |" in text
    for name, (settings, _) in BUILT_IN.items():
        assert f"\n### {name}\n" in text
        for field in settings.model_fields:
            assert f"| `{field}` |" in text
    assert re.findall(r"\| \|$", text, re.MULTILINE) == ["| |"]  # the head of `context.`


def test_the_example_of_the_page_is_a_configuration():
    """Its entries but the plugin's are taken as they stand."""
    import yaml

    block = page().split("```yaml\n", 1)[1].split("```", 1)[0]
    entries = yaml.safe_load(block)["cluster"]["layers"]
    assert [e["layer"] for e in entries] == [*BUILT_IN_ORDER, "audit"]
    assert len(layers(entries[:-1])) == 6


BUILT_IN_ORDER = ("monitoring", "deadline", "access", "encryption", "balancing", "discovery")
