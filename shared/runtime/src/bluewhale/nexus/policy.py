"""The layers that a process has when its configuration says nothing else.

Default deny: other roles by their certificate, plugins of the same process,
operators, and callers on the same machine may ask; a unit may ask only for its
uplink and its links; whoever has no certificate and is elsewhere may not.
"""

from __future__ import annotations

from typing import Any

DEFAULT_LAYERS: tuple[dict[str, Any], ...] = (
    {"layer": "monitoring"},
    {"layer": "deadline"},
    {
        "layer": "access",
        "policy": [
            {"callers": ["role/*", "plugin/*", "operator/*", "local"]},
            {"callers": ["unit/*"], "methods": ["Uplink/*", "Ownership/*"]},
        ],
    },
)
