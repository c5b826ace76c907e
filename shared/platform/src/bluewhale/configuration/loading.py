"""From bluewhale.yaml to a consistent configuration, or every mistake at once.

Owns reading the file and the environment, placing each mistake (file, line,
field, remedy), and loading what the file points to: directory files and
tariffs. Does not own their formats or the shape of the file (`settings`).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from bluewhale.configuration.alerting import Alerting, AlertingError, line_of, read_alerting
from bluewhale.configuration.configured import Configuration, Included, stream_id
from bluewhale.configuration.environment import Place, apply, overrides
from bluewhale.configuration.exceptions import ConfigurationError
from bluewhale.configuration.settings import (
    CONFIG_NAME,
    FolderSettings,
    LinkSettings,
    Part,
    Settings,
    SyslogTcpSettings,
    SyslogUdpSettings,
    TcpServerSettings,
)
from pydantic import ValidationError

if TYPE_CHECKING:
    from bluewhale.configuration.cluster import ClusterSettings, OwnershipSettings
    from bluewhale.configuration.web import WebSettings
    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.records.batches import LinkProfile
    from bluewhale.records.directory import Directory

EMBEDDED = "embedded"  # the unit that the embedded runtime is
RESERVED_UNITS = frozenset({EMBEDDED, "import"})
PARTS = frozenset(Part.model_fields)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONNECTOR_TYPES = frozenset(
    {"tcp_server", "tcp_client", "folder", "syslog_udp", "syslog_tcp", "import"}
)


def load(path: Path, before: Configuration | None = None) -> Configuration:
    """Load a configuration file (or the folder that holds it) and all it names.

    before: what is in force; of an included file with a mistake it is what stays.

    Raises
    ------
    ConfigurationError
        With every mistake found, each with file, line, field and remedy.
    """
    file = _file(path)
    settings, places = _settings(file)
    mistakes: list[str] = []
    directory = _load_directory(settings, mistakes)
    tariffs = _load_tariffs(settings, mistakes)
    alerting = _load_alerting(settings, mistakes)
    parts, refused = _read_parts(settings, before.parts if before is not None else ())
    kept = {part.file: part for part in before.parts} if before is not None else {}
    parts += [kept.pop(name) for name in refused if name in kept]
    while True:
        parts.sort(key=lambda part: (settings.include.index(part.file.parent), part.file.name))
        whole = _joined(settings, places, parts)
        found: list[str] = []
        profiles = _profiles(whole.places, whole.settings, directory, found)
        _check_twice(whole.places, whole.settings, found)
        _check_units(whole.places, whole.settings, found)
        bad = {part.file for part in parts if any(x.startswith(f"{part.file}:") for x in found)}
        if not bad:
            break
        for name in bad:
            said = [x for x in found if x.startswith(f"{name}:")]
            refused.setdefault(
                name, said
            )  # of what was in force before the mistake is told already
        parts = [part for part in parts if part.file not in bad]
        parts += [kept.pop(name) for name in bad if name in kept]
    mistakes += found
    if not settings.links and not settings.include:
        mistakes.append(f"{places.where('links')}: links: none; add one, or a folder to include")
    if mistakes or directory is None:
        raise ConfigurationError(mistakes)
    streams = {p.stream_id: p for p in profiles.values()}
    streams |= _unit_streams(whole.settings, profiles)
    return Configuration(
        file,
        whole.settings,
        directory,
        tuple(tariffs),
        profiles,
        streams,
        tuple(mistake for said in refused.values() for mistake in said),
        tuple(parts),
        alerting,
    )


def read_settings(path: Path) -> Settings:
    """Read the configuration file and the environment, with every path made absolute.

    Raises
    ------
    ConfigurationError
        With every mistake of the file itself.
    """
    return _settings(_file(path))[0]


def _settings(file: Path) -> tuple[Settings, _Places]:
    read, mistakes = _read(file, os.environ)
    if read is None:
        raise ConfigurationError(mistakes)
    return _anchored(read[0], file.parent), read[1]


def _file(path: Path) -> Path:
    return path / CONFIG_NAME if path.is_dir() else path


def _read(
    file: Path, environment: Mapping[str, str]
) -> tuple[tuple[Settings, _Places] | None, list[str]]:
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        return None, [f"{file}: cannot be read ({reason}); give --config a file or its folder"]
    except UnicodeDecodeError as error:
        return None, [f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8"]
    try:
        node = yaml.compose(text)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, [f"{file}:{line}: not YAML: {error.problem}; check indentation and quotes"]
    if not isinstance(document, dict):
        return None, [f"{file}:1: expected keys such as data, directory, links; found none"]
    found = overrides(environment, set(Settings.model_fields))
    places = _Places(file, node, {place: name for place, (name, _) in found.items()})
    try:
        return (Settings.model_validate(apply(document, found)), places), []
    except ValidationError as error:
        return None, [_mistake(places, e) for e in error.errors()]


def _mistake(places: _Places, error: Any) -> str:
    location = [x for x in error["loc"] if x not in _CONNECTOR_TYPES]
    field = ".".join(str(x) for x in location)
    if "url" in location or error["type"] == "value_error":  # may hold a password
        remedy = "see docs/reference/configuration.md"
    else:
        remedy = {
            "missing": "add it",
            "extra_forbidden": "remove it, or correct its spelling",
        }.get(error["type"], f"found {error.get('input')!r}")
    return f"{places.where(*location)}: {field}: {error['msg']}; {remedy}"


@dataclass(frozen=True, slots=True)
class _Places:
    """Where each key was written."""

    file: Path
    node: yaml.Node | None
    variables: Mapping[Place, str]
    included: tuple[Included, ...] = ()

    def entry(self, key: str, index: int) -> str:
        """Name an entry of a list: where it was written, and its place in that file."""
        found = self._included(key, index)
        return f"{self.where(key, index)}: {key}.{index if found is None else found[1]}"

    def _included(self, key: str, index: int) -> tuple[Included, int] | None:
        """Give the file that an entry of a list comes from, and its place there; None = our own."""
        at = bisect_right(self.included, index, key=lambda one: one.before[key]) - 1
        if at < 0:
            return None
        own = self.included[at].place_of(key, index)
        return None if own is None else (self.included[at], own)

    def where(self, *location: str | int) -> str:
        """Name the variable that set a key, or file and line."""
        if len(location) > 1:
            key, index, *rest = location
            if key in PARTS and (found := self._included(str(key), int(index))) is not None:
                one, own = found
                return f"{one.file}:{line_of(one.node, [key, own, *rest])}"
        for place, name in self.variables.items():
            below = place[: len(location)] == location and not _stands(self.node, location)
            if location[: len(place)] == place or below:
                return f"environment {name}"
        return f"{self.file}:{line_of(self.node, list(location))}"


def _stands(node: yaml.Node | None, location: tuple[str | int, ...]) -> bool:
    """Say whether the file itself has the key that a location begins with."""
    keys = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return location[0] in keys


class _Whole(NamedTuple):
    """The file with everything that is included."""

    settings: Settings
    places: _Places


def _read_parts(
    settings: Settings, before: Sequence[Included]
) -> tuple[list[Included], dict[Path, list[str]]]:
    """Read the files of included folders; give what is wrong with those that are not read.

    A folder that is not there is empty: a mount that is optional. Of a thousand files
    those alone are read that changed.
    """
    known = {part.file: part for part in before}
    parts: list[Included] = []
    refused: dict[Path, list[str]] = {}
    for folder in settings.include:
        for file in sorted(folder.glob("*.yaml")):
            try:
                text = file.read_text("utf-8")
                if file in known and known[file].text == text:
                    parts.append(known[file])
                    continue
                node, document = _parsed(text)
                part = Part.model_validate(document if document is not None else {})
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                refused[file] = [f"{file}:1: cannot be read ({error}); mend or remove it"]
            except ValidationError as error:
                places = _Places(file, node, {})
                refused[file] = [_mistake(places, e) for e in error.errors()]
            else:
                links = _anchored_links(part.links, folder)
                part = part.model_copy(update={"links": links})
                parts.append(Included(file, text, node, part))
    return parts, refused


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """Give what was written where, and what it says; by libyaml where it is there."""
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _joined(settings: Settings, places: _Places, parts: list[Included]) -> _Whole:
    """Put what is included behind what the file itself says."""
    links, units = list(settings.links), list(settings.units)
    included = []
    for one in parts:
        before = {"links": len(links), "units": len(units)}
        included.append(replace(one, before=before))
        links += one.part.links
        units += one.part.units
    return _Whole(
        settings.model_copy(update={"links": links, "units": units}),
        replace(places, included=tuple(included)),
    )


def _anchored_links(links: list[LinkSettings], base: Path) -> list[LinkSettings]:
    return [
        link.model_copy(
            update={
                "connector": link.connector.model_copy(
                    update={
                        "path": base / link.connector.path,
                        "archive": link.connector.archive and base / link.connector.archive,
                    }
                )
            }
        )
        if isinstance(link.connector, FolderSettings)
        else link
        for link in links
    ]


def _anchored(settings: Settings, base: Path) -> Settings:
    """Read every relative path from the folder of the configuration file."""
    return settings.model_copy(
        update={
            "cluster": settings.cluster and _anchored_cluster(settings.cluster, base),
            "data": base / settings.data,
            "directory": [base / p for p in settings.directory],
            "tariffs": [base / p for p in settings.tariffs],
            "alerts": settings.alerts and base / settings.alerts,
            "include": [base / p for p in settings.include],
            "links": _anchored_links(settings.links, base),
            "web": settings.web and _anchored_web(settings.web, base),
        }
    )


def _anchored_web(web: WebSettings, base: Path) -> WebSettings:
    files = {name: getattr(web, name) for name in ("certificate", "key", "factor_keys_file")}
    update: dict[str, object] = {name: base / path for name, path in files.items() if path}
    if web.oidc is not None and web.oidc.client_secret_file is not None:
        anchored = {"client_secret_file": base / web.oidc.client_secret_file}
        update["oidc"] = web.oidc.model_copy(update=anchored)
    return web.model_copy(update=update)


def _anchored_cluster(cluster: ClusterSettings, base: Path) -> ClusterSettings:
    database, ingest, kafka = cluster.database, cluster.ingest, cluster.kafka
    files = ("ca", "certificate", "key", "password_file")
    return cluster.model_copy(
        update={
            "kafka": kafka.model_copy(
                update={name: base / path for name in files if (path := getattr(kafka, name))}
            ),
            "database": database.model_copy(
                update={
                    "segments": base / database.segments,
                    "url_file": database.url_file and base / database.url_file,
                }
            ),
            "ingest": ingest.model_copy(
                update={
                    "authority": base / ingest.authority,
                    "ownership": _anchored_ownership(ingest.ownership, base),
                }
            ),
        }
    )


def _anchored_ownership(ownership: OwnershipSettings, base: Path) -> OwnershipSettings:
    where = ownership.term.kubernetes
    if where is None:
        return ownership
    kubernetes = where.model_copy(update={"credentials": base / where.credentials})
    term = ownership.term.model_copy(update={"kubernetes": kubernetes})
    return ownership.model_copy(update={"term": term})


def _load_directory(settings: Settings, mistakes: list[str]) -> Directory | None:
    from bluewhale.records.directory_files import DirectoryError, load_directory

    try:
        return load_directory(settings.directory)
    except DirectoryError as error:
        mistakes.extend(str(m) for m in error.mistakes)
        return None


def _load_tariffs(settings: Settings, mistakes: list[str]) -> list[TariffVersion]:
    from bluewhale.rating.tariff_files import load_tariff
    from bluewhale.rating.validation import TariffError

    tariffs = []
    for path in settings.tariffs:
        try:
            tariffs.append(load_tariff(path))
        except TariffError as error:
            mistakes.extend(m.text() for m in error.mistakes)
    return tariffs


def _load_alerting(settings: Settings, mistakes: list[str]) -> Alerting:
    try:
        return read_alerting(settings.alerts)
    except AlertingError as error:
        mistakes.extend(mistake.text() for mistake in error.found)
        return Alerting()


def _profiles(
    places: _Places, settings: Settings, directory: Directory | None, mistakes: list[str]
) -> dict[str, LinkProfile]:
    from bluewhale.dialects import DIALECTS, get_dialect
    from bluewhale.records.batches import LinkProfile

    sites = {s.site_uid: s for s in directory.sites} if directory else {}
    pbxs = {p.pbx_uid: p for p in directory.pbxs} if directory else {}
    profiles = {}
    for i, link in enumerate(settings.links):
        where = f"{places.entry('links', i)} ({link.link_uid})"
        if link.dialect not in DIALECTS:
            known = ", ".join(sorted(DIALECTS))
            mistakes.append(f"{where}: dialect: {link.dialect!r} is not known; one of {known}")
            continue
        wrong = get_dialect(link.dialect).mistakes(link.options)
        if wrong:
            mistakes.extend(f"{where}: options: {w}" for w in wrong)
            continue
        if directory is None:
            continue
        pbx = pbxs.get(link.pbx_uid)
        if pbx is None:
            mistakes.append(
                f"{where}: pbx_uid: {link.pbx_uid!r} is not in the directory; "
                f"declare the PBX there, or use one of {', '.join(sorted(pbxs)) or 'none'}"
            )
            continue
        profiles[link.link_uid] = LinkProfile(
            link_uid=link.link_uid,
            stream_id=stream_id(link.link_uid),
            pbx_uid=link.pbx_uid,
            site=sites[pbx.site_uid],
            dialect_id=link.dialect,
            options=link.options,
        )
    return profiles


def _check_twice(places: _Places, settings: Settings, mistakes: list[str]) -> None:
    """Two links may not share a name, nor a listening port where one process reads both."""
    seen: dict[tuple[str, ...], str] = {}
    for i, link in enumerate(settings.links):
        keys: list[tuple[str, ...]] = [("link_uid", link.link_uid)]
        keys += [
            ("port", at, reader) for at in _listens(link) for reader in _read_by(settings, link)
        ]
        for key in keys:
            name, value = key[0], key[1].rpartition(" ")[2]
            text = f"{places.entry('links', i)}.{name}: {value} is used by {seen.get(key)} already; choose another"
            if key in seen and text not in mistakes:
                mistakes.append(text)
            seen.setdefault(key, link.link_uid)


def _listens(link: LinkSettings) -> list[str]:
    """Name the port that a link opens, with its protocol."""
    connector = link.connector
    if isinstance(connector, TcpServerSettings | SyslogTcpSettings) and connector.port:
        return [f"tcp {connector.port}"]
    if isinstance(connector, SyslogUdpSettings) and connector.port:
        return [f"udp {connector.port}"]
    return []


def _read_by(settings: Settings, link: LinkSettings) -> list[str]:
    """Name the processes that read a link: its units, else the embedded runtime."""
    return [u.unit_uid for u in settings.units if link.link_uid in u.links] or [EMBEDDED]


def _check_units(places: _Places, settings: Settings, mistakes: list[str]) -> None:
    """Units have names of their own and read links that exist; a link prefers one of its own."""
    known = {link.link_uid for link in settings.links}
    seen: set[str] = set()
    for i, unit in enumerate(settings.units):
        where = f"{places.entry('units', i)} ({unit.unit_uid})"
        if unit.unit_uid in RESERVED_UNITS:
            mistakes.append(f"{where}: unit_uid: this name is our own; choose another")
        if unit.unit_uid in seen:
            mistakes.append(f"{where}: unit_uid: another unit has this name; choose another")
        seen.add(unit.unit_uid)
        mistakes.extend(
            f"{where}: links: {link_uid!r} is no link; add it to links, "
            f"or use one of {', '.join(sorted(known))}"
            for link_uid in unit.links
            if link_uid not in known
        )
        if len(set(unit.links)) < len(unit.links):
            mistakes.append(f"{where}: links: a link stands twice; remove one")
    readers = {(unit.unit_uid, link_uid) for unit in settings.units for link_uid in unit.links}
    for i, link in enumerate(settings.links):
        if link.preferred is not None and (link.preferred, link.link_uid) not in readers:
            units = [unit for unit, link_uid in sorted(readers) if link_uid == link.link_uid]
            mistakes.append(
                f"{places.entry('links', i)} ({link.link_uid}): preferred: {link.preferred!r} is no"
                f" unit of this link; use one of {', '.join(units) or 'none'}, or leave it out"
            )


def _unit_streams(
    settings: Settings, profiles: Mapping[str, LinkProfile]
) -> dict[int, LinkProfile]:
    """Give the profile of every unit reading a link, by stream_id."""
    pairs = [(unit.unit_uid, link_uid) for unit in settings.units for link_uid in unit.links]
    return {
        stream_id(link_uid, unit_uid): replace(
            profiles[link_uid], stream_id=stream_id(link_uid, unit_uid)
        )
        for unit_uid, link_uid in pairs
    }
