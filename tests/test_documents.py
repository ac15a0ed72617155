"""Contracts and hand-over acts: what they say, that they are made once, and that a signed one is final."""

import hashlib
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import anyio
import httpx
import pytest
from fastapi import FastAPI
from pypdf import PdfReader
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import api.documents
from activities import documents
from activities.printing import TEMPLATES, print_pdf
from api import problems
from models.contracts.documents import DocumentKind, OperatorDetails
from models.contracts.people import Language, Role
from models.contracts.processes import TaskKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.billing import NumberSeries
from models.tables.crews import Crew, Visit
from models.tables.documents import Document
from models.tables.people import Account
from models.tables.processes import ConnectionApplication, Task
from models.tables.stock import StockItem
from tests import factories

OPERATOR = OperatorDetails(name="ТОО «Жұлдыз Телеком»", bin="990140000014", iban="KZ86125KZT5004100100")
AT = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
KAZAKH = "Әә Ғғ Ққ Ңң Өө Ұұ Үү Һһ Іі"
WITNESS = "staff:0190a000-0000-7000-8000-000000000001"


def connection(
    session: Session,
    *,
    account: Account | None = None,
    equipment: list[str] | None = None,
    fee_minor: int | None = 650_000,
    **person: Any,
) -> UUID:
    """A connection process with its application."""
    account = account or factories.customer(session, **person).account
    tariff = factories.tariff(session, fee_minor=fee_minor)
    subscription = factories.subscription(session, account, tariff_id=tariff.id)
    process = factories.process(session, account=account, subscription_id=subscription.id)
    session.add(ConnectionApplication(process_id=process.id, equipment=equipment or []))
    session.flush()
    return process.id


def installation(session: Session, process_id: UUID, data: dict[str, Any] | None) -> None:
    """A completed task of the installer."""
    factories.reference(session)
    session.add(
        Task(
            process_id=process_id,
            kind=TaskKind.INSTALL,
            department=Role.INSTALLER,
            status="done",
            opened_at=AT,
            due_at=AT,
            outcome="installed",
            data=data,
            completed_at=AT,
            completed_by=WITNESS,
        )
    )
    session.flush()


def visit(session: Session, process_id: UUID, crew_name: str) -> None:
    crew = Crew(
        code=factories.unique("crew"),
        name=crew_name,
        weekdays=[1],
        opens_at=datetime(2026, 1, 1, 9, tzinfo=UTC).time(),
        closes_at=datetime(2026, 1, 1, 19, tzinfo=UTC).time(),
        slot_minutes=120,
    )
    session.add(crew)
    session.flush()
    session.add(Visit(crew_id=crew.id, process_id=process_id, during=Range(AT, AT.replace(hour=8))))
    session.flush()


def contract_of(database: Database, **facts: Any) -> Document:
    with database.transaction() as session:
        process_id = connection(session, **facts)
        return documents.draw_up_contract(session, process_id, at=AT, operator=OPERATOR)


def act_of(database: Database, data: dict[str, Any] | None = None) -> Document:
    with database.transaction() as session:
        process_id = connection(session)
        installation(session, process_id, data if data is not None else {"serials": []})
        return documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR)


