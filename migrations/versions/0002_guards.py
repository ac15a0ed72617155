"""Sequences, and what no code may do: change the ledger, change a signed document, let a balance drift."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FORBID_CHANGE = """
CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: post a reversing transfer instead', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""

LEDGER_BALANCES = """
CREATE FUNCTION add_to_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Ordered, so that two postings that touch the same accounts wait for each other instead of deadlocking.
    INSERT INTO ledger_balance AS balance (account_id, chart_code, balance_minor)
    SELECT account_id, chart_code, sum(amount_minor)
    FROM (
        SELECT account_id, debit AS chart_code, amount_minor FROM posted
        UNION ALL
        SELECT account_id, credit, -amount_minor FROM posted
    ) AS side
    GROUP BY account_id, chart_code
    ORDER BY account_id, chart_code
    ON CONFLICT (account_id, chart_code)
    DO UPDATE SET balance_minor = balance.balance_minor + excluded.balance_minor;
    RETURN NULL;
END $$
"""

FORBID_CHANGE_OF_SIGNED = """
CREATE FUNCTION forbid_change_of_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.signed_at IS NOT NULL THEN
        RAISE EXCEPTION 'document % is signed and can no longer be changed', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$
"""


def upgrade() -> None:
    op.execute("CREATE SEQUENCE account_no_seq START 100001")
    op.execute("CREATE SEQUENCE receipt_no_seq")
    op.execute(FORBID_CHANGE)
    for table in ("transfer", "invoice", "invoice_line", "credit_note", "allocation", "timeline_entry"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION forbid_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
        )
    op.execute(LEDGER_BALANCES)
    op.execute(
        "CREATE TRIGGER transfer_adds_to_balances AFTER INSERT ON transfer REFERENCING NEW TABLE AS posted "
        "FOR EACH STATEMENT EXECUTE FUNCTION add_to_balances()"
    )
    op.execute(FORBID_CHANGE_OF_SIGNED)
    op.execute(
        "CREATE TRIGGER document_signed_is_final BEFORE UPDATE OR DELETE ON document "
        "FOR EACH ROW EXECUTE FUNCTION forbid_change_of_signed()"
    )
