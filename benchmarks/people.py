"""Everybody who has to do with a connection: what the API does for them, without HTTP around it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from furniture import TOTAL_MINOR, Operator, new_iin, new_phone
from sqlalchemy import text
from temporalio.client import Client

from activities.connection_application import register_connection
from activities.outbox import forget
from activities.payments import take_payment
from activities.tasks import get_task, is_repetition, submit
from models.contracts.bank import PaymentNotice
from models.contracts.connection import NewConnection
from models.contracts.engine import COMPLETE_TASK
from models.contracts.money import PositiveMoney
from models.contracts.people import Role
from models.contracts.processes import TaskAct, TaskDone, TaskKind, staff_actor
from models.database import Database
from models.tables.people import Account

LOOK_EVERY_SECONDS: Final = 0.1
PAYMENT: Final = "payment"

# What departments and subscribers would see: an open task, or an invoice to be paid.
_TO_DO = text("""
    SELECT id AS process_id, waiting_for AS what, NULL::uuid AS task_id, NULL AS serials
    FROM process WHERE id = ANY(:ids) AND waiting_for = 'payment'
    UNION ALL
    SELECT task.process_id, 'task:' || task.kind, task.id,
           (SELECT array_agg(serial) FROM stock_item WHERE stock_item.subscription_id = process.subscription_id)
    FROM task JOIN process ON process.id = task.process_id
    WHERE task.process_id = ANY(:ids) AND task.status = 'open'
""")


class Application(NamedTuple):
    """What is known of an application that was registered."""

    process_id: UUID
    workflow_id: str
    account_no: str


class Lookout:
    """Tells everybody at once what there is to do: one look at the database for all connections under way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._awaited: dict[tuple[UUID, str], asyncio.Future[Any]] = {}

    async def until(self, process_id: UUID, what: str) -> Any:
        """The row that says that this is to be done, once there is one."""
        future = self._awaited[process_id, what] = asyncio.get_running_loop().create_future()
        return await future

    async def look(self) -> None:
        """Look until cancelled."""
        while True:
            if self._awaited:
                ids = [process_id for process_id, _ in self._awaited]
                for row in await asyncio.to_thread(self._rows, ids):
                    future = self._awaited.pop((row.process_id, row.what), None)
                    if future is not None:
                        future.set_result(row)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _rows(self, ids: list[UUID]) -> Any:
        with self._database.transaction() as session:
            return session.execute(_TO_DO, {"ids": ids}).all()


class People:
    """Subscribers, the bank and the departments of an operator."""

    def __init__(self, client: Client, database: Database, operator: Operator, lookout: Lookout) -> None:
        self._client = client
        self._database = database
        self._operator = operator
        self._lookout = lookout
        self._numbers = count()

    async def connect(self) -> str:
        """One subscriber applies, pays and is visited, signs and is connected; answers the workflow's id."""
        number = next(self._numbers)
        application = await asyncio.to_thread(self._apply)
        await self._lookout.until(application.process_id, PAYMENT)
        await asyncio.to_thread(self._pay, application.account_no)
        crew_id, starts_at = self._operator.slot(number, datetime.now(UTC))
        visit = {"crew_id": str(crew_id), "starts_at": starts_at.isoformat()}
        await self._complete(application, TaskKind.ASSIGN_CREW, "assigned", lambda _: visit)
        await self._complete(application, TaskKind.INSTALL, "installed", lambda serials: {"serials": serials})
        await self._complete(application, TaskKind.SIGN_ACT, "signed", lambda _: {})
        return application.workflow_id

    def _apply(self) -> Application:
        now = datetime.now(UTC)
        order = NewConnection.model_validate({
            "subscriber": {"iin": new_iin(), "full_name": "Сейткали Арман", "phone": new_phone(), "language": "ru"},
            "premises_id": str(self._operator.premises_id),
            "tariff_code": self._operator.tariff_code,
            "equipment": [self._operator.sku],
        })  # fmt: skip
        with self._database.transaction() as session:
            process, _ = register_connection(
                session, order, actor=self._actor(Role.OPERATOR), idempotency_key=str(uuid4()), at=now,
                on=now.astimezone(self._operator.zone).date(),
            )  # fmt: skip
            account = session.get_one(Account, process.account_id)
            return Application(process.id, process.workflow_id, account.account_no)

    def _pay(self, account_no: str) -> None:
        now = datetime.now(UTC)
        notice = PaymentNotice(
            txn_id=str(uuid4()), account_no=account_no, amount=PositiveMoney(amount_minor=TOTAL_MINOR), paid_at=now
        )
        on = now.astimezone(self._operator.zone).date()
        with self._database.transaction() as session:
            take_payment(session, bank_id=self._operator.bank_id, notice=notice, received_at=now, on=on)

    async def _complete(
        self, application: Application, kind: TaskKind, outcome: str, data: Callable[[list[str]], dict[str, Any]]
    ) -> None:
        task = await self._lookout.until(application.process_id, f"task:{kind}")
        actor = self._actor(Role.DISPATCHER if kind == TaskKind.ASSIGN_CREW else Role.INSTALLER)
        submitted = partial(self._submit, task.task_id, outcome, data(task.serials), actor)
        act, reminder_id = await asyncio.to_thread(submitted)
        handle = self._client.get_workflow_handle(application.workflow_id)
        await handle.execute_update(COMPLETE_TASK, act, result_type=TaskDone)
        await asyncio.to_thread(self._forget, reminder_id)

    def _forget(self, reminder_id: UUID) -> None:
        with self._database.transaction() as session:
            forget(session, reminder_id)

    def _submit(self, task_id: UUID, outcome: str, data: dict[str, Any], actor: str) -> tuple[TaskAct, UUID]:
        with self._database.transaction() as session:
            task = get_task(session, task_id)
            assert not is_repetition(task, outcome, data)
            return submit(session, task, outcome=outcome, data=data, actor=actor, source="benchmark")

    def _actor(self, role: Role) -> str:
        return staff_actor(self._operator.staff_ids[role])
