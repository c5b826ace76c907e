"""The store of a test, on every engine."""

from __future__ import annotations

from tests.support.stores import emptied_database, kept_database, store_factory

__all__ = ["emptied_database", "kept_database", "store_factory"]
