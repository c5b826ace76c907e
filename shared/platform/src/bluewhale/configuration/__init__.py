"""The configuration of an installation: one YAML file, checked as a whole."""

from bluewhale.configuration.cluster import (
    BillingSettings,
    ClusterSettings,
    DatabaseSettings,
    HealthSettings,
    IngestSettings,
    KafkaSettings,
    ParserSettings,
    RedisSettings,
    ServerSettings,
    StorageSettings,
    TelemetrySettings,
    UnitSettings,
)
from bluewhale.configuration.configured import Configuration, stream_id
from bluewhale.configuration.exceptions import ConfigurationError, InputError
from bluewhale.configuration.following import Following
from bluewhale.configuration.loading import load, read_settings
from bluewhale.configuration.settings import (
    CONFIG_NAME,
    ConnectorSettings,
    FolderSettings,
    ImportSettings,
    LinkSettings,
    Settings,
    SyslogTcpSettings,
    SyslogUdpSettings,
    TcpClientSettings,
    TcpServerSettings,
)
from bluewhale.configuration.web import WebSettings

__all__ = [
    "CONFIG_NAME",
    "BillingSettings",
    "ClusterSettings",
    "Configuration",
    "ConfigurationError",
    "ConnectorSettings",
    "DatabaseSettings",
    "FolderSettings",
    "Following",
    "HealthSettings",
    "ImportSettings",
    "IngestSettings",
    "InputError",
    "KafkaSettings",
    "LinkSettings",
    "ParserSettings",
    "RedisSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "SyslogTcpSettings",
    "SyslogUdpSettings",
    "TcpClientSettings",
    "TcpServerSettings",
    "TelemetrySettings",
    "UnitSettings",
    "WebSettings",
    "load",
    "read_settings",
    "stream_id",
]
