"""Making a difference between a bank's registry and the books go: posting, taking back, correcting, another date.

Each looks at the difference again in the transaction that acts on it, and is done once. Whatever is proposed, the
books have afterwards for the bank's day what the registry has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from activities import comparison, payment_reversal, payments
from activities.comparison_sql import REVERSED_ELSEWHERE, REVERSED_ON, TAKEN_ELSEWHERE, TAKEN_ON
from activities.reconciliation_news import tell_days
from models.contracts.bank import PaymentNotice, PaymentStatus
from models.contracts.money import PositiveMoney
from models.contracts.reconciliation import DifferenceKind, DifferenceStatus, PaymentEvent, Proposal
from models.contracts.refusals import Refusal, conflict, invalid
from models.rules.iin import is_iin
from models.tables.payments import Payment
from models.tables.people import Account
from models.tables.reconciliation import Reconciliation, ReconciliationDifference

_COUNT: Final = text("""
    INSERT INTO payment_bank_day (payment_id, event, bank_id, counts_on, set_by, set_at)
    SELECT id, :event, bank_id, :day_on, :actor, :at FROM payment WHERE id = ANY(:payment_ids)
    ON CONFLICT (payment_id, event) DO UPDATE
    SET counts_on = excluded.counts_on, set_by = excluded.set_by, set_at = excluded.set_at
""")


def _elsewhere(condition: str) -> str:
    return f"""
        SELECT payment.id FROM (
            SELECT payment.id, payment.txn_id, payment.status, {TAKEN_ON} AS taken_on, {REVERSED_ON} AS reversed_on
            FROM payment WHERE payment.bank_id = :bank_id AND payment.txn_id = :txn_id
        ) AS payment
        WHERE {condition}
    """  # noqa: S608 - made of constants


_ELSEWHERE: Final = {
    PaymentEvent.TAKEN: text(_elsewhere(TAKEN_ELSEWHERE)),
    PaymentEvent.REVERSED: text(_elsewhere(REVERSED_ELSEWHERE)),
}
_EVENT_OF: Final = {
    DifferenceKind.OTHER_DATE: PaymentEvent.TAKEN,
    DifferenceKind.OTHER_REVERSAL_DATE: PaymentEvent.REVERSED,
}


@dataclass(frozen=True)
class Decision:
    """Who decides about a difference, when, and for which account where they name one."""

    actor: str
    at: datetime
    zone: ZoneInfo
    account_no: str | None = None
    reason: str | None = None

    @property
    def on(self) -> date:
        """The day of the decision in the operator's zone: that of the postings."""
        return self.at.astimezone(self.zone).date()


def carry_out(session: Session, difference_id: UUID, decision: Decision) -> ReconciliationDifference:
    """Do what is proposed for a difference.

    Raises:
        Refusal: it has gone or changed meanwhile, or what is proposed can't be done: the sentence says why.
    """
    difference, day = _locked(session, difference_id)
    found = comparison.find_one(session, day, difference.txn_id, decision.zone)
    if found is None or found.fingerprint != difference.fingerprint:
        raise _changed()
    proposal = comparison.PROPOSALS[difference.kind]
    acting = _Acting(session, day, difference, decision)
    if proposal is Proposal.ACCEPT_DATE:
        acting.accept_date()
    elif proposal is Proposal.EXPLAIN:
        raise conflict("nothing_proposed", "Nothing can be done about it here: leave it with a reason.")
    else:
        acting.post_what_differs(found)
    _close(difference, DifferenceStatus.RESOLVED, decision)
    session.flush()
    return difference


def leave(session: Session, difference_id: UUID, decision: Decision) -> ReconciliationDifference:
    """Leave a difference as it is, for a reason; as long as it stays the same it is not asked about again.

    Raises:
        Refusal: it has gone meanwhile.
    """
    difference, _ = _locked(session, difference_id)
    _close(difference, DifferenceStatus.LEFT, decision)
    session.flush()
    return difference


def _changed() -> Refusal:
    return conflict("difference_changed", "Books or registry have changed since: this task goes by itself soon.")


def _locked(session: Session, difference_id: UUID) -> tuple[ReconciliationDifference, Reconciliation]:
    """The difference and its day, locked in the order that comparing keeps: the day first."""
    day_id = session.scalars(
        select(ReconciliationDifference.reconciliation_id).where(ReconciliationDifference.id == difference_id)
    ).one()
    day = comparison.lock(session, day_id)
    difference = session.get_one(ReconciliationDifference, difference_id, with_for_update=True, populate_existing=True)
    if difference.status is not DifferenceStatus.OPEN:
        raise conflict("difference_gone", "This difference has gone by itself meanwhile: there is nothing to decide.")
    return difference, day


def _close(difference: ReconciliationDifference, status: DifferenceStatus, decision: Decision) -> None:
    difference.status, difference.reason = status, decision.reason
    difference.closed_at, difference.closed_by = decision.at, decision.actor


