"""What a disconnection knows beside its process, and since when equipment has been in use."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disconnection_request",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_on", sa.Date(), nullable=False),
        sa.Column("dunning_process_id", sa.UUID(), nullable=True),
        sa.Column("irrevocable_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "irrevocable_at IS NULL OR given_up_at IS NULL",
            name=op.f("ck_disconnection_request_given_up_or_irrevocable"),
        ),
        sa.ForeignKeyConstraint(
            ["dunning_process_id"], ["process.id"], name=op.f("fk_disconnection_request_dunning_process_id")
        ),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_disconnection_request_process_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_disconnection_request")),
    )
    # What is mounted already has been in use since its service began.
    op.execute(
        "UPDATE stock_item SET first_used_at = subscription.active_from FROM subscription "
        "WHERE subscription.id = stock_item.subscription_id AND stock_item.state = 'installed'"
    )
