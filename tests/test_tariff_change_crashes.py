"""Tariff changes survive crashes: whatever is killed at whatever moment, nothing is lost and nothing is done twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

import pytest
from sqlalchemy import select, update

from activities import ledger
from models.contracts.network import PortState
from models.contracts.stock import StockState
from models.tables.catalogue import Tariff
from models.tables.network import NetworkPort, Premises
from models.tables.people import Account
from models.tables.stock import StockItem
from models.tables.subscriptions import Subscription
from tests import billing_histories, factories
from tests.crashing import CRASHES, Crash, all_of, held_up, steps_held_up
from tests.running_product import Applicant, Product, eventually, freeze, kill, running_product, thaw

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

STORY: Final = Counter(
    tariff_change_requested=1, debt_found=1, task_opened=4, payment_received=1, debt_paid=1, task_withdrawn=1,
    equipment_unfit=1, equipment_reserved=1, visit_booked=1, equipment_replaced=1, act_drawn_up=1, act_signed=1,
    tariff_changed=1, tariff_change_closed=1,
)  # fmt: skip
REMOTE: Final = Counter(
    tariff_change_requested=1, nothing_owed=1, equipment_fits=1, tariff_changed=1, tariff_change_closed=1
)
DEBT_MINOR: Final = 650_000


@dataclass
class Changer(Applicant):
    """Somebody who is served and wants another tariff, and everybody who acts in it."""

    subscription_id: str = ""
    is_remote: bool = False

    def move_in(self) -> None:
        """The service runs, as a connection has left it; whoever gets a visit owes an invoice."""
        with self.product.database.transaction() as session:
            account = factories.customer(session, iin=self.iin, phone=self.phone).account
            self.account_no = account.account_no
            tariff = session.scalars(select(Tariff).where(Tariff.code == "home-100")).one()
            since = factories.TODAY.replace(day=1)
            service_id = billing_histories.serve(session, account, tariff.id, since=since)
            self.subscription_id = str(service_id)
            place = session.get_one(Premises, self.premises_id)
            session.get_one(Subscription, service_id).premises_id = place.id
            port = session.scalars(
                select(NetworkPort)
                .where(NetworkPort.node_id == place.node_id, NetworkPort.state == PortState.FREE)
                .limit(1)
            ).one()
            port.state, port.subscription_id, port.profile = PortState.ACTIVE, service_id, "100M"
            for sku in ("ont-gpon", "router-ax"):
                free = select(StockItem.id).where(StockItem.sku == sku, StockItem.state == StockState.IN_STOCK).limit(1)
                session.execute(
                    update(StockItem)
                    .where(StockItem.id == free.scalar_subquery())
                    .values(state=StockState.INSTALLED, subscription_id=service_id)
                )
            if not self.is_remote:
                factories.connection_invoice(session, session.get_one(Account, account.id), DEBT_MINOR)

    @property
    def order(self) -> dict[str, Any]:
        """The wish."""
        code = "home-500" if self.is_remote else "home-1000"
        return {"subscription_id": self.subscription_id, "tariff_code": code, "effective": "now"}

    def ask(self) -> None:
        """The operator registers the wish."""
        headers = {"Idempotency-Key": f"change-{self.key}"}
        answer = self.product.insist("operator", "POST", "/v1/tariff-changes", json=self.order, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        self.process_id = answer.json()["id"]

    def pay_debt(self) -> None:
        """The bank reports what is asked for, twice."""
        self.open_task("control_debt")
        self.pay(DEBT_MINOR)

    def replace(self) -> None:
        """The installer mounts what is reserved, and takes back what the task names."""
        form = self.product.read(f"/v1/tasks/{self.open_task('replace')}")["form"]["properties"]
        data = {name: form[name]["examples"][0] for name in ("serials", "equipment")}
        self.complete("replace", "installer", "replaced", data)

    @property
    def acts(self) -> list[Callable[[], None]]:
        """What people and the bank do, in this order."""
        return [self.ask] if self.is_remote else [self.ask, self.pay_debt, self.assign, self.replace, self.sign]

    def stands_before(self, act: int) -> bool:
        """Whether the process has done all that it does before this act."""
        kinds = "SELECT kind FROM task WHERE process_id = :id AND status = 'open'"
        opened = [kind for (kind,) in self.product.rows(kinds, id=self.process_id)] if self.process_id else []
        return act == 0 or ["", "control_debt", "assign_crew", "replace", "sign_act"][act] in opened

    def is_committed(self, act: int) -> bool:
        """Whether the step that follows an act is in the database."""
        event = ["debt_found", "debt_paid", "visit_booked", "equipment_replaced", "act_signed"][act]
        return self.events()[event] > 0

    def is_told(self) -> None:
        """The change reached its end, and each thing in it happened once."""
        product, facts = self.product, {"id": self.process_id}
        eventually(self.is_completed, f"{self.process_id} is completed")
        assert self.events() == (REMOTE if self.is_remote else STORY)
        tasks = product.rows("SELECT kind, status FROM task WHERE process_id = :id", **facts)
        done = [] if self.is_remote else [("control_debt", "withdrawn"), *((kind, "done") for kind in self.visit)]
        assert Counter(map(tuple, tasks)) == Counter(done)
        documents = product.rows("SELECT kind, signed_at IS NOT NULL FROM document WHERE process_id = :id", **facts)
        assert list(map(tuple, documents)) == ([] if self.is_remote else [("replacement_act", True)])
        messages = product.rows("SELECT template FROM message WHERE process_id = :id", **facts)
        sms = ["tariff_changed"] if self.is_remote else ["tariff_change_debt", "visit_booked", "tariff_changed"]
        assert sorted(template for (template,) in messages) == sorted(sms)
        self.is_on_the_new_tariff()

    visit = ("assign_crew", "replace", "sign_act")

    def is_on_the_new_tariff(self) -> None:
        """Network, stock and billing agree."""
        product, facts = self.product, {"id": self.subscription_id}
        profile, models = ("500M", ["ont-gpon", "router-ax"]) if self.is_remote else ("1G", ["ont-xgs", "router-be"])
        ports = product.rows("SELECT state, profile FROM network_port WHERE subscription_id = :id", **facts)
        assert list(map(tuple, ports)) == [("active", profile)]
        pieces = product.rows("SELECT sku, state FROM stock_item WHERE subscription_id = :id ORDER BY sku", **facts)
        assert list(map(tuple, pieces)) == [(model, "installed") for model in models]
        periods = product.rows(
            "SELECT code FROM service_period JOIN tariff ON tariff.id = tariff_id "
            "WHERE subscription_id = :id ORDER BY during",
            **facts,
        )
        assert [code for (code,) in periods] == ["home-100", self.order["tariff_code"]]
        assert product.one("SELECT tariff_id = (SELECT id FROM tariff WHERE code = :code) FROM subscription "
                           "WHERE id = :id", code=self.order["tariff_code"], **facts)  # fmt: skip


class Town:
    """The running product, and everybody who changes their tariff in it."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.changers: list[Changer] = []
        self._premises = [premises["id"] for premises in product.read("/v1/premises", limit="24")["items"]]
        self._slots = iter(product.free_slots(60))

    def changer(self, **facts: Any) -> Changer:
        """Somebody whose service runs."""
        place = self._premises[len(self.changers) % len(self._premises)]
        one = Changer(self.product, premises_id=place, slots=list(islice(self._slots, 1)), **facts)
        one.move_in()
        self.changers.append(one)
        return one

    def changers_before(self) -> dict[int, Changer]:
        """Somebody who waits for each act."""
        found = {act: self.changer() for act in range(5)}
        with ThreadPoolExecutor(len(found)) as pool:
            all_of([pool.submit(changer.go, until=act) for act, changer in found.items()])
        for act, changer in found.items():
            eventually(partial(changer.stands_before, act), f"act {act} is awaited")
        return found


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running_product() as product:
        yield Town(product)


