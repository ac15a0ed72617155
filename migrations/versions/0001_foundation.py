"""foundation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "bank",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("allowed_networks", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank")),
        sa.UniqueConstraint("code", name=op.f("uq_bank_code")),
        sa.UniqueConstraint("username", name=op.f("uq_bank_username")),
    )
    op.create_table(
        "chart_account",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "asset",
                "liability",
                "income",
                "expense",
                name="chart_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_chart_account")),
    )
    op.create_table(
        "crew",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weekdays", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("opens_at", sa.Time(), nullable=False),
        sa.Column("closes_at", sa.Time(), nullable=False),
        sa.Column("slot_minutes", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("ck_crew_day_has_length")),
        sa.CheckConstraint("slot_minutes BETWEEN 15 AND 480", name=op.f("ck_crew_slot_has_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crew")),
        sa.UniqueConstraint("code", name=op.f("uq_crew_code")),
    )
    op.create_table(
        "department",
        sa.Column(
            "code",
            sa.Enum(
                "operator",
                "procurement",
                "accounting",
                "dispatcher",
                "installer",
                "support",
                "ops",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_department")),
    )
    op.create_table(
        "equipment_model",
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_equipment_model_price_not_negative")),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_equipment_model")),
    )
    op.create_table(
        "network_node",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "site",
                "olt",
                "distribution",
                "building",
                name="node_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["network_node.id"], name=op.f("fk_network_node_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_node")),
        sa.UniqueConstraint("code", name=op.f("uq_network_node_code")),
    )
    op.create_index(op.f("ix_network_node_parent_id"), "network_node", ["parent_id"], unique=False)
    op.create_table(
        "number_series",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("year", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", "year", name=op.f("pk_number_series")),
    )
    op.create_table(
        "outbox",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_type", sa.Text(), nullable=True),
        sa.Column("task_queue", sa.Text(), nullable=True),
        sa.Column("start_input", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("signal", sa.Text(), nullable=True),
        sa.Column("signal_input", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(workflow_type IS NULL) = (task_queue IS NULL)", name=op.f("ck_outbox_a_start_has_a_queue")
        ),
        sa.CheckConstraint(
            "workflow_type IS NOT NULL OR signal IS NOT NULL", name=op.f("ck_outbox_says_something")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_waiting", "outbox", ["id"], unique=False, postgresql_where="delivered_at IS NULL"
    )
    op.create_table(
        "policy",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
        sa.UniqueConstraint("code", "version", name=op.f("uq_policy_code_version")),
    )
    op.create_table(
        "tariff",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "charging",
            sa.Enum(
                "advance", "arrears", name="charging", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("connection_fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("first_period_upfront", sa.Boolean(), nullable=False),
        sa.Column("network_profile", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("connection_fee_minor >= 0", name=op.f("ck_tariff_fee_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff")),
        sa.UniqueConstraint("code", name=op.f("uq_tariff_code")),
    )
    op.create_table(
        "tax_rate",
        sa.Column("tax", sa.Text(), nullable=False),
        sa.Column("valid", postgresql.DATERANGE(), nullable=False),
        sa.Column("rate_bp", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("tax"), "="), (sa.column("valid"), "&&"), using="gist", name="ex_tax_rate_one_a_day"
        ),
        sa.CheckConstraint("rate_bp BETWEEN 0 AND 10000", name=op.f("ck_tax_rate_rate_is_a_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rate")),
    )
    op.create_table(
        "premises",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("node_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["network_node.id"], name=op.f("fk_premises_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_premises")),
        sa.UniqueConstraint("address", name=op.f("uq_premises_address")),
    )
    op.create_index(op.f("ix_premises_node_id"), "premises", ["node_id"], unique=False)
    op.create_table(
        "staff",
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "operator",
                "procurement",
                "accounting",
                "dispatcher",
                "installer",
                "support",
                "ops",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("is_head", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column(
            "language",
            sa.Enum("ru", "kk", "en", name="language", native_enum=False, create_constraint=True, length=40),
            server_default="ru",
            nullable=False,
        ),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["role"], ["department.code"], name=op.f("fk_staff_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("login", name=op.f("uq_staff_login")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_staff_token_sha256")),
    )
    op.create_table(
        "tariff_price",
        sa.Column("tariff_id", sa.UUID(), nullable=False),
        sa.Column("valid", postgresql.DATERANGE(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("tariff_id"), "="),
            (sa.column("valid"), "&&"),
            using="gist",
            name="ex_tariff_price_one_a_day",
        ),
        sa.CheckConstraint("NOT isempty(valid)", name=op.f("ck_tariff_price_valid_not_empty")),
        sa.CheckConstraint("fee_minor >= 0", name=op.f("ck_tariff_price_fee_not_negative")),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name=op.f("fk_tariff_price_tariff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff_price")),
    )
    op.create_table(
        "subscriber",
        sa.Column("iin", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column(
            "language",
            sa.Enum("ru", "kk", "en", name="language", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("premises_id", sa.UUID(), nullable=True),
        sa.Column("sms_opt_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("iin ~ '^[0-9]{12}$'", name=op.f("ck_subscriber_iin_is_twelve_digits")),
        sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{6,14}$'", name=op.f("ck_subscriber_phone_is_e164")),
        sa.ForeignKeyConstraint(["premises_id"], ["premises.id"], name=op.f("fk_subscriber_premises_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("iin", name=op.f("uq_subscriber_iin")),
    )
    op.create_index(
        "ix_subscriber_full_name_trgm",
        "subscriber",
        ["full_name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"full_name": "gin_trgm_ops"},
    )
    op.create_index("ix_subscriber_phone", "subscriber", ["phone"], unique=False)
    op.create_table(
        "account",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_no", sa.Text(), nullable=False),
        sa.Column("subscriber_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="KZT", nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_account_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("account_no", name=op.f("uq_account_account_no")),
        sa.UniqueConstraint("number", name=op.f("uq_account_number")),
    )
    op.create_index(op.f("ix_account_subscriber_id"), "account", ["subscriber_id"], unique=False)
    op.create_table(
        "ledger_balance",
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("chart_code", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_ledger_balance_account_id")),
        sa.ForeignKeyConstraint(
            ["chart_code"], ["chart_account.code"], name=op.f("fk_ledger_balance_chart_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_balance")),
        sa.UniqueConstraint(
            "account_id",
            "chart_code",
            name=op.f("uq_ledger_balance_account_id_chart_code"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "payment",
        sa.Column("bank_id", sa.UUID(), nullable=False),
        sa.Column("txn_id", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="KZT", nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("receipt_no", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "posted",
                "suspense",
                "reversed",
                name="payment_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reversal_reason", sa.Text(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'reversed') = (reversed_at IS NOT NULL)", name=op.f("ck_payment_reversed_at_a_time")
        ),
        sa.CheckConstraint(
            "status = 'reversed' OR (status = 'suspense') = (account_id IS NULL)",
            name=op.f("ck_payment_suspense"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount_positive")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_payment_account_id")),
        sa.ForeignKeyConstraint(["bank_id"], ["bank.id"], name=op.f("fk_payment_bank_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("bank_id", "txn_id", name=op.f("uq_payment_bank_id_txn_id")),
        sa.UniqueConstraint("receipt_no", name=op.f("uq_payment_receipt_no")),
    )
    op.create_index(
        "ix_payment_account_id_received_at", "payment", ["account_id", "received_at"], unique=False
    )
    op.create_table(
        "subscription",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("premises_id", sa.UUID(), nullable=False),
        sa.Column("tariff_id", sa.UUID(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "active",
                "suspended",
                "terminated",
                "cancelled",
                name="subscription_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("active_from", sa.Date(), nullable=True),
        sa.Column("active_to", sa.Date(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'terminated') = (active_to IS NOT NULL)",
            name=op.f("ck_subscription_ends_with_termination"),
        ),
        sa.CheckConstraint(
            "(status IN ('pending', 'cancelled')) = (active_from IS NULL)",
            name=op.f("ck_subscription_charged_from_activation"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_subscription_account_id")),
        sa.ForeignKeyConstraint(["premises_id"], ["premises.id"], name=op.f("fk_subscription_premises_id")),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name=op.f("fk_subscription_tariff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    op.create_index(op.f("ix_subscription_account_id"), "subscription", ["account_id"], unique=False)
    op.create_index(
        "uq_subscription_one_at_a_place",
        "subscription",
        ["account_id", "premises_id", "tariff_id"],
        unique=True,
        postgresql_where="status IN ('pending', 'active', 'suspended')",
    )
    op.create_table(
        "transfer",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="KZT", nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("document_kind", sa.Text(), nullable=False),
        sa.Column("document_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reverses_id", sa.UUID(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_transfer_amount_positive")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_transfer_two_accounts")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_transfer_account_id")),
        sa.ForeignKeyConstraint(["credit"], ["chart_account.code"], name=op.f("fk_transfer_credit")),
        sa.ForeignKeyConstraint(["debit"], ["chart_account.code"], name=op.f("fk_transfer_debit")),
        sa.ForeignKeyConstraint(["reverses_id"], ["transfer.id"], name=op.f("fk_transfer_reverses_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint("key", name=op.f("uq_transfer_key")),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_transfer_reverses_id")),
    )
    op.create_index("ix_transfer_account_id_id", "transfer", ["account_id", "id"], unique=False)
    op.create_index("ix_transfer_document_id", "transfer", ["document_id"], unique=False)
    op.create_table(
        "network_port",
        sa.Column("node_id", sa.UUID(), nullable=False),
        sa.Column("port_no", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "free",
                "reserved",
                "active",
                "suspended",
                name="port_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="free",
            nullable=False,
        ),
        sa.Column("subscription_id", sa.UUID(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'active') = (profile IS NOT NULL)", name=op.f("ck_network_port_active_means_profile")
        ),
        sa.CheckConstraint(
            "(state = 'free') = (subscription_id IS NULL)",
            name=op.f("ck_network_port_free_means_no_subscription"),
        ),
        sa.ForeignKeyConstraint(["node_id"], ["network_node.id"], name=op.f("fk_network_port_node_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_network_port_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_port")),
        sa.UniqueConstraint("node_id", "port_no", name=op.f("uq_network_port_node_id_port_no")),
        sa.UniqueConstraint("subscription_id", name=op.f("uq_network_port_subscription_id")),
    )
    op.create_table(
        "process",
        sa.Column(
            "kind",
            sa.Enum(
                "connection",
                "disconnection",
                "tariff_change",
                "dunning",
                "outage",
                "request",
                "billing_run",
                name="process_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "completed",
                "cancelled",
                "failed",
                name="process_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="open",
            nullable=False,
        ),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("waiting_for", sa.Text(), nullable=True),
        sa.Column("subscriber_id", sa.UUID(), nullable=True),
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("subscription_id", sa.UUID(), nullable=True),
        sa.Column("policy_id", sa.UUID(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'open') = (closed_at IS NULL)", name=op.f("ck_process_open_means_not_closed")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_process_account_id")),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"], name=op.f("fk_process_policy_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_process_subscriber_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_process_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_process_idempotency_key")),
        sa.UniqueConstraint("workflow_id", name=op.f("uq_process_workflow_id")),
    )
    op.create_index("ix_process_kind_status_stage", "process", ["kind", "status", "stage"], unique=False)
    op.create_index(
        "ix_process_open_by_account",
        "process",
        ["account_id"],
        unique=False,
        postgresql_where="status = 'open'",
    )
    op.create_index(op.f("ix_process_subscriber_id"), "process", ["subscriber_id"], unique=False)
    op.create_index(
        "uq_process_one_open_a_subscription",
        "process",
        ["subscription_id"],
        unique=True,
        postgresql_where="status = 'open' AND kind IN ('connection', 'disconnection', 'tariff_change')",
    )
    op.create_table(
        "stock_item",
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "in_stock",
                "reserved",
                "installed",
                "scrapped",
                "lost",
                name="stock_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="in_stock",
            nullable=False,
        ),
        sa.Column("subscription_id", sa.UUID(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('reserved', 'installed')) = (subscription_id IS NOT NULL)",
            name=op.f("ck_stock_item_held_by_a_subscription"),
        ),
        sa.ForeignKeyConstraint(["sku"], ["equipment_model.sku"], name=op.f("fk_stock_item_sku")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_stock_item_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_item")),
        sa.UniqueConstraint("serial", name=op.f("uq_stock_item_serial")),
    )
    op.create_index(
        "ix_stock_item_free",
        "stock_item",
        ["sku", "received_at"],
        unique=False,
        postgresql_where="state = 'in_stock'",
    )
    op.create_index(op.f("ix_stock_item_subscription_id"), "stock_item", ["subscription_id"], unique=False)
    op.create_table(
        "connection_application",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("equipment", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_id"], ["process.id"], name=op.f("fk_connection_application_process_id")
        ),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_connection_application")),
    )
    op.create_table(
        "document",
        sa.Column(
            "kind",
            sa.Enum(
                "contract",
                "handover_act",
                name="document_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("subscriber_id", sa.UUID(), nullable=False),
        sa.Column(
            "language",
            sa.Enum("ru", "kk", "en", name="language", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("signature", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("(pdf IS NULL) = (sha256 IS NULL)", name=op.f("ck_document_hash_with_pdf")),
        sa.CheckConstraint(
            "(signed_at IS NULL) = (signature IS NULL)", name=op.f("ck_document_signed_by_somebody")
        ),
        sa.CheckConstraint(
            "signed_at IS NULL OR pdf IS NOT NULL", name=op.f("ck_document_only_a_pdf_is_signed")
        ),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_document_process_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_document_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("kind", "number", name=op.f("uq_document_kind_number")),
        sa.UniqueConstraint("process_id", "kind", name=op.f("uq_document_process_id_kind")),
    )
    op.create_index(op.f("ix_document_subscriber_id"), "document", ["subscriber_id"], unique=False)
    op.create_table(
        "invoice",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "connection",
                "recurring",
                "final",
                name="invoice_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="KZT", nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("due_on >= issued_on", name=op.f("ck_invoice_due_after_issue")),
        sa.CheckConstraint(
            "net_minor + vat_minor = total_minor AND total_minor >= 0",
            name=op.f("ck_invoice_total_is_the_sum"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_invoice_account_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_invoice_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("number", name=op.f("uq_invoice_number")),
    )
    op.create_index(op.f("ix_invoice_account_id"), "invoice", ["account_id"], unique=False)
    op.create_index(
        "uq_invoice_one_connection_invoice",
        "invoice",
        ["process_id", "kind"],
        unique=True,
        postgresql_where="process_id IS NOT NULL",
    )
    op.create_table(
        "process_stage",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_process_stage_process_id")),
        sa.PrimaryKeyConstraint("process_id", "name", name=op.f("pk_process_stage")),
    )
    op.create_table(
        "task",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "department",
            sa.Enum(
                "operator",
                "procurement",
                "accounting",
                "dispatcher",
                "installer",
                "support",
                "ops",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "done",
                "withdrawn",
                name="task_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="open",
            nullable=False,
        ),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.UUID(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_by", sa.Text(), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'done') = (outcome IS NOT NULL AND completed_at IS NOT NULL AND completed_by IS NOT NULL)",
            name=op.f("ck_task_done_means_by_somebody"),
        ),
        sa.ForeignKeyConstraint(["claimed_by"], ["staff.id"], name=op.f("fk_task_claimed_by")),
        sa.ForeignKeyConstraint(["department"], ["department.code"], name=op.f("fk_task_department")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_task_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(
        "ix_task_department_status_due_at", "task", ["department", "status", "due_at"], unique=False
    )
    op.create_index(op.f("ix_task_process_id"), "task", ["process_id"], unique=False)
    op.create_table(
        "timeline_entry",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_timeline_entry_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline_entry")),
        sa.UniqueConstraint("process_id", "key", name=op.f("uq_timeline_entry_process_id_key")),
    )
    op.create_table(
        "visit",
        sa.Column("crew_id", sa.UUID(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("crew_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="ex_visit_no_double_booking",
        ),
        sa.CheckConstraint("NOT isempty(during)", name=op.f("ck_visit_has_length")),
        sa.ForeignKeyConstraint(["crew_id"], ["crew.id"], name=op.f("fk_visit_crew_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_visit_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
        sa.UniqueConstraint("process_id", name=op.f("uq_visit_process_id")),
    )
    op.create_table(
        "allocation",
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "allocated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_allocation_amount_not_zero")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_allocation_invoice_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_allocation_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation")),
    )
    op.create_index(op.f("ix_allocation_invoice_id"), "allocation", ["invoice_id"], unique=False)
    op.create_index(op.f("ix_allocation_payment_id"), "allocation", ["payment_id"], unique=False)
    op.create_table(
        "credit_note",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "net_minor + vat_minor = total_minor AND total_minor > 0",
            name=op.f("ck_credit_note_total_is_the_sum"),
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_credit_note_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("number", name=op.f("uq_credit_note_number")),
    )
    op.create_index(op.f("ix_credit_note_invoice_id"), "credit_note", ["invoice_id"], unique=False)
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("line_no", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("formula", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_rate_bp", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "net_minor + vat_minor = total_minor", name=op.f("ck_invoice_line_total_is_the_sum")
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_line_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_line")),
    )
    op.create_index(
        "uq_invoice_line_invoice_id_line_no", "invoice_line", ["invoice_id", "line_no"], unique=True
    )
    op.create_table(
        "message",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subscriber_id", sa.UUID(), nullable=True),
        sa.Column("staff_id", sa.UUID(), nullable=True),
        sa.Column("process_id", sa.UUID(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column(
            "language",
            sa.Enum("ru", "kk", "en", name="language", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("segments", sa.BigInteger(), nullable=False),
        sa.Column(
            "urgency",
            sa.Enum(
                "requested",
                "notice",
                "emergency",
                name="urgency",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "sending",
                "unknown",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                "withdrawn",
                name="message_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("unless_paid_invoice_id", sa.UUID(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("provider_sid", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint(
            "(subscriber_id IS NULL) <> (staff_id IS NULL)", name=op.f("ck_message_one_recipient")
        ),
        sa.CheckConstraint("length(body) BETWEEN 1 AND 1600", name=op.f("ck_message_body_fits")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_message_process_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_message_staff_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_message_subscriber_id")),
        sa.ForeignKeyConstraint(
            ["unless_paid_invoice_id"], ["invoice.id"], name=op.f("fk_message_unless_paid_invoice_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("key", name=op.f("uq_message_key")),
        sa.UniqueConstraint("provider_sid", name=op.f("uq_message_provider_sid")),
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["not_before"],
        unique=False,
        postgresql_where="status IN ('queued', 'sending', 'unknown')",
    )
    op.create_index(op.f("ix_message_process_id"), "message", ["process_id"], unique=False)
    op.create_index(op.f("ix_message_subscriber_id"), "message", ["subscriber_id"], unique=False)
    op.create_table(
        "task_submission",
        sa.Column("task_id", sa.UUID(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "submitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_submission_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_submission")),
    )
    op.create_index(op.f("ix_task_submission_task_id"), "task_submission", ["task_id"], unique=False)
