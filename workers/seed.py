"""Reference data into the database. Safe at every start: what is there stays as it is, changed or not."""

import secrets
from datetime import date, time
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.orm import Session

from models.contracts.billing_run import BillingPolicy
from models.contracts.clarification import ClarificationPolicy
from models.contracts.connection import ConnectionPolicy
from models.contracts.disconnection import DisconnectionPolicy
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.processes import ProcessKind
from models.contracts.tariff_change import TariffChangePolicy
from models.tables import Base
from models.tables.banks import Bank
from models.tables.catalogue import EquipmentModel, Policy, Tariff, TariffEquipment, TariffPrice, TaxRate
from models.tables.crews import Crew
from models.tables.ledger import ChartAccount
from models.tables.network import NetworkNode, NetworkPort, Premises
from models.tables.people import Department, Staff
from models.tables.stock import StockItem
from workers import seed_data as data


def seed(session: Session, *, town: bool = True) -> None:
    """Add the reference data that is missing, with the town to try the product in unless told otherwise."""
    seed_reference(session)
    if town:
        seed_town(session)


def seed_reference(session: Session) -> None:
    """What every operator needs: departments, chart of accounts, tax rates, policies."""
    _add_missing(session, Department, [{"code": code, "title": title} for code, title in data.DEPARTMENTS.items()])
    _add_missing(
        session,
        ChartAccount,
        [{"code": code, "title": title, "kind": kind} for code, (title, kind) in data.CHART.items()],
    )
    _add_missing(
        session,
        TaxRate,
        [{"tax": "vat", "valid": Range(since, until), "rate_bp": rate} for since, until, rate in data.VAT],
    )
    policies = {
        ProcessKind.CONNECTION: ConnectionPolicy(),
        ProcessKind.DISCONNECTION: DisconnectionPolicy(),
        ProcessKind.TARIFF_CHANGE: TariffChangePolicy(),
        ProcessKind.CLARIFICATION: ClarificationPolicy(),
        ProcessKind.DUNNING: DunningPolicy(),
        "billing": BillingPolicy(),
    }
    _add_missing(
        session,
        Policy,
        [
            {"code": code, "version": 1, "body": policy.model_dump(mode="json"), "created_by": "seed"}
            for code, policy in policies.items()
        ],
    )


def seed_town(session: Session) -> None:
    """People, tariffs, stock, crews, network and bank of the made-up town."""
    _add_missing(session, Staff, [person._asdict() for person in data.STAFF])
    _add_missing(
        session,
        Bank,
        [
            {
                "code": data.BANK_CODE,
                "name": data.BANK_NAME,
                "username": data.BANK_CODE,
                # Nobody knows this one: a password is issued when credentials are.
                "password_sha256": secrets.token_bytes(32),
                "allowed_networks": data.BANK_NETWORKS,
                "dialects": data.BANK_DIALECTS,
                "bic": data.BANK_BIC,
                "bin": data.BANK_BIN,
                "iik": data.BANK_IIK,
            }
        ],
    )
    _seed_tariffs(session)
    _seed_stock(session)
    _seed_tariff_equipment(session)
    _seed_network(session)
    _add_missing(
        session,
        Crew,
        [
            {
                "code": code,
                "name": name,
                "weekdays": [1, 2, 3, 4, 5, 6],
                "opens_at": time(9),
                "closes_at": time(19),
                "slot_minutes": 120,
            }
            for code, name in data.CREWS
        ],
    )


def _seed_tariffs(session: Session) -> None:
    _add_missing(session, Tariff, [_without(plan._asdict(), "fees_minor") for plan in data.TARIFFS])
    ids = dict(session.execute(select(Tariff.code, Tariff.id)).all())
    _add_missing(
        session,
        TariffPrice,
        [
            {"tariff_id": ids[plan.code], "valid": Range(since, until), "fee_minor": fee}
            for plan in data.TARIFFS
            for since, until, fee in _periods(plan.fees_minor)
        ],
    )


def _periods(fees_minor: list[tuple[date, int]]) -> list[tuple[date, date | None, int]]:
    closed = [(since, until, fee) for (since, fee), (until, _) in pairwise(fees_minor)]
    return [*closed, (fees_minor[-1][0], None, fees_minor[-1][1])]


def _seed_stock(session: Session) -> None:
    _add_missing(
        session,
        EquipmentModel,
        [
            {"sku": sku, "title": title, "kind": kind, "price_minor": price}
            for sku, title, kind, price, _, _ in data.EQUIPMENT
        ],
    )
    _add_missing(
        session,
        StockItem,
        [
            {"sku": sku, "serial": f"{prefix}-{number:05d}"}
            for sku, _, _, _, prefix, pieces in data.EQUIPMENT
            for number in range(1, pieces + 1)
        ],
    )


def _seed_tariff_equipment(session: Session) -> None:
    """Once, whatever was added by then: what an operator has changed stays changed."""
    ids = dict(session.execute(select(Tariff.code, Tariff.id)).all())
    _add_missing(
        session,
        TariffEquipment,
        [
            {"tariff_id": ids[code], "sku": sku, "place": place}
            for code, skus in data.TARIFF_EQUIPMENT.items()
            for place, sku in enumerate(skus, start=1)
        ],
    )


def _seed_network(session: Session) -> None:
    ids: dict[str | None, Any] = {None: None}
    for node in data.NODES:
        fields = {"code": node.code, "name": node.name, "kind": node.kind, "parent_id": ids[node.parent]}
        _add_missing(session, NetworkNode, [fields])
        ids[node.code] = session.scalar(select(NetworkNode.id).where(NetworkNode.code == node.code))
    _add_missing(
        session,
        NetworkPort,
        [
            {"node_id": ids[node.code], "port_no": n, "max_mbps": node.port_mbps}
            for node in data.NODES
            for n in range(1, node.ports + 1)
        ],
    )
    _add_missing(session, Premises, [{"node_id": ids[node], "address": address} for node, address in data.PREMISES])


def _add_missing(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    session.execute(insert(table).values(rows).on_conflict_do_nothing())


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}
