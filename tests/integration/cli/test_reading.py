"""What a worker beside `bluewhale up` has ready before it is asked."""

from __future__ import annotations

from pathlib import Path

from bluewhale.api.query.v1 import query_pb2
from bluewhale.cli.reading import doors
from bluewhale.database import Store

from tests.integration.cli.places import build


def _sums(folder: Path) -> list[Path]:
    """Give the files of sums beside sealed segments."""
    return list((folder / "data" / "store" / "segments").glob("*.counted.parquet"))


def test_a_worker_has_read_the_sums_that_were_counted_before_it_is_asked(tmp_path: Path):
    """Their files may go away then: nothing is counted again, and 150 calls are 150 calls."""
    build(tmp_path)
    with Store.open(tmp_path / "data" / "store") as store:
        segments = store.run_read(store.files.live)
        assert store.cells.ahead(segments, 10) == len(segments) == 3
    with doors(tmp_path) as (query, _):
        for path in _sums(tmp_path):
            path.unlink()
        asked = query_pb2.ReportsRequest(by=["direction"])
        (report,) = query.servicer.Reports(asked, None).reports
        assert sum({r.name: r.calls for r in report.rows}.values()) == 150
        assert _sums(tmp_path) == []


def test_a_worker_counts_little_before_it_is_asked(tmp_path: Path):
    """What housekeeping has still to count would keep it from answering for minutes."""
    build(tmp_path)
    with doors(tmp_path):
        assert len(_sums(tmp_path)) == 1
