"""Whether an object of the cluster is as we want it. Pure functions.

Owns the question. The API server adds defaults to what we send, so an object is as
wanted if everything that we say is there; what we said before and say no more is
told by the mark `bluewhale.dev/wanted`, which is part of what we say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SECRETS = {"stringData"}  # never read back


def is_as_wanted(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> bool:
    """Say whether nothing has to be applied."""
    if found is None:
        return False
    return all(
        _holds(value, found.get(key)) for key, value in wanted.items() if key not in _SECRETS
    )


def _holds(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, Mapping):
        if not wanted:
            return not found
        return isinstance(found, Mapping) and all(
            _holds(value, found.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        if not wanted:
            return not found
        return (
            isinstance(found, list | tuple)
            and len(wanted) == len(found)
            and all(_holds(a, b) for a, b in zip(wanted, found, strict=True))
        )
    if wanted in ("", None, False, 0):
        return found in ("", None, False, 0)  # the API server leaves out what is empty
    return bool(wanted == found)
