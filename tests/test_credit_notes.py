"""Credit notes: an invoice is taken back wholly or in part, exactly, at its own VAT, within a limit."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import credit_notes, invoicing, ledger
from api import invoices
from models.contracts.billing import InvoiceStatus, NewCreditNote
from models.contracts.people import Role
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.crediting import split_over_lines, vat_of_part
from models.rules.money import vat_inside
from models.tables.billing import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from models.tables.ledger import Transfer
from tests import factories
from tests.accounting import Line, invoice_of
from tests.factories import TODAY
from tests.http_client import ApiClient, api_with

OLD_DAY = date(2025, 12, 31)
slow = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TWO_LINES = [Line(650_000), Line(-65_000, description="Скидка «Друзья», ноябрь 2026")]


def credit(session: Session, invoice: Invoice, **order: Any) -> CreditNote:
    wanted = NewCreditNote.model_validate({"reason": "перерасчёт", **order})
    return credit_notes.issue(session, invoice.id, wanted, on=TODAY, actor="test", limit_minor=None)[0]


def money(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "KZT"}


def refusal(database: Database, invoice: Invoice, **order: Any) -> Refusal:
    with pytest.raises(Refusal) as refused, database.transaction() as session:
        credit(session, invoice, **order)
    return refused.value


def sums(session: Session, invoice_id: UUID) -> tuple[int, int, int]:
    """Net, VAT and total of all credit notes of an invoice."""
    row = session.execute(
        select(func.sum(CreditNote.net_minor), func.sum(CreditNote.vat_minor), func.sum(CreditNote.total_minor)).where(
            CreditNote.invoice_id == invoice_id
        )
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


@given(lines=st.lists(st.integers(-(10**6), 10**8), min_size=1, max_size=8), data=st.data())
def test_parts_divide_over_lines_without_exceeding_any(lines: list[int], data: st.DataObject) -> None:
    whole = sum(lines)
    assume(whole > 0)
    amount = data.draw(st.integers(1, whole))
    parts = split_over_lines(amount, lines)
    assert sum(parts) == amount
    assert all(abs(part) <= abs(line) and part * line >= 0 for part, line in zip(parts, lines, strict=True))
    assert split_over_lines(whole, lines) == lines


@given(
    total=st.integers(-(10**9), 10**9).filter(bool),
    cuts=st.lists(st.floats(0, 1), max_size=6),
    rate_bp=st.sampled_from([0, 1200, 1600]),
)
def test_the_vat_of_all_parts_of_a_line_is_the_vat_of_the_line(total: int, cuts: list[float], rate_bp: int) -> None:
    vat = round(total * rate_bp / (10_000 + rate_bp))
    edges = sorted([0, *(int(abs(total) * cut) for cut in cuts), abs(total)])
    sign = 1 if total > 0 else -1
    parts = [
        vat_of_part(sign * (end - start), before_minor=sign * start, line_total_minor=total, line_vat_minor=vat)
        for start, end in pairwise(edges)
    ]
    assert sum(parts) == vat
    assert all(part * sign >= 0 for part in parts)


@slow
@given(
    lines=st.lists(
        st.tuples(st.integers(-50_000, 900_000).filter(bool), st.sampled_from([0, 1200, 1600])),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 10**6),
    paid_share=st.floats(0, 1.3),
)
def test_random_partial_credit_notes_add_up_to_the_whole(
    database: Database, lines: list[tuple[int, int]], seed: int, paid_share: float
) -> None:
    whole, vat = sum(total for total, _ in lines), sum(vat_inside(*line) for line in lines)
    assume(whole > 0 and 0 <= vat <= whole)
    chance = random.Random(seed)
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = invoice_of(session, account, [Line(*line) for line in lines])
        other = factories.connection_invoice(session, account, 70_000, due_on=TODAY + timedelta(days=9))
        paid = int(whole * paid_share)
        if paid:
            bank = factories.bank(session).row.id
            factories.pay(session, bank, account, max(1, paid // 3))
            factories.pay(session, bank, account, max(1, paid - paid // 3))
        left = whole
        for note_no in range(1, 6):
            part = left if note_no == 5 else chance.randint(1, left)
            note = credit(session, invoice, **({} if part == left else {"amount": money(part)}))
            assert note.total_minor == part
            left -= part
            assert invoicing.outstanding_minor(session, invoice.id) <= left
            if not left:
                break
        assert sums(session, invoice.id) == (invoice.net_minor, invoice.vat_minor, invoice.total_minor)
        assert invoicing.view(session, invoice.id).status is InvoiceStatus.CREDITED
        line_sums = session.execute(
            select(
                CreditNoteLine.line_no, func.sum(CreditNoteLine.net_minor), func.sum(CreditNoteLine.vat_minor)
            )
            .join(CreditNote)
            .where(CreditNote.invoice_id == invoice.id)
            .group_by(CreditNoteLine.line_no)
        )  # fmt: skip
        credited = {line_no: (net, vat) for line_no, net, vat in line_sums}
        stored = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
        assert credited == {line.line_no: (line.net_minor, line.vat_minor) for line in stored}
        assert ledger.check(session, account_id=account.id) == []
        # Whatever was paid stands on the other invoice, or is the subscriber's.
        money_in = max(1, paid // 3) + max(1, paid - paid // 3) if paid else 0
        assert ledger.balance_minor(session, account.id) == money_in - other.total_minor


def test_a_part_is_taken_back_at_the_old_rate_and_posted_in_reverse(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        old = factories.connection_invoice(session, account, 1_120_000, issued_on=OLD_DAY)
        note = credit(session, old, amount=money(560_000))
        assert (note.net_minor, note.vat_minor, note.total_minor) == (500_000, 60_000, 560_000)
        posted = session.execute(
            select(Transfer.debit, Transfer.credit, Transfer.amount_minor).where(Transfer.document_id == note.id)
        )
        assert sorted(map(tuple, posted)) == [("3130", "1210", 60_000), ("6010", "1210", 500_000)]
        assert note.number.startswith("КН-2026-")
        assert invoicing.view(session, old.id).credit_notes[0].lines[0].vat_rate_percent == 12


def test_what_was_paid_beyond_the_rest_becomes_an_advance_the_newest_payment_first(database: Database) -> None:
    with database.transaction() as session:
        bank, account = factories.bank(session).row.id, factories.customer(session).account
        invoice = invoice_of(session, account, [Line(100_000)])
        first = factories.pay(session, bank, account, 60_000)
        second = factories.pay(session, bank, account, 40_000)
        credit(session, invoice, amount=money(50_000))
        view = invoicing.view(session, invoice.id)
        assert [(part.payment_id, part.amount.amount_minor) for part in view.allocations] == [
            (first.payment_id, 60_000), (second.payment_id, 40_000), (second.payment_id, -40_000),
            (first.payment_id, -10_000),
        ]  # fmt: skip
        assert view.status is InvoiceStatus.PAID
        assert (view.credited.amount_minor, view.allocated.amount_minor) == (50_000, 50_000)
        assert ledger.advance_minor(session, account.id) == 50_000


def test_a_credit_note_that_leaves_more_than_was_paid_touches_no_payment(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = invoice_of(session, account, [Line(100_000)])
        factories.pay(session, factories.bank(session).row.id, account, 60_000)
        credit(session, invoice, amount=money(40_000))
        view = invoicing.view(session, invoice.id)
        assert len(view.allocations) == 1
        assert view.status is InvoiceStatus.PAID
        assert ledger.balance_minor(session, account.id) == 0


def test_lines_are_taken_back_by_their_numbers(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = invoice_of(session, account, [Line(650_000), Line(-65_000), Line(90_000, 0)])
        note = credit(
            session,
            invoice,
            lines=[{"line_no": 3, "amount": money(90_000)}, {"line_no": 2, "amount": money(-30_000)}],
        )
        assert note.total_minor == 60_000
        view = invoicing.view(session, invoice.id)
        assert [line.credited.amount_minor for line in view.lines] == [0, -30_000, 90_000]
        assert [line.line_no for line in view.credit_notes[0].lines] == [2, 3]
        credit(session, invoice)
        assert sums(session, invoice.id) == (invoice.net_minor, invoice.vat_minor, invoice.total_minor)
        assert ledger.check(session, account_id=account.id) == []


@pytest.mark.parametrize(
    ("order", "slug"),
    [
        ({"amount": money(585_001)}, "more_than_invoiced"),
        ({"lines": [{"line_no": 1, "amount": money(650_000)}]}, "more_than_invoiced"),
        ({"lines": [{"line_no": 1, "amount": money(650_001)}]}, "lines_not_creditable"),
        ({"lines": [{"line_no": 1, "amount": money(-1)}]}, "lines_not_creditable"),
        ({"lines": [{"line_no": 1, "amount": money(0)}]}, "lines_not_creditable"),
        ({"lines": [{"line_no": 2, "amount": money(1)}]}, "lines_not_creditable"),
        ({"lines": [{"line_no": 9, "amount": money(1)}]}, "lines_not_creditable"),
        ({"lines": [{"line_no": 2, "amount": money(-65_000)}]}, "nothing_to_credit"),
        ({"lines": [{"line_no": 1, "amount": money(585_000)}]}, "lines_left_open"),
    ],
)
def test_more_than_there_is_can_not_be_taken_back(database: Database, order: dict[str, Any], slug: str) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = invoice_of(session, account, TWO_LINES)
    assert refusal(database, invoice, **order).slug == slug
    with database.transaction() as session:
        assert invoicing.view(session, invoice.id).credit_notes == []


def test_an_invoice_is_never_credited_beyond_itself_even_by_many_at_once(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = invoice_of(session, account, [Line(100_000)])

    def once(_: int) -> bool:
        try:
            with database.transaction() as session:
                credit(session, invoice, amount=money(30_000))
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(once, range(8))) == 3
    with database.transaction() as session:
        assert sums(session, invoice.id)[2] == 90_000
        credit(session, invoice)
        assert ledger.check(session, account_id=account.id) == []
    assert refusal(database, invoice).slug == "nothing_to_credit"


def test_a_process_credits_what_accounting_has_left(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = factories.connection_invoice(session, account, 500_000)
        credit(session, invoice, amount=money(123_456))
        cancelled: dict[str, Any] = {
            "reason": "отмена заявки",
            "on": TODAY,
            "actor": "process",
        }
        rest = invoicing.credit_invoice(session, invoice.id, **cancelled)
        again = invoicing.credit_invoice(session, invoice.id, **cancelled)
        assert rest is not None
        assert again is not None
        assert (rest.total_minor, again.id) == (376_544, rest.id)
        assert sums(session, invoice.id) == (invoice.net_minor, invoice.vat_minor, invoice.total_minor)
        assert ledger.check(session, account_id=account.id) == []


# --- Through the API -------------------------------------------------------------------------------------------------


@pytest.fixture
def client(database: Database) -> ApiClient:
    return api_with(database, invoices.router)


class Desk:
    """An accountant, their head, an admin and an operator with an invoice before them."""

    def __init__(self, client: ApiClient, database: Database, total_minor: int) -> None:
        self.client = client
        with database.transaction() as session:
            self.accountant = factories.staff(session, Role.ACCOUNTING)
            self.head = factories.staff(session, Role.ACCOUNTING, is_head=True)
            self.admin = factories.staff(session, Role.ADMIN)
            self.operator = factories.staff(session, Role.OPERATOR)
            self.customer = factories.customer(session)
            self.invoice = invoice_of(session, self.customer.account, [Line(total_minor)], period_on=date(2026, 11, 1))

    def credit(self, who: factories.StaffLogin, *, key: str | None = None, **order: Any) -> httpx.Response:
        headers = who.headers if key is None else {**who.headers, "Idempotency-Key": key}
        body = {"reason": "перерасчёт", **order}
        return self.client.post(f"/v1/invoices/{self.invoice.id}/credit-notes", json=body, headers=headers)

    def invoice_now(self) -> Any:
        return self.client.get(f"/v1/invoices/{self.invoice.id}", headers=self.operator.headers).json()


def test_an_accountant_credits_up_to_the_limit_and_their_head_beyond_it(client: ApiClient, database: Database) -> None:
    desk = Desk(client, database, 20_000_000)
    assert desk.credit(desk.accountant, amount=money(4_000_000)).status_code == 201
    refused = desk.credit(desk.accountant, amount=money(1_000_001))
    assert refused.status_code == 403
    assert refused.json()["type"] == "approval_needed"
    assert "head of accounting" in refused.json()["detail"]
    assert desk.credit(desk.accountant, amount=money(1_000_000)).status_code == 201, "the limit itself"
    assert desk.credit(desk.accountant, amount=money(1)).status_code == 403, "small ones add up to a large one"
    assert desk.credit(desk.operator, amount=money(1)).json()["type"] == "approval_needed", "an operator likewise"
    assert desk.credit(desk.head, amount=money(5_000_000)).status_code == 201
    assert desk.credit(desk.admin).json()["total"] == money(10_000_000)
    now = desk.invoice_now()
    assert (now["status"], now["outstanding"]["amount_minor"], len(now["credit_notes"])) == ("credited", 0, 4)


def test_the_same_key_and_body_are_one_credit_note(client: ApiClient, database: Database) -> None:
    desk, key = Desk(client, database, 1_000_000), str(uuid4())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: desk.credit(desk.accountant, key=key, amount=money(1_000)), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert desk.invoice_now()["credited"] == money(1_000)
    other = desk.credit(desk.accountant, key=key, amount=money(2_000))
    assert (other.status_code, other.json()["type"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "order",
    [
        {"amount": money(0)},
        {"amount": money(-5)},
        {"amount": {"amount_minor": 5, "currency": "USD"}},
        {"amount": money(10**14)},
        {"amount": money(5), "lines": [{"line_no": 1, "amount": money(5)}]},
        {"lines": []},
        {"lines": [{"line_no": 1, "amount": money(5)}, {"line_no": 1, "amount": money(5)}]},
        {"reason": " "},
        {"total": 5},
    ],
)
def test_a_credit_note_that_says_nothing_clear_is_refused(
    client: ApiClient, database: Database, order: dict[str, Any]
) -> None:
    desk = Desk(client, database, 1_000)
    assert desk.credit(desk.accountant, **order).status_code == 422
    assert desk.invoice_now()["credit_notes"] == []


def test_invoices_are_listed_newest_first_by_subscriber_account_status_and_month(
    client: ApiClient, database: Database
) -> None:
    desk = Desk(client, database, 1_000_000)
    account = desk.customer.account
    with database.transaction() as session:
        later = invoice_of(session, account, [Line(5_000)])
        factories.pay(session, factories.bank(session).row.id, account, 1_000_500)

    def listed(**query: Any) -> list[str]:
        answer = client.get("/v1/invoices", params={"account_no": account.account_no, **query}, headers=headers)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    headers = desk.accountant.headers
    first, second = str(later.id), str(desk.invoice.id)
    assert listed() == [first, second]
    assert listed(status="paid") == [second]
    assert listed(status="partly_paid", subscriber_id=str(desk.customer.subscriber.id)) == [first]
    assert listed(status="open") == listed(subscriber_id=str(uuid4())) == []
    assert listed(period="2026-11") == [second]
    page = client.get("/v1/invoices", params={"account_no": account.account_no, "limit": 1}, headers=headers).json()
    assert page["next_cursor"] == first
    assert listed(cursor=first) == [second]
    assert client.get("/v1/invoices?period=2026-13", headers=headers).status_code == 422
    assert client.get(f"/v1/invoices/{uuid4()}", headers=headers).status_code == 404
