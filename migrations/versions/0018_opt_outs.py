"""Numbers that want no SMS, SMS to numbers of nobody known, which SMS came in, and indexes for lists of requests.

An opt-out belongs to the number, so the column of the subscriber moves to a table of numbers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

OUTCOMES = ("stopped", "started", "registered", "answered", "reopened", "thanked", "refused", "empty")


def upgrade() -> None:
    _opt_outs()
    op.drop_constraint(op.f("ck_message_one_recipient"), "message", type_="check")
    op.create_check_constraint(
        op.f("ck_message_one_recipient"), "message", "num_nonnulls(subscriber_id, staff_id) <= 1"
    )
    op.add_column("message", sa.Column("is_answer", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    # How many answers a number got lately is asked with every one of them.
    op.create_index("ix_message_answer", "message", ["recipient", "created_at"], postgresql_where=sa.text("is_answer"))
    _inbound()
    # What the lists of requests are found by.
    op.create_index("ix_task_claimed", "task", ["claimed_by"], postgresql_where=sa.text("status = 'open'"))
    op.create_index("ix_request_open", "request", ["process_id"], postgresql_where=sa.text("turn <> 'closed'"))
    op.create_index("ix_request_sla_started_at", "request", ["sla_started_at"])


def _opt_outs() -> None:
    op.create_table(
        "phone_opt_out",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(r"phone ~ '^\+[1-9][0-9]{6,14}$'", name=op.f("ck_phone_opt_out_phone_is_e164")),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_phone_opt_out")),
    )
    op.execute(
        "INSERT INTO phone_opt_out (phone, opted_out_at) "
        "SELECT phone, min(sms_opt_out_at) FROM subscriber WHERE sms_opt_out_at IS NOT NULL GROUP BY phone"
    )
    op.drop_column("subscriber", "sms_opt_out_at")


def _inbound() -> None:
    op.create_table(
        "inbound_sms",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(*OUTCOMES, name="inbound_outcome", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("process_id", sa.UUID(), nullable=True),
        sa.Column("refused_after", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("refused_after >= 0", name=op.f("ck_inbound_sms_refused_after_not_negative")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_inbound_sms_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_sms")),
        sa.UniqueConstraint("sid", name=op.f("uq_inbound_sms_sid")),
    )
    op.create_index("ix_inbound_sms_sender_received_at", "inbound_sms", ["sender", "received_at"])
