"""Taking a payment: recorded, allocated, posted and answered in one transaction, in as few statements as that needs.

This is the path that every payer of every bank goes through, so it speaks SQL where the rest of the program uses the
object mapper: lock the payee, read how they stand, write the payment with its allocations, post.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from activities import ledger, outbox, settlement
from activities.ledger import Posting
from activities.settlement import PAYMENT_DOCUMENT
from models.contracts.bank import PaymentAnswer, PaymentNotice, PaymentReceived, PaymentStatus
from models.contracts.engine import PAYMENT_RECEIVED
from models.contracts.ledger import Chart
from models.contracts.money import kzt
from models.contracts.processes import ProcessKind
from models.contracts.refusals import conflict
from models.rules.allocation import Advance, OpenInvoice, Share, allocate
from models.tables.people import Account, Subscriber

WAITING_FOR_MONEY = (
    ProcessKind.CONNECTION,
    ProcessKind.DISCONNECTION,
    ProcessKind.TARIFF_CHANGE,
    ProcessKind.DUNNING,
)
"""Kinds of process that are told of each payment and of each reversal."""

# Read after the account is locked, in a snapshot of its own: nobody changes the account's money after it. A receipt
# number is taken only where the transaction is new.
_STATE = text("""
    SELECT earlier.request_sha256, earlier.answer,
           CASE WHEN earlier.answer IS NULL THEN uuidv7() END AS payment_id,
           CASE WHEN earlier.answer IS NULL THEN nextval('receipt_no_seq') END AS receipt_no,
           (SELECT coalesce(-sum(balance_minor), 0)::bigint FROM ledger_balance
            WHERE account_id = :account_id AND chart_code IN ('1210', '3510')) AS balance_minor,
           EXISTS (SELECT FROM ledger_balance
                   WHERE account_id = :account_id AND chart_code = '1210' AND balance_minor > 0) AS owes,
           (SELECT array_agg(workflow_id ORDER BY workflow_id) FROM process
            WHERE account_id = :account_id AND status = 'open' AND kind = ANY(:kinds)) AS workflow_ids
    FROM (VALUES (1)) AS one (row)
    LEFT JOIN payment AS earlier ON earlier.bank_id = :bank_id AND earlier.txn_id = :txn_id
""")
# The row waits for a simultaneous one with the same transaction id; where that one wins, nothing is written here.
_TAKE = text("""
    WITH taken AS (
        INSERT INTO payment (id, bank_id, txn_id, request_sha256, account_id, amount_minor, paid_at, received_at,
                             receipt_no, status, answer)
        VALUES (:id, :bank_id, :txn_id, :request_sha256, :account_id, :amount_minor, :paid_at, :received_at,
                :receipt_no, :status, CAST(:answer AS jsonb))
        ON CONFLICT (bank_id, txn_id) DO NOTHING
        RETURNING id
    ), shared AS (
        INSERT INTO allocation (payment_id, invoice_id, amount_minor, reason)
        SELECT taken.id, share.invoice_id, share.share_minor, :reason
        FROM taken, unnest(CAST(:invoice_ids AS uuid[]), CAST(:shares_minor AS bigint[]))
                    AS share (invoice_id, share_minor)
    )
    SELECT id FROM taken
