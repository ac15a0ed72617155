"""Disconnections survive crashes: whatever is killed at whatever moment, nothing is lost and nothing is done twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from activities import ledger
from tests.crashing import CRASHES, Crash, all_of, held_up, steps_held_up
from tests.running_product import Applicant, Product, eventually, freeze, kill, running_product, thaw

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

ZONE: Final = ZoneInfo("Asia/Almaty")
STORY: Final = Counter(
    disconnection_requested=1, account_owes=1, task_opened=5, task_completed=1, invoice_issued=1, payment_awaited=1,
    payment_received=1, account_settled=1, visit_booked=1, equipment_dismantled=1, act_drawn_up=1, act_signed=1,
    service_terminated=1, final_credit_issued=1, port_freed=1, balance_left=1, advance_refunded=1,
    disconnection_closed=1,
)  # fmt: skip
SMS: Final = Counter(disconnection_invoice=1, visit_booked=1, disconnected=1)


@dataclass
class Leaver(Applicant):
    """Somebody who is connected and leaves in some days, and everybody who acts in it."""

    subscription_id: str = ""

    @property
    def order(self) -> dict[str, Any]:
        """A tariff whose days are billed when they are over: a leaver has something to pay."""
        return {**super().order, "tariff_code": "home-50"}

    def connect(self) -> None:
        """The whole connection."""
        self.apply()
        self.wait_for_invoice()
        self.pay(self.total_minor)
        self.complete("assign_crew", "dispatcher", "assigned", self.slots[0])
        self.install()
        self.sign()
        eventually(self.is_completed, f"{self.process_id} is connected")
        self.subscription_id = str(
            self.product.one("SELECT subscription_id::text FROM process WHERE id = :id", id=self.process_id)
        )

    def ask(self) -> None:
        """The operator registers the wish to leave."""
        wish = {
            "subscription_id": self.subscription_id, "reason": "moves away",
            "requested_on": (datetime.now(UTC).astimezone(ZONE).date() + timedelta(days=5)).isoformat(),
        }  # fmt: skip
        headers = {"Idempotency-Key": f"leave-{self.key}"}
        answer = self.product.insist("operator", "POST", "/v1/disconnections", json=wish, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        self.process_id = answer.json()["id"]

    def bill(self) -> None:
        """Accounting sends the final invoice."""
        self.complete("settle_account", "accounting", "invoiced", {})

    def settle(self) -> None:
        """The bank reports what is to be paid, twice."""
        self.wait_for_invoice()
        self.pay(self.total_minor)

    def send_crew(self) -> None:
        """The dispatcher books the visit."""
        self.complete("assign_crew", "dispatcher", "assigned", self.slots[1])

    def dismantle(self) -> None:
        """The installer takes the equipment down, before the wished day."""
        task_id = self.open_task("dismantle")
        (equipment,) = self.product.read(f"/v1/tasks/{task_id}")["form"]["properties"]["equipment"]["examples"]
        self.complete("dismantle", "installer", "dismantled", {"equipment": equipment})

    def refund(self) -> None:
        """Accounting pays back what the days that were not served had cost."""
        self.complete("refund", "accounting", "refunded", {"payment_order": "PO-17"})

    @property
    def acts(self) -> list[Callable[[], None]]:
        """What people and the bank do, in this order."""
        return [self.ask, self.bill, self.settle, self.send_crew, self.dismantle, self.sign, self.refund]

    def stands_before(self, act: int) -> bool:
        """Whether the process has done all that it does before this act."""
        opened = self.product.rows(
            "SELECT kind FROM task WHERE process_id = :id AND status = 'open'", id=self.process_id
        )
        return [
            True,
            ("settle_account",) in opened,
            self.events()["payment_awaited"] > 0,
            ("assign_crew",) in opened,
            ("dismantle",) in opened,
            ("sign_act",) in opened,
            ("refund",) in opened,
        ][act]

    def is_committed(self, act: int) -> bool:
        """Whether the step that follows an act is in the database."""
        event = [
            "account_owes", "task_completed", "payment_received", "visit_booked", "equipment_dismantled", "act_signed",
            "advance_refunded",
        ][act]  # fmt: skip
        return self.events()[event] > 0

    def is_told(self) -> None:
        """The disconnection reached its end, and each thing in it happened once."""
        product, facts = self.product, {"id": self.process_id}
        eventually(self.is_completed, f"{self.process_id} is completed")
        assert self.events() == STORY
        tasks = product.rows("SELECT kind, status FROM task WHERE process_id = :id", **facts)
        kinds = ["settle_account", "assign_crew", "dismantle", "sign_act", "refund"]
        assert Counter(map(tuple, tasks)) == Counter((kind, "done") for kind in kinds)
        invoices = product.rows("SELECT kind FROM invoice WHERE process_id = :id", **facts)
        assert [kind for (kind,) in invoices] == ["final"]
        documents = product.rows("SELECT kind, signed_at IS NOT NULL FROM document WHERE process_id = :id", **facts)
        assert list(map(tuple, documents)) == [("return_act", True)]
        messages = product.rows("SELECT template FROM message WHERE process_id = :id", **facts)
        assert Counter(template for (template,) in messages) == SMS
        assert product.one("SELECT status FROM subscription WHERE id = :id", id=self.subscription_id) == "terminated"
        held = (
            "SELECT (SELECT count(*) FROM stock_item WHERE subscription_id = :id), "
            "(SELECT count(*) FROM network_port WHERE subscription_id = :id)"
        )
        assert list(map(tuple, product.rows(held, id=self.subscription_id))) == [(0, 0)]
        left = (
            "SELECT coalesce(sum(abs(balance_minor)), 0)::bigint FROM ledger_balance "
            "JOIN account ON account.id = account_id WHERE account_no = :no AND chart_code IN ('1210', '3510')"
        )
        assert product.one(left, no=self.account_no) == 0, "the account is even"


class Town:
    """The running product, and everybody who leaves it."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.leavers: list[Leaver] = []
        self._premises = [premises["id"] for premises in product.read("/v1/premises", limit="100")["items"]]
        self._slots = iter(product.free_slots(60))

    def leavers_before(self, *acts: int) -> dict[int, Leaver]:
        """Somebody who waits for each of these acts."""
        found = {}
        for act in acts:
            place = self._premises[len(self.leavers) % len(self._premises)]
            found[act] = Leaver(self.product, premises_id=place, slots=list(islice(self._slots, 2)))
            self.leavers.append(found[act])
        with ThreadPoolExecutor(len(found)) as pool:
            all_of([pool.submit(prepare, leaver, act) for act, leaver in found.items()])
        return found


