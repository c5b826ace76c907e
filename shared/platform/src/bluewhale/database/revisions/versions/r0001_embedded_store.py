"""The tables of the first embedded store; what came before Alembic is stamped with this."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: such a store has its tables."""
