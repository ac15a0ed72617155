"""The OSMP dialect of payment terminals, and of many banks after them: GET or a form, answers in XML.

Source: QIWI's provider protocol, and its common extension `cancel`. Only 0, 1 and 90 make the caller ask again.

| result | when |
|---|---|
| 0 | found; taken, or taken before; taken back |
| 1 | the database is away, too many requests, a fault of ours during `pay`: repeat |
| 4 | it can be nobody's number: missing, not digits, not as agreed |
| 5 | nobody with this number is served (check, getInfo) |
| 7 | not agreed with this bank: the dialect, or an advance of somebody who owes nothing (check, getInfo); or the money can't be taken back any more, because the subscriber got it (cancel) |
| 8 | wrong credentials (HTTP 401) or address (HTTP 403) |
| 79 | the services of the account have ended and nothing is owed (check, getInfo); no such payment of this bank (cancel) |
| 90 | the account is being changed by somebody else at this moment: ask again |
| 241, 242 | the sum is nothing, or outside of the limits agreed with the bank (check, pay) |
| 243 | a fault of ours while looking up (check, getInfo) |
| 300 | unreadable parameters, another currency, a txn_id with another meaning |

**The database is away: 1.** The caller repeats until it is back, for 24 hours, and gets the stored answer if the
payment was taken before the answer was lost.

**A txn_id with another sum or payee: 300,** a fatal code, as repeating it will never help; and kept for accounting
(`activities.payment_conflicts`).

`pay` for a number that nobody has is taken into suspense, and for an ended account it becomes an advance: the cash is
in the terminal already. Terminals that don't know the sum at `check` send 0.00, which no limit is held against.
`check` and `getInfo` write nothing. HTTP tells of the connection alone: 401, 403, 404, 405 and 413 keep their status,
with XML all the same; everything else is 200.
"""  # noqa: E501 - a table

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from activities import payments
from activities.bank_payments import is_taken, txn_id_of_receipt
from activities.customer_lookup import FoundCustomer, found_customer
from activities.payment_conflicts import reporting
from api.bank_access import BankCaller, Basic, admitted, admitted_to_ask
from api.bank_answers import comment_on, count_result, decimal, parameter_docs, receipt_number, shown
from api.bank_requests import (
    Parameters,
    check_limits,
    check_payable,
    malformed,
    notice_of,
    paid_at_of,
    paid_sum_of,
    parameters_of,
    payee_of,
    sum_of,
    txn_id_of,
)
from api.context import Context, Ctx
from api.problems import Problem
from api.threads import BankRoute, in_bank_thread
from models.contracts.banks import ShownField, ShownValue
from models.contracts.refusals import Refusal
from models.lookups import Ask

NAME: Final = "osmp"
XML: Final = "application/xml"

