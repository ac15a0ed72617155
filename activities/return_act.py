"""What stands in the act of returned equipment («акт возврата оборудования»)."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.document_facts import completed_task, crew_of, local_date, order_of
from models.contracts.documents import DocumentKind, GivenBack, OperatorDetails, ReturnActFacts
from models.contracts.field_forms import Dismantled, ReturnedPiece
from models.contracts.processes import TaskKind
from models.contracts.refusals import conflict
from models.tables.catalogue import EquipmentModel
from models.tables.documents import Document
from models.tables.processes import Process
from models.tables.stock import StockItem


def return_act_facts(session: Session, process_id: UUID, on: date, operator: OperatorDetails) -> ReturnActFacts:
    """What the return act of a disconnection says: each piece and how it was found.

    Raises:
        Refusal: the process is about no service, or nothing is dismantled yet.
    """
    order = order_of(session, process_id)
    task = completed_task(session, process_id, TaskKind.DISMANTLE, "dismantled")
    if task is None:
        raise conflict("not_dismantled", "Nothing is dismantled yet: complete the task of the dismantling first.")
    assert task.completed_at is not None, "the table says so of a task that is done"
    return ReturnActFacts(
        language=order.language, drawn_up_on=on, operator=operator, subscriber=order.party,
        contract_number=contract_number(session, process_id), tariff=order.tariff.title,
        dismantled_on=local_date(task.completed_at, operator), crew=crew_of(session, process_id),
        equipment=given_back(session, Dismantled.model_validate(task.data).equipment),
    )  # fmt: skip


def contract_number(session: Session, process_id: UUID) -> str | None:
    """The number of the contract by which the service was connected."""
    subscription_id = select(Process.subscription_id).where(Process.id == process_id).scalar_subquery()
    return session.scalar(
        select(Document.number)
        .join(Process, Process.id == Document.process_id)
        .where(
            Process.subscription_id == subscription_id, Document.kind == DocumentKind.CONTRACT,
            Document.withdrawn_at.is_(None),
        )
        .order_by(Document.created_at.desc())
        .limit(1)
    )  # fmt: skip


def given_back(session: Session, pieces: Sequence[ReturnedPiece]) -> list[GivenBack]:
    """The pieces with the titles of their models."""
    serials = [piece.serial for piece in pieces]
    rows = session.execute(
        select(StockItem.serial, EquipmentModel.title)
        .join(EquipmentModel, StockItem.sku == EquipmentModel.sku)
        .where(StockItem.serial.in_(serials))
    )
    titles = {row.serial: row.title for row in rows}
    return [
        GivenBack(serial=piece.serial, model=titles.get(piece.serial), condition=piece.condition) for piece in pieces
    ]
