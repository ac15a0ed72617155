"""Banks that ask debts and report payments, and what they said that could not be."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import select

from activities import banks, payment_conflicts
from api.access import StaffCaller, secret_digest, staff
from api.context import Ctx
from api.dialects import dialects
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.banks import (
    BankChange,
    BankView,
    Credential,
    NewBank,
    NewBankSecret,
    PaymentConflictView,
)
from models.contracts.people import Role
from models.contracts.refusals import invalid
from models.tables.banks import Bank

router = APIRouter(prefix="/v1", tags=["banks"], responses=PROBLEMS)

Admin = Annotated[StaffCaller, Depends(staff(Role.ADMIN))]
Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
Reader = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPS))]
Paging = Annotated[PageQuery, Depends()]


@router.get("/banks")
def list_banks(ctx: Ctx, caller: Reader, page: Paging) -> Page[BankView]:
    """Banks and what is agreed with each."""
    del caller
    with ctx.database.transaction() as session:
        return page_of(session, select(Bank), Bank.id, page, banks.view)


@router.post("/banks", status_code=201)
def add_bank(new: NewBank, ctx: Ctx, caller: Admin) -> NewBankSecret:
    """Add a bank. Its password or secret is made here and shown this once."""
    del caller
    _check_dialects(new.dialects)
    secret = None if new.credential is Credential.ADDRESS else _new_secret()
    with ctx.database.transaction() as session:
        bank = banks.add_bank(session, new, secret_sha256=None if secret is None else secret_digest(secret))
        return _shown_once(bank, secret)


@router.patch("/banks/{code}")
def change_bank(code: str, change: BankChange, ctx: Ctx, caller: Admin) -> BankView:
    """Change what is agreed with a bank. With another kind of credential it needs a new secret too."""
    del caller
    _check_dialects(change.dialects or [])
    with ctx.database.transaction() as session:
        return banks.view(banks.change_bank(session, code, change))


@router.post("/banks/{code}/secret", status_code=201)
def renew_secret(code: str, ctx: Ctx, caller: Admin) -> NewBankSecret:
    """A new password or secret for a bank, shown this once; the old one is void at once."""
    del caller
    secret = _new_secret()
    with ctx.database.transaction() as session:
        return _shown_once(banks.set_secret(session, code, secret_digest(secret)), secret)


@router.get("/payment-conflicts")
def list_payment_conflicts(ctx: Ctx, caller: Accounting, page: Paging) -> Page[PaymentConflictView]:
    """Transaction ids that a bank used again for another payment, newest first: refused, and to be clarified."""
    del caller
    with ctx.database.transaction() as session:
        items, following = payment_conflicts.page(session, limit=page.limit, before=page.cursor)
    return Page(items=items, next_cursor=str(following) if following else None)


def _check_dialects(names: list[str]) -> None:
    known = [dialect.name for dialect in dialects()]
    if not set(names) <= set(known):
        wrong = {"dialects": f"there are {', '.join(known)}"}
        raise invalid("invalid_input", "Mend the fields that are named under errors and send it again.", wrong)


def _new_secret() -> str:
    """A secret nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def _shown_once(bank: Bank, secret: str | None) -> NewBankSecret:
    return NewBankSecret(code=bank.code, credential=bank.credential, user=bank.username, secret=secret)
