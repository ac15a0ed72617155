"""The JSON dialect: what is due (GetCustomerInfo), what was paid (PostCustomersInfo), what is taken back."""

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError

from activities import payments
from activities.customer_lookup import by_iin, found_customer, info_of
from activities.payment_conflicts import reporting
from api.bank_access import BankWith, Basic, admitted, admitted_to_ask, basic
from api.context import Ctx
from api.problems import PROBLEMS
from api.threads import BankRoute
from models.contracts.bank import CustomerInfo, PaymentAnswer, PaymentCancellation, PaymentNotice, TxnId

NAME: Final = "json_v1"


class _KnownFirst(BankRoute):
    """Endpoints find out who calls in their own transaction; so a request that can't be read has not come to that.

    It is told what is wrong with it only if its bank is known.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_known(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                context = request.app.state.context
                await BankWith(NAME)(request, context, await basic(request))
                raise

        return handle_known


class _ReadByHand(_KnownFirst):
    """For `customer_info`, which a bank asks far more often than anything else.

    The framework takes as long to work out these four parameters, and to write the model, as the statements take.
    What is not as it should be is left to the framework, to say so.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        by_framework = super().get_route_handler()

        async def handle(request: Request) -> Response:
            iin: str = request.path_params["iin"]
            if not _IIN.fullmatch(iin):
                return await by_framework(request)
            info = await customer_info(iin, request, request.app.state.context, await basic(request))
            return Response(info.model_dump_json(), media_type="application/json")

        return handle


router = APIRouter(prefix="/bank/v1", tags=["bank"], responses=PROBLEMS, route_class=_KnownFirst)

_IIN: Final = re.compile(r"[0-9]{12}")
AskedIin = Annotated[str, Path(pattern=f"^{_IIN.pattern}$", examples=["880101300010"])]
"""Any twelve digits: a number with a wrong check digit belongs to nobody, which is the answer that a bank expects."""


async def customer_info(iin: AskedIin, request: Request, ctx: Ctx, credentials: Basic) -> CustomerInfo:
    """GetCustomerInfo: who is paid for, and what they owe now. 404 for an IIN that is not served."""
    async with ctx.database.lookups.asking() as ask:
        await admitted_to_ask(ask, request, credentials, NAME)
        rows = await ask(by_iin(iin))
    return info_of(iin, found_customer(rows))


router.add_api_route("/customers/{iin}", customer_info, methods=["GET"], route_class_override=_ReadByHand)


@router.post(
    "/payments",
    status_code=201,
    responses={200: {"model": PaymentAnswer, "description": "Reported before: the first answer again"}},
)
def take_payment(
    notice: PaymentNotice, request: Request, response: Response, ctx: Ctx, credentials: Basic
) -> PaymentAnswer:
    """PostCustomersInfo: a transaction that succeeded at the bank.

    The same txn_id and body gets the same answer (200), however often and in parallel; another body gets 409. A
    payment whose payee nobody knows is accepted as well: accounting finds its owner.
    """
    now = datetime.now(tz=UTC)
    with reporting(ctx.database, at=now), ctx.database.transaction() as session:
        bank = admitted(session, request, credentials, NAME)
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
def cancel_payment(txn_id: TxnId, request: Request, ctx: Ctx, credentials: Basic) -> PaymentCancellation:
    """Take the bank's own payment back. Repeated, it gets the first answer again."""
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        bank = admitted(session, request, credentials, NAME)
        return payments.cancel_by_bank(
            session,
            bank_id=bank.id,
            txn_id=txn_id,
            on=now.astimezone(ctx.settings.zone).date(),
            at=now,
            actor=bank.actor,
        )
