"""The reference page of all dialects, made from their declarations.

Owns the text of docs/reference/dialects.md; a test holds the file equal.
"""

from __future__ import annotations

from bluewhale.dialects.engine.dialect import Dialect, Option
from bluewhale.dialects.registry import DIALECTS

HEAD = """# Dialects

Made from the declarations; do not edit. Layouts, sources and confidence of every field stand in the README of each
dialect's room (`bluewhale dialect show NAME`).
"""


def dialects_page() -> str:
    """Give the page as Markdown, dialects in the order of the registry."""
    return "\n".join([HEAD, *(_section(dialect) for dialect in DIALECTS.values())])


def _section(dialect: Dialect) -> str:
    """Describe one dialect."""
    framing = dialect.framing({})
    context = ", ".join(
        f"{rule.name} (per {rule.scope}{', `n` starts over' if rule.resets_count else ''})"
        for rule in framing.context
    )
    lines = [
        f"## `{dialect.dialect_id}`",
        "",
        (
            f"{dialect.title}. Version {dialect.version}, identity version {dialect.identity_version}, "
            f"framing version {framing.version}."
        ),
        "",
        (
            f"Context lines: {context or 'none'}. Records longer than {framing.record_length_max_bytes:,} "
            "bytes are cut and rejected."
        ),
        "",
        "| Option | Kind | Default | Meaning |",
        "|---|---|---|---|",
        *(_row(option) for option in dialect.options),
        "",
    ]
    return "\n".join(lines)


def _row(option: Option) -> str:
    """Describe one option in a row of a table."""
    choices = (
        f" One of: {', '.join(f'`{choice}`' for choice in option.choices)}."
        if option.choices
        else ""
    )
    default = f"`{option.default}`" if option.default not in ("", (), []) else "none"
    meaning = option.meaning.replace("|", "\\|")
    return f"| `{option.name}` | {option.kind} | {default} | {meaning}{choices} |"


if __name__ == "__main__":
    print(dialects_page(), end="")
