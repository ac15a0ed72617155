"""Outages: their windows and nodes, whom they affect, and what these people were told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_subscription_premises_id"), "subscription", ["premises_id"], unique=False)
    op.create_table(
        "outage",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("planned", "emergency", name="outage_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("called_off_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("overruns", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("overruns_in_window", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lists_wanted", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("lists_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("list_after", sa.UUID(), nullable=True),
        sa.Column("listed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rounds_wanted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("round_no", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("round_after", sa.BigInteger(), nullable=True),
        sa.Column("is_echo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("credit_after", sa.BigInteger(), server_default=sa.text("0"), nullable=True),
        sa.Column("credited", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credited_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "told_in_round",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint("ended_at >= starts_at", name=op.f("ck_outage_ends_after_its_start")),
        sa.CheckConstraint("ended_at IS NULL OR called_off_at IS NULL", name=op.f("ck_outage_one_end")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_outage_window_in_order")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_outage_process_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_outage")),
    )
    op.create_index("ix_outage_closed_at", "outage", ["closed_at"], unique=False)
    op.create_index("ix_outage_open", "outage", ["process_id"], unique=False, postgresql_where="closed_at IS NULL")
    op.create_table(
        "outage_node",
        sa.Column("outage_id", sa.UUID(), nullable=False),
        sa.Column("node_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["network_node.id"], name=op.f("fk_outage_node_node_id")),
        sa.ForeignKeyConstraint(["outage_id"], ["outage.process_id"], name=op.f("fk_outage_node_outage_id")),
        sa.PrimaryKeyConstraint("outage_id", "node_id", name=op.f("pk_outage_node")),
    )
    op.create_index(op.f("ix_outage_node_node_id"), "outage_node", ["node_id"], unique=False)
    op.create_table(
        "outage_affected",
        sa.Column("outage_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("subscriber_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("position >= 1", name=op.f("ck_outage_affected_position_positive")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_outage_affected_account_id")),
        sa.ForeignKeyConstraint(["outage_id"], ["outage.process_id"], name=op.f("fk_outage_affected_outage_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_outage_affected_subscriber_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_outage_affected_subscription_id")
        ),
        sa.PrimaryKeyConstraint("outage_id", "position", name=op.f("pk_outage_affected")),
        sa.UniqueConstraint("outage_id", "subscription_id", name=op.f("uq_outage_affected_outage_id_subscription_id")),
    )
    op.create_index(
        "ix_outage_affected_account_id_outage_id", "outage_affected", ["account_id", "outage_id"], unique=False
    )
    op.create_index(
        "ix_outage_affected_subscriber_id_outage_id", "outage_affected", ["subscriber_id", "outage_id"], unique=False
    )
    op.create_table(
        "outage_notice",
        sa.Column("message_key", sa.Text(), nullable=False),
        sa.Column("outage_id", sa.UUID(), nullable=False),
        sa.Column("subscriber_id", sa.UUID(), nullable=False),
        sa.Column(
            "occasion",
            sa.Enum(
                "announced",
                "begun",
                "emergency",
                "moved",
                "new_end",
                "overrun",
                "called_off",
                "restored",
                name="occasion",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("overruns", sa.BigInteger(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["message_key"], ["message.key"], name=op.f("fk_outage_notice_message_key")),
        sa.ForeignKeyConstraint(["outage_id"], ["outage.process_id"], name=op.f("fk_outage_notice_outage_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_outage_notice_subscriber_id")),
        sa.PrimaryKeyConstraint("message_key", "outage_id", name=op.f("pk_outage_notice")),
    )
    op.create_index("ix_outage_notice_outage_id", "outage_notice", ["outage_id"], unique=False)
    op.create_index(op.f("ix_outage_notice_subscriber_id"), "outage_notice", ["subscriber_id"], unique=False)
