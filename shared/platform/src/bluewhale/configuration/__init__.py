"""The configuration of an installation: one YAML file, checked as a whole."""

from bluewhale.configuration.exceptions import ConfigurationError, InputError
from bluewhale.configuration.settings import (
    CONFIG_NAME,
    Configuration,
    ConnectorSettings,
    FolderSettings,
    ImportSettings,
    LinkSettings,
    Settings,
    TcpClientSettings,
    TcpServerSettings,
    load,
    read_settings,
    stream_id,
)

__all__ = [
    "CONFIG_NAME",
    "Configuration",
    "ConfigurationError",
    "ConnectorSettings",
    "FolderSettings",
    "ImportSettings",
    "InputError",
    "LinkSettings",
    "Settings",
    "TcpClientSettings",
    "TcpServerSettings",
    "load",
    "read_settings",
    "stream_id",
]
