"""Every claim of this chapter holds on every engine."""

from tests.support.stores import store_factory

__all__ = ["store_factory"]