def text_of(document: Document) -> str:
    """The text of a PDF, each run of white space as one space."""
    assert document.pdf is not None
    pages = PdfReader(io.BytesIO(document.pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u200b", "").split())


def squeezed(text: str) -> str:
    """Without white space: for what was broken over lines."""
    return re.sub(r"[\s\u200b]", "", text)


def is_archival(document: Document) -> bool:
    """PDF/A, for which typst refuses any character that no embedded font can draw."""
    return document.pdf is not None and b"pdfaid" in document.pdf


@pytest.mark.parametrize(
    ("language", "title", "monthly"),
    [
        (Language.RU, "Договор об оказании услуг связи № ", "Абонентская плата за месяц"),
        (Language.KK, "Байланыс қызметтерін көрсету туралы шарт № ", "Бір айдың абоненттік төлемі"),
        (Language.EN, "Telecommunications service contract No. ", "Monthly fee"),
    ],
)
def test_a_contract_speaks_the_language_of_the_subscriber(
    database: Database, language: Language, title: str, monthly: str
) -> None:
    contract = contract_of(database, language=language)
    text = text_of(contract)
    assert title + contract.number in text
    assert f"{monthly} 6 500,00 ₸" in text
    assert is_archival(contract)


def test_a_contract_names_both_parties_the_place_the_tariff_and_the_equipment(database: Database) -> None:
    iin, phone = factories.new_iin(), factories.new_phone()
    with database.transaction() as session:
        router = factories.equipment(session, price_minor=1_234_567)
        process_id = connection(
            session,
            full_name="Әбдіқадырұлы Өміржан",
            iin=iin,
            phone=phone,
            equipment=[router.sku, router.sku],
        )
        contract = documents.draw_up_contract(session, process_id, at=AT, operator=OPERATOR)
        address = contract.facts["subscriber"]["address"]
    text = text_of(contract)
    for fact in (OPERATOR.name, OPERATOR.bin, OPERATOR.iban, "Әбдіқадырұлы Өміржан", iin, phone):
        assert fact in text
    assert squeezed(address) in squeezed(text)
    assert "Домашний 100" in text
    assert "24.11.2026" in text
    assert "Подключение, один раз 5 000,00 ₸" in text
    assert "ONT GPON 2 12 345,67 ₸" in text
    assert contract.number.rpartition("-")[0] in text


def test_kazakh_letters_and_the_sign_of_the_tenge_have_glyphs(database: Database) -> None:
    contract = contract_of(database, full_name=f"{KAZAKH} ₸ «№» — ё")
    assert f"{KAZAKH} ₸ «№» — ё" in text_of(contract)
    assert is_archival(contract)


def test_every_language_has_the_same_texts() -> None:
    text = (TEMPLATES / "texts.typ").read_text()
    parts = re.split(r"^  (?:ru|kk|en): \($", text, flags=re.MULTILINE)[1:]
    keys = [
        [(key, sorted(re.findall(r"\{\w+\}", value))) for key, value in re.findall(r"(\w+): (.*)", part)]
        for part in parts
    ]
    assert len(keys) == len(Language)
    assert keys[0] == keys[1] == keys[2]


def test_the_contracts_of_an_account_are_counted(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        numbers = [
            documents.draw_up_contract(session, connection(session, account=account), at=AT, operator=OPERATOR).number
            for _ in range(2)
        ]
    assert numbers == [f"{account.account_no}-1", f"{account.account_no}-2"]


def test_two_processes_of_an_account_at_once_get_two_numbers(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        processes = [connection(session, account=account) for _ in range(4)]

    def draw_up(process_id: UUID) -> str:
        with database.transaction() as session:
            return documents.draw_up_contract(session, process_id, at=AT, operator=OPERATOR).number

    with ThreadPoolExecutor(4) as pool:
        numbers = set(pool.map(draw_up, processes))
    assert numbers == {f"{account.account_no}-{n}" for n in range(1, 5)}


@pytest.mark.parametrize("kind", [DocumentKind.CONTRACT, DocumentKind.HANDOVER_ACT])
def test_a_document_drawn_up_eight_times_in_parallel_is_one_document(database: Database, kind: DocumentKind) -> None:
    draw_up = {
        DocumentKind.CONTRACT: documents.draw_up_contract,
        DocumentKind.HANDOVER_ACT: documents.draw_up_act,
    }[kind]
    with database.transaction() as session:
        process_id = connection(session)
        installation(session, process_id, {"serials": []})
        last = last_act_number(session)

    def once(_: int) -> tuple[UUID, str | None]:
        with database.transaction() as session:
            document = draw_up(session, process_id, at=AT, operator=OPERATOR)
            return document.id, document.sha256

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(once, range(8)))
    assert len(answers) == 1
    with database.transaction() as session:
        taken = last_act_number(session) - last
    assert taken == (1 if kind is DocumentKind.HANDOVER_ACT else 0), "a lost race must not burn a number"


def last_act_number(session: Session) -> int:
    statement = select(NumberSeries.last).where(NumberSeries.series == "act", NumberSeries.year == AT.year)
    return session.scalar(statement) or 0


def test_the_same_facts_give_the_same_bytes(database: Database) -> None:
    drawn_up = contract_of(database, equipment=[])
    with database.transaction() as session:
        kept = documents.get_document(session, drawn_up.id)
        assert kept.pdf is not None
    assert print_pdf(kept.kind, kept.number, kept.facts) == kept.pdf
    assert kept.sha256 == hashlib.sha256(kept.pdf).hexdigest()
    later = {**kept.facts, "drawn_up_on": "2026-11-25"}
    assert print_pdf(kept.kind, kept.number, later) != kept.pdf


def test_a_tariff_without_a_price_gives_a_contract_with_a_dash(database: Database) -> None:
    contract = contract_of(database, fee_minor=None)
    assert "Абонентская плата за месяц —" in text_of(contract)
    assert "Оборудование по этому договору не передаётся." in text_of(contract)


@pytest.mark.parametrize(
    "name",
    [
        '#read("/etc/passwd")',
        '#include "contract.typ"',
        "$x^2$ = _y_ *z* `w` @ref <label> = heading",
        '\\ \\u{41} \\" \' " / // /* */',
        '"}, "number": "0", {"',
        "{iin} {operator} {{ }} %s",
        "#set page(fill: red) #panic()",
        "]) #[",
    ],
)
def test_the_text_of_a_person_is_never_markup(database: Database, name: str) -> None:
    contract = contract_of(database, full_name=name)
    text = squeezed(text_of(contract))
    assert text.count(squeezed(name)) >= 2, "in the sentence about the parties, and at the signatures"
    assert "root:" not in text
    assert is_archival(contract)


def test_a_very_long_word_stays_on_the_paper(database: Database) -> None:
    name = "Ұзынсөз" * 28
    contract = contract_of(database, full_name=name)
    assert squeezed(text_of(contract)).count(name) >= 2
    lines = [line for page in pages_of(contract) for line in page.extract_text().splitlines()]
    assert max(len(line) for line in lines) < 140


def pages_of(document: Document) -> list[Any]:
    assert document.pdf is not None
    return list(PdfReader(io.BytesIO(document.pdf)).pages)


def test_a_long_list_of_equipment_runs_over_pages(database: Database) -> None:
    act = act_of(database, {"serials": [f"SN-{n:04d}" for n in range(50)]})
    assert len(pages_of(act)) > 1
    assert "SN-0049" in text_of(act)


def test_a_character_that_no_font_has_does_not_break_the_document(database: Database) -> None:
    contract = contract_of(database, full_name="Арман 😀 中 Болатов")
    assert "Арман" in text_of(contract)
    assert not is_archival(contract)


def test_invisible_characters_can_not_turn_a_line_round(database: Database) -> None:
    contract = contract_of(database, full_name="Арман\u202e Болатов\u0007\n и\u0306од")
    assert "Арман Болатов йод" in text_of(contract)


def test_a_document_of_a_process_that_connects_nobody_is_refused(database: Database) -> None:
    with database.transaction() as session:
        process_id = factories.process(session).id
    for draw_up in (documents.draw_up_contract, documents.draw_up_act):
        with pytest.raises(Refusal, match="no subscriber"), database.transaction() as session:
            draw_up(session, process_id, at=AT, operator=OPERATOR)
        with pytest.raises(Refusal, match="no such process"), database.transaction() as session:
            draw_up(session, uuid4(), at=AT, operator=OPERATOR)


def test_an_act_names_the_mounted_pieces_the_readings_and_the_crew(database: Database) -> None:
    with database.transaction() as session:
        model = factories.equipment(session, pieces=2)
        statement = select(StockItem.serial).where(StockItem.sku == model.sku).order_by(StockItem.serial)
        reserved, mounted = session.scalars(statement)
        process_id = connection(session)
        contract = documents.draw_up_contract(session, process_id, at=AT, operator=OPERATOR)
        visit(session, process_id, "Бригада «Өрлеу»")
        installation(
            session,
            process_id,
            {
                "serials": [mounted],
                "swaps": [{"reserved": reserved, "mounted": mounted, "reason": "не включился"}],
                "readings": {"optical_power_dbm": -18.5, "download_mbps": 12345.67, "cable_metres": 40},
            },
        )
        act = documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR)
    text = text_of(act)
    assert re.fullmatch(r"АКТ-2026-\d{6}", act.number)
    assert f"Акт приёма-передачи оборудования № {act.number}" in text
    assert f"К договору № {contract.number}" in text
    assert squeezed(f"1 ONT GPON {mounted} (установлено вместо {reserved})") in squeezed(text)
    assert "Уровень оптического сигнала, дБм −18,5" in text
    assert "Скорость приёма, Мбит/с 12345,67" in text
    assert "Длина кабеля, м 40" in text
    assert "Бригада Бригада «Өрлеу»" in text
    assert is_archival(act)


@pytest.mark.parametrize("data", [None, {}, {"serials": []}, {"serials": ["UNKNOWN-1"], "readings": {}}])
def test_an_act_with_little_to_say_shows_dashes(database: Database, data: dict[str, Any] | None) -> None:
    text = text_of(act_of(database, data))
    assert "Бригада —" in text
    assert "Длина кабеля, м —" in text
    assert ("1 — UNKNOWN-1" if data and data.get("serials") else "Оборудование не передавалось.") in text


def test_there_is_no_act_before_the_installation(database: Database) -> None:
    with database.transaction() as session:
        process_id = connection(session)
    with pytest.raises(Refusal, match="complete the task") as refused, database.transaction() as session:
        documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR)
    assert refused.value.slug == "not_installed"


def test_the_operators_zone_decides_date_and_year(database: Database) -> None:
    new_years_eve = datetime(2030, 12, 31, 20, 0, tzinfo=UTC)
    with database.transaction() as session:
        process_id = connection(session)
        installation(session, process_id, {"serials": []})
        act = documents.draw_up_act(session, process_id, at=new_years_eve, operator=OPERATOR)
    assert act.number.startswith("АКТ-2031-")
    assert "01.01.2031" in text_of(act)


def test_a_signature_is_kept_and_makes_the_document_final(database: Database) -> None:
    document_id = act_of(database).id
    with database.transaction() as session:
        documents.sign(session, document_id, signed_by="subscriber", at=AT, witness_actor=WITNESS)
    changes: list[Callable[[Session], Any]] = [
        lambda s: s.execute(update(Document).where(Document.id == document_id).values(pdf=b"other")),
        lambda s: s.execute(update(Document).where(Document.id == document_id).values(facts={})),
        lambda s: s.execute(update(Document).where(Document.id == document_id).values(signed_at=None)),
        lambda s: s.execute(delete(Document).where(Document.id == document_id)),
    ]
    for change in changes:
        with pytest.raises(IntegrityError, match="is signed"), database.transaction() as session:
            change(session)
    with database.transaction() as session:
        kept = documents.get_document(session, document_id)
    assert kept.signature == {"signed_by": "subscriber", "witness": WITNESS}
    assert kept.signed_at == AT


def test_a_second_signature_by_the_same_changes_nothing_and_by_another_is_refused(database: Database) -> None:
    document_id = contract_of(database).id
    later = AT.replace(hour=20)
    with database.transaction() as session:
        documents.sign(session, document_id, signed_by="representative", at=AT, witness_actor=WITNESS)
    with database.transaction() as session:
        again = documents.sign(session, document_id, signed_by="representative", at=later, witness_actor="x")
        assert again.signed_at == AT
    with pytest.raises(Refusal) as refused, database.transaction() as session:
        documents.sign(session, document_id, signed_by="subscriber", at=later, witness_actor=WITNESS)
    assert refused.value.slug == "document_signed"
    with pytest.raises(Refusal, match="no such document"), database.transaction() as session:
        documents.sign(session, uuid4(), signed_by="subscriber", at=AT, witness_actor=WITNESS)


def test_withdrawing_leaves_signed_documents_as_they_are(database: Database) -> None:
    with database.transaction() as session:
        process_id = connection(session)
        installation(session, process_id, {"serials": []})
        contract = documents.draw_up_contract(session, process_id, at=AT, operator=OPERATOR)
        act = documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR)
        documents.sign(session, contract.id, signed_by="subscriber", at=AT, witness_actor=WITNESS)
    with database.transaction() as session:
        assert documents.withdraw(session, process_id, AT) == 1
        assert documents.withdraw(session, process_id, AT) == 0
    with database.transaction() as session:
        assert documents.get_document(session, contract.id).withdrawn_at is None
        assert documents.get_document(session, act.id).withdrawn_at == AT
    with pytest.raises(Refusal) as refused, database.transaction() as session:
        documents.sign(session, act.id, signed_by="subscriber", at=AT, witness_actor=WITNESS)
    assert refused.value.slug == "document_withdrawn"


