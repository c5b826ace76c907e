"""The configuration in force: loaded, looked at for changes, replaced whole or not at all.

Owns which unit reads which streams now, and the partition of each stream. A new
configuration with a mistake changes nothing: the old one stays in force, and the
mistakes are told. Does not own the form of the files (`bluewhale.configuration`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.configuration import Configuration, stream_id
from bluewhale.configuration import load as load_configuration
from bluewhale.messaging import partition_of

_Signature = tuple[tuple[str, int, int], ...]
FILES_MAX = 10_000


class _State(NamedTuple):
    """One configuration with what follows from it; replaced in one step."""

    configuration: Configuration
    streams: dict[str, dict[int, str]]  # unit -> stream -> link
    partitions: dict[int, int]  # by stream

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        count = configuration.cluster.kafka.partitions
        streams = {
            unit.unit_uid: {stream_id(uid, unit.unit_uid): uid for uid in unit.links}
            for unit in configuration.settings.units
        }
        partitions = {
            stream: partition_of(configuration.merge_domain(stream), count)
            for of_unit in streams.values()
            for stream in of_unit
        }
        return cls(configuration, streams, partitions)


class Current:
    """What ingest goes by; `refresh` may block, everything else answers at once."""

    def __init__(
        self,
        configuration: Configuration,
        load: Callable[[Path], Configuration] = load_configuration,
    ) -> None:
        self._load = load
        self.problem = ""
        self._signature = _signature(configuration)
        self._state = _State.of(configuration)

    def refresh(self) -> bool:
        """Look at the files; give whether another configuration is in force now."""
        signature = _signature(self.configuration)
        if signature == self._signature:
            return False
        self._signature = signature
        try:
            fresh = self._load(self.configuration.path)
        except BluewhaleError as error:
            self.problem = str(error)
            return False
        fixed = self.configuration.cluster.kafka.partitions
        if fresh.cluster.kafka.partitions != fixed:
            self.problem = (
                f"{fresh.path}: cluster.kafka.partitions was {fixed} when this role started and is"
                f" {fresh.cluster.kafka.partitions} now; set it back, or drain the roles, make the"
                " topics anew and start again"
            )
            return False
        self.problem = ""
        self._state = _State.of(fresh)
        return True

    @property
    def configuration(self) -> Configuration:
        """Give what is in force."""
        return self._state.configuration

    def streams_of(self, unit_uid: str) -> dict[int, str]:
        """Give the streams that a unit may send, with their link_uid; {} = not declared."""
        return self._state.streams.get(unit_uid, {})

    def shared_links(self) -> dict[str, tuple[str, ...]]:
        """Give the links that more than one unit may read, with their units, preferred first."""
        readers: dict[str, list[str]] = {}
        for unit in self.configuration.settings.units:
            for uid in unit.links:
                readers.setdefault(uid, []).append(unit.unit_uid)
        return {uid: tuple(units) for uid, units in readers.items() if len(units) > 1}

    def units(self) -> list[str]:
        """Give the declared units, by name."""
        return sorted(self._state.streams)

    def partition(self, stream: int) -> int | None:
        """Give the partition of a stream; None if no unit has it (any more)."""
        return self._state.partitions.get(stream)


def _signature(configuration: Configuration) -> _Signature:
    """Give path, size and time of every file that the configuration is made of."""
    settings = configuration.settings
    found: list[tuple[str, int, int]] = []
    for path in (configuration.path, *settings.directory, *settings.tariffs):
        files = sorted(path.rglob("*"))[:FILES_MAX] if path.is_dir() else [path]
        for file in files:
            try:
                state = file.stat()
            except OSError:
                found.append((str(file), -1, -1))
            else:
                found.append((str(file), state.st_size, state.st_mtime_ns))
    return tuple(found)
