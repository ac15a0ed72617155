"""SMS by the batch: the queue indexed as it is delivered, what is in doubt apart from it, and what was recalled."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With the old one, every hundred messages that were taken cost a look at all that were queued.
    op.drop_index("ix_message_due", table_name="message")
    op.create_index(
        "ix_message_queued",
        "message",
        [sa.text("(urgency = 'notice')"), "not_before", "id"],
        postgresql_where="status = 'queued'",
    )
    op.create_index(
        "ix_message_in_doubt", "message", ["not_before"], postgresql_where="status IN ('sending', 'unknown')"
    )
    op.create_table(
        "message_recall",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("key_prefix", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recalled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_message_recall_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_recall")),
    )
    op.create_index("ix_message_recall_process_id", "message_recall", ["process_id"])
