"""From priced lines to invoices: sums, exceptions, postings, numbers, advances; a few statements for any number.

The numbers are taken as late as can be, because whoever issues a document waits for them: postings say what the invoice
is for instead of its number, and come before it. Who gets back more than is charged gets no invoice: see
`billing_credits`.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.billing_lines import WORDED, scanning
from activities.numbering import next_numbers
from models.contracts.billing import InvoiceKind
from models.contracts.money import MAX_AMOUNT_MINOR

INVOICE_SERIES = "invoice"

# An account has one problem at a time: the first that keeps it from being billed.
_TOTALS = text("""
    INSERT INTO bill_invoice (account_id, net_minor, vat_minor, problem, subscription_id)
    SELECT account_id,
           CASE WHEN abs(due.net_minor) <= :limit_minor THEN due.net_minor END,
           CASE WHEN abs(due.vat_minor) <= :limit_minor THEN due.vat_minor END,
           CASE WHEN gap.reason IS NOT NULL THEN gap.reason
                WHEN due.beyond_limit OR due.net_minor + due.vat_minor > :limit_minor THEN 'amount_beyond_limit'
                WHEN due.net_minor + due.vat_minor < 0 THEN 'negative_total' END,
           gap.subscription_id
    FROM (SELECT account_id, sum(net_minor) AS net_minor, sum(vat_minor) AS vat_minor,
                 bool_or(net_minor IS NULL) AS beyond_limit
          FROM bill_line WHERE (net_minor <> 0 OR vat_minor <> 0) IS NOT FALSE GROUP BY account_id) AS due
    FULL JOIN (SELECT DISTINCT ON (account_id) account_id, subscription_id, reason
               FROM bill_gap ORDER BY account_id, reason, subscription_id) AS gap USING (account_id)
    ORDER BY account_id
""")
_FIGURES = text("""
    SELECT count(*) FILTER (WHERE problem IS NULL) AS invoices, count(problem) AS exceptions,
           count(*) FILTER (WHERE problem = 'negative_total') AS negative,
           coalesce(sum(net_minor + vat_minor) FILTER (WHERE problem IS NULL), 0)::bigint AS invoiced_minor
    FROM bill_invoice
""")
# A correction may leave a negative net or VAT within a positive total, where the rate has changed in between.
_TRANSFERS = text("""
    INSERT INTO transfer (key, debit, credit, amount_minor, account_id, document_kind, document_id, reason,
                          effective_on)
    SELECT 'invoice/' || issued.id || '/' || part.part,
           CASE WHEN part.amount_minor > 0 THEN '1210' ELSE part.code END,
           CASE WHEN part.amount_minor > 0 THEN part.code ELSE '1210' END,
           abs(part.amount_minor), issued.account_id, 'invoice', issued.id,
           :reason, :issued_on
    FROM bill_invoice AS issued
    CROSS JOIN LATERAL (VALUES ('net', '6010', issued.net_minor), ('vat', '3130', issued.vat_minor))
                   AS part (part, code, amount_minor)
    WHERE issued.problem IS NULL AND part.amount_minor <> 0
""")
_INVOICES = text("""
    INSERT INTO invoice (id, number, kind, account_id, process_id, period_on, issued_on, due_on, net_minor, vat_minor,
                         total_minor)
    SELECT id, 'СЧ-' || CAST(:year AS text) || '-' || lpad(number, greatest(6, length(number)), '0'), :kind,
           account_id, CAST(:process_id AS uuid), CAST(:period_on AS date), :issued_on, :due_on, net_minor, vat_minor,
           net_minor + vat_minor
    FROM (SELECT issued.*, (:first_number + row_number() OVER (ORDER BY id) - 1)::text AS number
          FROM bill_invoice AS issued WHERE problem IS NULL) AS issued
""")
LINE_ORDER = """line.subscription_id, line.charge_id NULLS FIRST, line.month_on, line.kind <> 'reversal', line.from_day,
                                             line.place"""
"""In which order the lines of a bill stand on it."""

# Most lines say the same as many others: each wording is made once.
_LINES = text(f"""
    WITH said AS MATERIALIZED (
        SELECT DISTINCT kind, title, month_on, month_days, from_day, to_day, fee_minor, left_minor, own_formula
        FROM bill_line WHERE net_minor <> 0 OR vat_minor <> 0
    ), worded AS MATERIALIZED (
        SELECT line.*, {WORDED} FROM said AS line
    )
    INSERT INTO invoice_line (invoice_id, line_no, subscription_id, service_month_on, charge_id, description, formula,
                              quantity, unit_minor, vat_rate_bp, net_minor, vat_minor, total_minor)
    SELECT invoice_id, line_no, subscription_id, month_on, charge_id, description, formula, 1, net_minor + vat_minor,
           vat_rate_bp, net_minor, vat_minor, net_minor + vat_minor
    FROM (SELECT issued.id AS invoice_id, line.*,
                 row_number() OVER (PARTITION BY issued.id ORDER BY {LINE_ORDER}) AS line_no
          FROM bill_invoice AS issued JOIN bill_line AS line USING (account_id)
          WHERE issued.problem IS NULL AND (line.net_minor <> 0 OR line.vat_minor <> 0)) AS line
    JOIN worded USING (kind, title, month_on, month_days, from_day, to_day, fee_minor, left_minor, own_formula)
