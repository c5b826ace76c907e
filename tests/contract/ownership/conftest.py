"""The store of a test, on every engine."""

from __future__ import annotations

from tests.support.stores import store_factory

__all__ = ["store_factory"]
