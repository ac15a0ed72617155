"""Proof that the ledger is right: everything that follows from the transfers is compared with what is kept."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True)
class Finding:
    """Something that must not be: which rule is broken, by which row, and the two sums that differ, in tiyn."""

    rule: str
    subject: str
    expected_minor: int
    found_minor: int


@dataclass(frozen=True)
class TrialBalanceRow:
    """One account of the chart over a range of dates, in tiyn; balances are debits minus credits."""

    code: str
    title: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


# Each query answers (account_id, subject, expected_minor, found_minor) for everything that it looks at.
_RULES: Final = {
    "a balance is the sum of its transfers": """
        SELECT account_id, coalesce(account_id::text, 'no account') || ' ' || chart_code AS subject,
               sum(posted_minor) AS expected_minor, sum(kept_minor) AS found_minor
        FROM (
            SELECT account_id, debit AS chart_code, amount_minor AS posted_minor, 0 AS kept_minor FROM transfer
            UNION ALL SELECT account_id, credit, -amount_minor, 0 FROM transfer
            UNION ALL SELECT account_id, chart_code, 0, balance_minor FROM ledger_balance
        ) AS side
        GROUP BY account_id, chart_code
    """,
    "an invoice is the sum of its lines": """
        SELECT invoice.account_id, invoice.number AS subject, coalesce(sum(line.total_minor), 0) AS expected_minor,
               invoice.total_minor AS found_minor
        FROM invoice LEFT JOIN invoice_line AS line ON line.invoice_id = invoice.id
        GROUP BY invoice.id
    """,
    "an invoice's VAT is the sum of its lines'": """
        SELECT invoice.account_id, invoice.number AS subject, coalesce(sum(line.vat_minor), 0) AS expected_minor,
               invoice.vat_minor AS found_minor
        FROM invoice LEFT JOIN invoice_line AS line ON line.invoice_id = invoice.id
        GROUP BY invoice.id
    """,
    "an invoice is posted": """
        SELECT invoice.account_id, invoice.number AS subject, invoice.total_minor AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '1210'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '1210'), 0) AS found_minor
        FROM invoice LEFT JOIN transfer AS posted ON posted.document_id = invoice.id
        GROUP BY invoice.id
    """,
    "an invoice's VAT is posted": """
        SELECT invoice.account_id, invoice.number AS subject, invoice.vat_minor AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '3130'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '3130'), 0) AS found_minor
        FROM invoice LEFT JOIN transfer AS posted ON posted.document_id = invoice.id
        GROUP BY invoice.id
    """,
    "a credit note is the sum of its lines": """
        SELECT invoice.account_id, note.number AS subject, note.total_minor AS expected_minor,
               coalesce(sum(line.total_minor), 0) AS found_minor
        FROM credit_note AS note
        JOIN invoice ON invoice.id = note.invoice_id
        LEFT JOIN credit_note_line AS line ON line.credit_note_id = note.id
        GROUP BY note.id, invoice.id
    """,
    "a credit note's VAT is the sum of its lines'": """
        SELECT invoice.account_id, note.number AS subject, note.vat_minor AS expected_minor,
               coalesce(sum(line.vat_minor), 0) AS found_minor
        FROM credit_note AS note
        JOIN invoice ON invoice.id = note.invoice_id
        LEFT JOIN credit_note_line AS line ON line.credit_note_id = note.id
        GROUP BY note.id, invoice.id
    """,
    "no line is credited beyond what it charges": """
        SELECT invoice.account_id, invoice.number || ' line ' || line.line_no AS subject,
               CASE WHEN line.total_minor < 0 THEN greatest(line.total_minor, sum(part.total_minor))
                    ELSE least(line.total_minor, sum(part.total_minor)) END AS expected_minor,
               sum(part.total_minor) AS found_minor
        FROM credit_note_line AS part
        JOIN credit_note AS note ON note.id = part.credit_note_id
        JOIN invoice ON invoice.id = note.invoice_id
        JOIN invoice_line AS line ON line.invoice_id = invoice.id AND line.line_no = part.line_no
        GROUP BY invoice.id, line.id
    """,
    "a credit note is posted": """
        SELECT invoice.account_id, note.number AS subject, note.total_minor AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '1210'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '1210'), 0) AS found_minor
        FROM credit_note AS note
        JOIN invoice ON invoice.id = note.invoice_id
        LEFT JOIN transfer AS posted ON posted.document_id = note.id
        GROUP BY note.id, invoice.id
    """,
    "a credit note's VAT is posted": """
        SELECT invoice.account_id, note.number AS subject, note.vat_minor AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '3130'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '3130'), 0) AS found_minor
        FROM credit_note AS note
        JOIN invoice ON invoice.id = note.invoice_id
        LEFT JOIN transfer AS posted ON posted.document_id = note.id
        GROUP BY note.id, invoice.id
    """,
    "nothing is credited twice": """
        SELECT invoice.account_id, invoice.number AS subject,
               least(sum(note.total_minor), invoice.total_minor) AS expected_minor,
               sum(note.total_minor) AS found_minor
        FROM invoice JOIN credit_note AS note ON note.invoice_id = invoice.id
        GROUP BY invoice.id
    """,
    "allocations fit the invoice": """
        SELECT account_id, number AS subject,
               greatest(least(allocated_minor, total_minor - credited_minor - written_off_minor), 0)
                   AS expected_minor,
               allocated_minor AS found_minor
        FROM invoice,
             LATERAL (SELECT coalesce(sum(total_minor), 0) AS credited_minor FROM credit_note
                      WHERE invoice_id = invoice.id) AS credited,
             LATERAL (SELECT coalesce(sum(amount_minor), 0) AS allocated_minor FROM allocation
                      WHERE invoice_id = invoice.id) AS allocated,
             LATERAL (SELECT coalesce(sum(amount_minor), 0) AS written_off_minor FROM write_off
                      WHERE invoice_id = invoice.id) AS written_off
    """,
    "a write-off fits the invoice": """
        SELECT invoice.account_id, invoice.number AS subject,
               greatest(0, least(sum(write_off.amount_minor), invoice.total_minor)) AS expected_minor,
               sum(write_off.amount_minor) AS found_minor
        FROM write_off JOIN invoice ON invoice.id = write_off.invoice_id
        GROUP BY invoice.id
    """,
    "a write-off is posted": """
        SELECT invoice.account_id, invoice.number AS subject, write_off.amount_minor AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '7440' AND posted.credit = '1210'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '1210' AND posted.credit = '7440'), 0)
                   AS found_minor
        FROM write_off
        JOIN invoice ON invoice.id = write_off.invoice_id
        LEFT JOIN transfer AS posted ON posted.document_id = write_off.id
        GROUP BY write_off.id, invoice.id
    """,
    "a moved balance stands on both accounts or on none": """
        SELECT moved.from_account_id AS account_id, moved.id::text AS subject,
               CASE WHEN payment.status = 'posted' THEN moved.amount_minor ELSE 0 END AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '3510'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '3510'), 0) AS found_minor
        FROM balance_transfer AS moved
        JOIN payment ON payment.id = moved.payment_id
        LEFT JOIN transfer AS posted ON posted.document_id = moved.id
        GROUP BY moved.id, payment.id
    """,
    "a recalculation is the sum of its lines": """
        SELECT recalculation.account_id, recalculation.id::text AS subject,
               coalesce(sum(line.total_minor), 0) AS expected_minor, recalculation.total_minor AS found_minor
        FROM recalculation LEFT JOIN recalculation_line AS line ON line.recalculation_id = recalculation.id
        GROUP BY recalculation.id
    """,
    "a recalculation gives back no more than it says": """
        SELECT recalculation.account_id, recalculation.id::text AS subject,
               least(coalesce(sum(note.total_minor), 0), -recalculation.total_minor) AS expected_minor,
               coalesce(sum(note.total_minor), 0) AS found_minor
        FROM recalculation LEFT JOIN credit_note AS note ON note.recalculation_id = recalculation.id
        GROUP BY recalculation.id
    """,
    "a payment is posted": """
        SELECT payment.account_id, payment.id::text AS subject,
               CASE WHEN payment.status = 'reversed' THEN 0 ELSE payment.amount_minor END AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '1020'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '1020'), 0) AS found_minor
        FROM payment LEFT JOIN transfer AS posted ON posted.document_id = payment.id
        GROUP BY payment.id
    """,
    "the parts of a payment are of one transaction": """
        SELECT min(account_id::text)::uuid AS account_id, 'R-' || receipt_no AS subject, 1 AS expected_minor,
               count(DISTINCT (bank_id, txn_id)) AS found_minor
        FROM payment GROUP BY receipt_no
    """,
    "allocations and refunds fit the payment": """
        SELECT account_id, id::text AS subject,
               CASE WHEN status = 'posted' THEN greatest(least(used_minor, amount_minor), 0) ELSE 0 END
                   AS expected_minor,
               used_minor AS found_minor
        FROM (SELECT payment.account_id, payment.id, payment.status, payment.amount_minor,
                     payment.refunded_minor + coalesce(sum(allocation.amount_minor), 0) AS used_minor
              FROM payment LEFT JOIN allocation ON allocation.payment_id = payment.id
              GROUP BY payment.id) AS payment
    """,
    "an allocation stays within one account": """
        SELECT invoice.account_id, allocation.id::text AS subject, 0 AS expected_minor,
               allocation.amount_minor AS found_minor
        FROM allocation
        JOIN invoice ON invoice.id = allocation.invoice_id
        JOIN payment ON payment.id = allocation.payment_id
        WHERE payment.account_id IS DISTINCT FROM invoice.account_id
    """,
    "receivables are what invoices ask for": """
        SELECT account.id AS account_id, account.account_no AS subject,
               (SELECT coalesce(sum(total_minor), 0) FROM invoice WHERE account_id = account.id)
               - (SELECT coalesce(sum(note.total_minor), 0) FROM credit_note AS note
                  JOIN invoice ON invoice.id = note.invoice_id WHERE invoice.account_id = account.id)
               - (SELECT coalesce(sum(allocation.amount_minor), 0) FROM allocation
                  JOIN invoice ON invoice.id = allocation.invoice_id WHERE invoice.account_id = account.id)
               - (SELECT coalesce(sum(write_off.amount_minor), 0) FROM write_off
                  JOIN invoice ON invoice.id = write_off.invoice_id WHERE invoice.account_id = account.id)
                   AS expected_minor,
               coalesce((SELECT balance_minor FROM ledger_balance
                         WHERE account_id = account.id AND chart_code = '1210'), 0) AS found_minor
        FROM account
    """,
    "advances are what payments left over": """
        SELECT account.id AS account_id, account.account_no AS subject,
               (SELECT coalesce(sum(amount_minor - refunded_minor), 0) FROM payment
                WHERE account_id = account.id AND status = 'posted')
               - (SELECT coalesce(sum(allocation.amount_minor), 0) FROM allocation
                  JOIN payment ON payment.id = allocation.payment_id
                  WHERE payment.account_id = account.id AND payment.status = 'posted') AS expected_minor,
               coalesce((SELECT -balance_minor FROM ledger_balance
                         WHERE account_id = account.id AND chart_code = '3510'), 0) AS found_minor
        FROM account
    """,
    "an advance and a debt never stand side by side": """
        SELECT owed.account_id, owed.account_id::text AS subject, 0 AS expected_minor,
               least(owed.balance_minor, -held.balance_minor) AS found_minor
        FROM ledger_balance AS owed
        JOIN ledger_balance AS held ON held.account_id = owed.account_id AND held.chart_code = '3510'
        WHERE owed.chart_code = '1210' AND owed.balance_minor > 0 AND held.balance_minor < 0
    """,
    "a bank's transfer is posted for each of its days": """
        SELECT CAST(NULL AS uuid) AS account_id, settled.id::text AS subject,
               settled.net_minor + settled.fee_minor AS expected_minor,
               coalesce(sum(posted.amount_minor) FILTER (WHERE posted.credit = '1020'), 0)
               - coalesce(sum(posted.amount_minor) FILTER (WHERE posted.debit = '1020'), 0) AS found_minor
        FROM bank_settlement_day AS settled LEFT JOIN transfer AS posted ON posted.document_id = settled.id
        GROUP BY settled.id
    """,
    "a bank's transfer is the sum of its days": """
        SELECT CAST(NULL AS uuid) AS account_id, settlement.id::text AS subject,
               settlement.amount_minor AS expected_minor, coalesce(sum(settled.net_minor), 0) AS found_minor
        FROM bank_settlement AS settlement
        LEFT JOIN bank_settlement_day AS settled ON settled.settlement_id = settlement.id
        GROUP BY settlement.id
    """,
    "suspense is what payments in suspense amount to": """
        SELECT CAST(NULL AS uuid) AS account_id, '3390' AS subject,
               (SELECT coalesce(sum(amount_minor), 0) FROM payment WHERE status = 'suspense') AS expected_minor,
               (SELECT coalesce(-sum(balance_minor), 0) FROM ledger_balance WHERE chart_code = '3390') AS found_minor
    """,
}
_TRIAL_BALANCE = text("""
    SELECT chart.code, chart.title,
           coalesce(sum(side.amount_minor) FILTER (WHERE side.effective_on < :from_on), 0)::bigint AS opening_minor,
           coalesce(sum(side.amount_minor) FILTER (WHERE side.effective_on >= :from_on AND side.amount_minor > 0), 0)
               ::bigint AS debit_minor,
           coalesce(-sum(side.amount_minor) FILTER (WHERE side.effective_on >= :from_on AND side.amount_minor < 0), 0)
               ::bigint AS credit_minor,
           coalesce(sum(side.amount_minor), 0)::bigint AS closing_minor
    FROM chart_account AS chart
    LEFT JOIN (
        SELECT debit AS code, amount_minor, effective_on FROM transfer
        UNION ALL SELECT credit, -amount_minor, effective_on FROM transfer
    ) AS side ON side.code = chart.code AND side.effective_on < :until_on
    GROUP BY chart.code
    ORDER BY chart.code
""")


def check(session: Session, *, account_id: UUID | None = None) -> list[Finding]:
    """Everything that is wrong with the ledger, or with one account in it; nothing when all is well."""
    findings = []
    for rule, query in _RULES.items():
        wrong = session.execute(
            text(
                f"SELECT * FROM ({query}) AS looked_at "  # noqa: S608 - made of the constants above
                "WHERE expected_minor <> found_minor "
                "AND (CAST(:account_id AS uuid) IS NULL OR account_id = :account_id)"
            ),
            {"account_id": account_id},
        )
        findings += [Finding(rule, row.subject, int(row.expected_minor), int(row.found_minor)) for row in wrong]
    return findings


def trial_balance(session: Session, *, from_on: date, until_on: date) -> list[TrialBalanceRow]:
    """Opening balance, turnovers and closing balance of each chart account for [from_on, until_on)."""
    rows = session.execute(_TRIAL_BALANCE, {"from_on": from_on, "until_on": until_on})
    return [TrialBalanceRow(**row) for row in rows.mappings()]
