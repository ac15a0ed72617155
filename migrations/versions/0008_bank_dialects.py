"""How each bank speaks to us, and what it said that could not be."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "bank",
        sa.Column("dialects", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{json_v1}'"), nullable=False),
    )
    op.add_column(
        "bank",
        sa.Column(
            "credential",
            sa.Enum(
                "password",
                "secret",
                "address",
                name="credential",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="password",
            nullable=False,
        ),
    )
    op.add_column(
        "bank",
        sa.Column(
            "payee_number",
            sa.Enum(
                "account",
                "iin",
                "either",
                name="payee_number",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="either",
            nullable=False,
        ),
    )
    op.add_column("bank", sa.Column("payee_parameter", sa.Text(), nullable=True))
    op.add_column("bank", sa.Column("receipt_field", sa.Text(), nullable=True))
    op.add_column("bank", sa.Column("shown_fields", postgresql.JSONB(), nullable=True))
    op.add_column("bank", sa.Column("min_amount_minor", sa.BigInteger(), nullable=True))
    op.add_column("bank", sa.Column("max_amount_minor", sa.BigInteger(), nullable=True))
    op.add_column("bank", sa.Column("takes_advances", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_check_constraint(op.f("ck_bank_speaks_a_dialect"), "bank", "cardinality(dialects) > 0")
    op.create_check_constraint(op.f("ck_bank_limits_positive"), "bank", "min_amount_minor > 0 AND max_amount_minor > 0")
    op.create_check_constraint(op.f("ck_bank_limits_ordered"), "bank", "min_amount_minor <= max_amount_minor")
    op.create_unique_constraint(op.f("uq_bank_password_sha256"), "bank", ["password_sha256"])
    # The bank of the made-up town is there to try every dialect with.
    op.execute("UPDATE bank SET dialects = '{json_v1,osmp,kaspi}' WHERE code = 'demo-bank'")

    op.add_column("payment", sa.Column("accounting_on", sa.Date(), nullable=True))

    op.create_table(
        "payment_conflict",
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("taken_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("asked_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("asked_account_no", sa.Text(), nullable=True),
        sa.Column("asked_amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asked_paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("taken_sha256 <> asked_sha256", name=op.f("ck_payment_conflict_meanings_differ")),
        sa.CheckConstraint("times > 0", name=op.f("ck_payment_conflict_times_positive")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_conflict_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_conflict")),
        sa.UniqueConstraint("payment_id", "asked_sha256", name=op.f("uq_payment_conflict_payment_id_asked_sha256")),
    )
