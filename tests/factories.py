"""Rows for tests, each with ids of its own: the database is shared by all tests of a pytest process.

Every function takes a session and flushes; nothing commits. The reference data (departments, chart of accounts, VAT
rates) comes from the `database` fixture.
"""

import secrets
import time
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import invoicing, payments
from api.access import secret_digest
from models.contracts.bank import PaymentAnswer, PaymentNotice
from models.contracts.catalogue import Charging, SubscriptionStatus
from models.contracts.money import PositiveMoney
from models.contracts.network import NodeKind
from models.contracts.people import Language, Role
from models.contracts.processes import ProcessKind
from models.rules.account_no import account_no
from models.rules.iin import check_digit
from models.tables.banks import Bank
from models.tables.billing import Invoice
from models.tables.catalogue import EquipmentModel, Policy, Tariff, TariffPrice
from models.tables.network import NetworkNode, NetworkPort, Premises
from models.tables.people import Account, Staff, Subscriber, account_no_sequence
from models.tables.processes import Process
from models.tables.stock import StockItem
from models.tables.subscriptions import Subscription
from workers import seed

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


class StaffLogin(NamedTuple):
    """A member of staff with the token that is known only here."""

    row: Staff
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class BankLogin(NamedTuple):
    """A bank with the password that is known only here."""

    row: Bank
    password: str

    @property
    def auth(self) -> tuple[str, str]:
        return (self.row.username, self.password)


class Customer(NamedTuple):
    """A subscriber and their account."""

    subscriber: Subscriber
    account: Account


def unique(prefix: str = "t") -> str:
    """A word that no other test has."""
    return f"{prefix}-{uuid4().hex[:12]}"


def new_iin() -> str:
    """A valid IIN that no other test has."""
    while True:
        digits = f"{secrets.randbelow(10**11):011d}"
        check = check_digit(digits)
        if check is not None:
            return f"{digits}{check}"


def new_phone() -> str:
    """A mobile number of Kazakhstan that no other test of this process has."""
    return f"+7701{next(_numbers) * 7_654_321 % 10**7:07d}"


_numbers = count(secrets.randbelow(10**7))
"""Ten million would be too few to draw thousands from: each is given once, and the factor scatters them."""


def not_at_midnight(zone: ZoneInfo) -> None:
    """Wait for the next day where this one is about to end: what a test does with «today» falls on one day then."""
    now = datetime.now(zone)
    if (now + timedelta(minutes=1)).date() != now.date():
        time.sleep(60 - now.second)


def reference(session: Session) -> None:
    """Departments, chart of accounts, VAT rates: 12 % before 2026, 16 % from then on. `database` has them already."""
    seed.seed_reference(session)