""")
_EARLIER = text("SELECT request_sha256, answer FROM payment WHERE bank_id = :bank_id AND txn_id = :txn_id")


def take_payment(
    session: Session, *, bank_id: UUID, notice: PaymentNotice, received_at: datetime, on: date
) -> tuple[PaymentAnswer, bool]:
    """Record, post, allocate and answer a payment in this transaction; answers whether it was new.

    The same transaction of the same bank gets its first answer for ever, however often and concurrently it comes.
    Where nobody matches, or IIN and account number belong to different people, the payer's money is debited at the
    bank already: it is kept in suspense for an accountant, and never refused for that.

    Raises:
        Refusal: the transaction id was used with another meaning.
    """
    digest = _meaning_of(notice)
    transaction = {"bank_id": bank_id, "txn_id": notice.txn_id}
    account_id = _lock_payee(session, notice)
    kinds = [kind.value for kind in WAITING_FOR_MONEY]
    state = session.execute(_STATE, {**transaction, "account_id": account_id, "kinds": kinds}).one()
    if state.answer is not None:
        return _first_answer(state, digest), False

    amount_minor = notice.amount.amount_minor
    answer = PaymentAnswer(
        payment_id=state.payment_id,
        receipt_no=receipt(state.receipt_no),
        balance=kzt(0 if account_id is None else state.balance_minor + amount_minor),
    )
    advance = Advance(state.payment_id, received_at, amount_minor)
    shares = _cover(session, account_id, advance) if account_id is not None and state.owes else []
    reason = f"оплата {answer.receipt_no}"
    taken = session.scalar(
        _TAKE,
        {
            **transaction,
            "id": state.payment_id,
            "request_sha256": digest,
            "account_id": account_id,
            "amount_minor": amount_minor,
            "paid_at": notice.paid_at,
            "received_at": received_at,
            "receipt_no": state.receipt_no,
            "status": PaymentStatus.SUSPENSE if account_id is None else PaymentStatus.POSTED,
            "answer": answer.model_dump_json(),
            "reason": reason,
            "invoice_ids": [share.invoice_id for share in shares],
            "shares_minor": [share.amount_minor for share in shares],
        },
    )
    if taken is None:
        return _first_answer(session.execute(_EARLIER, transaction).one(), digest), False

    covered_minor = sum(share.amount_minor for share in shares)
    _post_payment(session, taken, account_id, amount_minor, covered_minor, reason=reason, on=on)
    signal_payment(session, state.workflow_ids or [], taken)
    return answer, True


def receipt(receipt_no: int) -> str:
    """A receipt number as the payer sees it."""
    return f"R-{receipt_no:08d}"


def _meaning_of(notice: PaymentNotice) -> bytes:
    """What makes two reports of a transaction the same: payee, sum and instant, however they are spelled."""
    meaning = [
        notice.iin,
        notice.account_no,
        notice.amount.amount_minor,
        notice.amount.currency,
        notice.paid_at.astimezone(UTC).isoformat(),
    ]
    return hashlib.sha256(json.dumps(meaning).encode()).digest()


def _lock_payee(session: Session, notice: PaymentNotice) -> UUID | None:
    """The account that is paid to, locked. An IIN alone means the person's first account."""
    statement = select(Account.id)
    if notice.account_no is not None:
        statement = statement.where(Account.account_no == notice.account_no)
    if notice.iin is not None:
        statement = statement.join(Subscriber, Subscriber.id == Account.subscriber_id).where(
            Subscriber.iin == notice.iin
        )
    return session.scalar(statement.order_by(Account.number).limit(1).with_for_update(key_share=True, of=Account))


def _first_answer(earlier: Row[Any], digest: bytes) -> PaymentAnswer:
    if bytes(earlier.request_sha256) != digest:
        raise conflict(
            "txn_reused",
            "This txn_id stands for another payment already: send a new payment with a txn_id of its own.",
        )
    return PaymentAnswer.model_validate(earlier.answer)


def _cover(session: Session, account_id: UUID, advance: Advance) -> list[Share]:
    invoices = [
        OpenInvoice(row.id, row.due_on, row.outstanding_minor)
        for row in session.execute(settlement.open_invoices(account_id))
    ]
    return allocate([advance], invoices)


def _post_payment(
    session: Session,
    payment_id: UUID,
    account_id: UUID | None,
    amount_minor: int,
    covered_minor: int,
    *,
    reason: str,
    on: date,
) -> None:
    rest = Chart.ADVANCES if account_id is not None else Chart.SUSPENSE
    ledger.post_all(
        session,
        [
            Posting(
                key=f"payment/{payment_id}/{credit.value}",
                debit=Chart.IN_TRANSIT,
                credit=credit,
                amount_minor=part_minor,
                account_id=account_id,
                document_kind=PAYMENT_DOCUMENT,
                document_id=payment_id,
                reason=reason,
                effective_on=on,
            )
            for credit, part_minor in (
                (Chart.RECEIVABLES, covered_minor),
                (rest, amount_minor - covered_minor),
            )
        ],
    )


def signal_payment(session: Session, workflow_ids: Sequence[str], payment_id: UUID) -> None:
    """Tell processes that money came or went; they ask the ledger how much."""
    for workflow_id in workflow_ids:
        outbox.signal_workflow(
            session,
            workflow_id=workflow_id,
            signal=PAYMENT_RECEIVED,
            signal_input=PaymentReceived(payment_id=payment_id),
        )
