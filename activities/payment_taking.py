"""Taking a payment: recorded, allocated, posted and answered in one transaction, in as few statements as that needs.

Lock the payee, read how they stand, write the payment with its allocations, post. A payment by IIN of somebody with
several accounts covers the debts of all of them: it is written in parts, one for each account that gets something.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, text
from sqlalchemy.orm import Session

from activities import clarifications, ledger, payment_posting, settlement
from activities.payment_posting import WAITING_FOR_MONEY, Part, Report, receipt, signal_payment
from activities.reconciliation_news import bank_days_changed
from models.contracts.bank import PaymentAnswer, PaymentNotice, TxnReused
from models.contracts.clarification import Question
from models.contracts.money import kzt
from models.contracts.payments import PaymentSource
from models.contracts.processes import ProcessStatus
from models.rules.allocation import Advance, AllocationRule, OpenInvoice, Share, allocate, divided_over_accounts
from models.tables.payments import Payment, receipt_no_sequence
from models.tables.people import Account, Subscriber
from models.tables.processes import Process

__all__ = ["WAITING_FOR_MONEY", "receipt", "signal_payment", "take_payment"]

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
    LEFT JOIN payment AS earlier ON earlier.bank_id = :bank_id AND earlier.txn_id = :txn_id AND earlier.part = 1
""")
_EARLIER = text("SELECT request_sha256, answer FROM payment WHERE bank_id = :bank_id AND txn_id = :txn_id AND part = 1")


class _Payee(NamedTuple):
    account_id: UUID
    rule: AllocationRule


def take_payment(
    session: Session,
    *,
    bank_id: UUID,
    notice: PaymentNotice,
    received_at: datetime,
    on: date,
    accounting_on: date | None = None,
    source: PaymentSource = PaymentSource.ONLINE,
) -> tuple[PaymentAnswer, bool]:
    """Record, post, allocate and answer a payment in this transaction; answers whether it was new.

    The same transaction of the same bank gets its first answer for ever, however often and concurrently it comes.
    Where nobody matches, or IIN and account number belong to different people, the payer's money is debited at the
    bank already: it is kept in suspense for an accountant, and never refused for that.

    `accounting_on` is the bank's accounting date, for dialects that have one. There the date is no part of what a
    transaction means: payee and sum are, and a repetition may carry another date.

    Raises:
        TxnReused: the transaction id was used with another meaning (`activities.payment_conflicts` keeps it).
    """
    taking = _Taking(session, bank_id, notice, received_at, on, accounting_on, source)
    payees = _lock_payees(session, notice)
    return taking.of_several(payees) if len(payees) > 1 else taking.of_one(payees[0] if payees else None)


def _payees(*, by_account_no: bool, by_iin: bool) -> Select[UUID, AllocationRule]:
    statement = select(Account.id, Account.allocation_rule)
    if by_account_no:
        statement = statement.where(Account.account_no == bindparam("account_no"))
    if by_iin:
        statement = statement.join(Subscriber, Subscriber.id == Account.subscriber_id).where(
            Subscriber.iin == bindparam("iin")
        )
    return statement.order_by(Account.number).with_for_update(key_share=True, of=Account)


# Made once, for every payment asks one of them.
_PAYEES = {
    (by_account_no, by_iin): _payees(by_account_no=by_account_no, by_iin=by_iin)
    for by_account_no, by_iin in ((True, False), (False, True), (True, True))
}


def _lock_payees(session: Session, notice: PaymentNotice) -> list[_Payee]:
    """The account that is paid to, or all accounts of an IIN: locked in the order of their numbers."""
    named = {"account_no": notice.account_no, "iin": notice.iin}
    payees = _PAYEES[notice.account_no is not None, notice.iin is not None]
    return [_Payee(*row) for row in session.execute(payees, {key: no for key, no in named.items() if no is not None})]


