"""What a tariff works with, what a port carries, and what a tariff change knows beside its process."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KINDS = ("ont", "router", "switch", "stb", "other")
TIMINGS = ("now", "next_period", "on_date")


def upgrade() -> None:
    _capabilities()
    _ports()
    op.create_table(
        "tariff_change",
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("from_tariff_id", sa.UUID(), nullable=False),
        sa.Column("to_tariff_id", sa.UUID(), nullable=False),
        sa.Column(
            "timing",
            sa.Enum(*TIMINGS, name="timing", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("planned_on", sa.Date(), nullable=False),
        sa.Column("equipment", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("changed_on", sa.Date(), nullable=True),
        sa.CheckConstraint("from_tariff_id <> to_tariff_id", name=op.f("ck_tariff_change_changes_something")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_tariff_change_process_id")),
        sa.ForeignKeyConstraint(["from_tariff_id"], ["tariff.id"], name=op.f("fk_tariff_change_from_tariff_id")),
        sa.ForeignKeyConstraint(["to_tariff_id"], ["tariff.id"], name=op.f("fk_tariff_change_to_tariff_id")),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_tariff_change")),
    )


def _capabilities() -> None:
    op.add_column(
        "equipment_model",
        sa.Column(
            "kind",
            sa.Enum(*KINDS, name="equipment_kind", native_enum=False, create_constraint=False, length=40),
            server_default="other",
            nullable=False,
        ),
    )
    op.create_check_constraint(
        op.f("ck_equipment_model_equipment_kind"),
        "equipment_model",
        f"kind IN ({', '.join(repr(word) for word in KINDS)})",
    )
    op.add_column("tariff", sa.Column("speed_mbps", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_tariff_speed_positive"), "tariff", "speed_mbps > 0")
    op.create_table(
        "tariff_equipment",
        sa.Column("tariff_id", sa.UUID(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("place > 0", name=op.f("ck_tariff_equipment_place_positive")),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariff.id"], name=op.f("fk_tariff_equipment_tariff_id")),
        sa.ForeignKeyConstraint(["sku"], ["equipment_model.sku"], name=op.f("fk_tariff_equipment_sku")),
        sa.PrimaryKeyConstraint("tariff_id", "sku", name=op.f("pk_tariff_equipment")),
        sa.UniqueConstraint("tariff_id", "place", name=op.f("uq_tariff_equipment_tariff_id_place")),
    )


def _ports() -> None:
    op.add_column("network_port", sa.Column("max_mbps", sa.BigInteger(), nullable=True))
    op.add_column("network_port", sa.Column("kept_for", sa.UUID(), nullable=True))
    op.create_foreign_key(op.f("fk_network_port_kept_for"), "network_port", "process", ["kept_for"], ["id"])
    op.drop_constraint(op.f("uq_network_port_subscription_id"), "network_port")
    op.create_index(
        "uq_network_port_one_a_subscription",
        "network_port",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text("kept_for IS NULL"),
    )
    op.create_index(
        "uq_network_port_kept_for",
        "network_port",
        ["kept_for"],
        unique=True,
        postgresql_where=sa.text("kept_for IS NOT NULL"),
    )
    op.create_check_constraint(
        op.f("ck_network_port_kept_means_reserved"), "network_port", "kept_for IS NULL OR state = 'reserved'"
    )
    op.create_check_constraint(op.f("ck_network_port_speed_positive"), "network_port", "max_mbps > 0")
