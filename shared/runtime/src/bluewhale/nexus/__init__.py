"""Plugins, their life, governed calls between services."""

from bluewhale.nexus.context import Context
from bluewhale.nexus.contract import Contract, Served, serve
from bluewhale.nexus.exceptions import (
    LayerError,
    ManifestError,
    PeerSilentError,
    PeerUnknownError,
    PluginFailedError,
    PluginSlowToStopError,
    PluginsUnresolvedError,
    ServiceNotStartedError,
    ServiceUnknownError,
)
from bluewhale.nexus.health import Condition, Health
from bluewhale.nexus.life import State
from bluewhale.nexus.manifest import Manifest, installed
from bluewhale.nexus.nexus import Nexus
from bluewhale.nexus.policy import DEFAULT_LAYERS
from bluewhale.nexus.role import ProcessSettings, Role, run_role

__all__ = [
    "DEFAULT_LAYERS",
    "Condition",
    "Context",
    "Contract",
    "Health",
    "LayerError",
    "Manifest",
    "ManifestError",
    "Nexus",
    "PeerSilentError",
    "PeerUnknownError",
    "PluginFailedError",
    "PluginSlowToStopError",
    "PluginsUnresolvedError",
    "ProcessSettings",
    "Role",
    "Served",
    "ServiceNotStartedError",
    "ServiceUnknownError",
    "State",
    "installed",
    "run_role",
    "serve",
]