""")  # noqa: S608 - made of the constants above
# As `settlement.settle` does it for one account: the oldest money covers the oldest debt. Before the run an advance
# and a debt didn't stand side by side, so older invoices are looked at only where more is owed than the new one.
_ADVANCES = text("""
    WITH held AS (
        SELECT issued.id, issued.account_id, issued.net_minor + issued.vat_minor AS total_minor
        FROM bill_invoice AS issued
        WHERE issued.problem IS NULL
          AND (SELECT balance_minor FROM ledger_balance
               WHERE account_id = issued.account_id AND chart_code = '3510') < 0
    ), money AS (
        SELECT *, sum(free_minor) OVER (PARTITION BY account_id ORDER BY received_at, payment_id) AS upto_minor
        FROM (
            SELECT held.account_id, payment.id AS payment_id, payment.received_at,
                   payment.amount_minor - payment.refunded_minor
                   - coalesce((SELECT sum(amount_minor) FROM allocation WHERE payment_id = payment.id), 0) AS free_minor
            FROM held
            CROSS JOIN LATERAL (SELECT * FROM payment WHERE payment.account_id = held.account_id OFFSET 0) AS payment
            WHERE payment.status = 'posted'
        ) AS payment
        WHERE free_minor > 0
    ), debt AS (
        SELECT *, sum(open_minor) OVER (PARTITION BY account_id ORDER BY due_on, invoice_id) AS upto_minor
        FROM (
            SELECT account_id, id AS invoice_id, CAST(:due_on AS date) AS due_on, total_minor AS open_minor FROM held
            UNION ALL
            SELECT held.account_id, older.id, older.due_on,
                   older.total_minor
                   - coalesce((SELECT sum(total_minor) FROM credit_note WHERE invoice_id = older.id), 0)
                   - coalesce((SELECT sum(amount_minor) FROM allocation WHERE invoice_id = older.id), 0)
                   - coalesce((SELECT sum(amount_minor) FROM write_off WHERE invoice_id = older.id), 0)
            FROM held
            CROSS JOIN LATERAL (SELECT * FROM invoice WHERE invoice.account_id = held.account_id OFFSET 0) AS older
            WHERE older.id <> held.id
              AND (SELECT balance_minor FROM ledger_balance
                   WHERE account_id = held.account_id AND chart_code = '1210') > held.total_minor
        ) AS invoice
        WHERE open_minor > 0
    ), written AS (
        INSERT INTO allocation (payment_id, invoice_id, amount_minor, reason)
        SELECT money.payment_id, debt.invoice_id,
               least(money.upto_minor, debt.upto_minor)
               - greatest(money.upto_minor - money.free_minor, debt.upto_minor - debt.open_minor),
               'зачёт аванса в счёт ' || invoice.number
        FROM money JOIN debt USING (account_id)
        CROSS JOIN LATERAL (SELECT number FROM invoice WHERE invoice.id = debt.invoice_id OFFSET 0) AS invoice
        WHERE least(money.upto_minor, debt.upto_minor)
              > greatest(money.upto_minor - money.free_minor, debt.upto_minor - debt.open_minor)
        ORDER BY money.payment_id, debt.due_on, debt.invoice_id
        RETURNING id, payment_id, amount_minor, reason
    )
    INSERT INTO transfer (key, debit, credit, amount_minor, account_id, document_kind, document_id, reason,
                          effective_on)
    SELECT 'allocation/' || written.id, '3510', '1210', written.amount_minor,
           (SELECT account_id FROM payment WHERE payment.id = written.payment_id), 'payment', written.payment_id,
           written.reason, :issued_on
    FROM written
""")


@dataclass(frozen=True)
class Figures:
    """What comes of the accounts that were looked at."""

    invoices: int
    exceptions: int
    invoiced_minor: int
    negative: int
    """Of the exceptions: accounts that get back more than they are charged."""


def total(session: Session) -> Figures:
    """Add the lines up for each account, and tell the accounts that can't be billed from those that can."""
    session.execute(_TOTALS, {"limit_minor": MAX_AMOUNT_MINOR})
    row = session.execute(_FIGURES).one()
    return Figures(row.invoices, row.exceptions, row.invoiced_minor, row.negative)


def issue(
    session: Session,
    count: int,
    *,
    kind: InvoiceKind,
    reason: str,
    issued_on: date,
    due_on: date,
    period_on: date | None = None,
    process_id: UUID | None = None,
) -> None:
    """Issue the invoices that `total` has counted, post them, and cover them with advances, oldest first.

    `reason` is what their transfers say; a run's invoices are of a period, other ones of a process.
    """
    if not count:
        return
    dates = {"issued_on": issued_on, "due_on": due_on}
    session.execute(_TRANSFERS, {**dates, "reason": reason})
    first_number = next_numbers(session, INVOICE_SERIES, issued_on.year, count)
    session.execute(
        _INVOICES,
        {
            **dates, "kind": kind, "period_on": period_on, "process_id": process_id, "year": issued_on.year,
            "first_number": first_number,
        },
    )  # fmt: skip
    with scanning(session):
        session.execute(_LINES)
    session.execute(_ADVANCES, dates)
