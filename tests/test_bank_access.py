"""Which bank calls: by password, by secret, by its networks alone; and never by what the caller claims of itself."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple, Self

import pytest
from psycopg import AsyncCursor
from sqlalchemy import delete

from api.access import secret_digest
from models.database import Database
from models.lookups import Lookups
from models.tables.banks import Bank
from settings import Settings
from tests import bank_world, factories
from tests.bank_world import BankClient, app_client, bank_client, owing, payments_of
from tests.factories import Customer

PROXY = "10.0.0.1"
BEHIND_A_PROXY = Settings(requests_per_second=1_000_000, trusted_proxies=[PROXY, "10.0.0.2"])
OWN, STRANGE = "198.51.100.9", "203.0.113.5"
REFUSED = {"osmp": 8, "kaspi": 5}


@pytest.fixture
def customer(database: Database) -> Customer:
    return owing(database, 500_000)


@pytest.fixture
def known_by_address(database: Database) -> Iterator[BankClient]:
    """A bank that sends nothing: its networks must be nobody else's while the test runs."""
    with database.transaction() as session:
        login = factories.bank(session, credential="address", allowed_networks=["192.0.2.16/28", "2001:db8:7::/48"])
    yield BankClient(app_client(database, address="192.0.2.20"), login, is_anonymous=True)
    with database.transaction() as session:
        login.row.active = False
        session.merge(login.row)


def with_secret(database: Database, **settings: Any) -> tuple[BankClient, str]:
    """A bank that is known by a secret."""
    secret = f"{factories.unique('secret')} & /+%"
    bank = bank_client(database, credential="secret", **settings)
    with database.transaction() as session:
        bank.login.row.password_sha256 = secret_digest(secret)
        session.merge(bank.login.row)
    bank.is_anonymous = True
    return bank, secret


# -- a secret -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["osmp", "kaspi"])
def test_a_secret_is_sent_in_a_header_or_in_the_query(database: Database, customer: Customer, dialect: str) -> None:
    bank, secret = with_secret(database)
    number = customer.account.account_no
    assert bank.check(dialect, number, secret=secret).result == 0
    bank.headers["X-Bank-Secret"] = secret
    assert bank.check(dialect, number).result == 0
    assert bank.pay(dialect, number).result == 0


@pytest.mark.parametrize("dialect", ["osmp", "kaspi"])
def test_another_secret_none_or_two_are_refused(database: Database, customer: Customer, dialect: str) -> None:
    bank, secret = with_secret(database)
    number = customer.account.account_no
    for wrong in ("", secret[:-1], f"{secret}x", "%00", "x" * 10_000):
        assert bank.check(dialect, number, secret=wrong).result == REFUSED[dialect]
    assert bank.check(dialect, number).result == REFUSED[dialect]
    two = [("command", "check"), ("txn_id", "1"), ("account", number), ("secret", "guess"), ("secret", secret)]
    assert bank.ask(dialect, two).result == REFUSED[dialect]
    bank.headers["X-Bank-Secret"] = "guess"
    assert bank.check(dialect, number, secret=secret).result == REFUSED[dialect], "the header comes first"


def test_a_form_does_not_carry_the_secret(database: Database, customer: Customer) -> None:
    bank, secret = with_secret(database)
    asked = {"command": "check", "txn_id": "1", "account": customer.account.account_no, "secret": secret}
    assert bank.ask("osmp", asked, method="POST").result == 8


def test_a_secret_is_no_password_and_a_password_no_secret(database: Database, customer: Customer) -> None:
    number = customer.account.account_no
    by_secret, secret = with_secret(database)
    assert by_secret.ask("kaspi", {"command": "check", "txn_id": "1", "account": number},
                         auth=(by_secret.login.row.username, secret)).result == 5  # fmt: skip
    by_password = bank_client(database)
    by_password.is_anonymous = True
    assert by_password.check("kaspi", number, secret=by_password.login.password).result == 5


def test_a_secret_is_worth_nothing_from_elsewhere(database: Database, customer: Customer) -> None:
    bank, secret = with_secret(database, allowed_networks=["10.0.0.0/8"])
    assert bank.check("kaspi", customer.account.account_no, secret=secret).result == 5


def test_the_json_dialect_knows_a_bank_by_its_secret_too(database: Database, customer: Customer) -> None:
    bank, secret = with_secret(database)
    path = f"/bank/v1/customers/{customer.subscriber.iin}"
    assert bank.client.get(path, headers={"X-Bank-Secret": secret}).status_code == 200
    assert bank.client.get(path, headers={"X-Bank-Secret": "guess"}).status_code == 401


