"""Asking accounting about money: a process with a task, opened in the transaction that raises the question."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities import outbox, policies
from activities.payment_posting import receipt
from activities.processes import enter_stage, tell
from models.contracts.bank import PaymentReceived
from models.contracts.clarification import ClarificationInput, ClarificationPolicy, ClarificationStage, Question
from models.contracts.engine import CLARIFICATION, PAYMENT_RECEIVED, PROCESSES_QUEUE
from models.contracts.processes import PROCESS_ACTOR, ProcessKind, ProcessStatus, TaskStatus
from models.tables.banks import Bank
from models.tables.payments import Clarification, Payment
from models.tables.people import Account
from models.tables.processes import Process, Task


def open_clarification(
    session: Session,
    *,
    question: Question,
    payment_id: UUID,
    key: str,
    at: datetime,
    facts: dict[str, Any] | None = None,
) -> UUID:
    """Ask accounting a question about a payment, once for its key; answers the process.

    `facts` are sums and ids that the answer needs, and nothing about people: they reach the process's history.
    """
    policy = policies.newest(session, ProcessKind.CLARIFICATION)
    process_id: UUID = session.scalars(select(func.uuidv7())).one()
    about = session.execute(
        select(Payment.receipt_no, Payment.amount_minor, Bank.code, Account.id, Account.subscriber_id)
        .join(Bank, Bank.id == Payment.bank_id)
        .outerjoin(Account, Account.id == Payment.account_id)
        .where(Payment.id == payment_id)
    ).one()
    once = f"clarification/{question}/{payment_id}/{key}"
    is_new = session.scalar(
        insert(Process)
        .values(
            id=process_id, kind=ProcessKind.CLARIFICATION, workflow_id=f"clarification/{process_id}",
            stage=ClarificationStage.ASKED, account_id=about.id, subscriber_id=about.subscriber_id,
            policy_id=None if policy is None else policy.id, idempotency_key=once, opened_by=PROCESS_ACTOR,
            opened_at=at,
        )
        .on_conflict_do_nothing(index_elements=["idempotency_key"])
        .returning(Process.id)
    )  # fmt: skip
    if is_new is None:
        return session.scalars(select(Process.id).where(Process.idempotency_key == once)).one()
    known = {
        "payment_id": str(payment_id), "receipt_no": receipt(about.receipt_no), "amount_minor": about.amount_minor,
        "bank": about.code, **(facts or {}),
    }  # fmt: skip
    session.add(Clarification(process_id=process_id, question=question, payment_id=payment_id, facts=known))
    enter_stage(session, process_id, ClarificationStage.ASKED, at=at)
    tell(session, process_id, f"asked_{question}", at=at, actor=f"bank:{about.code}", facts=known)
    outbox.start_workflow(
        session,
        workflow_type=CLARIFICATION,
        workflow_id=f"clarification/{process_id}",
        task_queue=PROCESSES_QUEUE,
        start_input=ClarificationInput(
            process_id=process_id,
            question=question,
            facts=known,
            policy=ClarificationPolicy() if policy is None else ClarificationPolicy.model_validate(policy.body),
        ),
    )
    return process_id


def tell_of(session: Session, payment_ids: Sequence[UUID]) -> None:
    """Tell whoever has asked about these payments that something became of them.

    Whoever has their answer is about to end, and the news would only get in their way.
    """
    is_answered = exists().where(Task.process_id == Process.id, Task.status == TaskStatus.DONE)
    asked = session.execute(
        select(Process.workflow_id, Clarification.payment_id)
        .join(Clarification, Clarification.process_id == Process.id)
        .where(Clarification.payment_id.in_(payment_ids), Process.status == ProcessStatus.OPEN, ~is_answered)
        .order_by(Process.workflow_id)
    )
    for workflow_id, payment_id in asked:
        outbox.signal_workflow(
            session,
            workflow_id=workflow_id,
            signal=PAYMENT_RECEIVED,
            signal_input=PaymentReceived(payment_id=payment_id),
        )
