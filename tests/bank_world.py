"""Banks as tests play them: each dialect over the whole API, read back into what it means."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import httpx
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from activities import ledger
from api.app import create_app
from models.contracts.catalogue import SubscriptionStatus
from models.database import Database
from models.tables.banks import PaymentConflict
from models.tables.ledger import Transfer
from models.tables.outbox import Outbox
from models.tables.payments import Allocation, Payment
from settings import Settings
from tests import factories
from tests.factories import TODAY, BankLogin, Customer
from tests.http_client import ApiClient
from workers.ports import free_port

Parameters = Mapping[str, str] | list[tuple[str, str]]
PAID_ON = "20261124101500"
MANY = Settings(requests_per_second=1_000_000)


class Answer(NamedTuple):
    """What a dialect answered, in words that all dialects share."""

    result: int
    txn_id: str
    receipt: str | None
    sum: str | None
    comment: str
    fields: dict[str, str]
    http: httpx.Response


@dataclass
class BankClient:
    """A bank that speaks to the API in the dialects with parameters."""

    client: ApiClient
    login: BankLogin
    receipt_field: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    is_anonymous: bool = False

    def ask(self, dialect: str, parameters: Parameters | bytes, method: str = "GET", **request: Any) -> Answer:
        """One request, whatever it holds."""
        path = f"/bank/{dialect}"
        encoded = parameters.decode() if isinstance(parameters, bytes) else urlencode(parameters)
        if method == "GET":
            path = f"{path}?{encoded}"
        else:
            request = {
                "content": encoded, **request,
                "headers": {"Content-Type": "application/x-www-form-urlencoded", **request.get("headers", {})},
            }  # fmt: skip
        request["headers"] = {**self.headers, **request.get("headers", {})}
        if not self.is_anonymous:
            request.setdefault("auth", self.login.auth)
        return read(dialect, self.client.request(method, path, **request), self.receipt_field)

    def check(self, dialect: str, account: str, **parameters: str) -> Answer:
        """May it be paid for, and what is due?"""
        return self.ask(
            dialect, {"command": "check", "txn_id": new_txn_id(), "account": account, "sum": "0.00", **parameters}
        )

    def pay(self, dialect: str, account: str, amount: str = "1500.00", **parameters: str) -> Answer:
        """It was paid."""
        asked = {"command": "pay", "txn_id": new_txn_id(), "txn_date": PAID_ON, "account": account, "sum": amount}
        return self.ask(dialect, asked | parameters)

    def cancel(self, receipt: str, **parameters: str) -> Answer:
        """Take it back: only OSMP knows how."""
        return self.ask("osmp", {"command": "cancel", "prv_txn": receipt, **parameters})


def read(dialect: str, http: httpx.Response, receipt_field: str | None = None) -> Answer:
    """The answer of a dialect, which must be well-formed whatever it says."""
    return _read_osmp(http, receipt_field) if dialect == "osmp" else _read_kaspi(http, receipt_field)


def _read_osmp(http: httpx.Response, receipt_field: str | None) -> Answer:
    assert http.headers["content-type"].split(";")[0] == "application/xml", http.text
    root = ET.fromstring(http.content)
    assert root.tag == "response"
    fields = {entry.attrib["name"]: entry.text or "" for entry in root.findall("fields/*")}
    return Answer(
        int(root.findtext("result", "")), root.findtext("osmp_txn_id", ""), root.findtext(receipt_field or "prv_txn"),
        root.findtext("sum"), root.findtext("comment", ""), fields, http,
    )  # fmt: skip


def _read_kaspi(http: httpx.Response, receipt_field: str | None) -> Answer:
    assert http.status_code == 200, http.text
    assert http.headers["content-type"] == "application/json"
    body = json.loads(http.content)
    fields = {entry["@name"]: entry["#text"] for entry in body.get("fields", {}).values()}
    return Answer(
        body["result"], body["txn_id"], body.get(receipt_field or "prv_txn_id"), body.get("sum"), body["comment"],
        fields, http,
    )  # fmt: skip


_txn_ids = iter(range(10**12, 10**13, 7))


def new_txn_id() -> str:
    """A transaction id that no other test of this process has used; a bank of its own makes it unique in any case."""
    return str(next(_txn_ids))


def app_client(database: Database | None, *, address: str = "127.0.0.1", settings: Settings = MANY) -> ApiClient:
    """The whole API without a workflow engine: taking money needs none."""
    return ApiClient(create_app(settings, database, None), address=address)  # type: ignore[arg-type]  # what a test leaves out is never asked


@cache
def usual_client(database: Database) -> ApiClient:
    """The API as most tests ask it: made once, as that takes its time."""
    return app_client(database)


def bank_client(database: Database, **settings: Any) -> BankClient:
    """A new bank with these settings, and its way to the API."""
    with database.transaction() as session:
        login = factories.bank(session, **settings)
    return BankClient(usual_client(database), login, receipt_field=settings.get("receipt_field"))


def owing(database: Database, *debts_minor: int) -> Customer:
    """A new customer who owes these invoices."""
    with database.transaction() as session:
        customer = factories.customer(session)
        for debt_minor in debts_minor:
            factories.connection_invoice(session, customer.account, debt_minor)
        return customer


def nowhere() -> Database:
    """A database that does not answer."""
    return Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")


def end_service(database: Database, customer: Customer) -> None:
    """Give them a service that has ended."""
    with database.transaction() as session:
        service = factories.subscription(session, customer.account, status=SubscriptionStatus.ACTIVE, active_from=TODAY)
        service.status, service.active_to = SubscriptionStatus.TERMINATED, TODAY


@contextmanager
def impatient(database: Database) -> Iterator[Database]:
    """The same database, for callers who wait for a lock a moment only."""
    with closing(Database(database.url)) as impatient_one:

        @event.listens_for(impatient_one.engine, "connect")
        def hurry(connection: Any, _: Any) -> None:
            connection.execute("SET lock_timeout = '200ms'")
            connection.commit()

        yield impatient_one


def written(session: Session) -> list[int]:
    """How much there is of everything that a payment can write."""
    tables = (Payment, Allocation, Transfer, Outbox, PaymentConflict)
    return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def balance_minor(database: Database, customer: Customer) -> int:
    """What the ledger says of a customer, after a look that it is in order."""
    with database.transaction() as session:
        assert ledger.check(session, account_id=customer.account.id) == []
        return ledger.balance_minor(session, customer.account.id)


def payments_of(database: Database, login: BankLogin) -> list[Payment]:
    """All that a bank's requests have left behind."""
    with database.transaction() as session:
        return list(session.scalars(select(Payment).where(Payment.bank_id == login.row.id).order_by(Payment.id)))


def in_parallel(workers: int, act: Any) -> list[Any]:
    """`act(0)`, `act(1)`, … at the same time."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(act, range(workers)))
