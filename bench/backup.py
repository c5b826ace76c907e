"""A backup of an installation of a million calls, another one behind it, and the restore."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import yaml
from bluewhale.cli.backups.making import make
from bluewhale.cli.backups.restoring import restore, verify
from bluewhale.configuration import Settings, read_settings
from bluewhale.database import CallFilter, Store

from bench.__main__ import Figure
from bench.importing import load, stages_of, write_input
from bench.report import clock, give, peak_rss_mib, short


def settings_in(folder: Path) -> Settings:
    """Give the settings of an installation in a folder; its link is never read."""
    link = {"link_uid": "a", "pbx_uid": "a", "dialect": "avaya_cm",
            "connector": {"type": "tcp_server", "port": 9000}}  # fmt: skip
    document = {"data": "data", "directory": ["directory.yaml"], "links": [link]}
    folder.mkdir()
    (folder / "bluewhale.yaml").write_text(yaml.safe_dump(document), "utf-8")
    return read_settings(folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        given = write_input(folder, 100_000, 2 if short() else 4)
        one, other = settings_in(folder / "one"), settings_in(folder / "other")
        with Store.open(one.data / "store") as store:
            calls, _ = load(store, given.files, stages_of(given))
        before, into = peak_rss_mib(), folder / "backups"
        with clock() as first:
            made = make(one, into)
        with clock() as second:
            again = make(one, into)
        with clock() as read:
            verify(Path(made.path))
        with clock() as back:
            restore(other, Path(made.path))
        with Store.open(other.data / "store") as store:
            assert store.search_calls(CallFilter(), limit=1).num_rows == 1
        peak = peak_rss_mib()
    busy = f"load {os.getloadavg()[0]:.1f}"
    method = f"{calls:,} calls, {made.files} files, hashed and fsynced; {busy}"
    give([
        Figure("backup_seconds", first.seconds, "s", "", method),
        Figure("backup_bytes_per_call", made.bytes / calls, "bytes", "", f"{made.bytes:,} bytes in all"),
        Figure("backup_again_seconds", second.seconds, "s", "", f"{again.linked} sealed files shared with the backup before"),
        Figure("backup_verify_seconds", read.seconds, "s", "", "every byte read and compared"),
        Figure("restore_seconds", back.seconds, "s", "", "until a search can be answered"),
        Figure("backup_peak_rss_mib", peak, "MiB", "", f"of the process that imported before ({before:.0f} MiB)"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
