"""How results leave the command: tables for people, JSON, CSV and Parquet for machines.

Owns presentation only. Heavy libraries are imported inside functions, so that
`bluewhale --help` stays fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pyarrow as pa

BAR_WIDTH = 30
MOMENTS = {"started", "setup", "answer", "release"}
ID_BYTES = 16
PLAIN_WIDTH = 220  # characters of a table where there is no terminal


class Format(StrEnum):
    """Formats a result can be written in."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def money(nanos: int | None, currency: str | None) -> str:
    """Give an amount as decimal text with its currency; "-" where there is none."""
    if nanos is None:
        return "-"
    text = format(Decimal(nanos).scaleb(-9).normalize(), "f")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')} {currency or ''}".rstrip()


def instant(value: datetime | None, zone: str | None = None) -> str:
    """Give a moment in the site's zone (with its offset), or in UTC."""
    if value is None:
        return "-"
    return value.astimezone(ZoneInfo(zone) if zone else UTC).isoformat(" ", "seconds")


def duration(ms: int | None) -> str:
    """Give hours:minutes:seconds, milliseconds only where there are any."""
    if ms is None:
        return "-"
    seconds, rest = divmod(ms, 1000)
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{rest:03}" if rest else text


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold: ids as base32, moments as ISO text."""
    if isinstance(value, bytes):
        if len(value) == ID_BYTES:
            from bluewhale.records.ids import id_text

            return id_text(value)
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def emit(
    rows: Sequence[Mapping[str, Any]] | pa.Table,
    *,
    form: Format,
    columns: Sequence[str] | None = None,
    to: Path | None = None,
    title: str = "",
) -> None:
    """Write rows in the chosen format to a file or standard output.

    JSON is one object a line. A table shows `columns` only; the other formats
    carry everything.
    """
    import pyarrow as pa

    if form is Format.PARQUET:
        import pyarrow.parquet as pq

        table = (
            rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(r) for r in rows])
        )
        pq.write_table(table, to or sys.stdout.buffer, compression="zstd")
        return
    items = rows.to_pylist() if isinstance(rows, pa.Table) else list(rows)
    if form is Format.TABLE and to is None:
        show_table(items, columns=columns, title=title)
        return
    target = to.open("w", encoding="utf-8", newline="") if to else nullcontext(sys.stdout)
    with target as file:
        if form is Format.JSON:
            for item in items:
                file.write(json.dumps(plain(item), ensure_ascii=False) + "\n")
        else:
            _write_csv(file, items, columns)


def _write_csv(
    file: Any, items: Sequence[Mapping[str, Any]], columns: Sequence[str] | None
) -> None:
    import csv

    names = list(items[0]) if items else list(columns or ())
    writer = csv.writer(file)
    writer.writerow(names)
    for item in items:
        row = (plain(item.get(n)) for n in names)
        writer.writerow(
            ["" if v is None else json.dumps(v) if isinstance(v, (list, dict)) else v for v in row]
        )


def show_table(
    items: Sequence[Mapping[str, Any]], *, columns: Sequence[str] | None = None, title: str = ""
) -> None:
    """Draw a table for a person; plain text where there is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    names = list(columns or dict.fromkeys(name for item in items for name in item))
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for name in names:
        values = [i.get(name) for i in items]
        numeric = any(isinstance(v, (int, float, Decimal)) for v in values)
        # ids are to be copied, moments to be read at once
        whole = any(isinstance(v, bytes) and len(v) == ID_BYTES for v in values) or name in MOMENTS
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(name.replace("_", " "), justify=justify, no_wrap=whole)
    for item in items:
        cells = (plain(item.get(n)) for n in names)
        table.add_row(*("" if v is None else str(v) for v in cells))
    console.print(table)
    if not items:
        console.print("  nothing found")


def bar(value: float, largest: float) -> str:
    """Draw a bar for a terminal report; at most BAR_WIDTH characters."""
    if largest <= 0:
        return ""
    return "█" * max(round(BAR_WIDTH * value / largest), 1 if value else 0)


def note(text: str) -> None:
    """Tell a person something that is not a result; standard error, so pipes stay clean."""
    print(text, file=sys.stderr, flush=True)
