"""Personal accounts, as accounting and operators settle how their payments are allocated."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from activities import accounts
from api.access import StaffCaller, staff
from api.context import Ctx
from api.problems import PROBLEMS
from models.contracts.payments import AccountView, AllocationRuleChange
from models.contracts.people import Role

router = APIRouter(prefix="/v1/accounts", tags=["billing"], responses=PROBLEMS)

AccountingOrOperator = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPERATOR))]
AskedAccountNo = Annotated[str, Path(pattern=r"^[0-9]{1,40}$", examples=["1000017"])]


@router.get("/{account_no}")
def read_account(account_no: AskedAccountNo, ctx: Ctx, caller: AccountingOrOperator) -> AccountView:
    """An account, the rule by which payments cover its invoices, and who changed that."""
    del caller
    with ctx.database.transaction() as session:
        return accounts.view(session, account_no)


@router.patch("/{account_no}")
def change_account(
    account_no: AskedAccountNo, change: AllocationRuleChange, ctx: Ctx, caller: AccountingOrOperator
) -> AccountView:
    """Let payments cover the account's invoices by another rule from now on; what is allocated stays as it is."""
    with ctx.database.transaction() as session:
        accounts.change_rule(session, account_no, change, at=datetime.now(tz=UTC), actor=caller.actor)
        return accounts.view(session, account_no)
