"""Processes of accounting and of a subscriber's later life, and the acts that they draw up."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WORDS = {
    ("process", "process_kind"): (
        "connection", "disconnection", "tariff_change", "dunning", "outage", "request", "billing_run", "clarification",
        "reconciliation",
    ),
    ("document", "document_kind"): ("contract", "handover_act", "replacement_act", "return_act"),
}  # fmt: skip


def upgrade() -> None:
    for (table, name), words in _WORDS.items():
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
        op.create_check_constraint(
            op.f(f"ck_{table}_{name}"), table, f"kind IN ({', '.join(repr(word) for word in words)})"
        )
