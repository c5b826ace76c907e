"""Alembic runs the revisions of this folder on the connection that `migrations` hands over."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table="schema_revision"
)
with context.begin_transaction():
    context.run_migrations()
