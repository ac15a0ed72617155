"""Registries of payments, as banks send them or accounting brings them in."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from activities import banks, reconciliation_views, registries
from api.access import Bearer, StaffWith
from api.bank_access import BankWith, Basic
from api.context import Ctx
from api.problems import PROBLEMS
from models.contracts.people import Role
from models.contracts.reconciliation import RegistryAnswer, RegistryState
from models.contracts.refusals import forbidden, invalid

router = APIRouter(prefix="/bank/v1", tags=["bank"], responses=PROBLEMS)

_FILES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            registries.OSMP: {
                "schema": {"type": "string"},
                "example": "20261124000001\t24.11.2026\t10:15:00\t1000018\t5000.00\nTotal: 1 5000.00\n",
            },
            registries.CSV: {
                "schema": {"type": "string"},
                "example": "Номер;Дата;Лицевой счёт;Сумма\n20261124000001;24.11.2026 10:15:00;1000018;5000,00\n",
            },
        },
    }
}
"""What the framework can't know: the body is a file."""


@dataclass(frozen=True)
class Sender:
    """Who sends a registry: the bank itself, or accounting."""

    actor: str
    bank: str | None
    """Its code, where it is the bank itself."""


class _SentBy:
    """A dependency: accounting by its token, or else a bank as with payments."""

    def __init__(self) -> None:
        self._staff, self._bank = StaffWith(frozenset({Role.ACCOUNTING})), BankWith()

    async def __call__(self, request: Request, ctx: Ctx, token: Bearer, basic: Basic) -> Sender:
        """Find out who sends it; refuses as both of them do."""
        if token is not None:
            caller = await run_in_threadpool(self._staff, request, ctx, token)
            return Sender(caller.actor, None)
        bank = await self._bank(request, ctx, basic)
        return Sender(bank.actor, bank.code)


async def _sent(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/registries",
    status_code=201,
    openapi_extra=_FILES,
    responses={
        200: {"model": RegistryAnswer, "description": "The same file again: the same registry"},
        202: {"model": RegistryAnswer, "description": "Kept, but doubtful: nothing is taken until accounting decides"},
    },
)
def send_registry(
    *,
    request: Request,
    response: Response,
    ctx: Ctx,
    sender: Annotated[Sender, Depends(_SentBy())],
    content: Annotated[bytes, Depends(_sent)],
    day_on: Annotated[
        date, Query(alias="date", ge=date(2000, 1, 1), lt=date(2100, 1, 1), description="The day of the payments")
    ],
    bank: Annotated[
        str | None, Query(min_length=1, max_length=60, description="Which bank's it is, where accounting brings it in")
    ] = None,
) -> RegistryAnswer:
    """Send the registry of a day; it is compared with what was posted, and each difference becomes a task.

    Content-Type says what it is: OSMP text, or CSV in the columns that were agreed with the bank. The same file again
    changes nothing; another one for the day is a correction, and the earlier ones are kept. A file that does not agree
    with itself, such as with its total, is kept, and nothing is taken from it until accounting says so.
    """
    code = sender.bank or bank
    if bank not in {None, code}:
        raise forbidden("bank_of_another", "A bank sends its own registries only: leave ?bank= out.")
    if code is None:
        raise invalid("bank_needed", "Name the bank whose registry this is: ?bank=….", {"bank": "needed"})
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        found = banks.get_bank(session, code)
        registry = registries.read(session, found.id, day_on, media_type, content)
    with ctx.database.transaction() as session:
        found = banks.get_bank(session, code)
        kept, is_new = registries.take(
            session, found, day_on, registry, media_type=media_type, content=content, actor=sender.actor, at=now,
            zone=ctx.settings.zone,
        )  # fmt: skip
        answer = reconciliation_views.answer(session, kept, found)
    response.status_code = 200 if not is_new else 202 if kept.state is RegistryState.DOUBTFUL else 201
    return answer
