"""The whole product as processes of its own, each of which a test can kill and start again.

PostgreSQL, Temporal with its database file, `abonent worker` and `abonent api` run with production's durability on
free ports and a folder of their own. Nothing starts a dead one again but the test. `Applicant` is one connection with
everybody who acts in it: each repeats, as people and banks do, until they know that it was done.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx
from sqlalchemy import text

import migrations
from activities.gateways.local_sms import LocalSmsGateway
from models.database import Database
from settings import Settings
from tests.factories import new_iin, new_phone, unique
from workers.children import Child
from workers.credentials import Credentials, local_credentials
from workers.local_servers import PostgreSQL, Temporal
from workers.ports import HOST, free_port
from workers.seed import seed

ROOT: Final = Path(__file__).parent.parent
PATIENCE_SECONDS: Final = 180.0
READY: Final = b"worker_ready"
OUT_OF_STOCK: Final = "stb-4k"
Answer = TypeVar("Answer")


def eventually(fact: Callable[[], Answer | None], what: str, *, given: Child | None = None) -> Answer:
    """The first truthy answer; everything goes on by itself, so tests look until it has.

    Where a process of the product must live for that, its death or silence is shown with its log.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = fact()
        if found:
            return found
        is_hopeless = given is not None and not given.is_running
        if is_hopeless or time.monotonic() > until:
            log = given.log.read_text()[-4000:] if given is not None and given.log is not None else ""
            raise AssertionError(f"waited in vain: {what}\n{log}")
        time.sleep(0.05)


