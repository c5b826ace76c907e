"""Entries of the audit trail are bound to each other by hashes."""

import sqlalchemy as sa
from alembic import op
from bluewhale.database.audit import GENESIS, link

revision = "0004"
down_revision = "0003"

PAGE_ROWS = 5_000


def upgrade() -> None:
    """Bind what is there in the order in which it was written."""
    op.add_column("audit", sa.Column("position", sa.BigInteger))
    op.add_column("audit", sa.Column("hash", sa.LargeBinary))
    op.create_table(
        "audit_head",
        sa.Column("head_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    connection = op.get_bind()
    position, before, last = 0, GENESIS, -1
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT audit_id, at, who, action, subject, detail FROM audit"
                " WHERE audit_id > :last ORDER BY audit_id LIMIT :most"
            ),
            {"last": last, "most": PAGE_ROWS},
        ).fetchall()
        if not rows:
            break
        bound = []
        for audit_id, *entry in rows:
            position += 1
            before = link(before, position, *entry)
            bound.append({"id": audit_id, "position": position, "hash": before})
            last = audit_id
        connection.execute(
            sa.text("UPDATE audit SET position = :position, hash = :hash WHERE audit_id = :id"),
            bound,
        )
    if position:
        connection.execute(
            sa.text("INSERT INTO audit_head VALUES (1, :entries, :hash)"),
            {"entries": position, "hash": before},
        )
    op.create_index("audit_by_position", "audit", ["position"], unique=True)
