"""Who gets back more than is charged: credit notes out of earlier invoices, and the lines that say what for.

The lines are a recalculation's, and count as billed from then on. The sum is taken out of the account's invoices:
first out of the lines that charged what is given back, the newest invoice first, then out of whatever else is not
credited yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from activities.billing_issue import LINE_ORDER
from activities.billing_lines import WORDED, scanning
from activities.credit_note_issuing import CreditableLine, Draft, Part, issue_all
from models.contracts.billing import RecalculationKind
from models.rules.crediting import OpenLine, give_back

_WANTED = text("""
    SELECT account_id, -(net_minor + vat_minor) AS amount_minor FROM bill_invoice WHERE problem = 'negative_total'
""")
# A line is meant where the month of its item is being taken back, or where it charges the fee that is credited.
_CREDITABLE = text("""
    SELECT wanted.account_id, invoice.id AS invoice_id, line.line_no, line.vat_rate_bp, line.vat_minor,
           line.total_minor,
           coalesce((SELECT sum(part.total_minor) FROM credit_note AS note
                     JOIN credit_note_line AS part ON part.credit_note_id = note.id AND part.line_no = line.line_no
                     WHERE note.invoice_id = invoice.id), 0) AS credited_minor,
           EXISTS (SELECT FROM bill_line AS taken
                   WHERE taken.account_id = wanted.account_id AND taken.kind IN ('reversal', 'credit')
                     AND CASE taken.kind WHEN 'credit' THEN taken.subscription_id ELSE taken.item_id END
                         = coalesce(line.charge_id, line.subscription_id)
                     AND taken.month_on = coalesce(line.service_month_on, billed.active_month_on)) AS is_meant
    FROM unnest(CAST(:account_ids AS uuid[])) AS wanted (account_id)
    CROSS JOIN LATERAL (SELECT * FROM invoice WHERE invoice.account_id = wanted.account_id OFFSET 0) AS invoice
    CROSS JOIN LATERAL (SELECT * FROM invoice_line WHERE invoice_line.invoice_id = invoice.id OFFSET 0) AS line
    LEFT JOIN bill_subscription AS billed ON billed.subscription_id = line.subscription_id
    ORDER BY wanted.account_id, invoice.issued_on DESC, invoice.id DESC, line.line_no
""")
_SET_ASIDE = text("DELETE FROM bill_invoice WHERE account_id = ANY(CAST(:account_ids AS uuid[]))")
_RECALCULATIONS = text("""
    INSERT INTO recalculation (account_id, process_id, kind, issued_on, net_minor, vat_minor, total_minor)
    SELECT account_id, :process_id, :kind, :issued_on, sum(net_minor), sum(vat_minor), sum(net_minor + vat_minor)
    FROM bill_line WHERE account_id = ANY(CAST(:account_ids AS uuid[]))
    GROUP BY account_id
    RETURNING account_id, id
""")
_RECALCULATION_LINES = text(f"""
    INSERT INTO recalculation_line (recalculation_id, line_no, subscription_id, service_month_on, charge_id,
                                    description, formula, vat_rate_bp, net_minor, vat_minor, total_minor)
    SELECT made.id, row_number() OVER (PARTITION BY made.id ORDER BY {LINE_ORDER}), line.subscription_id, line.month_on,
           line.charge_id, {WORDED}, line.vat_rate_bp, line.net_minor, line.vat_minor, line.net_minor + line.vat_minor
    FROM unnest(CAST(:account_ids AS uuid[]), CAST(:ids AS uuid[])) AS made (account_id, id)
    JOIN bill_line AS line ON line.account_id = made.account_id
    WHERE line.net_minor <> 0 OR line.vat_minor <> 0
""")  # noqa: S608 - made of the constants above


@dataclass(frozen=True)
class GivingBack:
    """What an account gets back, and out of which lines of which invoices."""

    account_id: UUID
    amount_minor: int
    parts: Mapping[UUID, Sequence[Part]]

    @property
    def covered_minor(self) -> int:
        """How much of it the account's invoices still hold."""
        return sum(part.total_minor for parts in self.parts.values() for part in parts)


def plan(session: Session, *, partly: bool = False) -> list[GivingBack]:
    """Find out what the accounts with a negative total get back; they leave the list of what is to be invoiced.

    An account whose invoices hold less than that stays on the list of exceptions, unless it may be covered `partly`.
    """
    wanted: dict[UUID, int] = {row.account_id: int(row.amount_minor) for row in session.execute(_WANTED)}
    with scanning(session):
        lines = session.execute(_CREDITABLE, {"account_ids": list(wanted)}).all()
    by_account = {account_id: list(rows) for account_id, rows in groupby(lines, key=lambda row: row.account_id)}
    planned = [_plan_of(account_id, amount, by_account.get(account_id, [])) for account_id, amount in wanted.items()]
    kept = [one for one in planned if partly or one.covered_minor == one.amount_minor]
    session.execute(_SET_ASIDE, {"account_ids": [one.account_id for one in kept]})
    return kept


def _plan_of(account_id: UUID, amount_minor: int, rows: Sequence[Row[Any]]) -> GivingBack:
    lines = {
        (row.invoice_id, row.line_no): CreditableLine(
            row.line_no, row.vat_rate_bp, row.vat_minor, row.total_minor, int(row.credited_minor)
        )
        for row in rows
    }
    taken = give_back(
        amount_minor,
        [
            OpenLine(row.invoice_id, row.line_no, lines[row.invoice_id, row.line_no].left_minor, row.is_meant)
            for row in rows
        ],
    )
    return GivingBack(
        account_id,
        amount_minor,
        {
            invoice_id: [lines[invoice_id, line_no].part(part) for line_no, part in sorted(parts.items())]
            for invoice_id, parts in taken.items()
        },
    )


def issue(
    session: Session,
    planned: Sequence[GivingBack],
    *,
    process_id: UUID,
    kind: RecalculationKind,
    reason: str,
    issued_on: date,
    actor: str,
) -> None:
    """Issue what was planned: recalculations with their lines, and their credit notes. The accounts are locked."""
    if not planned:
        return
    account_ids = [one.account_id for one in planned]
    facts = {"process_id": process_id, "kind": kind, "issued_on": issued_on, "account_ids": account_ids}
    ids: dict[UUID, UUID] = {row.account_id: row.id for row in session.execute(_RECALCULATIONS, facts)}
    with scanning(session):
        session.execute(_RECALCULATION_LINES, {"account_ids": list(ids), "ids": list(ids.values())})
    drafts = [
        Draft(
            account_id=one.account_id, invoice_id=invoice_id, parts=parts, reason=reason, because=reason,
            recalculation_id=ids[one.account_id],
        )
        for one in planned
        for invoice_id, parts in one.parts.items()
    ]  # fmt: skip
    issue_all(session, drafts, on=issued_on, actor=actor)