class _Context:
    """What the documents' endpoints need of the API's context."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settings = type("Proxies", (), {"trusted_proxies": []})()


class Client:
    """Asks the endpoints over ASGI, each question in an event loop of its own."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str, **request: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://api") as client:
                return await client.get(path, **request)

        return anyio.run(ask)


@pytest.fixture
def client(database: Database) -> Client:
    app = FastAPI()
    app.state.context = _Context(database)
    app.include_router(api.documents.router)
    problems.install(app)
    return Client(app)


def test_the_api_gives_the_pdf_with_its_hash_as_etag(client: Client, database: Database) -> None:
    document = act_of(database)
    with database.transaction() as session:
        headers = factories.staff(session, Role.SUPPORT).headers
    answer = client.get(f"/v1/documents/{document.id}", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content == document.pdf
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert quote(f"{document.number}.pdf") in answer.headers["content-disposition"]
    known = client.get(f"/v1/documents/{document.id}", headers={**headers, "If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_the_api_lists_the_documents_of_a_process(client: Client, database: Database) -> None:
    with database.transaction() as session:
        process_id = connection(session)
        installation(session, process_id, {"serials": []})
        contract = documents.draw_up_contract(session, process_id, at=AT, operator=OPERATOR)
        documents.draw_up_act(session, process_id, at=AT, operator=OPERATOR)
        documents.sign(session, contract.id, signed_by="subscriber", at=AT, witness_actor=WITNESS)
        headers = factories.staff(session, Role.OPERATOR).headers
    items = client.get("/v1/documents", params={"process_id": str(process_id)}, headers=headers).json()["items"]
    assert [(item["kind"], item["signed_by"]) for item in items] == [
        ("contract", "subscriber"),
        ("handover_act", None),
    ]
    assert items[0]["sha256"] == contract.sha256
    first = client.get("/v1/documents", params={"process_id": str(process_id), "limit": 1}, headers=headers)
    assert first.json()["next_cursor"] == str(contract.id)


def test_the_api_tells_nobody_and_nothing_apart(client: Client, database: Database) -> None:
    with database.transaction() as session:
        headers = factories.staff(session, Role.OPERATOR).headers
    assert client.get(f"/v1/documents/{uuid4()}").status_code == 401
    assert client.get(f"/v1/documents/{uuid4()}", headers=headers).status_code == 404
    assert client.get("/v1/documents", params={"process_id": str(uuid4())}, headers=headers).status_code == 404
    assert client.get("/v1/documents", headers=headers).status_code == 422
    assert client.get("/v1/documents", params={"process_id": "x"}, headers=headers).status_code == 422


def test_every_document_kind_has_a_template() -> None:
    assert {f"{kind}.typ" for kind in DocumentKind} <= {path.name for path in TEMPLATES.glob("*.typ")}


def test_no_document_has_a_hash_that_is_not_of_its_pdf(database: Database) -> None:
    act_of(database)
    with database.transaction() as session:
        digest = func.encode(func.sha256(Document.pdf), "hex")
        assert session.scalars(select(Document.number).where(Document.sha256 != digest)).all() == []
