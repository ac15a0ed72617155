"""Reference data: tariffs, the network, stock, crews. Everybody reads; the admin adds."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.orm import Session

from activities import crews, stock
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.catalogue import NewTariff, TariffView
from models.contracts.crews import CrewView, NewCrew, SlotView
from models.contracts.money import kzt
from models.contracts.network import NewNode, NewPremises, NodeView, PortState, PremisesView
from models.contracts.people import Role
from models.contracts.refusals import conflict, invalid
from models.contracts.stock import Delivery, StockItemView
from models.tables.catalogue import Tariff, TariffPrice
from models.tables.crews import Crew
from models.tables.network import NetworkNode, NetworkPort, Premises
from models.tables.stock import StockItem

router = APIRouter(prefix="/v1", tags=["reference data"], responses=PROBLEMS)

AnyStaff = Annotated[StaffCaller, Depends(staff())]
Admin = Annotated[StaffCaller, Depends(staff(Role.ADMIN))]
Paging = Annotated[PageQuery, Depends()]
SlotDay = Annotated[date, Query(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]
"""Far enough from the ends of the calendar that any zone can be reckoned with."""


@router.get("/tariffs")
def list_tariffs(ctx: Ctx, caller: AnyStaff, page: Paging) -> Page[TariffView]:
    """Tariffs on sale with today's prices."""
    del caller
    today = datetime.now(ctx.settings.zone).date()
    with ctx.database.transaction() as session:
        fees = _fees(session, today)
        on_sale = select(Tariff).where(Tariff.active)
        return page_of(session, on_sale, Tariff.id, page, lambda row: _tariff_view(row, fees.get(row.id)))


def _fees(session: Session, today: date) -> dict[UUID, int]:
    statement = select(TariffPrice.tariff_id, TariffPrice.fee_minor).where(TariffPrice.valid.contains(today))
    return dict(session.execute(statement).all())


def _tariff_view(tariff: Tariff, fee_minor: int | None) -> TariffView:
    return TariffView(
        id=tariff.id, code=tariff.code, title=tariff.title, charging=tariff.charging,
        connection_fee=kzt(tariff.connection_fee_minor), monthly_fee=None if fee_minor is None else kzt(fee_minor),
        vat_mode=tariff.vat_mode, first_period_upfront=tariff.first_period_upfront, speed_mbps=tariff.speed_mbps,
    )  # fmt: skip


@router.post("/tariffs", status_code=201)
def add_tariff(new: NewTariff, ctx: Ctx, caller: Admin) -> TariffView:
    """Add a tariff with its first price."""
    del caller
    with ctx.database.transaction() as session:
        tariff_id = session.scalar(
            insert(Tariff)
            .values(
                code=new.code, title=new.title, charging=new.charging, connection_fee_minor=new.connection_fee_minor,
                first_period_upfront=new.first_period_upfront, network_profile=new.network_profile,
                vat_mode=new.vat_mode, speed_mbps=new.speed_mbps,
            )
            .on_conflict_do_nothing(index_elements=["code"])
            .returning(Tariff.id)
        )  # fmt: skip
        if tariff_id is None:
            raise conflict("code_taken", "A tariff with this code exists: choose another code.")
        price = TariffPrice(tariff_id=tariff_id, valid=Range(new.valid_from, None), fee_minor=new.monthly_fee_minor)
        session.add(price)
        session.flush()
        today = datetime.now(ctx.settings.zone).date()
        return _tariff_view(session.get_one(Tariff, tariff_id), _fees(session, today).get(tariff_id))


@router.get("/network-nodes")
def list_nodes(ctx: Ctx, caller: AnyStaff, page: Paging) -> Page[NodeView]:
    """The network's nodes, with how many of their ports are free."""
    del caller
    with ctx.database.transaction() as session:
        free = _free_ports(session)
        return page_of(
            session, select(NetworkNode), NetworkNode.id, page, lambda node: _node_view(node, free.get(node.id, 0))
        )


def _free_ports(session: Session) -> dict[UUID, int]:
    statement = (
        select(NetworkPort.node_id, func.count())
        .where(NetworkPort.state == PortState.FREE)
        .group_by(NetworkPort.node_id)
    )
    return dict(session.execute(statement).all())


def _node_view(node: NetworkNode, ports_free: int) -> NodeView:
    return NodeView(
        id=node.id, code=node.code, name=node.name, kind=node.kind, parent_id=node.parent_id, ports_free=ports_free
    )


