"""`python -m bluewhale.cli.reference --check | --write`: pages that are made from code.

Owns the table of generated pages (`PAGES`) and what belongs to this room:
reasons, exit codes, configuration, commands. Each other page is made by its own
room; it is imported when the page is made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path("docs") / "reference"
HELP_COLUMNS = 100
_REASONS_HEAD = """# Reasons

Made from `bluewhale.records`; do not edit. Each list is closed: a code is added, never changed or reused.
"""
_CONFIGURATION_HEAD = """# Configuration: bluewhale.yaml

Made from `bluewhale.configuration`; do not edit. `bluewhale check` names every mistake at once, with file and line; an unknown key
is one. Relative paths begin at the folder of the file. A name ending in `_ms` is in milliseconds, `_mib` in MiB, `_records` and
`_rows` count. An editor can check the file while you type: [bluewhale.schema.json](bluewhale.schema.json).
Every key can also come from the environment: `BLUEWHALE_CLUSTER__KAFKA__BOOTSTRAP` sets cluster.kafka.bootstrap, a number names a
place in a list (`BLUEWHALE_LINKS__0__CONNECTOR__PORT`); it wins over the file. Put passwords there.
The options of a link are those of its dialect: [dialects.md](dialects.md). A whole example: `examples/small-site`.
"""
_COMMANDS_HEAD = """# Commands

Made from the command itself; do not edit. Exit codes: [exit-codes.md](exit-codes.md). `--config` may also stand in the
environment variable `BLUEWHALE_CONFIG`. `bluewhale --install-completion` teaches your shell to complete.
"""
_PLUGIN_HEAD = """# kubectl bluewhale

