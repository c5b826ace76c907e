"""Load a tariff of 1,000,000 prefixes: read, validate, compile, ready to switch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.__main__ import Figure
from bench.data import deck_prefixes, write_tariff
from bench.report import clock, give, peak_rss_mib, short


def main() -> None:
    count = 100_000 if short() else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = write_tariff(Path(folder), "carrier", deck_prefixes(count))
        small = write_tariff(Path(folder), "warm", deck_prefixes(1_000))

        from bluewhale.rating.book import PriceBook
        from bluewhale.rating.tariff_files import load_tariff

        PriceBook(
            [load_tariff(small)]
        ).compile_all()  # kernels come from their cache, as in a running process
        before = peak_rss_mib()
        with clock() as c:
            version = load_tariff(path)
            PriceBook([version]).compile_all()
    method = f"{count:,} rows of CSV with peak and off-peak prices, 60/6: read, every row validated, compiled; warm kernels"
    give([
        Figure("tariff_load_seconds", c.seconds, "s", "<= 8", method),
        Figure("tariff_load_peak_rss_mib", peak_rss_mib(), "MiB", "<= 1024", f"peak of the process ({before:.0f} MiB before)"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
