"""What a plugin says about itself, before any of its code runs.

Owns the manifest and how installed plugins are found: distributions name their
manifests under the entry-point group `bluewhale.plugins`. Does not own order
or life of plugins.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

from bluewhale.nexus.exceptions import ManifestError
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, field_validator

GROUP = "bluewhale.plugins"
_NAME = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"
Name = Annotated[str, Field(pattern=_NAME, max_length=128)]


class Manifest(BaseModel):
    """One plugin: a deployable unit that may provide several services."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbolic_name: Name = Field(description="dotted name of the plugin for ever")
    version: str = Field(description="its release, as Python writes versions")
    vendor: str = Field(default="", description="who makes it")
    copyright: str = Field(default="", description="whose work it is")
    requires: dict[Name, str] = Field(
        default={},
        description="services of this process that it looks up: name -> range such as `>=1,<2`; "
        "empty = any version",
    )
    provides: dict[Name, str] = Field(
        default={}, description="services that it offers: name -> version"
    )
    run_level: int = Field(
        default=5,
        ge=0,
        le=9,
        description="among plugins that do not need each other the lower one starts first",
    )
    lazy_start: bool = Field(
        default=False, description="starts when one of its services is looked up for the first time"
    )
    activator: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="`module:function`; called with the context, gives an async context manager "
        "that yields {service: object}",
    )

    @field_validator("version")
    @classmethod
    def _is_version(cls, text: str) -> str:
        return _checked_version(text)

    @field_validator("provides")
    @classmethod
    def _are_versions(cls, services: dict[str, str]) -> dict[str, str]:
        return {name: _checked_version(text) for name, text in services.items()}

    @field_validator("requires")
    @classmethod
    def _are_ranges(cls, services: dict[str, str]) -> dict[str, str]:
        for name, text in services.items():
            try:
                SpecifierSet(text)
            except InvalidSpecifier as error:
                raise ValueError(f"{name}: {text!r} is no range of versions") from error
        return services

    def lets(self, service: str, version: Version) -> bool:
        """Say whether this version of a required service is in the range."""
        return version in SpecifierSet(self.requires[service], prereleases=True)


def _checked_version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion as error:
        raise ValueError(f"{text!r} is no version") from error
    return text


def installed(names: Iterable[str] | None = None) -> list[Manifest]:
    """Give the manifests that installed distributions name, in the order of their names.

    Parameters
    ----------
    names
        symbolic names to take; None = all. A name that nobody offers is an error.

    Raises
    ------
    ManifestError
        an entry point cannot be loaded or is no manifest; all such are in one
        message. A plugin that fails to load stops the start.
    """
    manifests, problems = [], []
    for point in entry_points(group=GROUP):
        try:
            manifests.append(_loaded(point))
        except Exception as error:  # noqa: BLE001 - third-party code; all of them go into one message
            problems.append(f"{point.name} = {point.value}: {error}")
    wanted = None if names is None else set(names)
    if wanted is not None:
        missing = wanted - {m.symbolic_name for m in manifests}
        problems += [f"{name}: no installed distribution offers it" for name in sorted(missing)]
    if problems:
        raise ManifestError(
            f"plugins of the entry-point group {GROUP} cannot be used; repair or uninstall them:\n  "
            + "\n  ".join(problems)
        )
    kept = [m for m in manifests if wanted is None or m.symbolic_name in wanted]
    return sorted(kept, key=lambda m: m.symbolic_name)


def _loaded(point: EntryPoint) -> Manifest:
    found: Any = point.load()
    if not isinstance(found, Manifest):
        raise ManifestError(f"is a {type(found).__name__}, not a bluewhale.nexus.Manifest")
    return found
