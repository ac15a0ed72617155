"""Questions about money as tests put them: a bank's report that needs a person, and the process that asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import func, select
from temporalio.client import WorkflowHandle

from activities import payments
from activities.payment_conflicts import reporting
from models.contracts.bank import PaymentAnswer, PaymentNotice, TxnReused
from models.contracts.clarification import ClarificationPolicy, Question
from models.contracts.processes import ProcessOutcome, TaskKind
from models.database import Database
from models.tables.outbox import Outbox
from models.tables.payments import Clarification as ClarificationRow
from models.tables.payments import Payment
from models.tables.people import Account
from models.tables.processes import Process
from tests import factories
from tests.connection_world import World, process_workers
from tests.engines import TemporalServer
from workflows.clarification import Clarification

ON_TIME = ClarificationPolicy()


@dataclass
class ClarificationWorld(World):
    """One payment, one question about it, and an account that it may belong to."""

    payment_id: UUID = field(default_factory=lambda: UUID(int=0))
    txn_id: str = ""
    named: str = field(default_factory=factories.new_iin)
    """An IIN that nobody here has."""
    account_id: UUID = field(default_factory=lambda: UUID(int=0))

    def furnish(self, **furniture: Any) -> None:
        """A bank, and an account with an invoice of 600."""
        del furniture
        with self.database.transaction() as session:
            self.bank_id = factories.bank(session).row.id
            customer = factories.customer(session)
            self.account_no, self.iin = customer.account.account_no, customer.subscriber.iin
            self.account_id = customer.account.id
            factories.connection_invoice(session, customer.account, 600)

    def report(self, amount_minor: int, *, account_no: str | None = None, iin: str | None = None) -> PaymentAnswer:
        """The bank reports a payment."""
        notice = factories.payment_notice(amount_minor, account_no=account_no, iin=iin)
        answer = self._take(notice)
        self.payment_id, self.txn_id = answer.payment_id, notice.txn_id
        return answer

    def ask_for_the_payee(self, *, policy: ClarificationPolicy = ON_TIME, deliver: bool = True) -> None:
        """A payment for somebody whom nobody knows; the engine hears of it at once or later."""
        self.report(900, iin=self.named)
        self._find_process(Question.UNKNOWN_PAYEE, policy)
        if deliver:
            self.deliver()

    def ask_about_a_conflict(self, *, policy: ClarificationPolicy = ON_TIME) -> None:
        """A payment of 900, and the same transaction with 90."""
        self.report(900, account_no=self.account_no)
        self.contradict(90)
        self._find_process(Question.PAYMENT_CONFLICT, policy)
        self.deliver()

    def contradict(self, amount_minor: int) -> None:
        """The bank reports the transaction again, with another sum."""
        again = factories.payment_notice(amount_minor, account_no=self.account_no, txn_id=self.txn_id)
        with pytest.raises(TxnReused), reporting(self.database, at=self.now()):
            self._take(again)

    def give_by_api(self) -> None:
        """Accounting allocates it elsewhere than in its task."""
        now = self.now()
        with self.database.transaction() as session:
            payments.allocate_suspense(session, self.payment_id, self.account_no, on=now.date(), actor="staff:other")
        self.deliver()

    def cancel_by_bank(self) -> None:
        """The bank takes the payment back."""
        now = self.now()
        with self.database.transaction() as session:
            payments.cancel_by_bank(
                session, bank_id=self.bank_id, txn_id=self.txn_id, on=now.date(), at=now, actor="bank:x"
            )
        self.deliver()

    def answer(self, outcome: str, **data: Any) -> None:
        """A person of accounting completes the task."""
        kind = self.open_kind()
        self.complete(kind, outcome, data)

    def open_kind(self) -> TaskKind:
        """What accounting is asked."""
        with self.database.transaction() as session:
            asked = session.scalars(
                select(ClarificationRow.question).where(ClarificationRow.process_id == self.process_id)
            ).one()
        return {Question.UNKNOWN_PAYEE: TaskKind.FIND_PAYER, Question.PAYMENT_CONFLICT: TaskKind.REVIEW_CONFLICT}[asked]

    def payment(self) -> Payment:
        """The payment in question."""
        with self.database.transaction() as session:
            return session.get_one(Payment, self.payment_id)

    def account(self) -> Account:
        """Whose it may be."""
        with self.database.transaction() as session:
            return session.get_one(Account, self.account_id)

    def questions(self) -> int:
        """How many processes ask about this payment."""
        with self.database.transaction() as session:
            return session.scalars(
                select(func.count()).where(ClarificationRow.payment_id == self.payment_id)
            ).one()  # fmt: skip

    def _take(self, notice: PaymentNotice) -> PaymentAnswer:
        now = self.now()
        with self.database.transaction() as session:
            return payments.take_payment(
                session, bank_id=self.bank_id, notice=notice, received_at=now, on=now.date()
            )[0]  # fmt: skip

    def _find_process(self, question: Question, policy: ClarificationPolicy) -> None:
        with self.database.transaction() as session:
            process = session.scalars(
                select(Process)
                .join(ClarificationRow, ClarificationRow.process_id == Process.id)
                .where(ClarificationRow.payment_id == self.payment_id, ClarificationRow.question == question)
            ).one()
            self.process_id = process.id
            start = session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)).one()
            assert start.start_input is not None
            start.start_input = {**start.start_input, "policy": policy.model_dump(mode="json")}

    @property
    def workflow_id(self) -> str:
        """The process's name on Temporal."""
        return f"clarification/{self.process_id}"

    @property
    def handle(self) -> WorkflowHandle[Any, ProcessOutcome]:
        """The process on Temporal."""
        return cast(
            WorkflowHandle[Any, ProcessOutcome],
            self.client.get_workflow_handle_for(Clarification.run, self.workflow_id),
        )


SOON = ClarificationPolicy.model_validate({"tasks": {"find_payer": timedelta(days=2)}})


@contextmanager
def clarification_world(database: Database, server: TemporalServer) -> Iterator[ClarificationWorld]:
    """A world whose questions run on `server` until the block ends."""
    world = ClarificationWorld(database, server, queue=factories.unique("processes"))
    world.furnish()
    with server.workers(lambda client: process_workers(client, database, world.queue)):
        yield world
