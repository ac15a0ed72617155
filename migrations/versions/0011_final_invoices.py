"""Final invoices, what billing gives back, written-off debts, moved balances, the age of equipment."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INVOICE_KINDS = ("connection", "recurring", "final", "correction", "equipment")
RECALCULATION_KINDS = ("monthly", "final", "correction", "withdrawal")


def upgrade() -> None:
    op.drop_constraint(op.f("ck_invoice_invoice_kind"), "invoice")
    op.create_check_constraint(
        op.f("ck_invoice_invoice_kind"), "invoice", f"kind IN ({', '.join(repr(word) for word in INVOICE_KINDS)})"
    )
    op.add_column("subscription", sa.Column("ending_on", sa.Date(), nullable=True))
    op.create_check_constraint(
        op.f("ck_subscription_ending_while_it_lasts"),
        "subscription",
        "ending_on IS NULL OR status IN ('active', 'suspended')",
    )
    op.add_column("stock_item", sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=True))
    _recalculations()
    _credited_partitions()
    _write_offs()
    _balance_transfers()
    for table in ("recalculation", "recalculation_line", "write_off"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION forbid_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
        )


def _recalculations() -> None:
    op.create_table(
        "recalculation",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                *RECALCULATION_KINDS, name="recalculation_kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "net_minor + vat_minor = total_minor AND total_minor <= 0", name=op.f("ck_recalculation_total_is_the_sum")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recalculation_account_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_recalculation_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalculation")),
        sa.UniqueConstraint(
            "process_id", "account_id", "kind", name=op.f("uq_recalculation_process_id_account_id_kind")
        ),
    )
    op.create_index(op.f("ix_recalculation_account_id"), "recalculation", ["account_id"], unique=False)
    op.create_table(
        "recalculation_line",
        sa.Column("recalculation_id", sa.UUID(), nullable=False),
        sa.Column("line_no", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("service_month_on", sa.Date(), nullable=False),
        sa.Column("charge_id", sa.UUID(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("formula", sa.Text(), nullable=False),
        sa.Column("vat_rate_bp", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("net_minor + vat_minor = total_minor", name=op.f("ck_recalculation_line_total_is_the_sum")),
        sa.ForeignKeyConstraint(["charge_id"], ["charge.id"], name=op.f("fk_recalculation_line_charge_id")),
        sa.ForeignKeyConstraint(
            ["recalculation_id"], ["recalculation.id"], name=op.f("fk_recalculation_line_recalculation_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_recalculation_line_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalculation_line")),
    )
    op.create_index(
        "uq_recalculation_line_recalculation_id_line_no",
        "recalculation_line",
        ["recalculation_id", "line_no"],
        unique=True,
    )
    op.create_index(
        "ix_recalculation_line_billed", "recalculation_line", ["subscription_id", "service_month_on"], unique=False
    )
    op.add_column("credit_note", sa.Column("recalculation_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_credit_note_recalculation_id"), "credit_note", "recalculation", ["recalculation_id"], ["id"]
    )
    op.create_index(op.f("ix_credit_note_recalculation_id"), "credit_note", ["recalculation_id"], unique=False)


def _credited_partitions() -> None:
    op.add_column("billing_partition", sa.Column("credited", sa.BigInteger(), nullable=True))
    op.add_column("billing_partition", sa.Column("credited_minor", sa.BigInteger(), nullable=True))
    op.execute("UPDATE billing_partition SET credited = 0, credited_minor = 0 WHERE done_at IS NOT NULL")
    op.drop_constraint(op.f("ck_billing_partition_every_account_is_accounted_for"), "billing_partition")
    op.create_check_constraint(
        op.f("ck_billing_partition_every_account_is_accounted_for"),
        "billing_partition",
        "done_at IS NULL OR invoices + exceptions + nothing_due + credited = accounts",
    )


def _write_offs() -> None:
    op.create_table(
        "write_off",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("written_on", sa.Date(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_write_off_amount_not_zero")),
        sa.CheckConstraint(
            "amount_minor < 0 OR approved_by IS NOT NULL", name=op.f("ck_write_off_approved_by_somebody")
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_write_off_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write_off")),
        sa.UniqueConstraint("key", "invoice_id", name=op.f("uq_write_off_key_invoice_id")),
    )
    op.create_index(op.f("ix_write_off_invoice_id"), "write_off", ["invoice_id"], unique=False)


def _balance_transfers() -> None:
    op.create_table(
        "balance_transfer",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("from_account_id", sa.UUID(), nullable=False),
        sa.Column("to_account_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved_on", sa.Date(), nullable=False),
        sa.Column("taken_back_on", sa.Date(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("from_account_id <> to_account_id", name=op.f("ck_balance_transfer_to_another_account")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_balance_transfer_amount_positive")),
        sa.ForeignKeyConstraint(["from_account_id"], ["account.id"], name=op.f("fk_balance_transfer_from_account_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_balance_transfer_payment_id")),
        sa.ForeignKeyConstraint(["to_account_id"], ["account.id"], name=op.f("fk_balance_transfer_to_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_transfer")),
        sa.UniqueConstraint("key", name=op.f("uq_balance_transfer_key")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_balance_transfer_payment_id")),
    )
    for column in ("from_account_id", "to_account_id"):
        op.create_index(op.f(f"ix_balance_transfer_{column}"), "balance_transfer", [column], unique=False)
    op.create_table(
        "balance_transfer_source",
        sa.Column("balance_transfer_id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_balance_transfer_source_amount_positive")),
        sa.ForeignKeyConstraint(
            ["balance_transfer_id"],
            ["balance_transfer.id"],
            name=op.f("fk_balance_transfer_source_balance_transfer_id"),
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_balance_transfer_source_payment_id")),
        sa.PrimaryKeyConstraint("balance_transfer_id", "payment_id", name=op.f("pk_balance_transfer_source")),
    )