class Product:
    """All processes of the product. To be started, killed and started again from the main thread alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api_url = f"http://{HOST}:{free_port()}"
        self._postgres = PostgreSQL(folder / "postgres")
        self._postgres.prepare()
        self._temporal = Temporal(folder / "temporal.db", port=free_port(), ui_port=free_port())
        self.postgres = self._postgres.child(folder / "postgres.log")
        self.temporal = self._temporal.child(folder / "temporal.log")
        self.worker = self._program("worker")
        self.api = self._program("api")
        self.database = Database(self._postgres.url)
        self.http = httpx.Client(base_url=self.api_url, timeout=60)
        self.credentials: Credentials

    def environment(self) -> dict[str, str]:
        """What the product's own commands are told."""
        return {
            "LOCAL_DIR": str(self.folder),
            "DATABASE_URL": self._postgres.url,
            "TEMPORAL_ADDRESS": self._temporal.address,
            "API_PORT": self.api_url.rsplit(":", 1)[1],
            "REQUESTS_PER_SECOND": "5000",
            "SMS_PER_SECOND": "500",
            # Whatever the hour, nothing is at work but what the test begins.
            **{f"{what}_SCHEDULE_ENABLED": "false" for what in ("BILLING", "DUNNING", "RECONCILIATION")},
        }

    def _program(self, command: str) -> Child:
        unset = dict.fromkeys((name.upper() for name in Settings.model_fields if name.upper() in os.environ), "")
        return Child(
            command,
            [sys.executable, "-m", "workers.cli", command],
            environment={
                **unset,
                **self.environment(),
                "PYTHONUNBUFFERED": "1",
                "DATABASE_URL": f"{self._postgres.url}&application_name={command}",
            },
            folder=ROOT,
            log=self.folder / f"{command}.log",
        )

    def start(self) -> None:
        """Start everything, from nothing to ready."""
        self.postgres.start()
        self.temporal.start()
        eventually(self._postgres.answers, "PostgreSQL answers")
        migrations.upgrade(self._postgres.url)
        with self.database.transaction() as session:
            seed(session)
            self.credentials = local_credentials(session, self.folder / "credentials.json", self.api_url)
        eventually(self._temporal.answers, "Temporal answers")
        self.api.start()
        self.start_worker()
        self.wait_for_api()

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        self.http.close()
        self.database.close()
        for child in (self.api, self.worker, self.temporal, self.postgres):
            thaw(child)
            child.stop()
        self._postgres.tidy()

    # -- killing and starting -------------------------------------------------------------------------------------

    def start_worker(self) -> None:
        """Start the worker, and wait until it takes on work."""
        before = self._ready_marks()
        self.worker.start()
        eventually(lambda: self._ready_marks() > before, "the worker is ready", given=self.worker)

    def start_api(self) -> None:
        """Start the API, and wait until it answers."""
        self.api.start()
        self.wait_for_api()

    def wait_for_api(self) -> None:
        """Return once the API and all that it needs answer."""
        eventually(lambda: self.status("GET", "/readyz") == 200, "the API is ready", given=self.api)

    def start_temporal(self) -> None:
        """Start Temporal on its database file, and wait until it answers."""
        self.temporal.start()
        eventually(self._temporal.answers, "Temporal answers")

    def start_postgres(self) -> None:
        """Start PostgreSQL on its data; it recovers by itself, once what its killed server left has ended."""
        self.postgres.start()
        eventually(lambda: self.postgres.tend() is None and self._postgres.answers(), "PostgreSQL answers")
        self.database.close()  # its connections are those of the killed server

    def _ready_marks(self) -> int:
        log = self.folder / "worker.log"
        return log.read_bytes().count(READY) if log.exists() else 0

    # -- asking ---------------------------------------------------------------------------------------------------

    def ask(self, who: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        """One request of a role of the staff, or of the bank; None where nobody answers."""
        if who == "bank":
            bank = self.credentials.banks["demo-bank"]
            request["auth"] = (bank.user, bank.password)
        else:
            token = self.credentials.staff[who]
            request["headers"] = {"Authorization": f"Bearer {token}", **request.pop("headers", {})}
        try:
            return self.http.request(method, path, **request)
        except httpx.TransportError:
            return None

    def insist(self, who: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Repeat a request, as people and banks do, until there is an answer other than «try again later»."""

        def answered() -> httpx.Response | None:
            answer = self.ask(who, method, path, **request)
            return None if answer is None or answer.status_code == 503 else answer

        return eventually(answered, f"{method} {path} is answered")

    def read(self, path: str, **parameters: str) -> Any:
        """What any member of the staff reads."""
        answer = self.insist("operator", "GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self, method: str, path: str) -> int | None:
        """The status code of an open route; None where nobody answers."""
        try:
            return self.http.request(method, path).status_code
        except httpx.TransportError:
            return None

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """What the database says."""
        with self.database.transaction() as session:
            return list(session.execute(text(statement), parameters).all())

    def one(self, statement: str, **parameters: Any) -> Any:
        """The single value that the database answers."""
        ((value,),) = self.rows(statement, **parameters)
        return value

    def sent_sms(self) -> Counter[str]:
        """How often each message stands in the file of local SMS."""
        return Counter(str(sms.message_id) for sms in LocalSmsGateway(self.folder).sent())

    def free_slots(self, count: int) -> list[dict[str, Any]]:
        """So many free slots of the coming weeks, as the form of a crew's assignment wants them."""
        found: list[dict[str, Any]] = []
        crews = self.read("/v1/crews")["items"]
        for ahead in range(2, 60):
            day = (datetime.now(UTC) + timedelta(days=ahead)).date().isoformat()
            for crew in crews:
                slots = self.read(f"/v1/crews/{crew['id']}/slots", on=day)["items"]
                found += [{"crew_id": crew["id"], "starts_at": slot["starts_at"]} for slot in slots if slot["free"]]
            if len(found) >= count:
                return found[:count]
        raise AssertionError("all crews are booked")


Running = TypeVar("Running", bound=Product)


def kill(child: Child) -> None:
    """End a process at once, wherever it stands, and wait until it is gone."""
    os.kill(child.pid, signal.SIGKILL)
    eventually(lambda: not child.is_running, f"{child.name} is dead")


def freeze(child: Child) -> None:
    """Let a process answer nobody, while its connections stay."""
    os.kill(child.pid, signal.SIGSTOP)


def thaw(child: Child) -> None:
    """Let a frozen process go on."""
    if child.is_running:
        os.kill(child.pid, signal.SIGCONT)


def running_product() -> AbstractContextManager[Product]:
    """The product, until the block ends."""
    return running(Product)


@contextmanager
def running(kind: type[Running]) -> Iterator[Running]:
    """A kind of product, until the block ends; a short path, since sockets have no long ones."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-"))
    try:
        product = kind(folder)
        try:
            product.start()
            yield product
        finally:
            product.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Applicant:
    """One connection, and everybody who acts in it."""

    product: Product
    premises_id: str
    slots: list[dict[str, Any]]
    """Where the visit is booked, and where it is moved to."""
    equipment: list[str] = field(default_factory=lambda: ["ont-gpon"])
    iin: str = field(default_factory=new_iin)
    phone: str = field(default_factory=new_phone)
    key: str = field(default_factory=lambda: uuid4().hex)
    process_id: str = ""
    account_no: str = ""
    payments: list[dict[str, Any]] = field(default_factory=list)
    """What the bank reported, or is about to."""
    total_minor: int = 0

    # -- who does what --------------------------------------------------------------------------------------------

    @property
    def order(self) -> dict[str, Any]:
        """The application."""
        person = {"iin": self.iin, "full_name": "Тестов Алмас", "phone": self.phone, "language": "kk"}
        return {
            "subscriber": person, "premises_id": self.premises_id, "tariff_code": "home-100",
            "equipment": self.equipment,
        }  # fmt: skip

    def apply(self) -> None:
        """An operator registers the application."""
        headers = {"Idempotency-Key": self.key}
        answer = self.product.insist("operator", "POST", "/v1/connections", json=self.order, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        self.process_id, self.account_no = answer.json()["id"], answer.json()["account_no"]

    def buy(self) -> None:
        """Procurement enters the delivery of what is out of stock, if anything is."""
        if OUT_OF_STOCK in self.equipment:
            delivery = {"sku": OUT_OF_STOCK, "serials": [f"STB-{self.iin}"]}
            self.complete("purchase", "procurement", "delivered", {"deliveries": [delivery]})

    def wait_for_invoice(self) -> None:
        """Until there is something to pay."""
        self.total_minor = eventually(
            lambda: self.product.rows("SELECT total_minor FROM invoice WHERE process_id = :id", id=self.process_id),
            "the invoice is issued",
        )[0][0]

    def pay_a_part(self) -> None:
        """The bank reports the first part of the payment, twice."""
        self.wait_for_invoice()
        self.pay(self.total_minor // 3)

    def pay_the_rest(self) -> None:
        """The bank reports the rest, twice."""
        self.pay(self.total_minor - sum(payment["amount"]["amount_minor"] for payment in self.payments))

    def pay(self, amount_minor: int) -> None:
        """The bank reports a payment until it has its answer, and once more for good measure."""
        payment = self.payment(amount_minor)
        answers = [self.product.insist("bank", "POST", "/bank/v1/payments", json=payment) for _ in range(2)]
        assert answers[0].status_code in {200, 201}, answers[0].text
        assert (answers[1].status_code, answers[1].json()) == (200, answers[0].json())

    def payment(self, amount_minor: int) -> dict[str, Any]:
        """A payment for this connection, for the bank to report."""
        self.payments.append(notice(self.account_no, amount_minor))
        return self.payments[-1]

    def assign(self) -> None:
        """The dispatcher books a visit."""
        self.complete("assign_crew", "dispatcher", "assigned", self.slots[0])

    def move(self) -> None:
        """The dispatcher moves the visit, once there is one to move."""
        self.open_task("install")
        path = f"/v1/processes/{self.process_id}/reschedule"
        answer = self.product.insist("dispatcher", "POST", path, json=self.slots[1])
        assert answer.status_code == 200, answer.text

    def install(self) -> None:
        """The installer mounts what is reserved."""
        serials = self.product.rows(
            "SELECT serial FROM stock_item JOIN process USING (subscription_id) WHERE process.id = :id",
            id=self.process_id,
        )
        self.complete("install", "installer", "installed", {"serials": [serial for (serial,) in serials]})

    def sign(self) -> None:
        """The installer has the act signed."""
        self.complete("sign_act", "installer", "signed", {"signed_by": "subscriber"})

    def complete(self, kind: str, role: str, outcome: str, data: dict[str, Any]) -> None:
        """Complete a task, again and again, until the product says that it is done."""
        task_id = self.open_task(kind)
        answer = self.product.insist(
            role, "POST", f"/v1/tasks/{task_id}/complete", json={"outcome": outcome, "data": data}
        )
        assert answer.status_code == 200, f"{kind}: {answer.text}"
        assert (answer.json()["status"], answer.json()["outcome"]) == ("done", outcome)

    def open_task(self, kind: str) -> str:
        """The task, once the process has opened it."""
        return str(eventually(lambda: self.task_ids(kind, "open"), f"{kind} of {self.process_id} is opened")[0])

    def task_ids(self, kind: str, status: str) -> list[str]:
        """The tasks of a kind that stand so."""
        found = self.product.read("/v1/tasks", process_id=self.process_id, status=status)["items"]
        return [task["id"] for task in found if task["kind"] == kind]

    # -- the whole way --------------------------------------------------------------------------------------------

    @property
    def acts(self) -> list[Callable[[], None]]:
        """What people and the bank do, in this order."""
        return [
            self.apply, self.buy, self.pay_a_part, self.pay_the_rest, self.assign, self.move, self.install, self.sign,
        ]  # fmt: skip

    def go(self, *, past: int = 0, until: int | None = None) -> None:
        """Do the acts from one on until another one, which is not done."""
        for act in self.acts[past:until]:
            act()

    # -- what has become of it ------------------------------------------------------------------------------------

    def stage(self) -> str:
        """Where the projection stands."""
        return str(self.product.one("SELECT stage FROM process WHERE id = :id", id=self.process_id))

    def is_completed(self) -> bool:
        """Whether the connection has reached its goal."""
        return bool(
            self.product.rows("SELECT 1 FROM process WHERE id = :id AND status = 'completed'", id=self.process_id)
        )

    def events(self) -> Counter[str]:
        """How often each event stands in the timeline."""
        rows = self.product.rows("SELECT event FROM timeline_entry WHERE process_id = :id", id=self.process_id)
        return Counter(event for (event,) in rows)


def new_account(product: Product) -> str:
    """The number of an account that nothing is known of but its subscriber."""
    person = {"iin": new_iin(), "full_name": "Тестова Жанар", "phone": new_phone(), "language": "ru"}
    answer = product.insist("operator", "POST", "/v1/subscribers", json=person)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["account_no"])


def notice(account_no: str, amount_minor: int) -> dict[str, Any]:
    """A payment as a bank reports it."""
    return {
        "txn_id": unique("txn"),
        "account_no": account_no,
        "amount": {"amount_minor": amount_minor, "currency": "KZT"},
        "paid_at": datetime.now(UTC).isoformat(),
    }
