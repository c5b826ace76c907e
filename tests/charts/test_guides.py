"""What the guides for Kubernetes name exists: values, fields of RemoteUnit, commands, options, reasons."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from bluewhale.cli.main import app as bluewhale
from bluewhale.kubectl.main import app as plugin
from bluewhale.operator import claims, conditions, decide
from bluewhale.operator.resource import GROUP

from tests.support.helm import CHART, CRDS_CHART, ROOT, Helm

FOLDER = ROOT / "docs" / "guides"
NAMES = (
    "kubernetes-in-ten-minutes", "connect-a-pbx", "production-checklist", "sizing", "failover-drill",
    "upgrade", "troubleshooting", "backup-and-restore",
)  # fmt: skip
GUIDES = {name: (FOLDER / f"{name}.md").read_text("utf-8") for name in NAMES}
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
DEFINITION = yaml.safe_load((CRDS_CHART / "files" / "remoteunits.bluewhale.dev.yaml").read_text())
SCHEMA = DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
# of the programs themselves: kubectl 1.34, Helm 4
KUBECTL = {
    "annotate", "apply", "create", "delete", "describe", "exec", "get", "logs", "patch",
    "port-forward", "rollout",
    "scale", "wait",
}  # fmt: skip
HELM = {"history", "install", "rollback", "test", "uninstall", "upgrade"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WHOLE = r"[a-z][A-Za-z]*(?:\.[A-Za-z]+)+"


def blocks(text: str, kind: str) -> list[str]:
    """Give the blocks of one kind."""
    return [body for found, body in BLOCK.findall(text) if found == kind]


def commands(text: str) -> Iterator[list[str]]:
    """Give every command of a guide, from blocks and from sentences."""
    lines = [line[2:] for b in blocks(text, "console") for line in b.splitlines()]
    lines += re.findall(r"`((?:kubectl|helm|bluewhale|python -m bluewhale)[^`]*)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("--") if words[0] == "kubectl" and "--" in words else len(words)
            yield words[:end]
            words = words[end + 1 :]


def has_value(path: str) -> bool:
    """Say whether values.yaml has a key; below an empty map anything may stand."""
    at: Any = VALUES
    for name in path.split("."):
        if at in ({}, []):
            return True
        if not isinstance(at, dict) or name not in at:
            return False
        at = at[name]
    return True


def has_field(path: list[str]) -> bool:
    """Say whether a RemoteUnit has a field."""
    at: Any = SCHEMA
    for name in path:
        if name not in at:
            return False
        field = at[name]
        field = field.get("items", field)
        at = field.get("properties", {})
    return True


def leaves(document: Any, path: str = "") -> Iterator[str]:
    """Give the dotted path of every key of a document that has no keys below."""
    if isinstance(document, dict) and document:
        for name, value in document.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    else:
        yield path


def fields(document: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """The same for a RemoteUnit, lists taken as their entries."""
    if isinstance(document, dict) and path[-1:] != ("options",):
        for name, value in document.items():
            yield from fields(value, (*path, name))
    elif isinstance(document, list) and document and isinstance(document[0], dict):
        for entry in document:
            yield from fields(entry, path)
    else:
        yield list(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_that_a_guide_names_is_one_of_the_chart(name: str):
    """In sentences, behind --set, and in blocks that are values files."""
    text = GUIDES[name]
    said = set(re.findall(rf"`({WHOLE})[:`= ]", text))
    said |= set(re.findall(rf"--set ({WHOLE})=", text))
    for block in blocks(text, "yaml"):
        if block.startswith("# values.yaml"):
            said |= set(leaves(yaml.safe_load(block)))
    said = {path for path in said if path.split(".")[0] in VALUES}
    assert {path for path in said if not has_value(path)} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_remote_unit_that_a_guide_names_is_one_of_the_definition(name: str):
    """In sentences as spec.NAME, and in whole resources."""
    text = GUIDES[name]
    said = [path.split(".") for path in re.findall(r"`((?:spec|status)(?:\.[A-Za-z]+)+)", text)]
    for block in blocks(text, "yaml"):
        if "kind: RemoteUnit" in block:
            said += list(fields({"spec": yaml.safe_load(block)["spec"]}))
    assert [path for path in said if not has_field(path)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_guide_exists_with_its_options(name: str):
    """Ours are looked up in their trees, with each option; of others the verb."""
    unknown = []
    for words in commands(GUIDES[name]):
        if words[:2] == ["kubectl", "bluewhale"]:
            unknown += lacking(typer.main.get_command(plugin), words[2:])
        elif words[0] == "bluewhale":
            unknown += lacking(typer.main.get_command(bluewhale), words[1:])
        elif words[0] in {"kubectl", "helm"}:
            verb = next(w for w in rest_of(words[1:]))
            if verb not in (KUBECTL if words[0] == "kubectl" else HELM):
                unknown.append(" ".join(words[:4]))
    assert unknown == []


def rest_of(words: list[str]) -> Iterator[str]:
    """Give words without the options that stand before the verb."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word == "-n":
            skip = True
        else:
            yield word


