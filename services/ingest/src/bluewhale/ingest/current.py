"""What follows for ingest from the configuration in force.

Owns which unit reads which streams now, the partition of each stream, and what a
leader of ownership goes by. Does not own when the configuration is replaced (`bluewhale.configuration.Following`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from bluewhale.configuration import Configuration, Following, stream_id
from bluewhale.messaging import partition_of
from bluewhale.ownership import Profile, Rules

if TYPE_CHECKING:
    from bluewhale.configuration.cluster import UnitSettings


class _State(NamedTuple):
    """One configuration with what follows from it; replaced in one step."""

    configuration: Configuration
    streams: dict[str, dict[int, str]]  # unit -> stream -> link
    partitions: dict[int, int]  # by stream
    units: dict[str, UnitSettings]  # by unit_uid
    rules: Rules

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
        units = {unit.unit_uid: unit for unit in configuration.settings.units}
        return cls(configuration, streams, partitions, units, _rules(configuration))


class Current:
    """What ingest goes by; `refresh` may block, everything else answers at once."""

    def __init__(self, configuration: Configuration) -> None:
        self._following = Following(configuration)
        self._state = _State.of(configuration)

    @property
    def problem(self) -> str:
        """Say what a person should know of the files; "" = they are in force as they are."""
        return self._following.told

    @property
    def problems(self) -> list[str]:
        """Name everything that a person should know of the files, one by one."""
        return self._following.problems

    def refresh(self) -> bool:
        """Look at the files; give whether another configuration is in force now."""
        changed = self._following.refresh()
        if changed:
            self._state = _State.of(self._following.configuration)
        return changed

    @property
    def configuration(self) -> Configuration:
        """Give what is in force."""
        return self._state.configuration

    def streams_of(self, unit_uid: str) -> dict[int, str]:
        """Give the streams that a unit may send, with their link_uid; {} = not declared."""
        return self._state.streams.get(unit_uid, {})

    def rules(self) -> Rules:
        """Give the links that more than one unit may read, and the timings of units and links."""
        return self._state.rules

    def unit(self, unit_uid: str) -> UnitSettings | None:
        """Give the settings of a unit; None = not declared."""
        return self._state.units.get(unit_uid)

    def units(self) -> list[str]:
        """Give the declared units, by name."""
        return sorted(self._state.streams)

    def partition(self, stream: int) -> int | None:
        """Give the partition of a stream; None if no unit has it (any more)."""
        return self._state.partitions.get(stream)


def _rules(configuration: Configuration) -> Rules:
    settings = configuration.settings
    readers: dict[str, list[str]] = {}
    for unit in settings.units:
        for uid in unit.links:
            readers.setdefault(uid, []).append(unit.unit_uid)
    links, holds = {}, {}
    for link in settings.links:
        units = readers.get(link.link_uid, [])
        if len(units) > 1:
            links[link.link_uid] = tuple(
                sorted(units, key=lambda unit_uid: unit_uid != link.preferred)
            )
            if (failback := link.failback) is not None:
                holds[link.link_uid] = failback.hold_s if failback.mode == "automatic" else None
    asking = {unit for units in links.values() for unit in units}  # others ask for no lease
    profiles = {
        unit.unit_uid: Profile(own.lease_s, own.deadline_s, own.retry_s)
        for unit in settings.units
        if (own := unit.failover) is not None and unit.unit_uid in asking
    }
    return Rules(links, profiles, holds)
