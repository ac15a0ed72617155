"""An operator that never runs out of anything: what a benchmark's subscribers order, and who serves them."""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from models.contracts.network import NodeKind
from models.contracts.people import Role
from models.rules.iin import check_digit
from models.tables.banks import Bank
from models.tables.catalogue import EquipmentModel, Tariff, TariffPrice
from models.tables.crews import Crew
from models.tables.network import NetworkNode, NetworkPort, Premises
from models.tables.people import Staff
from models.tables.stock import StockItem
from workers import seed

SLOTS_A_DAY: Final = 20
TOTAL_MINOR: Final = 500_000 + 1_500_000 + 650_000
"""Connection fee, one piece of equipment, the first month."""


@dataclass(frozen=True)
class Operator:
    """The places and things of which there are enough, and the people."""

    tariff_code: str
    sku: str
    premises_id: UUID
    crew_ids: list[UUID]
    bank_id: UUID
    bank_code: str
    staff_ids: dict[Role, UUID]
    zone: ZoneInfo

    def slot(self, number: int, now: datetime) -> tuple[UUID, datetime]:
        """A crew and a time that only the visit of this number gets."""
        crew = self.crew_ids[number % len(self.crew_ids)]
        day, slot = divmod(number // len(self.crew_ids), SLOTS_A_DAY)
        first = (now.astimezone(self.zone) + timedelta(days=1 + day)).replace(hour=8, minute=0, second=0, microsecond=0)
        return crew, first + timedelta(minutes=30) * slot


def furnish(session: Session, *, connections: int, zone: ZoneInfo) -> Operator:
    """Reference data, and enough ports, stock and crews for so many connections."""
    seed.seed(session)
    session.add(
        tariff := Tariff(
            code="bench-100", title="Домашний 100", charging="advance", connection_fee_minor=500_000,
            first_period_upfront=True, network_profile="100M",
        )
    )  # fmt: skip
    session.add(EquipmentModel(sku="bench-ont", title="ONT GPON", price_minor=1_500_000))
    session.add(node := NetworkNode(code="bench-node", name="Узел", kind=NodeKind.BUILDING))
    session.flush()
    session.add(TariffPrice(tariff_id=tariff.id, valid=Range(date(2020, 1, 1), None), fee_minor=650_000))
    session.add(premises := Premises(address="ул. Абая, 1", node_id=node.id))
    crews = [
        Crew(
            code=f"bench-{number}", name=f"Бригада {number}", weekdays=[1, 2, 3, 4, 5, 6, 7], opens_at=time(8),
            closes_at=time(18), slot_minutes=30,
        )
        for number in range(10)
    ]  # fmt: skip
    session.add_all(crews)
    session.flush()
    session.execute(insert(NetworkPort), [{"node_id": node.id, "port_no": n} for n in range(1, connections + 1)])
    session.execute(insert(StockItem), [{"serial": f"SN-{n:08d}", "sku": "bench-ont"} for n in range(connections)])
    bank = session.scalars(select(Bank)).first()
    assert bank is not None, "the town has a bank"
    people = session.execute(select(Staff.role, Staff.id).where(Staff.active).order_by(Staff.id.desc()))
    return Operator(
        tariff_code=tariff.code, sku="bench-ont", premises_id=premises.id, crew_ids=[crew.id for crew in crews],
        bank_id=bank.id, bank_code=bank.code, staff_ids={Role(role): staff_id for role, staff_id in people}, zone=zone,
    )  # fmt: skip


def new_iin() -> str:
    """A number with a right check digit."""
    for _ in count():
        digits = f"{secrets.randbelow(10**11):011d}"
        check = check_digit(digits)
        if check is not None:
            return f"{digits}{check}"
    raise AssertionError


def new_phone() -> str:
    """A mobile number."""
    return f"+7701{secrets.randbelow(10**7):07d}"