def test_a_secret_or_password_is_in_no_log(
    database: Database, customer: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    bank, secret = with_secret(database)
    bank.check("kaspi", customer.account.account_no, secret=secret)
    bank.check("kaspi", customer.account.account_no, secret=f"{secret}x")
    assert secret.split()[0] not in "".join(capsys.readouterr())


# -- networks alone -------------------------------------------------------------------------------------------------


def test_a_bank_may_be_known_by_its_networks_alone(known_by_address: BankClient, customer: Customer) -> None:
    answer = known_by_address.check("kaspi", customer.account.account_no)
    assert (answer.result, answer.sum) == (0, "5000.00")


@pytest.mark.parametrize(
    ("address", "result"),
    [("192.0.2.16", 0), ("192.0.2.31", 0), ("192.0.2.32", 5), ("::ffff:192.0.2.20", 0), ("2001:db8:7::1", 0),
     ("2001:db8:8::1", 5), ("nonsense", 5), ("", 5), ("fe80::1%eth0", 5)],
)  # fmt: skip
def test_from_elsewhere_nobody_is_known(
    known_by_address: BankClient, database: Database, customer: Customer, address: str, result: int
) -> None:
    known_by_address.client = app_client(database, address=address)
    assert known_by_address.check("kaspi", customer.account.account_no).result == result


def test_a_caller_that_could_be_two_banks_is_neither(
    known_by_address: BankClient, database: Database, customer: Customer
) -> None:
    with database.transaction() as session:
        # The API refuses to add such a bank; a row that came otherwise must do no harm.
        other = factories.bank(session, credential="address", allowed_networks=["192.0.2.20/32"])
    assert known_by_address.check("kaspi", customer.account.account_no).result == 5
    with database.transaction() as session:
        session.execute(delete(Bank).where(Bank.id == other.row.id))


def test_wrong_credentials_are_not_made_good_by_the_address(known_by_address: BankClient, customer: Customer) -> None:
    for wrong in ({"auth": ("nobody", "x")}, {"headers": {"X-Bank-Secret": "x"}}):
        asked = {"command": "check", "txn_id": "1", "account": customer.account.account_no}
        assert known_by_address.ask("kaspi", asked, **wrong).result == 5


def test_a_bank_that_is_switched_off_is_not_let_in(database: Database, customer: Customer) -> None:
    for bank in (bank_client(database, active=False), with_secret(database, active=False)[0]):
        assert bank.pay("kaspi", customer.account.account_no).result == 5
        assert payments_of(database, bank.login) == []


# -- where it calls from --------------------------------------------------------------------------------------------


class Origin(NamedTuple):
    """From where a request comes, and what it claims."""

    address: str
    forwarded: list[str]
    is_let_in: bool


ORIGINS = {
    "from its own network": Origin(OWN, [], True),
    "from elsewhere": Origin(STRANGE, [], False),
    "claims its network, nobody vouches": Origin(STRANGE, [OWN], False),
    "our proxy vouches": Origin(PROXY, [OWN], True),
    "claims its network through our proxy": Origin(PROXY, [f"{OWN}, {STRANGE}"], False),
    "claims it in a header of its own": Origin(PROXY, [OWN, STRANGE], False),
    "two of our proxies vouch": Origin(PROXY, [f"{STRANGE}, {OWN}, 10.0.0.2"], True),
    "a proxy passes nonsense on": Origin(PROXY, [f"{OWN}, nonsense"], False),
    "our proxy itself": Origin(PROXY, [], False),
}


@pytest.mark.parametrize("credential", ["password", "secret", "address"])
@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS.keys())
def test_a_bank_is_let_in_from_its_own_networks_alone(
    database: Database, customer: Customer, credential: str, origin: Origin
) -> None:
    client = app_client(database, address=origin.address, settings=BEHIND_A_PROXY)
    with database.transaction() as session:
        login = factories.bank(session, allowed_networks=["198.51.100.7/24"], credential=credential)
    headers = [("X-Forwarded-For", value) for value in origin.forwarded]
    if credential == "secret":
        headers.append(("X-Bank-Secret", login.password))
    request: dict[str, Any] = {"headers": headers, **({"auth": login.auth} if credential == "password" else {})}
    try:
        for dialect, refused in REFUSED.items():
            path = f"/bank/{dialect}?command=check&txn_id=1&account={customer.account.account_no}"
            answer = bank_world.read(dialect, client.get(path, **request))
            assert answer.result == (0 if origin.is_let_in else refused)
        status = client.get(f"/bank/v1/customers/{customer.subscriber.iin}", **request).status_code
        assert status == (200 if origin.is_let_in else 401 if credential == "address" else 403)
    finally:
        with database.transaction() as session:
            session.execute(delete(Bank).where(Bank.id == login.row.id))


# -- what it costs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["osmp", "kaspi"])
def test_looking_up_costs_two_statements_and_no_transaction(
    database: Database, customer: Customer, dialect: str
) -> None:
    statements: list[str] = []

    class Noted(AsyncCursor[Any]):
        async def execute(self, query: Any, *arguments: Any, **more: Any) -> Self:
            statements.append(query)
            return await super().execute(query, *arguments, **more)

    own = Database(database.url)
    own.lookups = Lookups(database.url, cursor_factory=Noted)
    with closing(own):
        bank = BankClient(app_client(own), bank_client(database).login)
        assert bank.check(dialect, customer.account.account_no).result == 0
    assert len(statements) == 2, statements
