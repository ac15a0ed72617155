"""Dunning: segments of subscribers, episodes with rounds and steps, and what they wait for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dunning_exclusion",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_dunning_exclusion_ended_by_somebody")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_dunning_exclusion_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_exclusion")),
    )
    op.create_index(op.f("ix_dunning_exclusion_account_id"), "dunning_exclusion", ["account_id"], unique=False)
    op.create_table(
        "dunning_hold",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "outage", "payment_in_flight", name="hold_reason", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("source_id", sa.UUID(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_dunning_hold_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_hold")),
    )
    op.create_index(
        "ix_dunning_hold_source_id", "dunning_hold", ["source_id"], unique=False, postgresql_where="released_at IS NULL"
    )
    op.create_index(
        "uq_dunning_hold_one_a_source",
        "dunning_hold",
        ["account_id", "source_id"],
        unique=True,
        postgresql_where="released_at IS NULL",
    )
    op.create_table(
        "promise",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "kept",
                "broken",
                "withdrawn",
                name="promise_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="open",
            nullable=False,
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("(status = 'open') = (decided_at IS NULL)", name=op.f("ck_promise_open_means_undecided")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_promise_amount_positive")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_promise_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise")),
    )
    op.create_index(op.f("ix_promise_account_id"), "promise", ["account_id"], unique=False)
    op.create_index("uq_promise_one_open", "promise", ["account_id"], unique=True, postgresql_where="status = 'open'")
    op.create_table(
        "dunning_episode",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("policy_id", sa.UUID(), nullable=False),
        sa.Column(
            "segment",
            sa.Enum(
                "individual", "business", "vip", name="segment", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_minor", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "waits_for",
            sa.Enum(
                "step_due",
                "not_due_yet",
                "pace",
                "fair_notice",
                "quiet_hours",
                "no_cut_time",
                "warning_not_sent",
                "promise",
                "dispute",
                "exclusion",
                "outage",
                "disconnection",
                "freeze",
                "payment_in_flight",
                "ladder_ended",
                "payment_reversed",
                name="rule",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("wakes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_as",
            sa.Enum(
                "paid",
                "below_minimum",
                "disconnected",
                "cancelled",
                "lost",
                name="ending",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("forgives_until_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_as IS NULL)", name=op.f("ck_dunning_episode_ends_for_a_reason")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_dunning_episode_account_id")),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"], name=op.f("fk_dunning_episode_policy_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_dunning_episode_process_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_dunning_episode")),
        sa.UniqueConstraint("account_id", "number", name=op.f("uq_dunning_episode_account_id_number")),
    )
    op.create_index(
        "uq_dunning_episode_one_open",
        "dunning_episode",
        ["account_id"],
        unique=True,
        postgresql_where="ended_at IS NULL",
    )
    op.create_table(
        "dispute",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("upheld", "rejected", name="dispute_outcome", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)",
            name=op.f("ck_dispute_decided_by_somebody"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_dispute_amount_positive")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_dispute_account_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_dispute_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
    )
    op.create_index(op.f("ix_dispute_account_id"), "dispute", ["account_id"], unique=False)
    op.create_index(op.f("ix_dispute_invoice_id"), "dispute", ["invoice_id"], unique=False)
    op.create_index("uq_dispute_one_open", "dispute", ["invoice_id"], unique=True, postgresql_where="outcome IS NULL")
    op.create_table(
        "dunning_round",
        sa.Column("episode_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_position", sa.BigInteger(), nullable=False),
        sa.Column("is_resumed", sa.Boolean(), nullable=False),
        sa.Column(
            "rule",
            sa.Enum(
                "step_due",
                "not_due_yet",
                "pace",
                "fair_notice",
                "quiet_hours",
                "no_cut_time",
                "warning_not_sent",
                "promise",
                "dispute",
                "exclusion",
                "outage",
                "disconnection",
                "freeze",
                "payment_in_flight",
                "ladder_ended",
                "payment_reversed",
                name="rule",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["dunning_episode.process_id"], name=op.f("fk_dunning_round_episode_id")
        ),
        sa.PrimaryKeyConstraint("episode_id", "number", name=op.f("pk_dunning_round")),
    )
    op.create_table(
        "dunning_step",
        sa.Column("episode_id", sa.UUID(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "notice",
                "reminder",
                "call_task",
                "final_warning",
                "throttle",
                "suspend",
                "disconnect",
                name="step_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owed_minor", sa.BigInteger(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id", "round"],
            ["dunning_round.episode_id", "dunning_round.number"],
            name=op.f("fk_dunning_step_episode_id_round"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_dunning_step_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_step")),
        sa.UniqueConstraint("episode_id", "round", "position", name=op.f("uq_dunning_step_episode_id_round_position")),
    )
    op.create_index(op.f("ix_dunning_step_message_id"), "dunning_step", ["message_id"], unique=False)
    op.create_table(
        "dunning_restriction",
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("episode_id", sa.UUID(), nullable=False),
        sa.Column("step_id", sa.UUID(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("throttle", "suspend", name="restriction", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("switched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL)", name=op.f("ck_dunning_restriction_lifted_for_a_reason")
        ),
        sa.CheckConstraint(
            "restored_at IS NULL OR lifted_at IS NOT NULL", name=op.f("ck_dunning_restriction_restored_when_lifted")
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["dunning_episode.process_id"], name=op.f("fk_dunning_restriction_episode_id")
        ),
        sa.ForeignKeyConstraint(["step_id"], ["dunning_step.id"], name=op.f("fk_dunning_restriction_step_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_dunning_restriction_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dunning_restriction")),
    )
    op.create_index(op.f("ix_dunning_restriction_episode_id"), "dunning_restriction", ["episode_id"], unique=False)
    op.create_index(
        "uq_dunning_restriction_one_a_service",
        "dunning_restriction",
        ["subscription_id"],
        unique=True,
        postgresql_where="lifted_at IS NULL",
    )
    op.add_column("message", sa.Column("unless_over_episode_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_message_unless_over_episode_id"),
        "message",
        "dunning_episode",
        ["unless_over_episode_id"],
        ["process_id"],
    )
    op.add_column(
        "subscriber",
        sa.Column(
            "segment",
            sa.Enum(
                "individual", "business", "vip", name="segment", native_enum=False, create_constraint=True, length=40
            ),
            server_default="individual",
            nullable=False,
        ),
    )
