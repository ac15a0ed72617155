"""The act of replaced equipment: what was mounted and what was taken back, in the language of the subscriber."""

import io
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from activities import documents
from models.contracts.documents import DocumentKind, OperatorDetails
from models.contracts.people import Language
from models.contracts.processes import ProcessKind, TaskKind
from models.contracts.refusals import Refusal
from models.contracts.stock import StockState
from models.database import Database
from models.tables.documents import Document
from models.tables.processes import Process, Task
from models.tables.stock import StockItem
from models.tables.tariff_changes import TariffChange
from tests import factories
from tests.billing_histories import serve

AT = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
"""The 25th where the operator is."""
OPERATOR = OperatorDetails(name="ТОО «Абонент Телеком»", bin="123456789012", iban="KZ123456789012345678")


def replaced(session: Session, language: Language, *, done: bool = True) -> tuple[Process, list[str]]:
    """A change whose crew has been there; answers the serial numbers: mounted, in order, broken, lost."""
    account = factories.customer(session, language=language).account
    old, new = factories.tariff(session), factories.tariff(session)
    new.title = "Домашний 1000"
    service_id = serve(session, account, old.id, since=factories.TODAY)
    process = factories.process(
        session, kind=ProcessKind.TARIFF_CHANGE, stage="act", account=account, subscription_id=service_id
    )
    session.add(
        TariffChange(
            process_id=process.id, from_tariff_id=old.id, to_tariff_id=new.id, timing="now", planned_on=factories.TODAY
        )
    )
    model = factories.equipment(session)
    serials = [factories.unique("SN").upper() for _ in range(4)]
    session.add(StockItem(serial=serials[0], sku=model.sku, state=StockState.INSTALLED, subscription_id=service_id))
    session.add_all(StockItem(serial=serial, sku=model.sku) for serial in serials[1:])
    if done:
        conditions = zip(serials[1:], ("tested_ok", "broken", "lost"), strict=True)
        data: dict[str, Any] = {
            "serials": serials[:1],
            "equipment": [{"serial": serial, "condition": condition} for serial, condition in conditions],
            "readings": {"download_mbps": 940.5},
        }
        session.add(
            Task(
                id=uuid4(), process_id=process.id, kind=TaskKind.REPLACE, department="installer", status="done",
                outcome="replaced", data=data, opened_at=AT, due_at=AT, completed_at=AT, completed_by="staff:somebody",
            )
        )  # fmt: skip
    session.flush()
    return process, serials


def drawn_up(session: Session, process: Process) -> Document:
    return documents.draw_up_act(session, process.id, at=AT, operator=OPERATOR, kind=DocumentKind.REPLACEMENT_ACT)


WORDS = {
    Language.RU: ["Акт замены оборудования", "исправно, принято на склад", "неисправно", "не возвращено", "940,5"],
    Language.KK: ["Жабдықты ауыстыру актісі", "жарамды, қоймаға қабылданды", "жарамсыз", "қайтарылмады", "940,5"],
    Language.EN: ["Equipment replacement act", "in order, taken into stock", "broken", "not returned", "940.5"],
}


@pytest.mark.parametrize("language", Language)
def test_the_act_names_every_piece_and_what_became_of_it(database: Database, language: Language) -> None:
    with database.transaction() as session:
        process, serials = replaced(session, language)
        act = drawn_up(session, process)

    assert (act.kind, act.language, act.number[:9]) == ("replacement_act", language, "АКТ-2026-")
    assert act.pdf is not None
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(act.pdf)).pages)
    read = "".join(text.split())
    for word in [*WORDS[language], *serials, "Домашний 1000", "25.11.2026"]:
        assert "".join(word.split()) in read, word


def test_the_act_is_drawn_up_once(database: Database) -> None:
    with database.transaction() as session:
        process, _ = replaced(session, Language.RU)
        assert drawn_up(session, process).id == drawn_up(session, process).id


def test_there_is_no_act_before_anything_is_replaced(database: Database) -> None:
    with database.transaction() as session:
        process, _ = replaced(session, Language.RU, done=False)
        with pytest.raises(Refusal) as refused:
            drawn_up(session, process)

    assert refused.value.slug == "not_replaced"
