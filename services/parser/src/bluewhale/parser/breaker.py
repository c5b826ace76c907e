"""When a stream's records are too bad to be believed. Owns that one decision per stream.

A wrong layout still parses now and then; what it gives would be priced wrongly.
So a stream with too large a share of rejected records is suspended: its good
records wait too, until the share has fallen to half of the limit. The other
streams of the partition flow on. It forgets on a restart, and learns again
within `rows_min` records.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Share:
    rows: int = 0
    rejected: int = 0
    suspended: bool = False


class StreamBreaker:
    """The share of rejected records of each stream, over its latest records.

    Parameters
    ----------
    ratio_max: a larger share than this suspends, 0..1.
    rows_min: records that a share is taken over, at least; twice as many weigh half.
    """

    def __init__(self, *, ratio_max: float, rows_min: int) -> None:
        assert 0 < ratio_max <= 1
        assert rows_min > 0
        self._ratio_max = ratio_max
        self._rows_min = rows_min
        self._shares: dict[int, _Share] = {}

    def judge(self, stream_id: int, *, rows: int, rejected: int) -> bool:
        """Count a batch; tell whether its stream is suspended, this batch included."""
        share = self._shares.setdefault(stream_id, _Share())
        share.rows += rows
        share.rejected += rejected
        if share.rows >= self._rows_min:
            ratio = share.rejected / share.rows
            limit = self._ratio_max / 2 if share.suspended else self._ratio_max
            share.suspended = ratio > limit
            while share.rows >= 2 * self._rows_min:
                share.rows //= 2
                share.rejected //= 2
        return share.suspended

    def forget(self, stream_id: int) -> None:
        """Judge a stream anew: it is read otherwise from now on."""
        self._shares.pop(stream_id, None)

    def suspended(self) -> list[int]:
        """Give the streams that are suspended."""
        return [stream_id for stream_id, share in self._shares.items() if share.suspended]
