"""Operating errors of the nexus.

    BluewhaleError
    |- TemporaryError
    |  |- PluginSlowToStopError   a plugin did not end within the time to drain
    |  `- PeerSilentError         a peer was away for longer than a caller has patience
    `- PermanentError
       |- ManifestError           an entry point does not lead to a manifest
       |- PluginsUnresolvedError  services missing, out of range, provided twice, in a circle
       |- PluginFailedError       a plugin failed to start, while running or at its end
       |- ServiceUnknownError     a look-up of what nobody provides or the manifest does not require
       |- ServiceNotStartedError  a lazy service was looked up where it cannot be started
       |- PeerUnknownError        a peer that is neither here nor in the configuration
       `- LayerError              a layer that nobody provides, or with settings it does not take

What a governed call raises is `grpc.RpcError`, as with any gRPC channel.
"""

from __future__ import annotations

from bluewhale.capture.exceptions import PermanentError, TemporaryError


class ManifestError(PermanentError):
    """An entry point does not lead to a manifest."""

    code = "manifest_wrong"


class PluginsUnresolvedError(PermanentError):
    """The plugins do not fit together; `problems` has one sentence for each reason."""

    code = "plugins_unresolved"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the plugins do not fit together:\n  " + "\n  ".join(problems))
        self.problems = problems


class PluginFailedError(PermanentError):
    """A plugin failed with an error that is not an operating error; it is the cause."""

    code = "plugin_failed"


class PluginSlowToStopError(TemporaryError):
    """A plugin did not end within the time to drain and was cut off."""

    code = "plugin_slow_to_stop"


class PeerSilentError(TemporaryError):
    """A peer was away for longer than the caller has patience."""

    code = "peer_silent"


class ServiceUnknownError(PermanentError):
    """Nobody provides the service, or the manifest does not require it."""

    code = "service_unknown"


class ServiceNotStartedError(PermanentError):
    """A lazy service was looked up where it cannot be started."""

    code = "service_not_started"


class PeerUnknownError(PermanentError):
    """The peer is neither in this process nor in the configuration."""

    code = "peer_unknown"


class LayerError(PermanentError):
    """A layer that nobody provides, or with settings that it does not take."""

    code = "layer_wrong"
