"""The bank's side: what is due (GetCustomerInfo), what was paid (PostCustomersInfo), what is taken back."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response

from activities import payments
from api.access import BankAccess
from api.context import Ctx
from api.problems import PROBLEMS
from models.contracts.bank import CustomerInfo, PaymentAnswer, PaymentCancellation, PaymentNotice, TxnId

router = APIRouter(prefix="/bank/v1", tags=["bank"], responses=PROBLEMS)

AskedIin = Annotated[str, Path(pattern=r"^[0-9]{12}$", examples=["880101300014"])]
"""Any twelve digits: a number with a wrong check digit belongs to nobody, which is the answer that a bank expects."""


@router.get("/customers/{iin}")
def customer_info(iin: AskedIin, ctx: Ctx, bank: BankAccess) -> CustomerInfo:
    """GetCustomerInfo: who is paid for, and what they owe now. 404 for an IIN that is not served."""
    del bank
    with ctx.database.transaction() as session:
        return payments.customer_info(session, iin)


@router.post(
    "/payments",
    status_code=201,
    responses={200: {"model": PaymentAnswer, "description": "Reported before: the first answer again"}},
)
def take_payment(notice: PaymentNotice, response: Response, ctx: Ctx, bank: BankAccess) -> PaymentAnswer:
    """PostCustomersInfo: a transaction that succeeded at the bank.

    The same txn_id and body gets the same answer (200), however often and in parallel; another body gets 409. A
    payment whose payee nobody knows is accepted as well: accounting finds its owner.
    """
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        answer, is_new = payments.take_payment(
            session,
            bank_id=bank.id,
            notice=notice,
            received_at=now,
            on=now.astimezone(ctx.settings.zone).date(),
        )
    if not is_new:
        response.status_code = 200
    return answer


@router.post("/payments/{txn_id}/cancel")
def cancel_payment(txn_id: TxnId, ctx: Ctx, bank: BankAccess) -> PaymentCancellation:
    """Take the bank's own payment back. Repeated, it gets the first answer again."""
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        return payments.cancel_by_bank(
            session,
            bank_id=bank.id,
            txn_id=txn_id,
            on=now.astimezone(ctx.settings.zone).date(),
            at=now,
            actor=f"bank:{bank.code}",
        )
