"""Every claim of this chapter holds on every engine."""

from tests.support.stores import emptied_database, kept_database, store_factory

__all__ = ["emptied_database", "kept_database", "store_factory"]
