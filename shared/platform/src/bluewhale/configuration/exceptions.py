"""What a person wrote cannot be used; the classes stand at the root, which loads in no time."""

from __future__ import annotations

from bluewhale.capture.exceptions import ConfigurationError, InputError

__all__ = ["ConfigurationError", "InputError"]