_OK, _LATER, _FAULT_LOOKING_UP, _OTHER = 0, 1, 243, 300
_RESULTS: Final = {
    "account_malformed": (4, "Неверный формат номера"),
    "customer_unknown": (5, "Абонент не найден"),
    "dialect_not_agreed": (7, "Приём платежей запрещён"),
    "nothing_due": (7, "Задолженности нет, авансы не принимаются"),
    "payment_refunded": (7, "Платёж отменить нельзя: деньги возвращены абоненту"),
    "not_authenticated": (8, "Доступ запрещён"),
    "address_not_allowed": (8, "Доступ запрещён"),
    "account_inactive": (79, "Счёт не активен"),
    "payment_unknown": (79, "Такого платежа нет"),
    "database_busy": (90, "Запрос ещё выполняется"),
    "payment_moved": (90, "Запрос ещё выполняется"),
    "amount_too_small": (241, "Сумма слишком мала"),
    "amount_too_big": (242, "Сумма слишком велика"),
    "invalid_input": (_OTHER, "Неверный параметр"),
    "txn_reused": (_OTHER, "Этот txn_id использован для другого платежа"),
}
_NOT_CONNECTED: Final = frozenset(
    {"not_authenticated", "address_not_allowed", "not_found", "method_not_allowed", "body_too_large"}
)
"""Problems that keep their HTTP status: the request did not come as far as the dialect."""
_COMMANDS: Final = ("check", "getInfo", "pay", "cancel")
_CURRENCY: Final = frozenset({"KZT", "398"})
_SHOWN: Final = [
    ShownField(title="Абонент", value=ShownValue.NAME),
    ShownField(title="Лицевой счёт", value=ShownValue.ACCOUNT_NO),
    ShownField(title="К оплате", value=ShownValue.DEBT),
]
_PRV_TXN: Final = re.compile(r"[0-9]{1,20}")
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document can hold, escaped or not."""

router = APIRouter(
    prefix="/bank/osmp",
    tags=["bank"],
    route_class=BankRoute,
    default_response_class=Response,
    responses={
        status: {"description": meaning, "content": {XML: {"schema": {"type": "string"}}}}
        for status, meaning in (
            (200, "Whatever the result"),
            (401, "Wrong credentials"),
            (403, "Wrong address"),
            (413, "Too large"),
        )
    },
)
_DOCS: Final = parameter_docs(
    command="`check`, `pay`, `getInfo` or `cancel`",
    txn_id="the bank's transaction id, up to 20 digits",
    account="account number or IIN; another name where that is agreed",
    sum="tenge, a dot and two digits of tiyn",
    txn_date="`pay`: YYYYMMDDHHMMSS in the operator's time",
    prv_txn="`cancel`: our number of the payment",
    ccy="`KZT` or `398`",
)
_FORM_DOCS: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {one["name"]: {"type": "string"} for one in _DOCS["parameters"]},
                }
            }
        },
    }
}


async def _form(request: Request) -> bytes | None:
    """The body of a form; None is a body of another kind."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return await request.body() if kind == "application/x-www-form-urlencoded" else None


@router.get("", openapi_extra=_DOCS)
async def osmp(request: Request, ctx: Ctx, credentials: Basic) -> Response:
    """The OSMP dialect: what is due, what was paid, what is taken back."""
    return await _answered(request, ctx, credentials, Parameters(request.scope["query_string"]))


@router.post("", openapi_extra=_FORM_DOCS)
async def osmp_form(
    request: Request, ctx: Ctx, credentials: Basic, form: Annotated[bytes | None, Depends(_form)]
) -> Response:
    """The OSMP dialect with its parameters in a form."""
    return await _answered(request, ctx, credentials, Parameters(request.scope["query_string"], form))


async def _answered(request: Request, ctx: Context, credentials: Basic, asked: Parameters) -> Response:
    request.state.parameters = asked
    if asked.is_one_of("command", {"pay"}):
        return await _pay(request, ctx, credentials, asked)
    if asked.is_one_of("command", {"cancel"}):
        return await _cancel(request, ctx, credentials, asked)
    async with ctx.database.lookups.asking() as ask:
        bank = await admitted_to_ask(ask, request, credentials, NAME)
        command = asked.get("command")
        if command not in {"check", "getInfo"}:
            raise malformed("command", ", ".join(_COMMANDS))
        txn_id = txn_id_of(asked) if command == "check" else asked.echoed_txn_id
        found = await _looked_up(ask, bank, asked)
    check_payable(bank, found)
    return _answer(
        _OK,
        txn_id,
        amount_minor=found.debt_minor if command == "getInfo" else None,
        comment="OK",
        fields=shown(found, _SHOWN if bank.shown_fields is None else bank.shown_fields),
    )


async def _looked_up(ask: Ask, bank: BankCaller, asked: Parameters) -> FoundCustomer:
    _check_currency(asked)
    amount_minor = 0 if asked.get("sum") is None else sum_of(asked)
    payee = payee_of(asked, bank)
    found = found_customer(await ask(payee.query))
    if amount_minor > 0:
        check_limits(bank, amount_minor)
    return found


def _check_currency(asked: Parameters) -> None:
    currency = asked.get("ccy")
    if currency is not None and currency not in _CURRENCY:
        raise malformed("ccy", "KZT")


