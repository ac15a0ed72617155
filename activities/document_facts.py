"""What stands in a document, read from the tables on the day on which it is drawn up."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.cases import case_of
from activities.charging import fee_minor_of, models_of
from activities.settlement import lock_account
from models.contracts.documents import (
    ActFacts,
    ContractFacts,
    HandedOver,
    OperatorDetails,
    OrderedEquipment,
    Party,
)
from models.contracts.field_forms import Installed, Swap
from models.contracts.people import Language
from models.contracts.processes import TaskKind, TaskStatus
from models.contracts.refusals import conflict
from models.tables.catalogue import EquipmentModel, Tariff
from models.tables.crews import Crew, Visit
from models.tables.processes import Task
from models.tables.stock import StockItem

_CONTRACTS = text("""
    SELECT count(*) FROM document JOIN process ON process.id = document.process_id
    WHERE process.account_id = :account_id AND document.kind = 'contract'
""")
_OF_INSTALLATION = text("""
    SELECT (SELECT number FROM document WHERE process_id = :process_id AND kind = 'contract') AS contract_number,
           (SELECT crew.name FROM visit JOIN crew ON crew.id = visit.crew_id
            WHERE visit.process_id = :process_id) AS crew
""")


def local_date(at: datetime, operator: OperatorDetails) -> date:
    """The date of an instant where the operator is."""
    return at.astimezone(ZoneInfo(operator.timezone)).date()


def next_of_account(session: Session, account_id: UUID) -> int:
    """Which contract of its account the next one would be, counted from 1.

    The account stays locked until the transaction ends, so that two processes never get the same answer.
    """
    lock_account(session, account_id)
    drawn_up: int = session.execute(_CONTRACTS, {"account_id": account_id}).scalar_one()
    return drawn_up + 1


def contract_facts(session: Session, process_id: UUID, on: date, operator: OperatorDetails) -> ContractFacts:
    """What the contract of a connection says.

    Raises:
        Refusal: the process connects nobody.
    """
    order = order_of(session, process_id)
    return ContractFacts(
        language=order.language,
        drawn_up_on=on,
        operator=operator,
        subscriber=order.party,
        tariff=order.tariff.title,
        monthly_fee_minor=fee_minor_of(session, order.tariff.id, on),
        connection_fee_minor=order.tariff.connection_fee_minor,
        first_period_upfront=order.tariff.first_period_upfront,
        equipment=_ordered(session, order),
    )


def act_facts(session: Session, process_id: UUID, on: date, operator: OperatorDetails) -> ActFacts:
    """What the hand-over act of a connection says.

    Raises:
        Refusal: the process connects nobody, or its installation is not completed.
    """
    order = order_of(session, process_id)
    installed_at, work = _installation(session, process_id)
    known = session.execute(_OF_INSTALLATION, {"process_id": process_id}).one()
    return ActFacts(
        language=order.language,
        drawn_up_on=on,
        operator=operator,
        subscriber=order.party,
        contract_number=known.contract_number,
        tariff=order.tariff.title,
        installed_on=local_date(installed_at, operator),
        crew=known.crew,
        equipment=handed_over(session, work.serials, work.swaps),
        optical_power_dbm=work.readings.optical_power_dbm,
        download_mbps=work.readings.download_mbps,
        cable_metres=work.readings.cable_metres,
    )


class Order(NamedTuple):
    """Who is served, on which tariff, and with what equipment where it was ordered with the connection."""

    language: Language
    party: Party
    tariff: Tariff
    account_id: UUID
    equipment: Sequence[str]


def order_of(session: Session, process_id: UUID) -> Order:
    """Who is served where, and on which tariff, as a document of the process names them.

    Raises:
        Refusal: the process is about no service.
    """
    case = case_of(session, process_id)
    if case is None:
        raise conflict(
            "process_connects_nobody",
            "This process has no subscriber with a subscription: only a connection has a contract and an act.",
        )
    party = Party(
        full_name=case.subscriber.full_name,
        iin=case.subscriber.iin,
        phone=case.subscriber.phone,
        account_no=case.account.account_no,
        address=case.premises.address,
    )
    equipment = () if case.application is None else case.application.equipment
    return Order(case.subscriber.language, party, case.tariff, case.account.id, equipment)


def crew_of(session: Session, process_id: UUID) -> str | None:
    """The crew that visited for the process."""
    return session.scalar(select(Crew.name).join(Visit, Visit.crew_id == Crew.id).where(Visit.process_id == process_id))


def _ordered(session: Session, order: Order) -> list[OrderedEquipment]:
    quantities = Counter(order.equipment)
    return [
        OrderedEquipment(sku=sku, title=model.title, quantity=quantities[sku], price_minor=model.price_minor)
        for sku, model in models_of(session, quantities).items()
    ]


def _installation(session: Session, process_id: UUID) -> tuple[datetime, Installed]:
    """When the equipment was installed, and what the installer reported."""
    task = completed_task(session, process_id, TaskKind.INSTALL, "installed")
    if task is None:
        raise conflict("not_installed", "Nothing is installed yet: complete the task of the installation first.")
    assert task.completed_at is not None, "the table says so of a task that is done"
    return task.completed_at, Installed.model_validate({"serials": []} | (task.data or {}))


def completed_task(session: Session, process_id: UUID, kind: TaskKind, outcome: str) -> Task | None:
    """The newest task of this kind that was completed so."""
    return session.scalar(
        select(Task)
        .where(
            Task.process_id == process_id, Task.kind == kind, Task.status == TaskStatus.DONE, Task.outcome == outcome
        )
        .order_by(Task.completed_at.desc())
        .limit(1)
    )


def handed_over(session: Session, serials: Sequence[str], swaps: Sequence[Swap]) -> list[HandedOver]:
    """The mounted pieces with the titles of their models."""
    rows = session.execute(
        select(StockItem.serial, EquipmentModel.title)
        .join(EquipmentModel, StockItem.sku == EquipmentModel.sku)
        .where(StockItem.serial.in_(serials))
    )
    titles = {row.serial: row.title for row in rows}
    replaced = {swap.mounted: swap.reserved for swap in swaps}
    return [HandedOver(serial=serial, model=titles.get(serial), instead_of=replaced.get(serial)) for serial in serials]
