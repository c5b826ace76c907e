"""Price lists and their versions: which version is in force when.

Owns rule 1: the version in force at the answer time (start where never
answered) prices the whole span. Of several versions in force the one that came
into force last wins, then the higher number; a newer version replaces the
older one as a whole (decision 20).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from bluewhale.rating.window_rules import milliseconds

if TYPE_CHECKING:
    from bluewhale.rating.compiled import CompiledTariff
    from bluewhale.rating.tariff import TariffVersion

NO_VERSION = -1


class PriceBook:
    """All versions of all price lists; compiles a version on first use.

    Price lists keep the order of their first version.
    """

    def __init__(self, versions: Iterable[TariffVersion]) -> None:
        self.versions = tuple(versions)
        self.price_lists = tuple(dict.fromkeys(v.price_list for v in self.versions))
        self._compiled: dict[int, CompiledTariff] = {}
        self._periods = {name: self._periods_of(name) for name in self.price_lists}

    def compiled(self, number: int) -> CompiledTariff:
        """Give `versions[number]` compiled."""
        from bluewhale.rating.compiled import compile_tariff

        if number not in self._compiled:
            self._compiled[number] = compile_tariff(self.versions[number])
        return self._compiled[number]

    def compile_all(self) -> PriceBook:
        """Compile every version now, so that the first batch is not slow."""
        for number in range(len(self.versions)):
            self.compiled(number)
        return self

    def in_force(self, price_list: str, at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Give the number of the version in force at each moment, or -1."""
        starts, numbers = self._periods[price_list]
        return numbers[np.searchsorted(starts, at_ms, side="right")]

    def version_at(self, price_list: str, at_ms: int) -> TariffVersion | None:
        """Give the version in force at one moment, or None."""
        number = int(self.in_force(price_list, np.array([at_ms], np.int64))[0])
        return None if number == NO_VERSION else self.versions[number]

    def only_version(self, price_list: str, first_ms: int, last_ms: int) -> int | None:
        """Give the one version in force from first to last, None if it changes."""
        starts, numbers = self._periods[price_list]
        first, last = np.searchsorted(starts, [first_ms, last_ms], side="right")
        return int(numbers[first]) if first == last else None

    def _periods_of(self, price_list: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Cut time at every start and end; name the version of each piece.

        Piece i ends where starts[i] begins; there is one piece more.
        """
        spans = []
        for number, version in enumerate(self.versions):
            if version.price_list == price_list:
                since = milliseconds(version.effective_from)
                until = version.effective_until
                end = 2**62 if until is None else milliseconds(until)
                spans.append((since, version.version, number, end))
        cuts = sorted({since for since, *_ in spans} | {end for *_, end in spans})
        numbers = [NO_VERSION]
        for cut in cuts:
            holding = [span for span in spans if span[0] <= cut < span[3]]
            numbers.append(max(holding)[2] if holding else NO_VERSION)
        return np.array(cuts, np.int64), np.array(numbers, np.int32)
