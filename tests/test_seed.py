"""The reference data: complete, and added once however often it is seeded."""

import json
from pathlib import Path

from sqlalchemy import func, select, update

from api.access import secret_digest
from models.contracts.connection import ConnectionPolicy
from models.contracts.ledger import Chart
from models.contracts.people import Role
from models.database import Database
from models.tables import Base
from models.tables.banks import Bank
from models.tables.catalogue import EquipmentModel, Policy, Tariff, TariffPrice, TaxRate
from models.tables.ledger import ChartAccount
from models.tables.network import NetworkNode, NetworkPort, Premises
from models.tables.people import Department, Staff
from models.tables.stock import StockItem
from workers import seed_data
from workers.credentials import issue_password, issue_token, local_credentials
from workers.seed import seed

SEEDED: list[type[Base]] = [
    Department, Staff, Bank, ChartAccount, TaxRate, Policy, Tariff, TariffPrice, EquipmentModel, StockItem,
    NetworkNode, NetworkPort, Premises,
]  # fmt: skip


def test_seeding_again_adds_nothing_and_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        before = {table: session.scalar(select(func.count()).select_from(table)) for table in SEEDED}
        fee = session.scalar(select(Tariff.connection_fee_minor).where(Tariff.code == "home-50"))
        session.execute(update(Tariff).where(Tariff.code == "home-50").values(connection_fee_minor=1))
        seed(session)
        assert before == {table: session.scalar(select(func.count()).select_from(table)) for table in SEEDED}
        assert session.scalar(select(Tariff.connection_fee_minor).where(Tariff.code == "home-50")) == 1
        session.rollback()
    assert fee == 300_000


def test_every_role_has_a_department_a_head_and_somebody_who_acts() -> None:
    assert set(seed_data.DEPARTMENTS) == set(Role) == set(seed_data.LOGIN_OF_ROLE)
    assert {person.role for person in seed_data.STAFF if person.is_head} == set(Role)


def test_every_account_that_the_program_posts_to_is_on_the_chart(database: Database) -> None:
    with database.transaction() as session:
        assert set(session.scalars(select(ChartAccount.code))) >= {code.value for code in Chart}


def test_the_policy_of_a_connection_is_readable_as_it_was_written(database: Database) -> None:
    with database.transaction() as session:
        body = session.scalar(select(Policy.body).where(Policy.code == "connection", Policy.version == 1))
    assert body is not None
    assert body["prepayment_expires_after"] == "P10D"
    assert ConnectionPolicy.model_validate(body) == ConnectionPolicy()


def test_one_model_is_out_of_stock_so_that_a_purchase_can_be_seen(database: Database) -> None:
    with database.transaction() as session:
        pieces = set(session.scalars(select(StockItem.sku).distinct()))
    assert {sku for sku, *_ in seed_data.EQUIPMENT} - pieces == {"stb-4k"}


def test_every_premises_stands_on_a_node_that_has_ports() -> None:
    ports = {node.code: node.ports for node in seed_data.NODES}
    for code in {code for code, _ in seed_data.PREMISES}:
        assert ports[code] >= sum(one == code for one, _ in seed_data.PREMISES)
    assert len(seed_data.PREMISES) == 40


def test_credentials_are_written_once_for_their_owner_alone_and_kept(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    with database.transaction() as session:
        first = local_credentials(session, file, "http://127.0.0.1:8080")
        assert file.stat().st_mode & 0o777 == 0o600
        second = local_credentials(session, file, "http://127.0.0.1:9090")
        digest = session.scalar(select(Staff.token_sha256).where(Staff.login == "aigerim"))
        session.rollback()
    assert second == first.model_copy(update={"api_url": "http://127.0.0.1:9090"})
    assert json.loads(file.read_text()) == second.model_dump()
    assert set(first.staff) == set(Role)
    assert digest == secret_digest(first.staff[Role.OPERATOR])


def test_a_newly_issued_secret_voids_the_old_one(database: Database) -> None:
    with database.transaction() as session:
        tokens = [issue_token(session, "aigerim"), issue_token(session, "aigerim")]
        password = issue_password(session, seed_data.BANK_CODE).password
        assert session.scalar(select(Staff.token_sha256).where(Staff.login == "aigerim")) == secret_digest(tokens[1])
        assert session.scalar(select(Bank.password_sha256).where(Bank.code == seed_data.BANK_CODE)) == secret_digest(
            password
        )
        session.rollback()
    assert tokens[0] != tokens[1]
