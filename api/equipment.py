"""Models of equipment, and what each tariff works with."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from activities import compatibility
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page
from api.problems import PROBLEMS
from models.contracts.catalogue import TariffEquipment
from models.contracts.money import kzt
from models.contracts.people import Role
from models.contracts.refusals import conflict
from models.contracts.stock import EquipmentModelView, NewEquipmentModel
from models.tables.catalogue import EquipmentModel

router = APIRouter(prefix="/v1", tags=["reference data"], responses=PROBLEMS)

AnyStaff = Annotated[StaffCaller, Depends(staff())]
Admin = Annotated[StaffCaller, Depends(staff(Role.ADMIN))]


@router.get("/equipment-models")
def list_equipment_models(ctx: Ctx, caller: AnyStaff) -> Page[EquipmentModelView]:
    """Models of equipment that can be mounted at a subscriber's."""
    del caller
    with ctx.database.transaction() as session:
        models = session.scalars(select(EquipmentModel).order_by(EquipmentModel.sku))
        return Page(items=[_view(model) for model in models])


@router.post("/equipment-models", status_code=201)
def add_equipment_model(new: NewEquipmentModel, ctx: Ctx, caller: Admin) -> EquipmentModelView:
    """Add a model, before pieces of it come into stock."""
    del caller
    with ctx.database.transaction() as session:
        values = {"sku": new.sku, "title": new.title, "kind": new.kind, "price_minor": new.price.amount_minor}
        added = insert(EquipmentModel).values(values).on_conflict_do_nothing().returning(EquipmentModel.sku)
        if session.scalar(added) is None:
            raise conflict("sku_taken", "A model with this SKU exists: choose another SKU.")
        return _view(session.get_one(EquipmentModel, new.sku))


def _view(model: EquipmentModel) -> EquipmentModelView:
    return EquipmentModelView(sku=model.sku, title=model.title, kind=model.kind, price=kzt(model.price_minor))


@router.get("/tariffs/{code}/equipment")
def get_tariff_equipment(code: str, ctx: Ctx, caller: AnyStaff) -> TariffEquipment:
    """The models that a tariff works with; of each kind the first is the one that is mounted."""
    del caller
    with ctx.database.transaction() as session:
        return TariffEquipment(equipment=compatibility.equipment_of(session, code))


@router.put("/tariffs/{code}/equipment")
def set_tariff_equipment(code: str, wanted: TariffEquipment, ctx: Ctx, caller: Admin) -> TariffEquipment:
    """Say what a tariff works with, in place of what was said before. What is under way keeps what it found out."""
    del caller
    with ctx.database.transaction() as session:
        return TariffEquipment(equipment=compatibility.set_equipment(session, code, wanted.equipment))
