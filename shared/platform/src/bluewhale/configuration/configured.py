"""A configuration that was found consistent, with all it points to.

Owns the questions that runtimes and roles ask of it. Does not own how it is
read (`loading`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bluewhale.configuration.alerting import Alerting
from bluewhale.configuration.exceptions import ConfigurationError

if TYPE_CHECKING:
    import yaml
    from bluewhale.configuration.cluster import ClusterSettings, UnitSettings
    from bluewhale.configuration.settings import LinkSettings, Part, Settings
    from bluewhale.dialects.engine.dialect import Dialect
    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.records.batches import LinkProfile
    from bluewhale.records.directory import Directory


@dataclass(frozen=True, slots=True)
class Included:
    """A file of an included folder; what it adds stands behind `before` of the same."""

    file: Path
    text: str
    node: yaml.Node | None
    part: Part
    before: Mapping[str, int] = field(default_factory=dict)

    def place_of(self, key: str, index: int) -> int | None:
        """Give the place in the file of a place in the whole; None = it is of another file."""
        entries: list[Any] = getattr(self.part, key)
        place = index - self.before[key]
        return place if 0 <= place < len(entries) else None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings with everything they point to, loaded and consistent.

    `profiles` holds the stream of the embedded runtime by link_uid; `streams`
    every stream by its id: those and one per unit and link. `parts` are the included
    files in force; `refused` says what is wrong with files that are not.
    """

    path: Path
    settings: Settings
    directory: Directory
    tariffs: tuple[TariffVersion, ...]
    profiles: dict[str, LinkProfile]
    streams: dict[int, LinkProfile] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    parts: tuple[Included, ...] = ()
    alerting: Alerting = field(default_factory=Alerting)

    @property
    def cluster(self) -> ClusterSettings:
        """Give what the roles share.

        Raises
        ------
        ConfigurationError
            The file has no such section.
        """
        if self.settings.cluster is None:
            raise ConfigurationError(
                [f"{self.path}: cluster: a role needs this section; add `cluster: {{}}` at least"]
            )
        return self.settings.cluster

    def link(self, link_uid: str) -> LinkSettings:
        """Give the settings of one link; KeyError is the caller's mistake."""
        return next(x for x in self.settings.links if x.link_uid == link_uid)

    def dialect(self, link_uid: str) -> Dialect:
        """Give the dialect of one link."""
        from bluewhale.dialects import get_dialect

        return get_dialect(self.link(link_uid).dialect)

    def unit(self, unit_uid: str) -> UnitSettings | None:
        """Give the settings of a unit; None if the configuration does not name it."""
        return next((u for u in self.settings.units if u.unit_uid == unit_uid), None)

    def unit_links(self, unit_uid: str) -> list[LinkSettings]:
        """Give the links that a unit reads, in its order; none for an unknown unit."""
        unit = self.unit(unit_uid)
        return [self.link(link_uid) for link_uid in unit.links] if unit else []

    def readers(self, link_uid: str) -> list[str]:
        """Give the units that may read a link; the first is the preferred one."""
        preferred = self.link(link_uid).preferred
        units = [u.unit_uid for u in self.settings.units if link_uid in u.links]
        return sorted(units, key=lambda unit_uid: unit_uid != preferred)

    def merge_domain(self, stream: int) -> str:
        """Give the merge domain of a stream: what its partition is computed from.

        Legs of one domain meet in one partition. KeyError for an unknown stream.
        """
        profile = self.streams[stream]
        return self.link(profile.link_uid).merge_domain or profile.pbx_uid


def stream_id(link_uid: str, unit: str = "embedded") -> int:
    """Name the stream of one unit reading one link: 63 bits, stable for ever."""
    digest = hashlib.blake2b(f"{unit}\x1f{link_uid}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
