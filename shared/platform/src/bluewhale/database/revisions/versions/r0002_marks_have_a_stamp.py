"""Marks carry a stamp that grows, links are known by stream, segments say when they were replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Give every mark stamp 0: whoever asks from 0 gets all of them."""
    op.add_column(
        "stream_mark", sa.Column("stamp", sa.BigInteger, nullable=False, server_default="0")
    )
    op.create_index("stream_mark_by_stamp", "stream_mark", ["stamp"])
    op.add_column("segment", sa.Column("replaced_at", sa.BigInteger))
    # A link that two units may read has two streams: the stream is the key now.
    op.drop_index("link_by_stream", table_name="link")
    op.rename_table("link", "link_before")
    op.create_table(
        "link",
        sa.Column("link_uid", sa.Text, nullable=False),
        sa.Column("stream_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("pbx_uid", sa.Text, nullable=False),
        sa.Column("site_uid", sa.Text, nullable=False),
        sa.Column("dialect_id", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO link (link_uid, stream_id, pbx_uid, site_uid, dialect_id)"
        " SELECT MIN(link_uid), stream_id, MIN(pbx_uid), MIN(site_uid), MIN(dialect_id)"
        " FROM link_before GROUP BY stream_id"
    )
    op.drop_table("link_before")