def lacking(command: Any, words: list[str]) -> list[str]:
    """Give what a command line names and its program does not have."""
    path = [command.name]
    while words and (child := getattr(command, "commands", {}).get(words[0])):
        command = child
        path.append(words.pop(0))
    if getattr(command, "commands", {}) and words:
        return [" ".join([*path, words[0]])]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [
        " ".join([*path, w])
        for w in words
        if w.startswith("-") and w != "-" and w.split("=")[0] not in known
    ]


STANDARD = ["--set", "profile=standard", "--set", "kafka.bootstrap=b:9092"]
STANDARD += ["--set", "database.existingSecret=db"]


@pytest.mark.parametrize("name", NAMES)
def test_every_install_and_every_values_file_of_a_guide_renders(
    name: str, helm: Helm, tmp_path: Path
):
    """The schema of the chart takes them, and so do its own checks."""
    files = [b for b in blocks(GUIDES[name], "yaml") if b.startswith("# values.yaml")]
    for i, block in enumerate(files):
        path = tmp_path / f"values-{i}.yaml"
        path.write_text(block.replace("...", "x: y"))
        more = STANDARD if "ingest" in yaml.safe_load(block) else []
        assert "kind: " in helm.render(CHART, "--values", path, *more)
    (tmp_path / "values.yaml").write_text((tmp_path / "values-0.yaml").read_text() if files else "")
    for words in commands(GUIDES[name]):
        if words[0] != "helm" or len(words) < 5:
            continue
        chart = next((ROOT / w for w in words if w.startswith("charts/")), None)
        if chart is not None:
            given = [str(tmp_path / w) if w == "values.yaml" else w for w in words[2:]]
            skip = {"--install", "--create-namespace", "--wait", "-n", "--namespace"}
            at = [w for w in given if w not in skip and not w.startswith("charts/")]
            rest = [w for w in at if w.startswith("-") or at[at.index(w) - 1].startswith("-")]
            assert "kind: " in helm.render(chart, *rest), " ".join(words)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_a_guide_names_is_in_the_tree(name: str):
    """Charts, examples, folders that commands and sentences use."""
    found = re.findall(r"(?<![\w/.])((?:charts|services|docs|images)/[\w./-]+[\w])", GUIDES[name])
    assert {path for path in found if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_annotation_and_label_that_a_guide_names_is_used_by_the_operator(name: str):
    """An order with a typo would wait for ever."""
    sources = (
        "".join(p.read_text() for p in (ROOT / "operator" / "src").rglob("*.py"))
        + (FOLDER / "../../services/kubectl/src/bluewhale/kubectl/resources.py").read_text()
    )
    found = set(re.findall(rf"{re.escape(GROUP)}/([a-z-]+?)-?(?=[=`\s])", GUIDES[name]))
    found -= {"v1alpha1"}
    assert {x for x in found if f'{{GROUP}}/{x}"' not in sources} == set()


def said_reasons() -> set[str]:
    """Every reason that the operator can say, from the text of its modules."""
    words: set[str] = set(claims.REASONS)
    tree = ast.parse(Path(conditions.__file__).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
    for node in ast.walk(ast.parse(Path(decide.__file__).read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Event":
            words |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    not_reasons = {"True", "False", "Unknown", "Normal", "Warning", *conditions.TYPES}
    # conditions that have a reason of their own name: it is said when all is well
    not_reasons -= {"Ready", "Enrolled", "Connected", "Owned"}
    return {w for w in words if re.fullmatch(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", w)} - not_reasons


def test_every_reason_that_the_operator_can_say_has_its_line_and_no_other_has_one():
    """A reason that is added without its remedy is found here, and so is one that is gone."""
    text = GUIDES["troubleshooting"].split("## Before there is a condition")[0]
    written = set(re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE))
    of_the_plugin = {"NotSeen", "SpecChanged"}
    assert said_reasons() - written == set()
    assert written - said_reasons() == of_the_plugin


def test_reasons_stand_under_their_condition():
    """The seven conditions are the seven chapters."""
    heads = re.findall(r"^## (\w+)$", GUIDES["troubleshooting"], re.MULTILINE)
    assert tuple(heads) == conditions.TYPES
