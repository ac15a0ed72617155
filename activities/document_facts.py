"""What stands in a document, read from the tables on the day on which it is drawn up."""

from collections import Counter
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.contracts.documents import (
    ActFacts,
    ContractFacts,
    DocumentKind,
    HandedOver,
    OperatorDetails,
    OrderedEquipment,
    Party,
)
from models.contracts.field_forms import Installed
from models.contracts.people import Language
from models.contracts.processes import TaskKind, TaskStatus
from models.contracts.refusals import conflict
from models.tables.catalogue import EquipmentModel, Tariff, TariffPrice
from models.tables.crews import Crew, Visit
from models.tables.documents import Document
from models.tables.network import Premises
from models.tables.people import Account, Subscriber
from models.tables.processes import ConnectionApplication, Process, Task
from models.tables.stock import StockItem
from models.tables.subscriptions import Subscription


def local_date(at: datetime, operator: OperatorDetails) -> date:
    """The date of an instant where the operator is."""
    return at.astimezone(ZoneInfo(operator.timezone)).date()


def next_of_account(session: Session, process_id: UUID) -> int:
    """Which contract of its account the process's one would be, counted from 1.

    The account stays locked until the transaction ends, so that two processes never get the same answer.
    """
    account_id = session.scalar(
        select(Account.id)
        .join(Process, Process.account_id == Account.id)
        .where(Process.id == process_id)
        .with_for_update(of=Account, key_share=True)
    )
    return (
        1
        + session.execute(
            select(func.count())
            .select_from(Document)
            .join(Process)
            .where(Process.account_id == account_id, Document.kind == DocumentKind.CONTRACT)
        ).scalar_one()
    )


def contract_facts(session: Session, process_id: UUID, on: date, operator: OperatorDetails) -> ContractFacts:
    """What the contract of a connection says.

    Raises:
        Refusal: the process connects nobody.
    """
    order = _order(session, process_id)
    return ContractFacts(
        language=order.language,
        drawn_up_on=on,
        operator=operator,
        subscriber=order.party,
        tariff=order.tariff.title,
        monthly_fee_minor=session.scalar(
            select(TariffPrice.fee_minor).where(
                TariffPrice.tariff_id == order.tariff.id, TariffPrice.valid.contains(on)
            )
        ),
        connection_fee_minor=order.tariff.connection_fee_minor,
        first_period_upfront=order.tariff.first_period_upfront,
        equipment=_ordered(session, process_id),
    )


def act_facts(session: Session, process_id: UUID, on: date, operator: OperatorDetails) -> ActFacts:
    """What the hand-over act of a connection says.

    Raises:
        Refusal: the process connects nobody, or its installation is not completed.
    """
    order = _order(session, process_id)
    installed_at, work = _installation(session, process_id)
    return ActFacts(
        language=order.language,
        drawn_up_on=on,
        operator=operator,
        subscriber=order.party,
        contract_number=session.scalar(
            select(Document.number).where(Document.process_id == process_id, Document.kind == DocumentKind.CONTRACT)
        ),
        tariff=order.tariff.title,
        installed_on=local_date(installed_at, operator),
        crew=session.scalar(
            select(Crew.name).join(Visit, Visit.crew_id == Crew.id).where(Visit.process_id == process_id)
        ),
        equipment=_handed_over(session, work),
        optical_power_dbm=work.readings.optical_power_dbm,
        download_mbps=work.readings.download_mbps,
        cable_metres=work.readings.cable_metres,
    )


class _Order(NamedTuple):
    language: Language
    party: Party
    tariff: Tariff


def _order(session: Session, process_id: UUID) -> _Order:
    """Who is connected, where, and on which tariff."""
    row = session.execute(
        select(Subscriber, Account.account_no, Tariff, Premises.address)
        .select_from(Process)
        .join(Subscriber, Process.subscriber_id == Subscriber.id)
        .join(Account, Process.account_id == Account.id)
        .join(Subscription, Process.subscription_id == Subscription.id)
        .join(Tariff, Subscription.tariff_id == Tariff.id)
        .join(Premises, Subscription.premises_id == Premises.id)
        .where(Process.id == process_id)
    ).one_or_none()
    if row is None:
        raise conflict(
            "process_connects_nobody",
            "This process has no subscriber with a subscription: only a connection has a contract and an act.",
        )
    subscriber, account_no, tariff, address = row
    party = Party(
        full_name=subscriber.full_name,
        iin=subscriber.iin,
        phone=subscriber.phone,
        account_no=account_no,
        address=address,
    )
    return _Order(subscriber.language, party, tariff)


def _ordered(session: Session, process_id: UUID) -> list[OrderedEquipment]:
    skus = session.scalar(select(ConnectionApplication.equipment).where(ConnectionApplication.process_id == process_id))
    quantities = Counter(skus or [])
    models = session.scalars(
        select(EquipmentModel).where(EquipmentModel.sku.in_(quantities)).order_by(EquipmentModel.sku)
    )
    return [
        OrderedEquipment(
            sku=model.sku, title=model.title, quantity=quantities[model.sku], price_minor=model.price_minor
        )
        for model in models
    ]


def _installation(session: Session, process_id: UUID) -> tuple[datetime, Installed]:
    """When the equipment was installed, and what the installer reported."""
    task = session.scalar(
        select(Task)
        .where(
            Task.process_id == process_id,
            Task.kind == TaskKind.INSTALL,
            Task.status == TaskStatus.DONE,
            Task.outcome == "installed",
        )
        .order_by(Task.completed_at.desc())
        .limit(1)
    )
    if task is None:
        raise conflict("not_installed", "Nothing is installed yet: complete the task of the installation first.")
    assert task.completed_at is not None, "the table says so of a task that is done"
    return task.completed_at, Installed.model_validate({"serials": []} | (task.data or {}))


def _handed_over(session: Session, work: Installed) -> list[HandedOver]:
    rows = session.execute(
        select(StockItem.serial, EquipmentModel.title)
        .join(EquipmentModel, StockItem.sku == EquipmentModel.sku)
        .where(StockItem.serial.in_(work.serials))
    )
    titles = {row.serial: row.title for row in rows}
    replaced = {swap.mounted: swap.reserved for swap in work.swaps}
    return [
        HandedOver(serial=serial, model=titles.get(serial), instead_of=replaced.get(serial)) for serial in work.serials
    ]
