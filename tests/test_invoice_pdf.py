"""Invoices on paper: in three languages, complete, the same bytes for the same facts; a month of them by processes."""

import hashlib
import io
import re
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from pypdf import PdfReader

from activities import credit_notes, invoice_printing
from api import invoices
from models.contracts.billing import NewCreditNote
from models.contracts.documents import OperatorDetails
from models.contracts.people import Language, Role
from models.database import Database
from models.rules.invoice_words import in_language
from models.tables.billing import Invoice
from models.tables.people import Account
from settings import Settings
from tests import factories
from tests.accounting import Line, invoice_of
from tests.factories import TODAY
from tests.http_client import ApiClient, api_with
from workers import cli
from workers.invoice_printer import INDEX, print_month

OPERATOR = OperatorDetails(name="ТОО «Жұлдыз Телеком»", bin="990140000014", iban="KZ86125KZT5004100100")
KAZAKH = "Әбдіқадырұлы Өміржан Ғұмар Іңірұлы Һәм"
FEE = Line(368_333)
DISCOUNT = Line(-36_833, description="Скидка «Друзья», ноябрь 2026", formula="(6 500,00 ₸ − 5 850,00 ₸) × 17/30 дней")
RENT = Line(112_000, 1200, "Аренда роутера, декабрь 2025", "1 120,00 ₸ × 31/31 дней")
LINES = [FEE, DISCOUNT, RENT]


def an_invoice(database: Database, **person: Any) -> Invoice:
    with database.transaction() as session:
        place = factories.premises(session)
        account = factories.customer(session, premises_id=place.id, **person).account
        return invoice_of(session, account, LINES, due_on=date(2026, 12, 4))


def pdf_of(database: Database, invoice_id: UUID, language: Language | None = None) -> bytes:
    with database.transaction() as session:
        return invoice_printing.sheet(session, invoice_id, operator=OPERATOR, language=language).pdf()


