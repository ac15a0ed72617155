"""Payment orders, the parts of a payment, rules of allocation, and what accounting is asked about money."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RULES = ("oldest_due", "newest_due", "smallest_first", "proportional")
SOURCES = ("online", "registry", "correction", "balance_transfer")
QUESTIONS = ("unknown_payee", "payment_conflict")

# A payment order says what was true when the payment was reported. Only who paid may be found out later.
FORBID_CHANGE_OF_ORDER = """
CREATE FUNCTION forbid_change_of_payment_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment % is a fact of accounting: reverse it instead of changing it', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$
"""
FACTS = (
    "bank_id", "txn_id", "part", "source", "request_sha256", "amount_minor", "currency", "paid_at", "received_at",
    "receipt_no", "answer", "named_iin", "named_account_no", "payee_iik",
)  # fmt: skip


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    _banks_and_accounts()
    _payments()
    _reallocations()
    _clarifications()
    for table in ("account_change", "reallocation"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION forbid_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
        )


def _banks_and_accounts() -> None:
    for column in ("bic", "bin", "iik"):
        op.add_column("bank", sa.Column(column, sa.Text(), nullable=True))
    op.add_column(
        "account",
        sa.Column("allocation_rule", _words("allocation_rule", *RULES), server_default="oldest_due", nullable=False),
    )
    op.create_table(
        "account_change",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("changed", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_change_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_change")),
    )
    op.create_index(op.f("ix_account_change_account_id"), "account_change", ["account_id"])


def _payments() -> None:
    op.add_column("payment", sa.Column("part", sa.BigInteger(), server_default=sa.text("1"), nullable=False))
    op.add_column(
        "payment",
        sa.Column("source", _words("payment_source", *SOURCES), server_default="online", nullable=False),
    )
    for column in ("named_iin", "named_account_no", "payer_name", "payee_iik"):
        op.add_column("payment", sa.Column(column, sa.Text(), nullable=True))
    op.execute(
        "UPDATE payment SET payer_name = subscriber.full_name FROM account "
        "JOIN subscriber ON subscriber.id = account.subscriber_id WHERE account.id = payment.account_id"
    )
    op.alter_column("payment", "request_sha256", nullable=True)
    op.alter_column("payment", "answer", nullable=True)
    op.drop_constraint(op.f("uq_payment_bank_id_txn_id"), "payment")
    op.create_unique_constraint(op.f("uq_payment_bank_id_txn_id_part"), "payment", ["bank_id", "txn_id", "part"])
    op.drop_constraint(op.f("uq_payment_receipt_no"), "payment")
    op.create_unique_constraint(op.f("uq_payment_receipt_no_part"), "payment", ["receipt_no", "part"])
    op.create_check_constraint(op.f("ck_payment_part_positive"), "payment", "part > 0")
    op.create_check_constraint(
        op.f("ck_payment_first_part_answers"),
        "payment",
        "(part = 1 AND source IN ('online', 'registry')) = (answer IS NOT NULL AND request_sha256 IS NOT NULL)",
    )
    op.create_index("ix_payment_received_at", "payment", ["received_at"], postgresql_using="brin")
    op.create_index("ix_payment_reversed_at", "payment", ["reversed_at"], postgresql_where="reversed_at IS NOT NULL")
    op.create_index("ix_payment_in_suspense", "payment", ["id"], postgresql_where="status = 'suspense'")
    op.execute(FORBID_CHANGE_OF_ORDER)
    facts = ", ".join(f"NEW.{name}" for name in FACTS), ", ".join(f"OLD.{name}" for name in FACTS)
    op.execute(
        "CREATE TRIGGER payment_order_is_final BEFORE UPDATE ON payment FOR EACH ROW "
        f"WHEN (({facts[0]}) IS DISTINCT FROM ({facts[1]}) "
        "OR (OLD.payer_name IS NOT NULL AND NEW.payer_name IS DISTINCT FROM OLD.payer_name)) "
        "EXECUTE FUNCTION forbid_change_of_payment_order()"
    )
    op.execute(
        "CREATE TRIGGER payment_is_kept BEFORE DELETE ON payment FOR EACH ROW "
        "EXECUTE FUNCTION forbid_change_of_payment_order()"
    )


def _reallocations() -> None:
    op.create_table(
        "reallocation",
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_reallocation_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reallocation")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_reallocation_idempotency_key")),
    )
    op.create_index(op.f("ix_reallocation_payment_id"), "reallocation", ["payment_id"])
    op.add_column("allocation", sa.Column("reallocation_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_allocation_reallocation_id"), "allocation", "reallocation", ["reallocation_id"], ["id"]
    )


def _clarifications() -> None:
    op.create_table(
        "clarification",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("question", _words("question", *QUESTIONS), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_clarification_payment_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_clarification_process_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_clarification")),
    )
    op.create_index(op.f("ix_clarification_payment_id"), "clarification", ["payment_id"])
