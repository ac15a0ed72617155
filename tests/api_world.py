"""The whole API as clients meet it: served over a socket, with real workers and the real relay behind it.

It has a database and a Temporal server of its own within the pytest process: its relay delivers whatever the outbox
holds and its workers take whatever the standard queues hold, so they must not see what other tests put there.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import uvicorn
import uvloop

from api.app import create_app
from api.engine import Engine
from models.contracts.people import Language, Role
from models.database import Database
from settings import Settings
from tests import factories
from tests.connection_world import World, eventually
from tests.engines import TemporalServer
from tests.factories import BankLogin, StaffLogin
from tests.http_client import ApiClient
from workers.registry import build_workers
from workers.relay import Relay
from workers.serve import server_config
from workflows.engine import connect

TEMPORAL_UI = "http://temporal-ui.example"
Json = dict[str, Any]


@contextmanager
def served(settings: Settings, database: Database) -> Iterator[str]:
    """The API on uvicorn in a thread, as a process of its own would serve it; answers its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server: uvicorn.Server | None = None
        loop = uvloop.new_event_loop()

        async def serve() -> None:
            nonlocal server
            app = create_app(settings, database, Engine(await connect(settings, lazy=True)))
            server = uvicorn.Server(server_config(app, settings))
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="api", daemon=True)
        thread.start()
        try:
            eventually(lambda: server is not None and server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            assert server is not None
            server.should_exit = True
            thread.join()
            loop.close()


@contextmanager
def relayed(server: TemporalServer, database: Database) -> Iterator[None]:
    """The outbox relay, until the block ends."""

    async def start() -> tuple[asyncio.Event, asyncio.Task[None]]:
        stop = asyncio.Event()
        return stop, asyncio.create_task(Relay(database, server.client).run(stop))

    async def end(stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        stop.set()
        await task

    stop, task = server.run(start())
    try:
        yield
    finally:
        server.run(end(stop, task))


def is_problem(answer: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """The answer is a problem as RFC 9457 wants it; answers its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["title"]
    assert len(body["detail"].split()) > 3, "a sentence"
    assert slug is None or body["type"] == slug, body
    return body


@dataclass
class ApiStack:
    """The running API, and everybody who calls it."""

    settings: Settings
    database: Database
    server: TemporalServer
    url: str
    client: httpx.Client
    staff: Mapping[Role, StaffLogin]
    bank: BankLogin
    _workers: ExitStack = field(default_factory=ExitStack)

    def start_workers(self) -> None:
        """Let the workers work on the standard queues."""
        self._workers.enter_context(
            self.server.workers(lambda client: build_workers(client, self.database, self.settings))
        )

    def stop_workers(self) -> None:
        """Let them finish what they are at, and go."""
        self._workers.close()

    @contextmanager
    def without_workers(self) -> Iterator[None]:
        """No worker works until the block ends."""
        self.stop_workers()
        try:
            yield
        finally:
            self.start_workers()

    def call(self, method: str, path: str, role: Role | None = None, **request: Any) -> httpx.Response:
        """A request of somebody in this role."""
        headers = {**(self.staff[role].headers if role else {}), **request.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **request)

    def get(self, path: str, role: Role = Role.OPERATOR, **params: Any) -> Json:
        """What a GET answers, which must be there."""
        answer = self.call("GET", path, role, params=params)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def post(self, path: str, role: Role, body: Any, **request: Any) -> httpx.Response:
        """A POST of somebody in this role."""
        return self.call("POST", path, role, json=body, **request)

    def pay(self, account_no: str, amount_minor: int) -> httpx.Response:
        """The bank reports a payment."""
        notice = {
            "txn_id": factories.unique("txn"),
            "account_no": account_no,
            "amount": {"amount_minor": amount_minor, "currency": "KZT"},
            "paid_at": datetime.now(UTC).isoformat(),
        }
        return self.client.post("/bank/v1/payments", json=notice, auth=self.bank.auth)

    def case(self, **furniture: Any) -> "Case":
        """A place with everything that an application needs."""
        place = World(self.database, self.server, queue="processes")
        place.furnish(**furniture)
        return Case(self, place)


def app_client(api: ApiStack, *, address: str = "127.0.0.1", **settings: Any) -> ApiClient:
    """An API of its own on the stack's database and engine, with other settings."""
    own = api.settings.model_copy(update=settings)
    return ApiClient(create_app(own, api.database, Engine(api.server.client)), address=address)


@dataclass
class Case:
    """One application and its process, as staff drives it over HTTP."""

    api: ApiStack
    place: World
    process_id: str = ""
    account_no: str = ""
    person: Json = field(default_factory=dict)

    def order(self, **other: Any) -> Json:
        """An application of a person whom nobody knows yet."""
        self.person = {
            "iin": factories.new_iin(), "full_name": "Жумабаева Әйгерім Қанатқызы", "phone": factories.new_phone(),
            "language": Language.KK,
        }  # fmt: skip
        return {
            "subscriber": self.person,
            "premises_id": str(self.place.premises_id),
            "tariff_code": self.place.tariff_code,
            "equipment": [self.place.sku],
            **other,
        }

    def send(self, order: Json, *, key: str | None = None) -> httpx.Response:
        """The operator sends an application in."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.api.post("/v1/connections", Role.OPERATOR, order, headers=headers)

    def apply(self, **other: Any) -> Json:
        """The operator registers an application, which is accepted."""
        answer = self.send(self.order(**other))
        assert answer.status_code == 201, answer.text
        process: Json = answer.json()
        self.process_id, self.account_no = process["id"], process["account_no"]
        return process

    def process(self) -> Json:
        """The process as it stands now."""
        return self.api.get(f"/v1/processes/{self.process_id}")

    def wait_for(self, **facts: str) -> Json:
        """The process, once these facts are true of it."""
        result: Json = eventually(lambda: self._if(facts))
        return result

    def wait_until_it_waits(self) -> Json:
        """The process, once it waits for somebody."""
        result: Json = eventually(lambda: (process := self.process())["waiting_for"] and process)
        return result

    def _if(self, facts: Mapping[str, str]) -> Json | None:
        process = self.process()
        return process if all(process[name] == value for name, value in facts.items()) else None

    def task(self, kind: str) -> Json:
        """The open task of this kind, once there is one."""
        result: Json = eventually(lambda: next(iter(self.open_tasks(kind)), None))
        return result

    def open_tasks(self, kind: str) -> list[Json]:
        """The open tasks of this kind."""
        tasks = self.api.get("/v1/tasks", process_id=self.process_id, status="open")["items"]
        return [task for task in tasks if task["kind"] == kind]

    def complete(self, task: Json, outcome: str, data: Json | None = None, role: Role | None = None) -> httpx.Response:
        """Somebody of the task's department, or another, completes it."""
        body = {"outcome": outcome, "data": data or {}}
        return self.api.post(f"/v1/tasks/{task['id']}/complete", role or Role(task["department"]), body)

    def done(self, kind: str, outcome: str, data: Json | None = None) -> Json:
        """The department completes its task, which is accepted."""
        answer = self.complete(self.task(kind), outcome, data)
        assert answer.status_code == 200, answer.text
        task: Json = answer.json()
        return task

    def slot(self, *, days: int = 1, hour: int = 9) -> Json:
        """The data that assigns the crew at an hour of a coming day."""
        day = (datetime.now(UTC) + timedelta(days=days)).astimezone(self.api.settings.zone)
        starts_at = day.replace(hour=hour, minute=0, second=0, microsecond=0)
        return {"crew_id": str(self.place.crew_id), "starts_at": starts_at.isoformat()}

    def serials(self) -> list[str]:
        """What is reserved for this application."""
        self.place.process_id = UUID(self.process_id)
        return self.place.serials()

    def cancel(self, role: Role = Role.OPERATOR, reason: str = "changed their mind") -> httpx.Response:
        """Somebody cancels the process."""
        return self.api.post(f"/v1/processes/{self.process_id}/cancel", role, {"reason": reason})

    # -- whole stretches of the way -------------------------------------------------------------------------------

    def to_prepayment(self) -> None:
        """Applied for, in stock, invoiced."""
        self.apply()
        self.wait_for(stage="prepayment")

    def to_scheduling(self) -> Json:
        """Paid; answers the dispatcher's task."""
        self.to_prepayment()
        assert self.api.pay(self.account_no, self.place.total_minor).status_code == 201
        return self.task("assign_crew")

    def to_installation(self) -> Json:
        """A crew is on its way; answers the installer's task."""
        self.to_scheduling()
        self.done("assign_crew", "assigned", self.slot())
        return self.task("install")

    def to_handover(self) -> Json:
        """Mounted; answers the task to have the act signed."""
        self.to_installation()
        self.done("install", "installed", {"serials": self.serials()})
        return self.task("sign_act")

    def to_the_end(self) -> Json:
        """Connected; answers the process."""
        self.to_handover()
        self.done("sign_act", "signed")
        return self.wait_for(status="completed")
