"""Billing: how services were day by day, charges, discounts, runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "charge",
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "recurring",
                "equipment",
                "one_off",
                name="charge_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("during", postgresql.DATERANGE(), nullable=False),
        sa.Column(
            "vat_mode",
            sa.Enum("included", "on_top", name="vat_mode", native_enum=False, create_constraint=True, length=40),
            server_default="included",
            nullable=False,
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "kind <> 'one_off' OR upper(during) = lower(during) + 1", name=op.f("ck_charge_once_is_one_day")
        ),
        sa.CheckConstraint("NOT isempty(during) AND NOT lower_inf(during)", name=op.f("ck_charge_has_a_beginning")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_charge_amount_positive")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_charge_subscription_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge")),
    )
    op.create_index(op.f("ix_charge_subscription_id"), "charge", ["subscription_id"], unique=False)
    op.create_table(
        "discount",
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("percent_bp", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("during", postgresql.DATERANGE(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("subscription_id"), "="),
            (sa.column("position"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="ex_discount_one_at_a_position",
        ),
        sa.CheckConstraint(
            "(percent_bp IS NULL) <> (amount_minor IS NULL)", name=op.f("ck_discount_percent_or_amount")
        ),
        sa.CheckConstraint("NOT isempty(during) AND NOT lower_inf(during)", name=op.f("ck_discount_has_a_beginning")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_discount_amount_positive")),
        sa.CheckConstraint("percent_bp BETWEEN 1 AND 10000", name=op.f("ck_discount_percent_is_a_share")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_discount_subscription_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount")),
    )
    op.create_index("ix_discount_subscription_id", "discount", ["subscription_id"], unique=False)
    op.create_table(
        "service_period",
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("during", postgresql.DATERANGE(), nullable=False),
        sa.Column("tariff_id", sa.UUID(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "suspended",
                "frozen",
                name="service_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="active",
            nullable=False,
        ),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("subscription_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="ex_service_period_one_a_day",
        ),
        sa.CheckConstraint(
            "NOT isempty(during) AND NOT lower_inf(during)", name=op.f("ck_service_period_has_a_beginning")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_service_period_subscription_id")
        ),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name=op.f("fk_service_period_tariff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_period")),
    )
    op.create_index("ix_service_period_subscription_id", "service_period", ["subscription_id"], unique=False)
    op.create_table(
        "billing_run",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("period_on", sa.Date(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("charge_suspended", sa.Boolean(), nullable=False),
        sa.Column("charge_frozen", sa.Boolean(), nullable=False),
        sa.Column("accounts_total", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("extract(day FROM period_on) = 1", name=op.f("ck_billing_run_period_is_a_month")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_billing_run_process_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_billing_run")),
    )
    op.create_table(
        "billing_exception",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=True),
        sa.Column(
            "reason",
            sa.Enum(
                "no_price",
                "no_tax_rate",
                "amount_beyond_limit",
                "negative_total",
                name="billing_problem",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_billing_exception_account_id")),
        sa.ForeignKeyConstraint(["run_id"], ["billing_run.process_id"], name=op.f("fk_billing_exception_run_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_billing_exception_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_exception")),
        sa.UniqueConstraint("run_id", "account_id", name=op.f("uq_billing_exception_run_id_account_id")),
    )
    op.create_index(op.f("ix_billing_exception_run_id"), "billing_exception", ["run_id"], unique=False)
    op.create_table(
        "billing_partition",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accounts", sa.BigInteger(), nullable=True),
        sa.Column("invoices", sa.BigInteger(), nullable=True),
        sa.Column("invoiced_minor", sa.BigInteger(), nullable=True),
        sa.Column("exceptions", sa.BigInteger(), nullable=True),
        sa.Column("nothing_due", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "done_at IS NULL OR invoices + exceptions + nothing_due = accounts",
            name=op.f("ck_billing_partition_every_account_is_accounted_for"),
        ),
        sa.CheckConstraint("last_number >= first_number", name=op.f("ck_billing_partition_range_not_empty")),
        sa.ForeignKeyConstraint(["run_id"], ["billing_run.process_id"], name=op.f("fk_billing_partition_run_id")),
        sa.PrimaryKeyConstraint("run_id", "first_number", name=op.f("pk_billing_partition")),
    )
    op.add_column("invoice", sa.Column("period_on", sa.Date(), nullable=True))
    op.create_index(
        "uq_invoice_one_a_period",
        "invoice",
        ["account_id", "period_on"],
        unique=True,
        postgresql_where="period_on IS NOT NULL",
    )
    op.add_column("invoice_line", sa.Column("subscription_id", sa.UUID(), nullable=True))
    op.add_column("invoice_line", sa.Column("service_month_on", sa.Date(), nullable=True))
    op.add_column("invoice_line", sa.Column("charge_id", sa.UUID(), nullable=True))
    op.create_index(
        "ix_invoice_line_billed",
        "invoice_line",
        ["subscription_id", "service_month_on"],
        unique=False,
        postgresql_where="subscription_id IS NOT NULL",
        postgresql_include=["charge_id", "total_minor", "net_minor"],
    )
    op.create_foreign_key(op.f("fk_invoice_line_charge_id"), "invoice_line", "charge", ["charge_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_invoice_line_subscription_id"), "invoice_line", "subscription", ["subscription_id"], ["id"]
    )
    op.add_column(
        "tariff",
        sa.Column(
            "vat_mode",
            sa.Enum("included", "on_top", name="vat_mode", native_enum=False, create_constraint=True, length=40),
            server_default="included",
            nullable=False,
        ),
    )