@dataclass(frozen=True)
class _Acting:
    """One difference that is being made to go."""

    session: Session
    day: Reconciliation
    difference: ReconciliationDifference
    decision: Decision

    @property
    def because(self) -> str:
        return f"сверка с банком за {self.day.day_on:%d.%m.%Y}"

    def accept_date(self) -> None:
        """Payment or reversal counts for the day of this registry from now on; the other day looks again."""
        event = _EVENT_OF[self.difference.kind]
        facts = {
            "bank_id": self.day.bank_id, "txn_id": self.difference.txn_id, "day_on": self.day.day_on,
            "zone": self.decision.zone.key,
        }  # fmt: skip
        self._count(event, list(self.session.scalars(_ELSEWHERE[event], facts)))
        other_day = select(Reconciliation.id).where(
            Reconciliation.bank_id == self.day.bank_id, Reconciliation.day_on == self.difference.other_on
        )
        tell_days(self.session, list(self.session.scalars(other_day)))

    def post_what_differs(self, found: Row[Any]) -> None:
        """What stands of the transaction is taken back, and what should stand instead is posted: either may be nothing.

        Both count for this day, so that its sum changes by what they differ in.
        """
        standing = self._standing()
        if sum(payment.amount_minor for payment in standing) != found.standing_minor:
            raise _changed()  # a payment has come between two looks at the books
        target_minor = found.standing_minor + (found.registry_minor or 0) - (found.posted_minor or 0)
        if standing and target_minor:
            self._correct(standing, target_minor)
        elif standing:
            self._reverse(standing)
        elif self.difference.payment_id is not None:
            self._post_again(target_minor)
        else:
            self._post_missing(target_minor)

    def _standing(self) -> list[Payment]:
        return list(
            self.session.scalars(
                select(Payment)
                .where(
                    Payment.bank_id == self.day.bank_id,
                    Payment.txn_id == self.difference.txn_id,
                    Payment.status != PaymentStatus.REVERSED,
                )
                .order_by(Payment.part)
            )
        )

    def _reverse(self, standing: Sequence[Payment]) -> None:
        for receipt_no in dict.fromkeys(payment.receipt_no for payment in standing):
            first = next(payment for payment in standing if payment.receipt_no == receipt_no)
            payment_reversal.reverse_payment(
                self.session, first.id, reason=self.because, on=self.decision.on, at=self.decision.at,
                actor=self.decision.actor,
            )  # fmt: skip
        self._count(PaymentEvent.REVERSED, [payment.id for payment in standing])

    def _correct(self, standing: Sequence[Payment], target_minor: int) -> None:
        newest = standing[-1]
        rest = [payment for payment in standing if payment.receipt_no != newest.receipt_no]
        if rest:
            self._reverse(rest)
        corrected = payment_reversal.correct_payment(
            self.session, newest.id, amount_minor=target_minor, account_no=self._account_no(standing),
            reason=self.because, on=self.decision.on, at=self.decision.at, actor=self.decision.actor,
        )  # fmt: skip
        self._count(PaymentEvent.REVERSED, [payment.id for payment in standing])
        self._count(PaymentEvent.TAKEN, [corrected.id])

    def _account_no(self, standing: Sequence[Payment]) -> str | None:
        """Whose the corrected payment is: named, the registry's, or whose it was; None: as it was."""
        if self.decision.account_no is not None:
            return self.decision.account_no
        is_of_several = len({payment.account_id for payment in standing}) > 1
        if self.difference.kind is DifferenceKind.OTHER_ACCOUNT or is_of_several:
            return self._registrys_account_no()
        return None

    def _registrys_account_no(self) -> str:
        number = self.session.scalar(select(Account.account_no).where(Account.id == self.difference.account_id))
        if number is None:
            raise invalid(
                "account_needed", "Name the account that it is for: the registry's number is nobody's.",
                {"data.account_no": "needed"},
            )  # fmt: skip
        return number

    def _post_again(self, target_minor: int) -> None:
        assert self.difference.payment_id is not None
        like = self.session.get_one(Payment, self.difference.payment_id)
        parts = select(Payment.account_id).where(Payment.receipt_no == like.receipt_no)
        is_of_several = len(set(self.session.scalars(parts))) > 1
        account_no = self.decision.account_no or (self._registrys_account_no() if is_of_several else None)
        posted = payment_reversal.post_again(
            self.session, like.id, amount_minor=target_minor, account_no=account_no, on=self.decision.on,
            at=self.decision.at,
        )  # fmt: skip
        self._count(PaymentEvent.TAKEN, [posted.id])

    def _post_missing(self, target_minor: int) -> None:
        notice = PaymentNotice(
            txn_id=self.difference.txn_id, amount=PositiveMoney(amount_minor=target_minor),
            paid_at=comparison.paid_at_of(self.session, self.day, self.difference.txn_id, self.decision.zone),
            **self._payee(),
        )  # fmt: skip
        answer, _ = payments.post_missing(
            self.session, bank_id=self.day.bank_id, notice=notice, received_at=self.decision.at, on=self.decision.on
        )
        first = self.session.get_one(Payment, answer.payment_id)
        parts = select(Payment.id).where(Payment.receipt_no == first.receipt_no)
        self._count(PaymentEvent.TAKEN, list(self.session.scalars(parts)))
        self.difference.payment_id = first.id

    def _payee(self) -> dict[str, str]:
        """Who is paid: named, or as the registry has it, where an account number comes before an IIN."""
        if self.decision.account_no is not None:
            self._check_account(self.decision.account_no)
            return {"account_no": self.decision.account_no}
        subscriber = self.difference.subscriber or ""
        is_account = select(Account.id).where(Account.account_no == subscriber)
        if self.session.scalar(is_account) is None and is_iin(subscriber):
            return {"iin": subscriber}
        return {"account_no": subscriber}

    def _check_account(self, account_no: str) -> None:
        if self.session.scalar(select(Account.id).where(Account.account_no == account_no)) is None:
            raise invalid(
                "account_unknown", "There is no account of this number: check its last digit.",
                {"data.account_no": "nobody's"},
            )  # fmt: skip

    def _count(self, event: PaymentEvent, payment_ids: Sequence[UUID]) -> None:
        self.session.execute(
            _COUNT,
            {
                "event": event, "day_on": self.day.day_on, "payment_ids": list(payment_ids),
                "actor": self.decision.actor, "at": self.decision.at,
            },
        )  # fmt: skip
