"""A bank's day as tests drive it: the real process on a real Temporal server, over the real database.

The world has a bank and subscribers of its own, so that tests can run side by side. Its `deliver` is the outbox relay
for the processes of this bank; the relay itself is tested elsewhere.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlalchemy import func, select
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities import bank_statements, bank_terms, payments, registries
from activities.bank_day_opening import open_day
from activities.failures import FailureBoundary
from activities.outbox import forget
from activities.reconciliation_steps import ReconciliationActivities
from activities.tasks import TaskActivities, submit
from models.contracts.bank import PaymentNotice
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK, STATE
from models.contracts.money import PositiveMoney
from models.contracts.processes import (
    CancelRequest,
    ProcessOutcome,
    ProcessState,
    TaskDone,
    TaskKind,
    TaskStatus,
)
from models.contracts.reconciliation import DifferenceStatus, ReconciliationTerms
from models.contracts.reconciliation_process import ReconciliationPolicy
from models.database import Database
from models.tables.bank_statements import BankSettlementDay
from models.tables.banks import Bank
from models.tables.ledger import Transfer
from models.tables.outbox import Outbox
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber
from models.tables.processes import Process, Task, TimelineEntry
from models.tables.reconciliation import BankRegistry, Reconciliation, ReconciliationDifference
from settings import Settings
from tests import factories
from tests.connection_world import Answer, eventually
from tests.engines import TemporalServer
from workers.registry import activities_of
from workflows import reconciliation
from workflows.reconciliation import Reconciliation as ReconciliationWorkflow

SETTINGS = Settings(environment="local")
ZONE = SETTINGS.zone
FEE_BP = 95
Row = tuple[str, str, int]
"""Transaction, subscriber, sum in tiyn."""


def new_iik() -> str:
    """A bank account that no other test has."""
    return f"KZ00{uuid4().hex[:16].upper()}"


def osmp(rows: Sequence[Row], on: date, *, clock: str = "10:00:00") -> str:
    """The registry of these lines."""
    lines = [f"{txn}\t{on:%d.%m.%Y}\t{clock}\t{subscriber}\t{amount / 100:.2f}" for txn, subscriber, amount in rows]
    return "\n".join([*lines, f"Total: {len(rows)} {sum(amount for _, _, amount in rows) / 100:.2f}", ""])


def statement_file(lines: Sequence[Mapping[str, Any]], *, account: str) -> bytes:
    """A statement in the Kazakh dialect of 1CClientBankExchange."""
    received = sum(line["amount"] for line in lines)
    days = [line["on"] for line in lines]
    text = [
        "1CClientBankExchange", "ВерсияФормата=2.00", "Кодировка=Windows",
        f"ДатаНачала={min(days):%d.%m.%Y}", f"ДатаКонца={max(days):%d.%m.%Y}", f"РасчСчет={account}",
        "СекцияРасчСчет", f"ДатаНачала={min(days):%d.%m.%Y}", f"ДатаКонца={max(days):%d.%m.%Y}",
        f"РасчСчет={account}", "НачальныйОстаток=0.00", f"ВсегоПоступило={received / 100:.2f}", "ВсегоСписано=0.00",
        f"КонечныйОстаток={received / 100:.2f}", "КонецРасчСчет",
    ]  # fmt: skip
    for number, line in enumerate(lines, start=1):
        text += [
            "СекцияДокумент=ПлатежноеПоручение", f"НомерДокумента={line.get('number', number)}",
            f"ДатаДокумента={line['on']:%d.%m.%Y}", f"ДатаОперации={line['on']:%d.%m.%Y}",
            f"СуммаПриход={line['amount'] / 100:.2f}", f"ПлательщикНаименование={line.get('payer', 'АО Банк')}",
            "ПлательщикБИН_ИИН=010140000012", f"ПлательщикИИК={line['payer_iik']}",
            f"ПолучательИИК={account}", f"НазначениеПлатежа={line.get('purpose', 'Перечисление платежей')}",
            "КонецДокумента",
        ]  # fmt: skip
    return "\r\n".join([*text, "КонецФайла", ""]).encode("cp1251")


@dataclass
class BankWorld:
    """One bank, its payers, and everybody who has to do with its days."""

    database: Database
    server: TemporalServer | None
    queue: str
    bank_id: UUID = field(default_factory=lambda: UUID(int=0))
    code: str = ""
    accounts: list[str] = field(default_factory=list)
    iins: list[str] = field(default_factory=list)
    own_iik: str = field(default_factory=new_iik)
    bank_iik: str = field(default_factory=new_iik)
    day: date = date(2026, 11, 23)
    policy: ReconciliationPolicy = field(default_factory=ReconciliationPolicy)

    # -- who is there ---------------------------------------------------------------------------------------------

    def furnish(self, *, accounts: int = 3, **terms: Any) -> None:
        """A bank with what was agreed with it, and so many payers; the day is yesterday."""
        factories.not_at_midnight(ZONE)
        self.day = self.now().astimezone(ZONE).date() - timedelta(days=1)
        with self.database.transaction() as session:
            factories.reference(session)
            bank = factories.bank(session).row
            self.bank_id, self.code = bank.id, bank.code
            for _ in range(accounts):
                customer = factories.customer(session)
                self.accounts.append(customer.account.account_no)
                self.iins.append(customer.subscriber.iin)
        self.agree(**terms)

    def agree(self, **terms: Any) -> None:
        """Agree with the bank on something."""
        usual = {
            "starts_on": "2026-01-01",
            "registry_expected_at": "23:59:59",  # in the future at whatever hour the test runs
            "fee": {"kind": "rule", "percent_bp": FEE_BP},
            "settlement": {"own_accounts": [self.own_iik], "payer_accounts": [self.bank_iik], "within_days": 5},
        }
        with self.database.transaction() as session:
            agreed_on = ReconciliationTerms.model_validate({**usual, **terms})
            bank_terms.set_terms(session, self.bank_id, agreed_on, actor="staff:admin")

    def now(self) -> datetime:
        """The server's time, which may be far ahead of the clock on the wall."""
        if self.server is None:
            return datetime.now(tz=UTC)
        moment = self.server.run(self.server.environment.get_current_time())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def sleep(self, duration: timedelta) -> None:
        """Let time pass on the server: not to the minute at which a process takes one of its looks by itself."""
        assert self.server is not None
        self.server.sleep(duration)

    def at(self, day: date | None = None, *, hour: int = 10) -> datetime:
        """An hour of the day in the operator's zone."""
        return datetime.combine(day or self.day, time(hour), ZONE)

    # -- what the bank does ---------------------------------------------------------------------------------------

    def pay(
        self, amount_minor: int, payer: int = 0, *, txn: str | None = None, day: date | None = None,
        late: bool = False, by_iin: bool = False, account_no: str | None = None, hour: int = 10,
    ) -> str:  # fmt: skip
        """The bank reports a payment of the day, on the day or late; answers its transaction."""
        paid_at = self.at(day, hour=hour)
        taken_at = self.now() if late else paid_at
        payee = {"iin": self.iins[payer]} if by_iin else {"account_no": account_no or self.accounts[payer]}
        notice = PaymentNotice(
            txn_id=txn or factories.unique("txn"), amount=PositiveMoney(amount_minor=amount_minor), paid_at=paid_at,
            **payee,
        )  # fmt: skip
        with self.database.transaction() as session:
            payments.take_payment(
                session, bank_id=self.bank_id, notice=notice, received_at=taken_at, on=taken_at.astimezone(ZONE).date()
            )
        self.deliver()
        return notice.txn_id

    def cancel_payment(self, txn: str, *, at: datetime | None = None) -> None:
        """The bank takes a payment back over its interface."""
        moment = at or self.now()
        with self.database.transaction() as session:
            payments.cancel_by_bank(
                session, bank_id=self.bank_id, txn_id=txn, on=moment.astimezone(ZONE).date(), at=moment,
                actor=f"bank:{self.code}",
            )  # fmt: skip
        self.deliver()

    def reverse(self, txn: str, *, at: datetime | None = None) -> None:
        """An accountant takes a payment back by hand."""
        moment = at or self.now()
        with self.database.transaction() as session:
            payment_id = session.scalars(
                select(Payment.id).where(Payment.bank_id == self.bank_id, Payment.txn_id == txn).order_by(Payment.part)
            ).first()
            assert payment_id is not None
            payments.reverse_payment(
                session, payment_id, reason="по заявлению", on=moment.astimezone(ZONE).date(), at=moment,
                actor="staff:accountant",
            )  # fmt: skip
        self.deliver()

    def rows(self, *txns: str) -> list[Row]:
        """What an honest bank has in its registry for these transactions."""
        with self.database.transaction() as session:
            found = session.execute(
                select(Payment.txn_id, func.max(Payment.named_account_no), func.max(Payment.named_iin),
                       func.sum(Payment.amount_minor))
                .where(Payment.bank_id == self.bank_id, Payment.txn_id.in_(txns), Payment.status != "reversed")
                .group_by(Payment.txn_id)
            )  # fmt: skip
            known = {txn: (txn, account or iin or "", int(amount)) for txn, account, iin, amount in found}
        return [known[txn] for txn in txns]

    def send(self, rows: Sequence[Row] | str, *, day: date | None = None, media_type: str = registries.OSMP) -> UUID:
        """The bank sends its registry; answers which one it is."""
        on = day or self.day
        content = (rows if isinstance(rows, str) else osmp(rows, on)).encode()
        now = self.now()
        with self.database.transaction() as session:
            bank = session.get_one(Bank, self.bank_id)
            registry = registries.read(session, bank.id, on, media_type, content)
            kept, _ = registries.take(
                session, bank, on, registry, media_type=media_type, content=content, actor=f"bank:{self.code}",
                at=now, zone=ZONE,
            )  # fmt: skip
            self._pin_policy(session)
        self.deliver()
        return kept.id

    # -- what accounting does -------------------------------------------------------------------------------------

    def bring_in(self, *lines: Mapping[str, Any]) -> None:
        """Accounting brings a statement in."""
        content = statement_file(lines, account=self.own_iik)
        exchange = bank_statements.read(content, despite_problems=False)
        now = self.now()
        with self.database.transaction() as session:
            bank_statements.take(session, exchange, content, actor="staff:accountant", at=now)
            bank_statements.settle_what_came(session, at=now)
        self.deliver()

    def transfer(self, amount_minor: int, *, day: date | None = None, **other: Any) -> dict[str, Any]:
        """A line of a statement: the bank's transfer on the day after."""
        on = day or self.day + timedelta(days=1)
        return {"amount": amount_minor, "on": on, "payer_iik": self.bank_iik, **other}

    def open(self, day: date | None = None) -> UUID:
        """The day is opened; answers its process."""
        now = self.now()
        with self.database.transaction() as session:
            opened, _ = open_day(
                session, session.get_one(Bank, self.bank_id), day or self.day, actor="schedule", at=now, zone=ZONE
            )
            self._pin_policy(session)
        self.deliver()
        return opened.process_id

    def _pin_policy(self, session: Any) -> None:
        for start in session.scalars(
            select(Outbox).where(
                Outbox.workflow_id.startswith(f"reconciliation/{self.code}/"), Outbox.start_input.is_not(None),
                Outbox.delivered_at.is_(None),
            )
        ):  # fmt: skip
            start.start_input = {**start.start_input, "policy": self.policy.model_dump(mode="json")}

    def task(self, kind: TaskKind, /, **facts: Any) -> Task:
        """The open task of this kind with these facts, once the process has opened it."""
        task: Task = eventually(lambda: next(iter(self.open_tasks(kind, **facts)), None))
        return task

    def open_tasks(self, kind: TaskKind | None = None, /, *, day: date | None = None, **facts: Any) -> list[Task]:
        """The open tasks of a day."""
        with self.database.transaction() as session:
            listed = (
                select(Task)
                .join(Reconciliation, Reconciliation.process_id == Task.process_id)
                .where(
                    Reconciliation.bank_id == self.bank_id, Reconciliation.day_on == (day or self.day),
                    Task.status == TaskStatus.OPEN,
                )
                .order_by(Task.id)
            )  # fmt: skip
            tasks = session.scalars(listed if kind is None else listed.where(Task.kind == kind)).all()
        return [task for task in tasks if all(task.facts.get(name) == value for name, value in facts.items())]

    def complete(self, task: Task, outcome: str, data: dict[str, Any] | None = None) -> TaskDone:
        """A person completes a task through the API's path."""
        with self.database.transaction() as session:
            act, reminder_id = submit(
                session, task, outcome=outcome, data=data or {}, actor="staff:accountant", source="test"
            )
        try:
            return self.ask(COMPLETE_TASK, act, TaskDone, task.process_id)
        finally:
            with self.database.transaction() as session:
                forget(session, reminder_id)
            self.deliver()

    def ask(
        self, update_name: str, argument: BaseModel, answer: type[Answer], process_id: UUID | None = None
    ) -> Answer:
        """An update of a day's process, and its answer."""
        assert self.server is not None
        return self.server.update(self.handle(process_id=process_id), update_name, argument, answer)

    def cancel(self, reason: str = "not needed") -> ProcessState:
        """Operations cancel the day's process."""
        return self.ask(CANCEL_PROCESS, CancelRequest(actor="staff:ops", reason=reason), ProcessState)

    # -- the process ----------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Tell Temporal what the outbox holds for this bank's days, reminders before their time as well."""
        if self.server is None:
            return
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox)
                .where(
                    Outbox.workflow_id.startswith(f"reconciliation/{self.code}/"), Outbox.delivered_at.is_(None),
                    Outbox.signal.is_distinct_from("complete_task_signal"),
                )
                .order_by(Outbox.id)
                .with_for_update(skip_locked=True)
            ).all()  # fmt: skip
            for row in rows:
                self.server.run(self._tell(row))
                row.delivered_at = datetime.now(UTC)

    async def _tell(self, row: Outbox) -> None:
        assert self.server is not None
        if row.workflow_type is not None:
            await self.server.client.start_workflow(
                row.workflow_type, row.start_input, id=row.workflow_id, task_queue=self.queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )  # fmt: skip
            return
        assert row.signal is not None
        with suppress(RPCError):  # nobody is left who would listen
            await self.server.client.get_workflow_handle(row.workflow_id).signal(row.signal)

    def handle(self, day: date | None = None, *, process_id: UUID | None = None) -> WorkflowHandle[Any, ProcessOutcome]:
        """The day's process on Temporal."""
        assert self.server is not None
        with self.database.transaction() as session:
            wanted = (
                process_id
                or session.scalars(
                    select(Reconciliation.process_id).where(
                        Reconciliation.bank_id == self.bank_id, Reconciliation.day_on == (day or self.day)
                    )
                ).one()
            )
            workflow_id = session.get_one(Process, wanted).workflow_id
        return self.server.client.get_workflow_handle_for(ReconciliationWorkflow.run, workflow_id)

    def outcome(self, day: date | None = None) -> ProcessOutcome:
        """How the day ended."""
        assert self.server is not None
        return self.server.run(self.handle(day).result())

    def state(self) -> ProcessState:
        """What the process says of itself."""
        assert self.server is not None
        result: ProcessState = self.server.run(self.handle().query(STATE, result_type=ProcessState))
        return result

    # -- what can be seen -----------------------------------------------------------------------------------------

    def reconciliation(self, day: date | None = None) -> Reconciliation:
        with self.database.transaction() as session:
            return session.scalars(
                select(Reconciliation).where(
                    Reconciliation.bank_id == self.bank_id, Reconciliation.day_on == (day or self.day)
                )
            ).one()

    def process(self, day: date | None = None) -> Process:
        with self.database.transaction() as session:
            return session.get_one(Process, self.reconciliation(day).process_id)

    def wait_for_stage(self, stage: str, day: date | None = None) -> None:
        eventually(lambda: self.process(day).stage == stage)

    def differences(
        self, status: DifferenceStatus | None = DifferenceStatus.OPEN, *, day: date | None = None
    ) -> list[ReconciliationDifference]:
        """The differences of a day, in the order of their transactions."""
        with self.database.transaction() as session:
            listed = select(ReconciliationDifference).where(
                ReconciliationDifference.reconciliation_id == self.reconciliation(day).id
            )
            if status is not None:
                listed = listed.where(ReconciliationDifference.status == status)
            return list(session.scalars(listed.order_by(ReconciliationDifference.id)))

    def kinds(self, *, day: date | None = None) -> Counter[str]:
        """How many differences of each kind are open."""
        return Counter(str(difference.kind) for difference in self.differences(day=day))

    def standing(self) -> dict[str, int]:
        """What stands of each transaction in the books, in tiyn."""
        with self.database.transaction() as session:
            rows = session.execute(
                select(Payment.txn_id, func.sum(Payment.amount_minor))
                .where(Payment.bank_id == self.bank_id, Payment.status != "reversed")
                .group_by(Payment.txn_id)
            )
            return {txn: int(amount) for txn, amount in rows}

    def balance_of(self, payer: int) -> int:
        """What a payer has paid more than they owe, in tiyn."""
        with self.database.transaction() as session:
            account = session.scalars(select(Account).where(Account.account_no == self.accounts[payer])).one()
            received = (
                select(func.coalesce(func.sum(Transfer.amount_minor), 0))
                .where(Transfer.account_id == account.id, Transfer.credit == "3510")
            )  # fmt: skip
            spent = (
                select(func.coalesce(func.sum(Transfer.amount_minor), 0))
                .where(Transfer.account_id == account.id, Transfer.debit == "3510")
            )  # fmt: skip
            return int(session.scalars(received).one()) - int(session.scalars(spent).one())

    def books(self) -> dict[str, int]:
        """What this bank's payments and transfers did to each account of the chart, in tiyn, without zeros."""
        with self.database.transaction() as session:
            documents = (
                select(Payment.id)
                .where(Payment.bank_id == self.bank_id)
                .union(
                    select(BankSettlementDay.id)
                    .join(Reconciliation, Reconciliation.id == BankSettlementDay.reconciliation_id)
                    .where(Reconciliation.bank_id == self.bank_id)
                )
            )
            transfers = session.scalars(select(Transfer).where(Transfer.document_id.in_(documents))).all()
        sums: Counter[str] = Counter()
        for transfer in transfers:
            sums[transfer.debit] += transfer.amount_minor
            sums[transfer.credit] -= transfer.amount_minor
        return {code: amount for code, amount in sorted(sums.items()) if amount}

    def registry_versions(self) -> list[tuple[int, str]]:
        with self.database.transaction() as session:
            rows = session.execute(
                select(BankRegistry.version, BankRegistry.state)
                .where(BankRegistry.bank_id == self.bank_id, BankRegistry.day_on == self.day)
                .order_by(BankRegistry.version)
            )
            return [(version, str(state)) for version, state in rows]

    def events(self, day: date | None = None) -> list[str]:
        """The timeline's events, oldest first."""
        return [entry.event for entry in self.timeline(day)]

    def timeline(self, day: date | None = None) -> Sequence[TimelineEntry]:
        with self.database.transaction() as session:
            return session.scalars(
                select(TimelineEntry)
                .where(TimelineEntry.process_id == self.reconciliation(day).process_id)
                .order_by(TimelineEntry.at, TimelineEntry.id)
            ).all()

    def people(self) -> list[str]:
        """What of the payers may never stand in a history."""
        with self.database.transaction() as session:
            names = session.scalars(select(Subscriber.full_name).where(Subscriber.iin.in_(self.iins)))
            return [*self.accounts, *self.iins, *names]


@contextmanager
def bank_world(
    database: Database, server: TemporalServer, *, steps: ReconciliationActivities | None = None, accounts: int = 3,
    **terms: Any,
) -> Iterator[BankWorld]:  # fmt: skip
    """A furnished bank, and a worker for its days until the block ends."""
    world = BankWorld(database, server, factories.unique("bank-days"))
    world.furnish(accounts=accounts, **terms)
    with server.workers(lambda client: [worker(client, world, steps)]):
        yield world


def worker(
    client: Client,
    world: BankWorld,
    steps: ReconciliationActivities | None = None,
    tasks: TaskActivities | None = None,
    **other: Any,
) -> Worker:
    """The worker of processes, as in production, on a queue of the test's own."""
    return Worker(
        client,
        **other,
        task_queue=world.queue,
        workflows=reconciliation.WORKFLOWS,
        activities=activities_of(
            steps or ReconciliationActivities(world.database, SETTINGS),
            tasks or TaskActivities(world.database, SETTINGS),
        ),
        activity_executor=ThreadPoolExecutor(8),
        interceptors=[FailureBoundary()],
    )