@in_bank_thread
def _pay(request: Request, ctx: Context, credentials: Basic, asked: Parameters) -> Response:
    now, zone = datetime.now(UTC), ctx.settings.zone
    with reporting(ctx.database, at=now), ctx.database.transaction() as session:
        bank = admitted(session, request, credentials, NAME)
        _check_currency(asked)
        txn_id, amount_minor = txn_id_of(asked), paid_sum_of(asked)
        _check_limits(session, bank, txn_id, amount_minor)
        paid_at, accounting_on = paid_at_of(asked, zone, now)
        answer, _ = payments.take_payment(
            session,
            bank_id=bank.id,
            notice=notice_of(txn_id, payee_of(asked, bank), amount_minor, paid_at),
            received_at=now,
            on=now.astimezone(zone).date(),
            accounting_on=accounting_on,
        )
    return _answer(
        _OK, txn_id, prv_txn=receipt_number(answer), amount_minor=amount_minor, comment="OK", named=bank.receipt_field
    )


def _check_limits(session: Session, bank: BankCaller, txn_id: str, amount_minor: int) -> None:
    """Limits that changed since a payment was taken don't take its answer back."""
    try:
        check_limits(bank, amount_minor)
    except Refusal:
        if not is_taken(session, bank_id=bank.id, txn_id=txn_id):
            raise


@in_bank_thread
def _cancel(request: Request, ctx: Context, credentials: Basic, asked: Parameters) -> Response:
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        bank = admitted(session, request, credentials, NAME)
        prv_txn = asked.get(bank.receipt_field or "prv_txn") or ""
        if not _PRV_TXN.fullmatch(prv_txn):
            raise malformed("prv_txn", "our number of the payment, as it was answered to pay")
        payments.cancel_by_bank(
            session,
            bank_id=bank.id,
            txn_id=txn_id_of_receipt(session, bank_id=bank.id, receipt_no=int(prv_txn)),
            on=now.astimezone(ctx.settings.zone).date(),
            at=now,
            actor=bank.actor,
        )
    return _answer(_OK, asked.echoed_txn_id, prv_txn=prv_txn, comment="OK", named=bank.receipt_field)


def refused(request: Request, problem: Problem) -> Response:
    """Whatever went wrong, in this dialect."""
    asked = parameters_of(request)
    result, comment = _RESULTS.get(problem.type, (_OTHER, "Запрос не выполнен"))
    if problem.type == "internal_error" and asked.is_one_of("command", {"check", "getInfo"}):
        result, comment = _FAULT_LOOKING_UP, "Невозможно проверить состояние счёта"
    elif result == _OTHER and (
        problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR or problem.status == HTTPStatus.TOO_MANY_REQUESTS
    ):
        result, comment = _LATER, "Временная ошибка, повторите запрос позже"
    status = problem.status if problem.type in _NOT_CONNECTED else HTTPStatus.OK
    return _answer(result, asked.echoed_txn_id, comment=comment_on(problem, comment), status=status)


def _answer(
    result: int,
    txn_id: str,
    *,
    comment: str,
    prv_txn: str | None = None,
    amount_minor: int | None = None,
    fields: Sequence[tuple[str, str]] = (),
    named: str | None = None,
    status: int = HTTPStatus.OK,
) -> Response:
    """An answer; `named` is what the bank calls our number of the payment."""
    count_result(NAME, result)
    response = Element("response")
    SubElement(response, "osmp_txn_id").text = txn_id
    if prv_txn is not None:
        SubElement(response, named or "prv_txn").text = prv_txn
    if amount_minor is not None:
        SubElement(response, "sum").text = decimal(amount_minor)
    SubElement(response, "result").text = str(result)
    SubElement(response, "comment").text = _text(comment)
    if fields:
        lines = SubElement(response, "fields")
        for number, (title, text) in enumerate(fields, start=1):
            SubElement(lines, f"field{number}", name=_text(title)).text = _text(text)
    return Response(tostring(response, encoding="UTF-8", xml_declaration=True), int(status), media_type=XML)


def _text(text: str) -> str:
    return _NOT_XML.sub(" ", text)
