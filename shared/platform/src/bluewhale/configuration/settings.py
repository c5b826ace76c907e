"""The shape of bluewhale.yaml; a JSON schema comes from it.

Owns which keys there are, their limits and meaning. Does not own reading them
(`loading`) or the part that roles add (`cluster`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from bluewhale.configuration.cluster import ClusterSettings, FailbackSettings, UnitSettings
from bluewhale.configuration.shape import UID, Strict
from bluewhale.configuration.web import WebSettings
from pydantic import Field

CONFIG_NAME = "bluewhale.yaml"


class TcpServerSettings(Strict):
    """The PBX connects to us."""

    type: Literal["tcp_server"]
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535, description="0 = any free port, printed at start")
    peers: list[str] = Field(default=[], description="addresses allowed to connect; empty = all")


class TcpClientSettings(Strict):
    """We connect to the PBX and stay connected."""

    type: Literal["tcp_client"]
    host: str
    port: int = Field(ge=1, le=65535)


class FolderSettings(Strict):
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


class SyslogUdpSettings(Strict):
    """The PBX sends each record as a syslog datagram; UDP may lose, so losses are counted."""

    type: Literal["syslog_udp"]
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535, description="0 = any free port, printed at start")
    peers: list[str] = Field(default=[], description="addresses allowed to send; empty = all")


class SyslogTcpSettings(Strict):
    """The PBX connects to us and sends each record as a syslog message."""

    type: Literal["syslog_tcp"]
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535, description="0 = any free port, printed at start")
    peers: list[str] = Field(default=[], description="addresses allowed to connect; empty = all")


class ImportSettings(Strict):
    """No live source: the link exists for `bluewhale import`."""

    type: Literal["import"] = "import"


ConnectorSettings = Annotated[
    TcpServerSettings
    | TcpClientSettings
    | FolderSettings
    | SyslogUdpSettings
    | SyslogTcpSettings
    | ImportSettings,
    Field(discriminator="type"),
]


class LinkSettings(Strict):
    """One connector reading one PBX in one dialect."""

    link_uid: UID
    pbx_uid: UID
    dialect: str
    options: dict[str, Any] = Field(default={})
    connector: ConnectorSettings = ImportSettings()
    merge_domain: UID | None = Field(
        default=None,
        description="links of one domain are merged together; without it the PBX is the domain",
    )
    preferred: UID | None = Field(
        default=None,
        description="of several units the one that reads while it is there; none = the one named"
        " first in `units`",
    )
    failback: FailbackSettings | None = Field(
        default=None,
        description="whether it goes back to that unit; none ="
        " cluster.ingest.ownership.failback_hold_s",
    )


class Part(Strict):
    """What one file of an included folder adds."""

    links: list[LinkSettings] = Field(default=[])
    units: list[UnitSettings] = Field(default=[])


class MonitorSettings(Strict):
    """Where /metrics and /healthz answer."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 = off")


class LimitSettings(Strict):
    """Every limit has its unit in its name."""

    journal_quota_mib: int = Field(default=1024, ge=1)
    window_ms: int = Field(default=3_000, ge=100, description="billing holds legs this long")
    batch_records_max: int = Field(default=5_000, ge=1)
    poll_interval_ms: int = Field(default=50, ge=10)
    hot_rows_max: int = Field(
        default=50_000, ge=1_000, description="more are sealed; figures of today read all of these"
    )
    import_chunk_mib: int = Field(default=48, ge=1, le=512)
    alerts_kept_days: int = Field(
        default=365, ge=30, le=36_500, description="alerts without a change for so long are removed"
    )


class Settings(Strict):
    """The whole configuration of one installation, embedded or in roles."""

    data: Path = Field(description="folder of journal, main database and sealed segments")
    directory: list[Path] = Field(min_length=1, description="YAML files or folders of CSV files")
    tariffs: list[Path] = Field(default=[])
    alerts: Path | None = Field(
        default=None, description="rules of alerts and their channels (YAML); none = no rules"
    )
    links: list[LinkSettings]
    include: list[Path] = Field(
        default=[],
        description="folders of YAML files that add `links` and `units`; a file with a mistake is"
        " left out whole and told, the others hold",
    )
    payer_policy: Literal["dialled_out", "last_party", "split_by_leg"] = "dialled_out"
    monitor: MonitorSettings = MonitorSettings()
    limits: LimitSettings = LimitSettings()
    web: WebSettings | None = Field(
        default=None, description="the page and the REST API; none = not in this process"
    )
    units: list[UnitSettings] = Field(default=[], description="Remote Units and what they read")
    cluster: ClusterSettings | None = Field(
        default=None, description="what the roles share; the embedded runtime needs none of it"
    )