def staff(session: Session, role: Role, *, is_head: bool = False) -> StaffLogin:
    """A person of one role with a token."""
    token = secrets.token_urlsafe(24)
    row = Staff(
        login=unique(role), full_name="Тестова Айгерим", role=role, is_head=is_head, phone=new_phone(),
        token_sha256=secret_digest(token),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return StaffLogin(row, token)


def bank(session: Session, *, allowed_networks: list[str] | None = None, **settings: Any) -> BankLogin:
    """A bank with Basic credentials that speaks every dialect, allowed from anywhere unless said otherwise."""
    password = secrets.token_urlsafe(24)
    code = unique("bank")
    row = Bank(
        code=code,
        name="Demo Bank",
        username=code,
        password_sha256=secret_digest(password),
        allowed_networks=allowed_networks if allowed_networks is not None else ["0.0.0.0/0", "::/0"],
        **{"dialects": ["json_v1", "osmp", "kaspi"], **settings},
    )
    session.add(row)
    session.flush()
    return BankLogin(row, password)


def node(
    session: Session, *, kind: NodeKind = NodeKind.BUILDING, parent_id: UUID | None = None, ports: int = 0
) -> NetworkNode:
    """A network node, with free ports numbered from 1."""
    row = NetworkNode(code=unique("node"), name="Узел", kind=kind, parent_id=parent_id)
    session.add(row)
    session.flush()
    session.add_all(NetworkPort(node_id=row.id, port_no=number) for number in range(1, ports + 1))
    session.flush()
    return row


def premises(session: Session, *, node_id: UUID | None = None, ports: int = 4) -> Premises:
    """A place, on a node of its own with free ports unless a node is given."""
    reached_by = node_id or node(session, ports=ports).id
    row = Premises(address=f"Алматы, ул. {unique('Абая')}, 1", node_id=reached_by)
    session.add(row)
    session.flush()
    return row


def customer(
    session: Session,
    *,
    iin: str | None = None,
    full_name: str = "Сейткали Арман Болатович",
    phone: str | None = None,
    language: Language = Language.RU,
    opened_on: date = date(2026, 1, 1),
    premises_id: UUID | None = None,
) -> Customer:
    """A subscriber with an account."""
    subscriber = Subscriber(
        iin=iin or new_iin(),
        full_name=full_name,
        phone=phone or new_phone(),
        language=language,
        premises_id=premises_id,
    )
    session.add(subscriber)
    session.flush()
    return Customer(subscriber, another_account(session, subscriber, opened_on=opened_on))


def another_account(session: Session, subscriber: Subscriber, *, opened_on: date = date(2026, 1, 1)) -> Account:
    """An account of a subscriber, beside those that they have."""
    number = session.execute(account_no_sequence.next_value().select()).scalar_one()
    account = Account(account_no=account_no(number), subscriber_id=subscriber.id, opened_on=opened_on)
    session.add(account)
    session.flush()
    return account


def tariff(
    session: Session,
    *,
    fee_minor: int | None = 650_000,
    connection_fee_minor: int = 500_000,
    first_period_upfront: bool = True,
    charging: Charging = Charging.ADVANCE,
    priced_from: date = date(2020, 1, 1),
) -> Tariff:
    """A tariff with a monthly fee that holds from `priced_from` on; with `fee_minor=None` it has no price."""
    row = Tariff(
        code=unique("tariff"),
        title="Домашний 100",
        charging=charging,
        connection_fee_minor=connection_fee_minor,
        first_period_upfront=first_period_upfront,
        network_profile="100M",
    )
    session.add(row)
    session.flush()
    if fee_minor is not None:
        session.add(TariffPrice(tariff_id=row.id, valid=Range(priced_from, None), fee_minor=fee_minor))
        session.flush()
    return row


def equipment(session: Session, *, price_minor: int = 1_500_000, pieces: int = 0) -> EquipmentModel:
    """A model of equipment, with so many free pieces in stock."""
    row = EquipmentModel(sku=unique("sku"), title="ONT GPON", price_minor=price_minor)
    session.add(row)
    session.flush()
    session.add_all(StockItem(serial=unique("SN").upper(), sku=row.sku) for _ in range(pieces))
    session.flush()
    return row


def policy(session: Session, body: dict[str, Any], *, code: str | None = None, version: int = 1) -> Policy:
    """One version of a policy."""
    row = Policy(code=code or unique("policy"), version=version, body=body, created_by="test")
    session.add(row)
    session.flush()
    return row


def process(
    session: Session,
    *,
    kind: ProcessKind = ProcessKind.CONNECTION,
    stage: str = "application",
    account: Account | None = None,
    subscription_id: UUID | None = None,
) -> Process:
    """An open process in the projection; nothing runs on Temporal for it."""
    row = Process(
        id=uuid4(),
        kind=kind,
        workflow_id=unique(kind),
        stage=stage,
        opened_by="test",
        account_id=account.id if account else None,
        subscriber_id=account.subscriber_id if account else None,
        subscription_id=subscription_id,
        opened_at=datetime.now(tz=UTC),
    )
    session.add(row)
    session.flush()
    return row


def subscription(
    session: Session,
    account: Account,
    *,
    tariff_id: UUID | None = None,
    premises_id: UUID | None = None,
    status: SubscriptionStatus = SubscriptionStatus.PENDING,
    active_from: date | None = None,
) -> Subscription:
    """A service of an account; active ones are charged from `active_from`."""
    row = Subscription(
        account_id=account.id,
        premises_id=premises_id or premises(session).id,
        tariff_id=tariff_id or tariff(session).id,
        status=status,
        active_from=active_from,
    )
    session.add(row)
    session.flush()
    return row


def connection_invoice(
    session: Session, account: Account, total_minor: int, *, issued_on: date = TODAY, due_on: date | None = None
) -> Invoice:
    """An issued connection invoice of one line."""
    return invoicing.issue_connection_invoice(
        session,
        process_id=process(session, account=account, stage="prepayment").id,
        account_id=account.id,
        tariff_id=tariff(session, connection_fee_minor=total_minor, first_period_upfront=False).id,
        equipment=[],
        issued_on=issued_on,
        due_on=due_on or issued_on,
    )


def payment_notice(
    amount_minor: int, *, account_no: str | None = None, iin: str | None = None, txn_id: str | None = None
) -> PaymentNotice:
    """What a bank reports."""
    return PaymentNotice(
        txn_id=txn_id or unique("txn"),
        account_no=account_no,
        iin=iin,
        amount=PositiveMoney(amount_minor=amount_minor),
        paid_at=NOW,
    )


def pay(session: Session, bank_id: UUID, account: Account, amount_minor: int) -> PaymentAnswer:
    """A payment of a bank to an account."""
    notice = payment_notice(amount_minor, account_no=account.account_no)
    return payments.take_payment(session, bank_id=bank_id, notice=notice, received_at=datetime.now(tz=UTC), on=TODAY)[0]
