"""Credit notes in part: what each took back of which line, and the key under which it was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Until now every credit note took its invoice back wholly.
LINES_OF_WHOLE_NOTES = """
INSERT INTO credit_note_line (credit_note_id, line_no, vat_rate_bp, net_minor, vat_minor, total_minor)
SELECT note.id, line.line_no, line.vat_rate_bp, line.net_minor, line.vat_minor, line.total_minor
FROM credit_note AS note JOIN invoice_line AS line ON line.invoice_id = note.invoice_id
WHERE line.total_minor <> 0
"""


def upgrade() -> None:
    op.create_table(
        "credit_note_line",
        sa.Column("credit_note_id", sa.UUID(), nullable=False),
        sa.Column("line_no", sa.BigInteger(), nullable=False),
        sa.Column("vat_rate_bp", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.CheckConstraint("net_minor + vat_minor = total_minor", name=op.f("ck_credit_note_line_total_is_the_sum")),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name=op.f("fk_credit_note_line_credit_note_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_note_line")),
    )
    op.create_index(
        "uq_credit_note_line_credit_note_id_line_no", "credit_note_line", ["credit_note_id", "line_no"], unique=True
    )
    op.execute(LINES_OF_WHOLE_NOTES)
    op.execute(
        "CREATE TRIGGER credit_note_line_append_only BEFORE UPDATE OR DELETE ON credit_note_line "
        "FOR EACH ROW EXECUTE FUNCTION forbid_change()"
    )
    op.execute(
        "CREATE TRIGGER credit_note_line_no_truncate BEFORE TRUNCATE ON credit_note_line "
        "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
    )
    op.add_column("credit_note", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.add_column("credit_note", sa.Column("request_sha256", sa.LargeBinary(), nullable=True))
    op.create_unique_constraint(op.f("uq_credit_note_idempotency_key"), "credit_note", ["idempotency_key"])