def prepare(leaver: Leaver, act: int) -> None:
    """Connect them, and bring them before an act."""
    leaver.connect()
    leaver.go(until=act)
    eventually(partial(leaver.stands_before, act), f"act {act} is awaited")


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running_product() as product:
        yield Town(product)


EVERY_ACT: Final = range(7)


def test_a_worker_killed_while_each_stage_waits_leaves_everything_as_it_was_until_it_is_back(town: Town) -> None:
    product, leavers = town.product, town.leavers_before(*EVERY_ACT)
    kill(product.worker)

    leavers[0].ask()
    leavers[2].settle()
    product.start_worker()

    eventually(partial(leavers[0].stands_before, 1), "the new process runs by itself")
    eventually(partial(leavers[2].stands_before, 3), "the paid process moves on by itself")
    done = {0: 1, 2: 3}
    with ThreadPoolExecutor(len(leavers)) as pool:
        all_of([pool.submit(leaver.go, past=done.get(act, act)) for act, leaver in leavers.items()])
    for leaver in leavers.values():
        leaver.is_told()


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_inside_each_step_loses_and_doubles_nothing(town: Town, crash: Crash) -> None:
    """Each step is committed, and the engine can't be told any more."""
    product, leavers = town.product, town.leavers_before(*EVERY_ACT)
    with ThreadPoolExecutor(len(leavers)) as pool:
        freeze(product.worker)  # so that the first step of a new process meets the lock
        leavers[0].ask()
        with steps_held_up(product):
            thaw(product.worker)
            acting = [pool.submit(leaver.acts[act]) for act, leaver in leavers.items() if act > 0]
            eventually(lambda: held_up(product) >= len(leavers), "every step is in its middle")
            freeze(product.temporal)
        try:
            for act, leaver in leavers.items():
                eventually(partial(leaver.is_committed, act), f"what follows act {act} is committed")
            crash(product)
        finally:
            thaw(product.temporal)
        all_of(acting)
        all_of([pool.submit(leaver.go, past=act + 1) for act, leaver in leavers.items()])
    for leaver in leavers.values():
        leaver.is_told()


def test_after_all_these_crashes_the_ledger_is_right_and_the_equipment_in_stock(town: Town) -> None:
    product = town.product
    with product.database.transaction() as session:
        assert ledger.check(session) == []
    assert product.one("SELECT count(*) FROM stock_item WHERE state IN ('installed', 'reserved')") == 0
    numbers = [number for (number,) in product.rows("SELECT number FROM document WHERE kind <> 'contract' ORDER BY 1")]
    assert [int(number[-6:]) for number in numbers] == list(range(1, 2 * len(town.leavers) + 1))
