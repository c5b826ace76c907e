"""The configuration of the embedded runtime: one YAML file, checked as a whole.

Owns the shape (a JSON schema comes from it), the finding of every mistake at
once with file and line, and the loading of what it points to: directory files
and tariffs. Does not own their formats.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from bluewhale.configuration.exceptions import ConfigurationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from bluewhale.dialects.engine.dialect import Dialect
    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.records.batches import LinkProfile
    from bluewhale.records.directory import Directory

CONFIG_NAME = "bluewhale.yaml"
UID = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class _Strict(BaseModel):
    """A misspelt key is a mistake, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TcpServerSettings(_Strict):
    """The PBX connects to us."""

    type: Literal["tcp_server"]
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535, description="0 = any free port, printed at start")
    peers: list[str] = Field(default=[], description="addresses allowed to connect; empty = all")


class TcpClientSettings(_Strict):
    """We connect to the PBX and stay connected."""

    type: Literal["tcp_client"]
    host: str
    port: int = Field(ge=1, le=65535)


class FolderSettings(_Strict):
    """Files appear in a folder (whole), or one grows in it (tail)."""

    type: Literal["folder"]
    path: Path
    pattern: str = "*"
    mode: Literal["whole", "tail"] = "whole"
    archive: Path | None = Field(default=None, description="move files here after the commit")
    complete: Literal["stable", "renamed"] = Field(
        default="stable",
        description="when a whole file is complete: it stood still, or was renamed",
    )
    poll_interval_ms: int = Field(default=1_000, ge=50)


class ImportSettings(_Strict):
    """No live source: the link exists for `bluewhale import`."""

    type: Literal["import"] = "import"


ConnectorSettings = Annotated[
    TcpServerSettings | TcpClientSettings | FolderSettings | ImportSettings,
    Field(discriminator="type"),
]


class LinkSettings(_Strict):
    """One connector reading one PBX in one dialect."""

    link_uid: UID
    pbx_uid: UID
    dialect: str
    options: dict[str, Any] = {}
    connector: ConnectorSettings = ImportSettings()


class MonitorSettings(_Strict):
    """Where /metrics and /healthz answer."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 = off")


class LimitSettings(_Strict):
    """Every limit has its unit in its name."""

    journal_quota_mib: int = Field(default=1024, ge=1)
    window_ms: int = Field(default=3_000, ge=100, description="billing holds legs this long")
    batch_records_max: int = Field(default=5_000, ge=1)
    poll_interval_ms: int = Field(default=200, ge=10)
    hot_rows_max: int = Field(default=200_000, ge=1_000, description="more are sealed")
    import_chunk_mib: int = Field(default=48, ge=1, le=512)


class Settings(_Strict):
    """The whole configuration of one embedded installation."""

    data: Path = Field(description="folder of journal, main database and sealed segments")
    directory: list[Path] = Field(min_length=1, description="YAML files or folders of CSV files")
    tariffs: list[Path] = []
    links: list[LinkSettings] = Field(min_length=1)
    payer_policy: Literal["dialled_out", "last_party", "split_by_leg"] = "dialled_out"
    monitor: MonitorSettings = MonitorSettings()
    limits: LimitSettings = LimitSettings()


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings with everything they point to, loaded and consistent."""

    path: Path
    settings: Settings
    directory: Directory
    tariffs: tuple[TariffVersion, ...]
    profiles: dict[str, LinkProfile]  # by link_uid

    def link(self, link_uid: str) -> LinkSettings:
        """Give the settings of one link; KeyError is the caller's mistake."""
        return next(x for x in self.settings.links if x.link_uid == link_uid)

    def dialect(self, link_uid: str) -> Dialect:
        """Give the dialect of one link."""
        from bluewhale.dialects import get_dialect

        return get_dialect(self.link(link_uid).dialect)


def stream_id(link_uid: str, unit: str = "embedded") -> int:
    """Name the stream of one unit reading one link: 63 bits, stable for ever."""
    digest = hashlib.blake2b(f"{unit}\x1f{link_uid}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def load(path: Path) -> Configuration:
    """Load a configuration file (or the folder that holds it) and all it names.

    Raises
    ------
    ConfigurationError
        With every mistake found, each with file, line, field and remedy.
    """
    file = _file(path)
    settings = read_settings(path)
    mistakes: list[str] = []
    directory = _load_directory(settings, mistakes)
    tariffs = _load_tariffs(settings, mistakes)
    profiles = _profiles(file, settings, directory, mistakes)
    _check_twice(file, settings, mistakes)
    if mistakes or directory is None:
        raise ConfigurationError(mistakes)
    return Configuration(file, settings, directory, tuple(tariffs), profiles)


def read_settings(path: Path) -> Settings:
    """Read the configuration file alone, with every path made absolute.

    Raises
    ------
    ConfigurationError
        With every mistake of the file itself.
    """
    file = _file(path)
    settings, mistakes = _read(file)
    if settings is None:
        raise ConfigurationError(mistakes)
    return _anchored(settings, file.parent)


def _file(path: Path) -> Path:
    return path / CONFIG_NAME if path.is_dir() else path


def _read(file: Path) -> tuple[Settings | None, list[str]]:
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
    try:
        return Settings.model_validate(document), []
    except ValidationError as error:
        return None, [_mistake(file, node, e) for e in error.errors()]


def _mistake(file: Path, node: yaml.Node | None, error: Any) -> str:
    location = [x for x in error["loc"] if not _is_tag(x)]
    field = ".".join(str(x) for x in location)
    remedy = {
        "missing": "add it",
        "extra_forbidden": "remove it, or correct its spelling",
    }.get(error["type"], f"found {error.get('input')!r}")
    return f"{file}:{_line(node, location)}: {field}: {error['msg']}; {remedy}"


def _is_tag(part: object) -> bool:
    """Pydantic puts the discriminator's value into the location; a person did not write it."""
    return part in {"tcp_server", "tcp_client", "folder", "import"}


def _line(node: yaml.Node | None, location: list[Any]) -> int:
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                return line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                return line
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _anchored(settings: Settings, base: Path) -> Settings:
    """Read every relative path from the folder of the configuration file."""
    links = [
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
        for link in settings.links
    ]
    return settings.model_copy(
        update={
            "data": base / settings.data,
            "directory": [base / p for p in settings.directory],
            "tariffs": [base / p for p in settings.tariffs],
            "links": links,
        }
    )


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


def _profiles(
    file: Path, settings: Settings, directory: Directory | None, mistakes: list[str]
) -> dict[str, LinkProfile]:
    from bluewhale.dialects import DIALECTS, get_dialect
    from bluewhale.records.batches import LinkProfile

    sites = {s.site_uid: s for s in directory.sites} if directory else {}
    pbxs = {p.pbx_uid: p for p in directory.pbxs} if directory else {}
    profiles = {}
    for i, link in enumerate(settings.links):
        where = f"{file}: links.{i} ({link.link_uid})"
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


def _check_twice(file: Path, settings: Settings, mistakes: list[str]) -> None:
    """Two links may not share a name or a listening port."""
    seen: dict[tuple[str, str | int], str] = {}
    for i, link in enumerate(settings.links):
        keys: list[tuple[str, str | int]] = [("link_uid", link.link_uid)]
        connector = link.connector
        if isinstance(connector, TcpServerSettings) and connector.port:
            keys.append(("port", connector.port))
        for name, value in keys:
            if (name, value) in seen:
                mistakes.append(
                    f"{file}: links.{i}.{name}: {value} is used by {seen[name, value]} already; choose another"
                )
            seen.setdefault((name, value), link.link_uid)
