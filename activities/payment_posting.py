"""A payment in the books: its row for each account that it is for, its allocations, its postings, who is told.

This is the path that every payer of every bank goes through, so it speaks SQL where the rest of the program uses the
object mapper, in as few statements as can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities import ledger, outbox
from activities.ledger import Posting
from activities.settlement import PAYMENT_DOCUMENT
from models.contracts.bank import PaymentAnswer, PaymentReceived, PaymentStatus
from models.contracts.engine import PAYMENT_RECEIVED
from models.contracts.ledger import Chart
from models.contracts.payments import PaymentSource
from models.contracts.processes import ProcessKind
from models.rules.allocation import Share

WAITING_FOR_MONEY = (
    ProcessKind.CONNECTION,
    ProcessKind.DISCONNECTION,
    ProcessKind.TARIFF_CHANGE,
    ProcessKind.DUNNING,
)
"""Kinds of process that are told of each payment and of each reversal of their account.

A clarification is about a payment, not about an account: `activities.clarifications` tells it.
"""

# The row waits for a simultaneous one with the same transaction id; where that one wins, nothing is written here.
# Who pays, and the operator's account with the bank, are written down as of now: a payment order never changes.
_WRITE = text("""
    WITH taken AS (
        INSERT INTO payment (id, bank_id, txn_id, part, source, request_sha256, account_id, amount_minor, paid_at,
                             accounting_on, received_at, receipt_no, status, answer, named_iin, named_account_no,
                             payer_name, payee_iik)
        VALUES (:id, :bank_id, :txn_id, :part, :source, :request_sha256, :account_id, :amount_minor, :paid_at,
                :accounting_on, :received_at, :receipt_no, :status, CAST(:answer AS jsonb), :named_iin,
                :named_account_no,
                (SELECT full_name FROM subscriber
                 WHERE id = (SELECT subscriber_id FROM account WHERE account.id = :account_id)),
                (SELECT iik FROM bank WHERE bank.id = :bank_id))
        ON CONFLICT (bank_id, txn_id, part) DO NOTHING
        RETURNING id
    ), shared AS (
        INSERT INTO allocation (payment_id, invoice_id, amount_minor, reason)
        SELECT taken.id, share.invoice_id, share.share_minor, :reason
        FROM taken, unnest(CAST(:invoice_ids AS uuid[]), CAST(:shares_minor AS bigint[]))
                    AS share (invoice_id, share_minor)
    )
    SELECT id FROM taken
""")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the parts of one payment have in common."""

    bank_id: UUID
    txn_id: str
    source: PaymentSource
    paid_at: datetime
    accounting_on: date | None
    received_at: datetime
    receipt_no: int
    named_iin: str | None
    named_account_no: str | None
    request_sha256: bytes | None = None
    answer: PaymentAnswer | None = None
    first_part: int = 1
    """Higher than 1 for a payment that stands in the place of another one of the same transaction."""


@dataclass(frozen=True)
class Part:
    """What one account gets of a payment; none for money in suspense."""

    payment_id: UUID
    account_id: UUID | None
    amount_minor: int
    shares: Sequence[Share] = ()

    @property
    def covered_minor(self) -> int:
        """What of it covers invoices."""
        return sum(share.amount_minor for share in self.shares)


def receipt(receipt_no: int) -> str:
    """A receipt number as the payer sees it."""
    return f"R-{receipt_no:08d}"


def write(session: Session, report: Report, parts: Sequence[Part], *, on: date) -> bool:
    """Write and post a payment, unless its transaction has been written by somebody else just now.

    Answers whether it was written. The accounts must be locked.
    """
    reason = f"оплата {receipt(report.receipt_no)}"
    for number, part in enumerate(parts, start=report.first_part):
        is_written = session.scalar(_WRITE, _columns(report, part, number, reason)) is not None
        if not is_written:
            # Nobody writes a further part without the first: only that one can be lost to somebody else.
            assert number == 1
            return False
    ledger.post_all(session, [posting for part in parts for posting in _postings(part, reason, on)])
    return True


def _columns(report: Report, part: Part, number: int, reason: str) -> dict[str, object]:
    is_answered = number == 1 and report.answer is not None
    return {
        "id": part.payment_id,
        "bank_id": report.bank_id,
        "txn_id": report.txn_id,
        "part": number,
        "source": report.source,
        "request_sha256": report.request_sha256 if is_answered else None,
        "account_id": part.account_id,
        "amount_minor": part.amount_minor,
        "paid_at": report.paid_at,
        "accounting_on": report.accounting_on,
        "received_at": report.received_at,
        "receipt_no": report.receipt_no,
        "status": PaymentStatus.SUSPENSE if part.account_id is None else PaymentStatus.POSTED,
        "answer": report.answer.model_dump_json() if is_answered and report.answer is not None else None,
        "named_iin": report.named_iin,
        "named_account_no": report.named_account_no,
        "reason": reason,
        "invoice_ids": [share.invoice_id for share in part.shares],
        "shares_minor": [share.amount_minor for share in part.shares],
    }


def _postings(part: Part, reason: str, on: date) -> list[Posting]:
    rest = Chart.ADVANCES if part.account_id is not None else Chart.SUSPENSE
    return [
        Posting(
            key=f"payment/{part.payment_id}/{credit.value}",
            debit=Chart.IN_TRANSIT,
            credit=credit,
            amount_minor=amount_minor,
            account_id=part.account_id,
            document_kind=PAYMENT_DOCUMENT,
            document_id=part.payment_id,
            reason=reason,
            effective_on=on,
        )
        for credit, amount_minor in (
            (Chart.RECEIVABLES, part.covered_minor),
            (rest, part.amount_minor - part.covered_minor),
        )
    ]


def signal_payment(session: Session, workflow_ids: Sequence[str], payment_id: UUID) -> None:
    """Tell processes that money came or went; they ask the ledger how much."""
    for workflow_id in workflow_ids:
        outbox.signal_workflow(
            session,
            workflow_id=workflow_id,
            signal=PAYMENT_RECEIVED,
            signal_input=PaymentReceived(payment_id=payment_id),
        )
