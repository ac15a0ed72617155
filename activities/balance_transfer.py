"""An advance that goes from one account of a subscriber to another one, and back if need be.

On the first account it is gone as if it had been paid back; on the other it is a payment, which covers what is owed
there. No money leaves the operator: both sides meet on «money in transit» (1020).

A bank that takes back a payment whose advance was moved is refused, as it is after a refund (`payment_refunded`): move
the advance back first, as far as it is still there.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import ledger, payment_posting, payment_reversal, settlement
from activities.payment_locks import lock_accounts
from activities.payment_posting import Part, Report, signal_payment
from activities.payment_taking import waiting_on
from models.contracts.bank import PaymentStatus
from models.contracts.ledger import Chart
from models.contracts.payments import PaymentSource
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.allocation import Advance, OpenInvoice, Share, allocate
from models.tables.balance_transfers import BalanceTransfer, BalanceTransferSource
from models.tables.payments import Payment, receipt_no_sequence
from models.tables.people import Account

BALANCE_TRANSFER_DOCUMENT = "balance_transfer"


def move(
    session: Session,
    *,
    from_account_id: UUID,
    to_account_id: UUID,
    amount_minor: int,
    key: str,
    reason: str,
    on: date,
    at: datetime,
    actor: str,
) -> BalanceTransfer:
    """Move so much of an advance to another account of the same subscriber, out of the oldest payments first.

    Once for its key. There it covers what is owed, and processes that wait for money are told.

    Raises:
        Refusal: there is no such account, it is the same one or somebody else's, or the advance is smaller.
    """
    if from_account_id == to_account_id:
        raise invalid("same_account", "Choose another account than the one that the money is on.")
    lock_accounts(session, [from_account_id, to_account_id])
    earlier = session.scalar(select(BalanceTransfer).where(BalanceTransfer.key == key))
    if earlier is not None:
        return earlier
    target = _target(session, from_account_id, to_account_id)
    advances = sorted(
        settlement.advances_of(session, from_account_id), key=lambda one: (one.received_at, one.payment_id)
    )
    if amount_minor <= 0 or sum(advance.unallocated_minor for advance in advances) < amount_minor:
        raise conflict("advance_too_small", "The account has less in advance than that: look at its balance.")
    transfer = BalanceTransfer(
        id=session.scalars(select(func.uuidv7())).one(), key=key, from_account_id=from_account_id,
        to_account_id=to_account_id, amount_minor=amount_minor, reason=reason, moved_on=on, created_by=actor,
        payment_id=session.scalars(select(func.uuidv7())).one(),
    )  # fmt: skip
    bank_id = session.get_one(Payment, advances[0].payment_id).bank_id
    _pay_in(session, transfer, target, bank_id, at=at)
    session.add(transfer)
    session.flush()
    _take_out(session, transfer, advances)
    signal_payment(session, waiting_on(session, to_account_id), transfer.payment_id)
    return transfer


def take_back(session: Session, transfer_id: UUID, *, reason: str, on: date, at: datetime, actor: str) -> None:
    """Move an advance back to where it came from; twice is once. What it covered on the other account is owed again.

    Raises:
        Refusal: there is no such transfer, or its money was paid back or moved on from the other account.
    """
    transfer = session.get(BalanceTransfer, transfer_id)
    if transfer is None:
        raise not_found("balance_transfer_unknown", "No such balance was moved: take its id from the timeline.")
    lock_accounts(session, [transfer.from_account_id, transfer.to_account_id])
    session.refresh(transfer)
    if transfer.taken_back_on is not None:
        return
    payment_reversal.reverse_payment(session, transfer.payment_id, reason=reason, on=on, at=at, actor=actor)
    sources = session.scalars(
        select(BalanceTransferSource).where(BalanceTransferSource.balance_transfer_id == transfer.id)
    )
    for source in sources.all():
        session.get_one(Payment, source.payment_id, populate_existing=True).refunded_minor -= source.amount_minor
    transfer.taken_back_on = on
    session.flush()
    ledger.reverse(session, document_id=transfer.id, reason=reason, effective_on=on)
    settlement.settle(session, transfer.from_account_id, reason=reason, on=on)


def _target(session: Session, from_account_id: UUID, to_account_id: UUID) -> Account:
    source, target = session.get(Account, from_account_id), session.get(Account, to_account_id)
    if source is None or target is None:
        raise not_found("account_unknown", "There is no such account: check its number.")
    if source.subscriber_id != target.subscriber_id:
        raise invalid("not_the_same_subscriber", "An advance is moved between accounts of one subscriber only.")
    return target


def _pay_in(session: Session, transfer: BalanceTransfer, target: Account, bank_id: UUID, *, at: datetime) -> None:
    receipt_no: int = session.execute(receipt_no_sequence.next_value().select()).scalar_one()
    report = Report(
        bank_id=bank_id, txn_id=f"balance-transfer/{transfer.id}", source=PaymentSource.BALANCE_TRANSFER, paid_at=at,
        accounting_on=None, received_at=at, receipt_no=receipt_no, named_iin=None, named_account_no=target.account_no,
    )  # fmt: skip
    shares = _covered(session, target, Advance(transfer.payment_id, at, transfer.amount_minor))
    part = Part(transfer.payment_id, target.id, transfer.amount_minor, shares)
    payment_posting.write(session, report, [part], on=transfer.moved_on)


def _covered(session: Session, target: Account, advance: Advance) -> list[Share]:
    rows = session.execute(settlement.open_invoices(target.id))
    invoices = [OpenInvoice(row.id, row.due_on, row.outstanding_minor) for row in rows]
    return allocate([advance], invoices, target.allocation_rule)


def _take_out(session: Session, transfer: BalanceTransfer, advances: list[Advance]) -> None:
    left = transfer.amount_minor
    for advance in advances:
        part = min(left, advance.unallocated_minor)
        if part <= 0:
            break
        payment = session.get_one(Payment, advance.payment_id, populate_existing=True)
        assert payment.status is PaymentStatus.POSTED, "only such a payment has an advance"
        payment.refunded_minor += part
        session.add(
            BalanceTransferSource(balance_transfer_id=transfer.id, payment_id=payment.id, amount_minor=part)
        )  # fmt: skip
        left -= part
    session.flush()
    ledger.post(
        session, key=f"balance_transfer/{transfer.id}", debit=Chart.ADVANCES, credit=Chart.IN_TRANSIT,
        amount_minor=transfer.amount_minor, account_id=transfer.from_account_id,
        document_kind=BALANCE_TRANSFER_DOCUMENT, document_id=transfer.id, reason=transfer.reason,
        effective_on=transfer.moved_on,
    )  # fmt: skip
