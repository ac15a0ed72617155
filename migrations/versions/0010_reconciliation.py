"""A bank's days: what was agreed with it, its registries, differences, statements and settlements."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

REGISTRY_STATES = ("taken", "doubtful", "refused")
DIFFERENCES = (
    "missing_here", "unknown_account", "extra_here", "other_sum", "other_date", "other_reversal_date", "other_account",
    "reversed_here", "refunded_at_bank", "refund_unknown", "reversal_unknown_to_bank", "in_two_registries",
)  # fmt: skip
DIFFERENCE_STATUSES = ("open", "resolved", "left", "vanished")
EVENTS = ("taken", "reversed")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def _id() -> sa.Column[UUID]:
    return sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False)


def _at(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    _terms_and_registries()
    _days()
    _statements()
    # Rows stand nearly in the order of their days, so these cost a payment nothing.
    op.create_index("ix_payment_paid_at", "payment", ["paid_at"], postgresql_using="brin")
    op.create_index("ix_payment_accounting_on", "payment", ["accounting_on"], postgresql_using="brin")
    for table in ("bank_terms", "bank_registry_row", "bank_settlement_day"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION forbid_change()"
        )


def _terms_and_registries() -> None:
    op.create_table(
        "bank_terms",
        sa.Column("bank_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        _id(),
        _refers("bank_terms", "bank_id", "bank"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_terms")),
        sa.UniqueConstraint("bank_id", "version", name=op.f("uq_bank_terms_bank_id_version")),
    )
    op.create_table(
        "bank_registry",
        sa.Column("bank_id", sa.UUID(), nullable=False),
        sa.Column("day_on", sa.Date(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", _words("registry_state", *REGISTRY_STATES), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("problems", postgresql.JSONB(), nullable=False),
        _at("received_at"),
        sa.Column("received_from", sa.Text(), nullable=False),
        _at("decided_at", nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        _id(),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (decided_by IS NULL)", name=op.f("ck_bank_registry_decided_by_somebody")
        ),
        _refers("bank_registry", "bank_id", "bank"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_registry")),
        sa.UniqueConstraint("bank_id", "day_on", "version", name=op.f("uq_bank_registry_bank_id_day_on_version")),
        sa.UniqueConstraint("bank_id", "day_on", "sha256", name=op.f("uq_bank_registry_bank_id_day_on_sha256")),
    )
    op.create_table(
        "bank_registry_row",
        sa.Column("registry_id", sa.UUID(), nullable=False),
        sa.Column("line_no", sa.BigInteger(), nullable=False),
        sa.Column("txn_id", sa.Text(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        _at("paid_at", nullable=True),
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_bank_registry_row_amount_not_zero")),
        _refers("bank_registry_row", "registry_id", "bank_registry"),
        sa.PrimaryKeyConstraint("registry_id", "line_no", name=op.f("pk_bank_registry_row")),
    )
    op.create_index("ix_bank_registry_row_registry_id_txn_id", "bank_registry_row", ["registry_id", "txn_id"])


def _days() -> None:
    op.create_table(
        "reconciliation",
        sa.Column("bank_id", sa.UUID(), nullable=False),
        sa.Column("day_on", sa.Date(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("registry_id", sa.UUID(), nullable=True),
        _at("compared_at", nullable=True),
        sa.Column("lines", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("posted_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=True),
        _at("ready_at", nullable=True),
        _at("settled_at", nullable=True),
        _id(),
        _refers("reconciliation", "bank_id", "bank"),
        _refers("reconciliation", "process_id", "process"),
        _refers("reconciliation", "registry_id", "bank_registry"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation")),
        sa.UniqueConstraint("bank_id", "day_on", name=op.f("uq_reconciliation_bank_id_day_on")),
        sa.UniqueConstraint("process_id", name=op.f("uq_reconciliation_process_id")),
    )
    op.create_index(
        "ix_reconciliation_unsettled",
        "reconciliation",
        ["bank_id", "day_on"],
        postgresql_where="settled_at IS NULL",
    )
    op.create_table(
        "reconciliation_difference",
        sa.Column("reconciliation_id", sa.UUID(), nullable=False),
        sa.Column("txn_id", sa.Text(), nullable=False),
        sa.Column("kind", _words("difference_kind", *DIFFERENCES), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("registry_minor", sa.BigInteger(), nullable=True),
        sa.Column("posted_minor", sa.BigInteger(), nullable=True),
        sa.Column("standing_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=True),
        sa.Column("subscriber", sa.Text(), nullable=True),
        sa.Column("account_id", sa.UUID(), nullable=True),
        sa.Column("other_on", sa.Date(), nullable=True),
        sa.Column("status", _words("difference_status", *DIFFERENCE_STATUSES), server_default="open", nullable=False),
        sa.Column("wanted_by", sa.Text(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        _at("found_at"),
        _at("closed_at", nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        _id(),
        sa.CheckConstraint(
            "(status = 'open') = (closed_at IS NULL)", name=op.f("ck_reconciliation_difference_open_means_not_closed")
        ),
        _refers("reconciliation_difference", "reconciliation_id", "reconciliation"),
        _refers("reconciliation_difference", "payment_id", "payment"),
        _refers("reconciliation_difference", "account_id", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_difference")),
    )
    op.create_index(
        "uq_reconciliation_difference_stands",
        "reconciliation_difference",
        ["reconciliation_id", "txn_id", "fingerprint"],
        unique=True,
        postgresql_where="status IN ('open', 'left')",
    )
    op.create_index(
        "ix_reconciliation_difference_reconciliation_id_status_id",
        "reconciliation_difference",
        ["reconciliation_id", "status", "id"],
    )
    op.create_table(
        "payment_bank_day",
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("event", _words("payment_event", *EVENTS), nullable=False),
        sa.Column("bank_id", sa.UUID(), nullable=False),
        sa.Column("counts_on", sa.Date(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        _at("set_at"),
        _refers("payment_bank_day", "payment_id", "payment"),
        _refers("payment_bank_day", "bank_id", "bank"),
        sa.PrimaryKeyConstraint("payment_id", "event", name=op.f("pk_payment_bank_day")),
    )
    op.create_index("ix_payment_bank_day_bank_id_counts_on", "payment_bank_day", ["bank_id", "counts_on"])


def _statements() -> None:
    op.create_table(
        "bank_statement",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("accounts", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("documents", sa.BigInteger(), nullable=False),
        sa.Column("new_lines", sa.BigInteger(), nullable=False),
        sa.Column("problems", postgresql.JSONB(), nullable=False),
        _at("received_at"),
        sa.Column("received_from", sa.Text(), nullable=False),
        _id(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_statement")),
        sa.UniqueConstraint("sha256", name=op.f("uq_bank_statement_sha256")),
    )
    op.create_table(
        "bank_settlement",
        sa.Column("bank_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        _at("settled_at"),
        sa.Column("settled_by", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        _id(),
        _refers("bank_settlement", "bank_id", "bank"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_settlement")),
    )
    op.create_index(op.f("ix_bank_settlement_bank_id"), "bank_settlement", ["bank_id"])
    op.create_table(
        "bank_settlement_day",
        sa.Column("settlement_id", sa.UUID(), nullable=False),
        sa.Column("reconciliation_id", sa.UUID(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        _id(),
        _refers("bank_settlement_day", "settlement_id", "bank_settlement"),
        _refers("bank_settlement_day", "reconciliation_id", "reconciliation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_settlement_day")),
    )
    op.create_index(op.f("ix_bank_settlement_day_settlement_id"), "bank_settlement_day", ["settlement_id"])
    op.create_index(op.f("ix_bank_settlement_day_reconciliation_id"), "bank_settlement_day", ["reconciliation_id"])
    op.create_table(
        "bank_statement_line",
        sa.Column("statement_id", sa.UUID(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("is_incoming", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("party_name", sa.Text(), nullable=False),
        sa.Column("party_id_no", sa.Text(), nullable=False),
        sa.Column("party_account", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("purpose_code", sa.Text(), nullable=False),
        sa.Column("settlement_id", sa.UUID(), nullable=True),
        _id(),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_bank_statement_line_amount_positive")),
        sa.CheckConstraint(
            "is_incoming OR settlement_id IS NULL", name=op.f("ck_bank_statement_line_only_income_settles")
        ),
        _refers("bank_statement_line", "statement_id", "bank_statement"),
        _refers("bank_statement_line", "settlement_id", "bank_settlement"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_statement_line")),
        sa.UniqueConstraint("sha256", name=op.f("uq_bank_statement_line_sha256")),
    )
    op.create_index(op.f("ix_bank_statement_line_statement_id"), "bank_statement_line", ["statement_id"])
    op.create_index(op.f("ix_bank_statement_line_settlement_id"), "bank_statement_line", ["settlement_id"])
    op.create_index(
        "ix_bank_statement_line_booked_on",
        "bank_statement_line",
        ["booked_on"],
        postgresql_where="is_incoming AND settlement_id IS NULL",
    )