@router.post("/network-nodes", status_code=201)
def add_node(new: NewNode, ctx: Ctx, caller: Admin) -> NodeView:
    """Add a node with its ports."""
    del caller
    with ctx.database.transaction() as session:
        if new.parent_id is not None and session.get(NetworkNode, new.parent_id) is None:
            raise invalid("node_unknown", "Take the parent from GET /v1/network-nodes.", {"parent_id": "no such node"})
        node_id = session.scalar(
            insert(NetworkNode)
            .values(code=new.code, name=new.name, kind=new.kind, parent_id=new.parent_id)
            .on_conflict_do_nothing(index_elements=["code"])
            .returning(NetworkNode.id)
        )
        if node_id is None:
            raise conflict("code_taken", "A node with this code exists: choose another code.")
        session.add_all(
            NetworkPort(node_id=node_id, port_no=number, max_mbps=new.port_mbps) for number in range(1, new.ports + 1)
        )
        session.flush()
        return _node_view(session.get_one(NetworkNode, node_id), new.ports)


@router.get("/premises")
def list_premises(ctx: Ctx, caller: AnyStaff, page: Paging, node_id: UUID | None = None) -> Page[PremisesView]:
    """Premises that the network reaches."""
    del caller
    statement = select(Premises)
    if node_id is not None:
        statement = statement.where(Premises.node_id == node_id)
    with ctx.database.transaction() as session:
        return page_of(session, statement, Premises.id, page, _premises_view)


def _premises_view(row: Premises) -> PremisesView:
    return PremisesView(id=row.id, address=row.address, node_id=row.node_id)


@router.post("/premises", status_code=201)
def add_premises(new: NewPremises, ctx: Ctx, caller: Admin) -> PremisesView:
    """Add premises to a node."""
    del caller
    with ctx.database.transaction() as session:
        if session.get(NetworkNode, new.node_id) is None:
            raise invalid("node_unknown", "Take the node from GET /v1/network-nodes.", {"node_id": "no such node"})
        premises_id = session.scalar(
            insert(Premises)
            .values(address=new.address, node_id=new.node_id)
            .on_conflict_do_nothing(index_elements=["address"])
            .returning(Premises.id)
        )
        if premises_id is None:
            raise conflict("address_taken", "These premises are known already: find them in GET /v1/premises.")
        return _premises_view(session.get_one(Premises, premises_id))


@router.get("/stock")
def list_stock(ctx: Ctx, caller: AnyStaff, page: Paging, sku: str | None = None) -> Page[StockItemView]:
    """Equipment, piece by piece."""
    del caller
    statement = select(StockItem) if sku is None else select(StockItem).where(StockItem.sku == sku)
    with ctx.database.transaction() as session:
        return page_of(session, statement, StockItem.id, page, _stock_view)


def _stock_view(item: StockItem) -> StockItemView:
    return StockItemView(serial=item.serial, sku=item.sku, state=item.state)


@router.post("/stock", status_code=201)
def receive_delivery(delivery: Delivery, ctx: Ctx, caller: Admin) -> Page[StockItemView]:
    """Take delivered pieces into stock; processes that wait for them go on by themselves."""
    del caller
    with ctx.database.transaction() as session:
        stock.receive(session, [delivery])
        items = session.scalars(select(StockItem).where(StockItem.serial.in_(delivery.serials)).order_by(StockItem.id))
        return Page(items=[_stock_view(item) for item in items])


@router.get("/crews")
def list_crews(ctx: Ctx, caller: AnyStaff, page: Paging) -> Page[CrewView]:
    """Installation crews."""
    del caller
    with ctx.database.transaction() as session:
        return page_of(session, select(Crew), Crew.id, page, _crew_view)


def _crew_view(crew: Crew) -> CrewView:
    return CrewView(id=crew.id, code=crew.code, name=crew.name)


@router.post("/crews", status_code=201)
def add_crew(new: NewCrew, ctx: Ctx, caller: Admin) -> CrewView:
    """Add a crew with its working day."""
    del caller
    if new.opens_at.tzinfo is not None or new.closes_at.tzinfo is not None:
        raise invalid("time_with_zone", "Give times of the day without a zone.", {"opens_at": "as in 09:00"})
    if new.closes_at <= new.opens_at:
        raise invalid("day_too_short", "Mend the working day.", {"closes_at": "must be after opens_at"})
    with ctx.database.transaction() as session:
        crew_id = session.scalar(
            insert(Crew).values(**new.model_dump()).on_conflict_do_nothing(index_elements=["code"]).returning(Crew.id)
        )
        if crew_id is None:
            raise conflict("code_taken", "A crew with this code exists: choose another code.")
        return _crew_view(session.get_one(Crew, crew_id))


@router.get("/crews/{crew_id}/slots")
def list_slots(crew_id: UUID, on: SlotDay, ctx: Ctx, caller: AnyStaff) -> Page[SlotView]:
    """The slots of a crew's day, each with whether it is free."""
    del caller
    with ctx.database.transaction() as session:
        crew = crews.get_crew(session, crew_id)
        return Page(items=crews.slots(session, [crew], [on], ctx.settings.zone))
