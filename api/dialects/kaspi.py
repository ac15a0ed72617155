"""The Kaspi dialect: GET, JSON, always HTTP 200.

A 4xx, a 5xx and a 429 are a lost connection to this caller, so whatever happens is said by a result code:

| result | when |
|---|---|
| 0 | found; taken, or taken before |
| 1 | nobody with this number is served, or it can be nobody's number (check) |
| 2 | the services of the account have ended and nothing is owed (check) |
| 3 | nothing is owed, and no advances are agreed with this bank (check) |
| 4 | pay: not known to be taken; ask again with the same txn_id |
| 5 | everything else: wrong credentials or address, unreadable parameters, a txn_id with another meaning |

When `pay` comes the payer's money is debited already, so it is refused only where it can't be credited: what is
for a number that nobody has is taken into suspense, what is for an ended account becomes an advance, and the limits
agreed with the bank are not held against it. What can't be read can't be credited: 5, or 1 for the payee's number.

**4 or 5, when the database is away or busy.** 5 says "refused", and the bank gives the money back. But a connection
that broke in the middle of a commit leaves open whether the payment was taken: 5 might be a lie, and the payer would
have their money and their credit. 4 says what is true, and the payment's fate is learned by asking again, or from the
daily registry. During `check` no money has moved, so there it is 5, and the payer tries later.

**A txn_id with another sum or payee** gets 5 and not 3: "paid already" would let the bank believe that the new sum
has arrived. It is kept for accounting (`activities.payment_conflicts`).

`check` writes nothing, and whether it shares a txn_id with `pay` makes no difference: idempotency belongs to `pay`.
"""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from activities import payments
from activities.customer_lookup import found_customer
from activities.payment_conflicts import reporting
from api.bank_access import BankCaller, Basic, admitted, admitted_to_ask
from api.bank_answers import comment_on, count_result, decimal, parameter_docs, receipt_number, shown
from api.bank_requests import (
    Parameters,
    check_payable,
    malformed,
    notice_of,
    paid_at_of,
    paid_sum_of,
    parameters_of,
    payee_of,
    txn_id_of,
)
from api.context import Context, Ctx
from api.problems import Problem
from api.threads import BankRoute, in_bank_thread
from models.contracts.banks import ShownField, ShownValue

NAME: Final = "kaspi"
router = APIRouter(prefix="/bank/kaspi", tags=["bank"], route_class=BankRoute)

_OK, _NOT_FOUND, _ENDED, _PAID, _IN_PROGRESS, _OTHER = range(6)
_RESULTS: Final = {
    "customer_unknown": (_NOT_FOUND, "Абонент не найден"),
    "account_malformed": (_NOT_FOUND, "Неверный номер абонента"),
    "account_inactive": (_ENDED, "Обслуживание прекращено"),
    "nothing_due": (_PAID, "Задолженности нет"),
    "not_authenticated": (_OTHER, "Доступ запрещён"),
    "address_not_allowed": (_OTHER, "Доступ запрещён"),
    "dialect_not_agreed": (_OTHER, "Доступ запрещён"),
    "txn_reused": (_OTHER, "Этот txn_id использован для другого платежа"),
    "amount_too_small": (_OTHER, "Сумма слишком мала"),
    "amount_too_big": (_OTHER, "Сумма слишком велика"),
    "invalid_input": (_OTHER, "Неверный параметр"),
}
_LATER: Final = "Повторите запрос позже"
_UNSAID: Final = (_OTHER, "Запрос не выполнен")
_SHOWN: Final = [
    ShownField(title="Абонент", value=ShownValue.NAME),
    ShownField(title="Лицевой счёт", value=ShownValue.ACCOUNT_NO),
]


@router.get(
    "",
    response_class=Response,
    responses={
        200: {"description": "Whatever happens", "content": {"application/json": {"schema": {"type": "object"}}}}
    },
    openapi_extra=parameter_docs(
        command="`check` or `pay`",
        txn_id="the bank's transaction id, up to 20 digits",
        account="account number or IIN; another name, or `iin`, where that is agreed",
        sum="tenge with two decimals; a dummy in `check`",
        txn_date="`pay`: the bank's accounting date, YYYYMMDDHHMMSS in the operator's time",
    ),
)
async def kaspi(request: Request, ctx: Ctx, credentials: Basic) -> Response:
    """The Kaspi dialect: what is due (`check`), and what was paid (`pay`)."""
    asked = request.state.parameters = Parameters(request.scope["query_string"])
    if asked.is_one_of("command", {"pay"}):
        return await _pay(request, ctx, credentials, asked)
    async with ctx.database.lookups.asking() as ask:
        bank = await admitted_to_ask(ask, request, credentials, NAME)
        if asked.get("command") != "check":
            raise malformed("command", "check or pay")
        txn_id, payee = txn_id_of(asked), payee_of(asked, bank)
        found = found_customer(await ask(payee.query))
    check_payable(bank, found)
    fields = shown(found, _SHOWN if bank.shown_fields is None else bank.shown_fields)
    return _answer(
        _OK,
        txn_id,
        sum=decimal(found.debt_minor),
        comment="OK",
        fields={f"field{n}": {"@name": title, "#text": text} for n, (title, text) in enumerate(fields, start=1)},
    )


@in_bank_thread
def _pay(request: Request, ctx: Context, credentials: Basic, asked: Parameters) -> Response:
    now, zone = datetime.now(UTC), ctx.settings.zone
    with reporting(ctx.database, at=now), ctx.database.transaction() as session:
        bank = admitted(session, request, credentials, NAME)
        amount_minor = paid_sum_of(asked)
        paid_at, accounting_on = paid_at_of(asked, zone, now)
        notice = notice_of(txn_id_of(asked), payee_of(asked, bank), amount_minor, paid_at)
        answer, _ = payments.take_payment(
            session,
            bank_id=bank.id,
            notice=notice,
            received_at=now,
            on=now.astimezone(zone).date(),
            accounting_on=accounting_on,
        )
    return _paid(bank, notice.txn_id, receipt_number(answer), amount_minor)


def _paid(bank: BankCaller, txn_id: str, receipt_no: str, amount_minor: int) -> Response:
    receipt_field = bank.receipt_field or "prv_txn_id"
    return _answer(_OK, txn_id, **{receipt_field: receipt_no}, sum=decimal(amount_minor), comment="OK")


def refused(request: Request, problem: Problem) -> Response:
    """Whatever went wrong, in this dialect."""
    asked = parameters_of(request)
    is_pay = asked.is_one_of("command", {"pay"})
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR or problem.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _answer(_IN_PROGRESS if is_pay else _OTHER, asked.echoed_txn_id, comment=_LATER)
    result, comment = _RESULTS.get(problem.type, _UNSAID)
    return _answer(result, asked.echoed_txn_id, comment=comment_on(problem, comment))


def _answer(result: int, txn_id: str, **more: Any) -> Response:
    count_result(NAME, result)
    content = json.dumps({"txn_id": txn_id, "result": result, **more}, ensure_ascii=False, separators=(",", ":"))
    return Response(content, media_type="application/json")
