"""Credits for outages: charges of less than nothing, and which outages were reckoned for which services."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

CHARGE_KINDS = ("recurring", "equipment", "one_off", "credit")


def upgrade() -> None:
    _credits()
    op.create_table(
        "credited_outage",
        sa.Column("outage_id", sa.UUID(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("credited", postgresql.TSTZMULTIRANGE(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("credited_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("NOT isempty(during)", name=op.f("ck_credited_outage_during_something")),
        sa.CheckConstraint("total_minor >= 0", name=op.f("ck_credited_outage_never_negative")),
        sa.ForeignKeyConstraint(["outage_id"], ["process.id"], name=op.f("fk_credited_outage_outage_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_credited_outage_subscription_id")
        ),
        sa.PrimaryKeyConstraint("outage_id", "subscription_id", name=op.f("pk_credited_outage")),
    )
    op.create_index(op.f("ix_credited_outage_subscription_id"), "credited_outage", ["subscription_id"], unique=False)


def _credits() -> None:
    """A charge may be a credit: negative, of one day, for an outage, with a formula of its own."""
    for constraint in ("charge_kind", "amount_positive", "once_is_one_day"):
        op.drop_constraint(op.f(f"ck_charge_{constraint}"), "charge")
    op.add_column("charge", sa.Column("outage_id", sa.UUID(), nullable=True))
    op.add_column("charge", sa.Column("formula", sa.Text(), nullable=True))
    op.create_foreign_key(op.f("fk_charge_outage_id"), "charge", "process", ["outage_id"], ["id"])
    op.create_index("ix_charge_credit", "charge", ["subscription_id"], unique=False, postgresql_where="kind = 'credit'")
    for name, condition in (
        ("charge_kind", f"kind IN ({', '.join(repr(word) for word in CHARGE_KINDS)})"),
        ("only_a_credit_gives_back", "amount_minor <> 0 AND (amount_minor < 0) = (kind = 'credit')"),
        (
            "a_credit_is_for_an_outage",
            "(outage_id IS NOT NULL) = (kind = 'credit') AND (formula IS NOT NULL) = (kind = 'credit')",
        ),
        ("once_is_one_day", "kind NOT IN ('one_off', 'credit') OR upper(during) = lower(during) + 1"),
    ):
        op.create_check_constraint(op.f(f"ck_charge_{name}"), "charge", condition)
