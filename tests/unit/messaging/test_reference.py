"""docs/reference/topics.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bluewhale.messaging import MESSAGE_BYTES_MAX, TOPICS, LowWater, partition_of
from bluewhale.messaging import envelopes as e
from bluewhale.messaging.partitioning import ALGORITHM

from tests.spec.database.build import leg_row, legs, proposals, rejects

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "topics.md").read_text()
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SAMPLES = {
    "cdr.raw": [
        e.RawFrame(1, 2, 3, 4, b"", 5, TRACE),
        e.RawTick(5, TRACE),
        e.RawTally((), 5, TRACE),
    ],
    "cdr.parsed": [
        e.ParsedMessage(legs(leg_row(1)), rejects(), traceparents=(TRACE,), log_id="r/p")
    ],
    "cdr.rated": [e.RatedMessage(proposals((leg_row(1),)), 5, (TRACE,))],
}


def test_the_page_names_every_topic_with_its_kinds():
    """One row per topic; its last column lists the kinds that are written."""
    rows = dict(re.findall(r"^\| `(cdr\.\w+)` \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))
    assert tuple(rows) == TOPICS
    written = {
        topic: [dict(s.encode().headers)["kind"].decode() for s in samples]
        for topic, samples in SAMPLES.items()
    }
    assert {topic: re.findall(r"`(\w+)`", kinds) for topic, kinds in rows.items()} == written


def test_the_page_names_every_header():
    """Headers of the table are those that messages carry, no more and no fewer."""
    table = PAGE.split("| Header | On | Value |")[1].split("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    carried = {k for samples in SAMPLES.values() for s in samples for k, _ in s.encode().headers}
    assert named == carried


@pytest.mark.parametrize(
    "said",
    [
        f"`{ALGORITHM}`",
        f"now {e.ENVELOPE_VERSION} |",
        f"at most {MESSAGE_BYTES_MAX:,} bytes",
        f"at most {e.PACKED_FRAME_BYTES_MAX:,} bytes",
        f"`{LowWater(0).encode().replace('=0', '=N')}`",
    ],
)
def test_the_page_says_the_limits_and_words_of_the_code(said: str):
    """Numbers and names stand on the page as they are in the code."""
    assert said in PAGE


def test_the_vectors_of_the_page_hold():
    """Each row of domain, partitions, partition is computed anew."""
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    assert [partition_of(d, int(n)) for d, n, _ in rows] == [int(p) for *_, p in rows]