Made from the plugin itself; do not edit. `pipx install bluewhale-kubectl` puts it where kubectl finds it. Options of kubectl that stand before
`bluewhale` are kubectl's own and do not reach the plugin: say `kubectl bluewhale status --context C -n N`.
"""
_PARTS = {  # class of the settings -> the key under which it stands
    "LinkSettings": "links, each",
    "FailbackSettings": "links, each: failback",
    "TcpServerSettings": "connector of type tcp_server",
    "TcpClientSettings": "connector of type tcp_client",
    "FolderSettings": "connector of type folder",
    "SyslogUdpSettings": "connector of type syslog_udp",
    "SyslogTcpSettings": "connector of type syslog_tcp",
    "ImportSettings": "connector of type import",
    "MonitorSettings": "monitor",
    "LimitSettings": "limits",
    "WebSettings": "web",
    "OidcSettings": "web.oidc",
    "OidcGrant": "web.oidc.grants",
    "UnitSettings": "units, each",
    "FailoverSettings": "units, each: failover",
    "ClusterSettings": "cluster",
    "KafkaSettings": "cluster.kafka",
    "DatabaseSettings": "cluster.database",
    "RedisSettings": "cluster.redis",
    "TelemetrySettings": "cluster.telemetry",
    "IngestSettings": "cluster.ingest",
    "ServerSettings": "cluster.ingest.internal",
    "OwnershipSettings": "cluster.ingest.ownership",
    "TermSettings": "cluster.ingest.ownership.term",
    "KubernetesTermSettings": "cluster.ingest.ownership.term.kubernetes",
    "ParserSettings": "cluster.parser",
    "BillingSettings": "cluster.billing",
    "StorageSettings": "cluster.storage",
    "WebapiSettings": "cluster.webapi",
    "HealthSettings": "cluster.health",
}


def records_page() -> str:
    """Give docs/reference/records.md."""
    from bluewhale.records.reference import page

    return page()


def dialects_page() -> str:
    """Give docs/reference/dialects.md."""
    from bluewhale.dialects.reference import dialects_page

    return dialects_page()


def log_attributes_page() -> str:
    """Give docs/reference/log-attributes.md."""
    from bluewhale.telemetry.attributes import reference_page

    return reference_page()


def metrics_page() -> str:
    """Give docs/reference/metrics.md."""
    from bluewhale.telemetry.metrics import reference_page

    return reference_page()


def plugins_page() -> str:
    """Give docs/reference/plugins.md."""
    from bluewhale.nexus.reference import page

    return page()


def reasons_page() -> str:
    """Give docs/reference/reasons.md: what a code means, and what to do."""
    from bluewhale.records.enums import LossReason, RejectReason, UnratedReason
    from bluewhale.records.reference_words import REASONS

    parts = [_REASONS_HEAD]
    for title, sentence, reasons in (
        (
            "A record waits in suspense",
            "`bluewhale suspense list` shows the code, `bluewhale suspense show ID` the record and its fields.",
            RejectReason,
        ),
        (
            "A charge has no price",
            "`bluewhale calls --unrated` lists the calls, `bluewhale explain CALL` says more.",
            UnratedReason,
        ),
        (
            "A record never arrived",
            "`bluewhale completeness` names the gap.",
            LossReason,
        ),
    ):
        parts.append(
            f"\n## {title}\n\n{sentence}\n\n| Code | Meaning | What to do |\n|---|---|---|\n"
        )
        for reason in reasons:
            meaning, remedy = REASONS[reason.value]
            parts.append(f"| `{reason.value}` | {meaning} | {remedy} |\n")
    return "".join(parts)


def exit_codes_page() -> str:
    """Give docs/reference/exit-codes.md."""
    from bluewhale.cli.exceptions import EXIT_CODES

    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return (
        "# Exit codes\n\n"
        "Made from `bluewhale.cli.exceptions`; do not edit. Results go to standard output, messages to standard error.\n\n"
        "| Code | Meaning |\n|---|---|\n" + rows
    )


def configuration_schema() -> str:
    """Give docs/reference/bluewhale.schema.json, as `bluewhale config-schema` prints it."""
    from bluewhale.configuration import Settings

    return json.dumps(Settings.model_json_schema(), indent=2) + "\n"


def alerts_schema() -> str:
    """Give docs/reference/alerts.schema.json: the shape of a file of alert rules."""
    from bluewhale.configuration.alerting import AlertingSettings

    return json.dumps(AlertingSettings.model_json_schema(), indent=2) + "\n"


def configuration_page() -> str:
    """Give docs/reference/configuration.md: every key of bluewhale.yaml."""
    from bluewhale.configuration import Settings

    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    assert definitions.keys() == _PARTS.keys(), "every part of the configuration has a heading"
    parts = [_CONFIGURATION_HEAD, _section("The file", schema)]
    parts += [_section(title, definitions[name]) for name, title in _PARTS.items()]
    return "".join(parts)


def _section(title: str, schema: dict[str, Any]) -> str:
    head = f"\n## {title}\n\n{schema['description']}\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n"
    required = schema.get("required", [])
    return head + "".join(
        f"| `{name}` | {_value(field)} | {_default(name, field, required)} | {_meaning(name, field)} |\n"
        for name, field in schema["properties"].items()
    )


_MEANINGS = {
    "host": "address: of this machine where we listen, of the PBX where we connect",
    "port": "port of the PBX",
    "path": "the folder; of a tail: the folder of the growing file",
    "pattern": "which files: * and ? as in a shell",
    "mode": "whole: each file is read once when it is complete; tail: one file grows and is rotated",
    "poll_interval_ms": "pause between two looks",
    "type": "which connector",
    "link_uid": "name of the link for ever",
    "pbx_uid": "which PBX, as the directory names it",
    "dialect": "format of its records, see `bluewhale dialect list`",
    "options": "options of the dialect",
    "connector": "how its bytes arrive",
    "tariffs": "tariff documents (YAML)",
    "links": "what is read",
    "payer_policy": "which extension pays for a call that was transferred",
    "monitor": "where /metrics and /healthz answer",
    "limits": "bounds of memory, disk and time",
    "journal_quota_mib": "room for records not yet stored; alarm at 80 %, reading stops at 100 %",
    "batch_records_max": "records of one transaction",
    "import_chunk_mib": "an import reads this much at a time",
    "name": "what people read",
    "listen": "host:port where it answers",
    "kafka": "the log",
    "database": "the main database",
    "redis": "what may be lost",
    "telemetry": "traces",
    "ownership": "which unit reads a link that several may read",
    "ingest": "the role that units connect to",
    "parser": "the role that makes legs of frames",
    "billing": "the role that makes calls and charges",
    "storage": "the role that owns the main database",
    "webapi": "the role that serves the page and the REST API",
    "health": "probes and metrics of each role",
}


_PATTERNS = {  # what a person would say instead
    r"^[a-z0-9][a-z0-9._-]{0,63}$": "a-z, 0-9, `.`, `_`, `-`; at most 64",
    r"^[a-zA-Z0-9._-]{0,64}$": "a-z, A-Z, 0-9, `.`, `_`, `-`; at most 64",
    r"^$|^postgres(ql)?://": "`postgresql://...`",
    r"^(\S+):\d{1,5}$|^unix:\S+$": "`host:port`",
    r"^\S+:\d{1,5}$": "`host:port`",
    r"^$|^https?://[^/\s]+$": "`https://host`",
    r"^(https://|http://(127\.0\.0\.1|localhost)(:\d+)?(/|$))\S*$": "`https://host/...`",
}


def _meaning(name: str, field: dict[str, Any]) -> str:
    return str(field.get("description") or _MEANINGS[name])


def _value(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{x}`" for x in field["enum"])
    if "anyOf" in field:
        return " or ".join(_value(x) for x in field["anyOf"] if x.get("type") != "null")
    if "oneOf" in field or "$ref" in field:
        return "see below"
    if field["type"] == "array":
        return f"list: {_value(field['items'])}"
    kinds = {
        "string": "text", "integer": "whole number", "number": "number", "object": "keys",
        "boolean": "`true`, `false`",
    }  # fmt: skip
    kind = kinds[field["type"]]
    if field.get("format") == "path":
        kind = "path"
    if "pattern" in field:
        kind = _PATTERNS[field["pattern"]]
    least, most = field.get("minimum"), field.get("maximum")
    if "exclusiveMinimum" in field:
        kind += f", more than {field['exclusiveMinimum']}, at most {most}"
    elif least is not None and most is not None:
        kind += f", {least} to {most}"
    elif least is not None:
        kind += f", {least} or more"
    return kind


def _default(name: str, field: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    default = field.get("default")
    if "$ref" in field:
        return "as below"
    if isinstance(default, dict):
        return f"`{{type: {default['type']}}}`" if "type" in default else "as below"
    if default in (None, "", [], {}):
        return "none"
    if isinstance(default, bool | list):
        return f"`{json.dumps(default)}`"
    return f"`{default}`"


def commands_page() -> str:
    """Give docs/reference/commands.md: the help of every command."""
    import typer
    from bluewhale.cli.main import app

    parts = [_COMMANDS_HEAD]
    for path, text in _helps(typer.main.get_command(app), "bluewhale", None):
        parts.append(f"\n## {path}\n\n```text\n{text}\n```\n")
    return "".join(parts)


def plugin_page() -> str:
    """Give docs/reference/kubectl-bluewhale.md: the help of every command of the plugin."""
    import typer
    from bluewhale.kubectl.main import app

    parts = [_PLUGIN_HEAD]
    for path, text in _helps(typer.main.get_command(app), "kubectl bluewhale", None):
        parts.append(f"\n## {path}\n\n```text\n{text}\n```\n")
    return "".join(parts)


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    """Walk the tree; give each command's path and help text at a fixed width."""
    context = command.context_class(
        command,
        info_name=name,
        parent=parent,
        terminal_width=HELP_COLUMNS,
        max_content_width=HELP_COLUMNS,
        **command.context_settings,
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield context.command_path, text
    for child in getattr(command, "commands", {}).values():
        yield from _helps(child, child.name, context)


PAGES: dict[str, Callable[[], str]] = {
    "alerts.schema.json": alerts_schema,
    "bluewhale.schema.json": configuration_schema,
    "commands.md": commands_page,
    "configuration.md": configuration_page,
    "dialects.md": dialects_page,
    "exit-codes.md": exit_codes_page,
    "kubectl-bluewhale.md": plugin_page,
    "log-attributes.md": log_attributes_page,
    "metrics.md": metrics_page,
    "plugins.md": plugins_page,
    "reasons.md": reasons_page,
    "records.md": records_page,
}


def stale_pages(folder: Path) -> list[str]:
    """Name the pages that are missing or not what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != make()
    ]


def write_pages(folder: Path) -> list[str]:
    """Write the stale pages; gives their names."""
    folder.mkdir(parents=True, exist_ok=True)
    stale = stale_pages(folder)
    for name in stale:
        (folder / name).write_text(PAGES[name](), "utf-8")
    return stale


def main(arguments: list[str]) -> int:
    """Check or write the pages of the working tree; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bluewhale.cli.reference", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--check", action="store_true", help="exit 1 and name the pages that are stale"
    )
    what.add_argument("--write", action="store_true", help="write the pages that are stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/reference")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        for name in write_pages(chosen.folder):
            print(f"wrote {chosen.folder / name}")
        return 0
    stale = stale_pages(chosen.folder)
    for name in stale:
        print(f"{chosen.folder / name} is not what the code says; run make fix", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