def test_a_worker_killed_while_each_stage_waits_leaves_everything_as_it_was_until_it_is_back(town: Town) -> None:
    product, changers, remote = town.product, town.changers_before(), town.changer(is_remote=True)
    kill(product.worker)

    changers[0].ask()
    changers[1].pay_debt()
    remote.ask()
    product.start_worker()

    eventually(partial(changers[0].stands_before, 1), "the new process runs by itself")
    eventually(partial(changers[1].stands_before, 2), "the paid process moves on by itself")
    remote.is_told()
    done = {0: 1, 1: 2}
    with ThreadPoolExecutor(len(changers)) as pool:
        all_of([pool.submit(changer.go, past=done.get(act, act)) for act, changer in changers.items()])
    for changer in changers.values():
        changer.is_told()


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_inside_each_step_loses_and_doubles_nothing(town: Town, crash: Crash) -> None:
    """Each step is committed, and the engine can't be told any more."""
    product, changers = town.product, town.changers_before()
    with ThreadPoolExecutor(len(changers)) as pool:
        freeze(product.worker)  # so that the first step of a new process meets the lock
        changers[0].ask()
        with steps_held_up(product):
            thaw(product.worker)
            acting = [pool.submit(changer.acts[act]) for act, changer in changers.items() if act > 0]
            eventually(lambda: held_up(product) >= len(changers), "every step is in its middle")
            freeze(product.temporal)
        try:
            for act, changer in changers.items():
                eventually(partial(changer.is_committed, act), f"what follows act {act} is committed")
            crash(product)
        finally:
            thaw(product.temporal)
        all_of(acting)
        all_of([pool.submit(changer.go, past=act + 1) for act, changer in changers.items()])
    for changer in changers.values():
        changer.is_told()


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_after_the_network_changed_and_while_billing_does_leaves_both_changed_once(
    town: Town, crash: Crash
) -> None:
    product, changers = town.product, [town.changer(is_remote=True) for _ in range(3)]
    freeze(product.worker)
    for changer in changers:
        changer.ask()
    with steps_held_up(product, "tariff_change"):
        thaw(product.worker)
        eventually(lambda: held_up(product) >= len(changers), "the network has changed, billing is at it")
        freeze(product.temporal)
    try:
        for changer in changers:
            eventually(changer.is_completed, "billing has changed")
        crash(product)
    finally:
        thaw(product.temporal)
    for changer in changers:
        changer.is_told()
        closed = partial(product.read, f"/v1/processes/{changer.process_id}")
        assert closed()["status"] == "completed"


def test_after_all_these_crashes_the_ledger_is_right_and_numbers_run_without_gaps(town: Town) -> None:
    product = town.product
    with product.database.transaction() as session:
        assert ledger.check(session) == []
    numbers = [number for (number,) in product.rows("SELECT number FROM document ORDER BY 1")]
    visited = [changer for changer in town.changers if not changer.is_remote]
    assert [int(number[-6:]) for number in numbers] == list(range(1, len(visited) + 1))
    assert product.one("SELECT count(*) FROM stock_item WHERE state = 'reserved'") == 0