class _Taking(NamedTuple):
    """One report of a bank, on its way into the books."""

    session: Session
    bank_id: UUID
    notice: PaymentNotice
    received_at: datetime
    on: date
    accounting_on: date | None
    source: PaymentSource

    @property
    def amount_minor(self) -> int:
        return self.notice.amount.amount_minor

    @property
    def transaction(self) -> dict[str, Any]:
        return {"bank_id": self.bank_id, "txn_id": self.notice.txn_id}

    # -- nearly all payments -------------------------------------------------------------------------------------

    def of_one(self, payee: _Payee | None) -> tuple[PaymentAnswer, bool]:
        """For one account, or for nobody who is known."""
        account_id = None if payee is None else payee.account_id
        kinds = [kind.value for kind in WAITING_FOR_MONEY]
        state = self.session.execute(_STATE, {**self.transaction, "account_id": account_id, "kinds": kinds}).one()
        if state.answer is not None:
            return self._first_answer(state, [account_id]), False
        shares: list[Share] = []
        if payee is not None and state.owes:
            shares = self._covered(
                payee, state.payment_id, self.amount_minor, settlement.open_invoices_of(self.session, payee.account_id)
            )
        balance_minor = 0 if account_id is None else state.balance_minor + self.amount_minor
        part = Part(state.payment_id, account_id, self.amount_minor, shares)
        answer = self._written([part], state.receipt_no, balance_minor)
        if answer is None:
            return self._first_answer(self.session.execute(_EARLIER, self.transaction).one(), [account_id]), False
        signal_payment(self.session, state.workflow_ids or [], state.payment_id)
        if account_id is None:
            clarifications.open_clarification(
                self.session, question=Question.UNKNOWN_PAYEE, payment_id=state.payment_id, key="", at=self.received_at
            )
        return answer, True

    # -- one person, several accounts ----------------------------------------------------------------------------

    def of_several(self, payees: Sequence[_Payee]) -> tuple[PaymentAnswer, bool]:
        """For a person: what is due longest is covered first, on whichever account; the first one gets the rest."""
        account_ids = [payee.account_id for payee in payees]
        earlier = self.session.execute(_EARLIER, self.transaction).one_or_none()
        if earlier is not None:
            return self._first_answer(earlier, account_ids), False
        parts = self._parts(payees)
        standings = ledger.standings_of(self.session, account_ids)
        balance_minor = sum(standing.balance_minor for standing in standings.values()) + self.amount_minor
        receipt_no: int = self.session.execute(receipt_no_sequence.next_value().select()).scalar_one()
        answer = self._written(parts, receipt_no, balance_minor)
        if answer is None:
            return self._first_answer(self.session.execute(_EARLIER, self.transaction).one(), account_ids), False
        for part in parts:
            signal_payment(self.session, waiting_on(self.session, part.account_id), part.payment_id)
        return answer, True

    def _parts(self, payees: Sequence[_Payee]) -> list[Part]:
        due = {payee.account_id: settlement.open_invoices_of(self.session, payee.account_id) for payee in payees}
        amounts = divided_over_accounts(
            self.amount_minor, [(account_id, invoice) for account_id, invoices in due.items() for invoice in invoices]
        )
        first = payees[0].account_id
        amounts[first] = amounts.get(first, 0) + self.amount_minor - sum(amounts.values())
        paid = [payee for payee in payees if amounts.get(payee.account_id)]
        return [
            Part(
                payment_id,
                payee.account_id,
                amounts[payee.account_id],
                self._covered(payee, payment_id, amounts[payee.account_id], due[payee.account_id]),
            )
            for payee, payment_id in zip(paid, self._new_ids(len(paid)), strict=True)
        ]

    def _new_ids(self, count: int) -> list[UUID]:
        series = func.generate_series(1, count).table_valued("number")
        return list(self.session.scalars(select(func.uuidv7()).select_from(series)))

    # -- both ----------------------------------------------------------------------------------------------------

    def _covered(
        self, payee: _Payee, payment_id: UUID, amount_minor: int, invoices: Sequence[OpenInvoice]
    ) -> list[Share]:
        return allocate([Advance(payment_id, self.received_at, amount_minor)], invoices, payee.rule)

    def _written(self, parts: Sequence[Part], receipt_no: int, balance_minor: int) -> PaymentAnswer | None:
        """The answer, once the payment is written; none where another report of the transaction was faster."""
        answer = PaymentAnswer(
            payment_id=parts[0].payment_id, receipt_no=receipt(receipt_no), balance=kzt(balance_minor)
        )
        report = Report(
            **self.transaction,
            source=self.source,
            paid_at=self.notice.paid_at,
            accounting_on=self.accounting_on,
            received_at=self.received_at,
            receipt_no=receipt_no,
            named_iin=self.notice.iin,
            named_account_no=self.notice.account_no,
            request_sha256=self._meaning(),
            answer=answer,
        )
        if not payment_posting.write(self.session, report, parts, on=self.on):
            return None
        paid_on = self.accounting_on or self.notice.paid_at.date()
        if paid_on < self.on:
            # A day that the bank may have sent its registry of already; usual payments ask nothing more.
            bank_days_changed(self.session, self.bank_id, paid_on)
        return answer

    def _meaning(self) -> bytes:
        """What makes two reports of a transaction the same: payee, sum and instant, however they are spelled."""
        notice, is_dated = self.notice, self.accounting_on is None
        meaning = [
            notice.iin,
            notice.account_no,
            notice.amount.amount_minor,
            notice.amount.currency,
            notice.paid_at.astimezone(UTC).isoformat() if is_dated else None,
        ]
        return hashlib.sha256(json.dumps(meaning).encode()).digest()

    def _first_answer(self, earlier: Any, account_ids: Sequence[UUID | None]) -> PaymentAnswer:
        answer = PaymentAnswer.model_validate(earlier.answer)
        taken, asked = bytes(earlier.request_sha256), self._meaning()
        if taken != asked and not self._stood_in_a_registry(answer.payment_id, account_ids):
            raise TxnReused(answer.payment_id, self.notice, taken_sha256=taken, asked_sha256=asked)
        return answer

    def _stood_in_a_registry(self, payment_id: UUID, account_ids: Sequence[UUID | None]) -> bool:
        """Whether the bank reports late what its registry had said already: a registry knows payee, sum and a day."""
        first = self.session.get_one(Payment, payment_id)
        parts = self.session.execute(
            select(Payment.account_id, Payment.amount_minor).where(Payment.receipt_no == first.receipt_no)
        ).all()
        named = (first.named_iin, first.named_account_no) == (self.notice.iin, self.notice.account_no)
        return (
            first.source is PaymentSource.REGISTRY
            and (named or {part.account_id for part in parts} <= set(account_ids))
            and sum(part.amount_minor for part in parts) == self.amount_minor
        )


def waiting_on(session: Session, account_id: UUID | None) -> list[str]:
    """The workflows that are to hear of money that came to an account, or went."""
    return list(
        session.scalars(
            select(Process.workflow_id)
            .where(
                Process.account_id == account_id,
                Process.status == ProcessStatus.OPEN,
                Process.kind.in_(WAITING_FOR_MONEY),
            )
            .order_by(Process.workflow_id)
        )
    )
