"""A version of a tariff says by which clock it comes into force."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Leave it open for the versions that are stored: it stands in their files."""
    op.add_column("tariff", sa.Column("zone", sa.Text))
