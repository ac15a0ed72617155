"""The act of returned equipment: what it says, in each language."""

import io
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from activities import documents
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.documents import DocumentKind, OperatorDetails
from models.contracts.people import Language, Role
from models.contracts.processes import ProcessKind, TaskKind
from models.contracts.refusals import Refusal
from models.contracts.stock import EquipmentCondition
from models.database import Database
from models.tables.processes import ConnectionApplication, Task
from models.tables.stock import StockItem
from tests import factories

OPERATOR = OperatorDetails(name="ТОО «Жұлдыз Телеком»", bin="990140000014", iban="KZ86125KZT5004100100")
AT = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
CONDITIONS = {
    Language.RU: ["исправно, принято на склад", "неисправно, принято к списанию", "не возвращено"],
    Language.KK: ["жарамды, қоймаға қабылданды", "жарамсыз, есептен шығаруға қабылданды", "қайтарылмады"],
    Language.EN: ["in order, taken into stock", "broken, taken to be scrapped", "not returned"],
}
TITLES = {
    Language.RU: "Акт возврата оборудования",
    Language.KK: "Жабдықты қайтару актісі",
    Language.EN: "Equipment return act",
}


def leaving(session: Session, language: Language) -> tuple[UUID, str]:
    """A disconnection of a service that was connected by a contract; answers its process and the contract's number."""
    customer = factories.customer(session)
    customer.subscriber.language = language
    service = factories.subscription(
        session, customer.account, status=SubscriptionStatus.ACTIVE, active_from=factories.TODAY
    )
    connection = factories.process(session, account=customer.account, subscription_id=service.id)
    session.add(ConnectionApplication(process_id=connection.id, equipment=[]))
    session.flush()
    contract = documents.draw_up_contract(session, connection.id, at=AT, operator=OPERATOR)
    connection.status, connection.closed_at = "completed", AT  # type: ignore[assignment]  # as the database has it
    session.flush()
    process = factories.process(
        session, kind=ProcessKind.DISCONNECTION, stage="return", account=customer.account, subscription_id=service.id
    )
    return process.id, contract.number


def dismantled(session: Session, process_id: UUID) -> list[str]:
    """The installer's report, with a piece in each condition; answers the serial numbers."""
    model = factories.equipment(session)
    serials = [factories.unique("SN").upper() for _ in EquipmentCondition]
    session.add_all(StockItem(serial=serial, sku=model.sku) for serial in serials)
    report = [
        {"serial": serial, "condition": condition}
        for serial, condition in zip(serials, EquipmentCondition, strict=True)
    ]
    session.add(
        Task(
            process_id=process_id, kind=TaskKind.DISMANTLE, department=Role.INSTALLER, status="done", opened_at=AT,
            due_at=AT, outcome="dismantled", data={"equipment": report}, completed_at=AT, completed_by="staff:x",
        )
    )  # fmt: skip
    session.flush()
    return serials


def text_of(pdf: bytes) -> str:
    """The text of a PDF, each run of white space as one space."""
    pages = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return " ".join(pages.replace("\u200b", "").split())


@pytest.mark.parametrize("language", Language)
def test_the_act_names_each_piece_and_how_it_was_found(database: Database, language: Language) -> None:
    with database.transaction() as session:
        process_id, contract_number = leaving(session, language)
        serials = dismantled(session, process_id)
        act = documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR, kind=DocumentKind.RETURN_ACT)
        assert act.pdf is not None
        said = text_of(act.pdf)

    assert (act.kind, act.language) == ("return_act", language)
    assert f"{TITLES[language]} {'No.' if language is Language.EN else '№'} {act.number}" in said
    for shown in (*serials, *CONDITIONS[language], contract_number, "Сейткали Арман Болатович", "24.11.2026"):
        assert shown in said


def test_the_act_is_the_same_one_however_often_it_is_drawn_up(database: Database) -> None:
    with database.transaction() as session:
        process_id, _ = leaving(session, Language.RU)
        dismantled(session, process_id)
        first, again = (
            documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR, kind=DocumentKind.RETURN_ACT)
            for _ in range(2)
        )
        assert first.id == again.id


def test_there_is_no_act_of_what_is_not_dismantled(database: Database) -> None:
    with database.transaction() as session:
        process_id, _ = leaving(session, Language.RU)
        with pytest.raises(Refusal) as refusal:
            documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR, kind=DocumentKind.RETURN_ACT)
        assert refusal.value.slug == "not_dismantled"
