"""SMS that a process sends to the subscriber whom it is about."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from activities.message_queue import queue_message
from models.contracts.messaging import Urgency
from models.rules.sms_texts import Template
from models.tables.people import Account
from models.tables.processes import Process


def say(
    session: Session, process: Process, template: Template, *, at: datetime, urgency: Urgency,
    unless_paid_invoice_id: UUID | None = None, occasion: str = "", **facts: str,
) -> None:  # fmt: skip
    """Queue an SMS, each template once for an occasion of a process; the account number is among the facts."""
    assert process.account_id is not None
    account_no = session.get_one(Account, process.account_id).account_no
    key = f"{template}:{process.id}"
    queue_message(
        session, key=f"{key}:{occasion}" if occasion else key, template=template,
        facts={"account_no": account_no, **facts}, urgency=urgency, at=at,
        subscriber_id=process.subscriber_id, process_id=process.id, unless_paid_invoice_id=unless_paid_invoice_id,
    )  # fmt: skip