def text_of(pdf: bytes) -> str:
    """The text of a PDF, each run of white space as one space."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u200b", "").split())


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            Language.RU,
            ["Счёт на оплату № ", "Оплатить до 04.12.2026", "Абонентская плата, Домашний 100, ноябрь 2026",
             "× 17/30 дней", "НДС по ставкам", "Как оплатить", "укажите лицевой счёт"],
        ),
        (
            Language.KK,
            ["Төлемге арналған шот № ", "Төлеу мерзімі 04.12.2026", "Абоненттік төлем, Домашний 100, қараша 2026",
             "× 17/30 күн", "Мөлшерлемелер бойынша ҚҚС", "Қалай төлеуге болады", "дербес шотын көрсетіңіз"],
        ),
        (
            Language.EN,
            ["Invoice No. ", "Pay by 04.12.2026", "Monthly fee, Домашний 100, November 2026", "× 17/30 days",
             "VAT by rate", "How to pay", "give the account"],
        ),
    ],
)  # fmt: skip
def test_an_invoice_speaks_the_language_of_the_subscriber(
    database: Database, language: Language, said: list[str]
) -> None:
    invoice = an_invoice(database, language=language, full_name=KAZAKH)
    pdf = pdf_of(database, invoice.id)
    text = text_of(pdf)
    for words in (*said, KAZAKH, invoice.number, OPERATOR.name, OPERATOR.iban, OPERATOR.bin):
        assert squeezed(words) in squeezed(text)
    assert b"pdfaid" in pdf, "archival: every character has a glyph"


def test_an_invoice_shows_its_lines_the_vat_by_rate_and_the_totals(database: Database) -> None:
    invoice = an_invoice(database)
    text = squeezed(text_of(pdf_of(database, invoice.id)))
    assert (invoice.net_minor, invoice.vat_minor, invoice.total_minor) == (385_775, 57_725, 443_500)
    for words in (
        "Скидка «Друзья», ноябрь 2026", "(6 500,00 ₸ − 5 850,00 ₸) × 17/30 дней", "−368,33 ₸",
        "1 120,00 ₸ × 31/31 дней", "12 1 000,00 ₸ 120,00 ₸ 1 120,00 ₸", "16 2 857,75 ₸ 457,25 ₸ 3 315,00 ₸",
        "Итого 3 857,75 ₸ 577,25 ₸ 4 435,00 ₸", "К оплате 4 435,00 ₸",
    ):  # fmt: skip
        assert squeezed(words) in text, words


def test_an_invoice_shows_what_was_paid_and_credited_and_what_is_left(database: Database) -> None:
    invoice = an_invoice(database)
    with database.transaction() as session:
        account = session.get_one(Account, invoice.account_id)
        paid = factories.pay(session, factories.bank(session).row.id, account, 300_000)
        order = NewCreditNote.model_validate(
            {"amount": {"amount_minor": 200_000, "currency": "KZT"}, "reason": "простой сети"}
        )
        note, _ = credit_notes.issue(session, invoice.id, order, on=TODAY, actor="test", limit_minor=None)
    text = squeezed(text_of(pdf_of(database, invoice.id)))
    for words in (
        f"Оплата {paid.receipt_no} от 24.11.2026 3 000,00 ₸",
        f"Отмена зачёта оплаты {paid.receipt_no} от 24.11.2026 −565,00 ₸",
        f"Кредит-нота {note.number} от 24.11.2026: простой сети 2 000,00 ₸",
        "К оплате 0,00 ₸",
        "Счёт закрыт, оплачивать ничего не нужно.",
    ):
        assert squeezed(words) in text, words


def test_the_same_facts_give_the_same_bytes(database: Database) -> None:
    invoice = an_invoice(database)
    assert pdf_of(database, invoice.id) == pdf_of(database, invoice.id)
    assert pdf_of(database, invoice.id, Language.EN) != pdf_of(database, invoice.id)


@pytest.mark.parametrize("name", ['#read("/etc/passwd")', "$x^2$ = _y_ *z* `w` <l>", "]) #[", "{iin} {amount} \\ \" '"])
def test_what_people_are_called_is_never_markup(database: Database, name: str) -> None:
    invoice = an_invoice(database, full_name=name)
    assert squeezed(name) in squeezed(text_of(pdf_of(database, invoice.id)))


def test_long_invoices_run_over_pages(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = invoice_of(session, account, [Line(1_000 + n, description=f"Услуга {n}") for n in range(80)])
    pdf = pdf_of(database, invoice.id)
    assert len(PdfReader(io.BytesIO(pdf)).pages) > 1
    assert "Услуга 79" in text_of(pdf)


@pytest.mark.parametrize(
    ("kept", "kazakh", "english"),
    [
        ("Перерасчёт, Домашний 100, март 2026", "Қайта есептеу, Домашний 100, наурыз 2026",
         "Recalculation, Домашний 100, March 2026"),
        ("Абонентская плата, Тариф дней, май 2026 (14–30)", "Абоненттік төлем, Тариф дней, мамыр 2026 (14–30)",
         "Monthly fee, Тариф дней, May 2026 (14–30)"),
        ("1 × 6\u00a0500,00\u00a0₸, в том числе НДС 16\u00a0%", "1 × 6\u00a0500,00\u00a0₸, оның ішінде ҚҚС 16\u00a0%",
         "1 × 6\u00a0500,00\u00a0₸, including VAT 16\u00a0%"),
        ("выставлено ранее: 5,00 ₸", "бұрын шот берілген: 5,00 ₸", "invoiced before: 5,00 ₸"),
        ("ONT GPON", "ONT GPON", "ONT GPON"),
    ],
)  # fmt: skip
def test_only_the_fixed_words_of_a_line_are_translated(kept: str, kazakh: str, english: str) -> None:
    assert (in_language(kept, "ru"), in_language(kept, "kk"), in_language(kept, "en")) == (kept, kazakh, english)


# --- Through the API -------------------------------------------------------------------------------------------------


@pytest.fixture
def client(database: Database) -> ApiClient:
    return api_with(database, invoices.router)


def test_the_api_gives_the_pdf_in_the_language_that_is_asked_for(client: ApiClient, database: Database) -> None:
    invoice = an_invoice(database, language=Language.KK)
    with database.transaction() as session:
        headers = factories.staff(session, Role.OPERATOR).headers
        stranger = factories.staff(session, Role.INSTALLER).headers
    path = f"/v1/invoices/{invoice.id}/pdf"
    own, english = client.get(path, headers=headers), client.get(f"{path}?lang=en", headers=headers)
    assert (own.status_code, own.headers["content-type"]) == (200, "application/pdf")
    assert "Төлемге арналған шот" in text_of(own.content)
    assert "Invoice No." in text_of(english.content)
    assert own.headers["etag"] == f'"{hashlib.sha256(own.content).hexdigest()}"'
    assert quote(f"{invoice.number}.pdf") in own.headers["content-disposition"]
    known = client.get(path, headers={**headers, "If-None-Match": own.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert client.get(f"{path}?lang=de", headers=headers).status_code == 422
    assert client.get(f"/v1/invoices/{uuid4()}/pdf", headers=headers).status_code == 404
    assert client.get(path, headers=stranger).status_code == 403


# --- A month of them -------------------------------------------------------------------------------------------------

MONTH = date(2031, 5, 1)
"""Which no other test bills."""


@pytest.fixture(scope="module")
def month(database: Database) -> list[Invoice]:
    with database.transaction() as session:
        return [
            invoice_of(
                session, factories.customer(session, language=list(Language)[n % 3]).account, LINES, period_on=MONTH
            )
            for n in range(36)
        ]  # fmt: skip


def files_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.rglob("*.pdf")}


def test_a_month_is_printed_by_processes_and_goes_on_where_it_was(
    database: Database, month: list[Invoice], tmp_path: Path
) -> None:
    first = print_month(database.url, OPERATOR, MONTH, tmp_path, processes=2)
    assert (first.printed, first.there_already, first.failed) == (36, 0, 0)
    files = files_in(tmp_path)
    assert set(files) == {invoice.number for invoice in month}
    for invoice in month[::12]:
        assert files[invoice.number].read_bytes() == pdf_of(database, invoice.id)

    missing, damaged, short, settled = month[0], month[13], month[20], month[30]
    files[missing.number].unlink()
    broken = files[damaged.number].read_bytes()
    files[damaged.number].write_bytes(broken[:-1] + bytes([broken[-1] ^ 1]))
    files[short.number].write_bytes(b"")
    untouched = files[month[5].number].stat().st_mtime_ns
    with database.transaction() as session:
        account = session.get_one(Account, settled.account_id)
        factories.pay(session, factories.bank(session).row.id, account, settled.total_minor)

    again = print_month(database.url, OPERATOR, MONTH, tmp_path, processes=1)
    assert (again.printed, again.there_already, again.failed) == (4, 32, 0)
    assert files[damaged.number].read_bytes() == broken
    assert files[settled.number].read_bytes() == pdf_of(database, settled.id)
    assert files[month[5].number].stat().st_mtime_ns == untouched
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".pdf"] == [INDEX]


def test_a_month_without_invoices_prints_nothing(database: Database, tmp_path: Path) -> None:
    assert print_month(database.url, OPERATOR, date(2031, 6, 1), tmp_path, processes=1).invoices == 0


def test_the_command_prints_a_month(
    postgres_url: str, month: list[Invoice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    assert cli.main(["print-invoices", "2031-05", str(tmp_path), "--processes", "2"]) == 0
    assert f"{len(month)} printed" in capsys.readouterr().out
    assert cli.main(["print-invoices", "2031-5", str(tmp_path)]) == 1
    assert "such as 2026-11" in capsys.readouterr().err
    assert Settings().operator_name in text_of(files_in(tmp_path)[month[0].number].read_bytes())
