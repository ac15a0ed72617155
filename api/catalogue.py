"""Prices of tariffs, effective-dated."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from activities import tariff_prices
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page
from api.problems import PROBLEMS
from models.contracts.catalogue import NewTariffPrice, TariffPriceView
from models.contracts.people import Role

router = APIRouter(prefix="/v1/tariffs/{code}/prices", tags=["reference data"], responses=PROBLEMS)


@router.get("")
def list_prices(code: str, ctx: Ctx, caller: Annotated[StaffCaller, Depends(staff())]) -> Page[TariffPriceView]:
    """All prices of a tariff, oldest first; each ends where the next begins."""
    del caller
    with ctx.database.transaction() as session:
        return Page(items=tariff_prices.prices(session, code))


@router.post(
    "",
    status_code=201,
    responses={200: {"model": TariffPriceView, "description": "This price from this day on is entered already"}},
)
def add_price(
    code: str,
    new: NewTariffPrice,
    response: Response,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.ADMIN))],
) -> TariffPriceView:
    """Let a tariff cost something else from a day on. The running price ends there; months already billed stay."""
    del caller
    with ctx.database.transaction() as session:
        price, is_new = tariff_prices.add_price(
            session, code, fee_minor=new.fee.amount_minor, valid_from=new.valid_from
        )  # fmt: skip
        if not is_new:
            response.status_code = 200
        return tariff_prices.price_view(price)
