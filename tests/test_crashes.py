"""Abonent survives crashes: whatever is killed at whatever moment, nothing is lost and nothing is done twice.

One product runs for all tests of the module, so that the last one looks over everything that they did.
"""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Any, Final

import pytest
from sqlalchemy import text

from activities.ledger_audit import trial_balance
from activities.message_callbacks import wake_delivery
from models.rules.sms_texts import Template
from tests.crashing import all_of, held_up, power_is_cut, steps_held_up, worker_dies
from tests.running_product import (
    OUT_OF_STOCK,
    ROOT,
    Applicant,
    Product,
    eventually,
    freeze,
    kill,
    new_account,
    notice,
    running_product,
    thaw,
)

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

IN_A_STORM: Final = 12
KILLS_OF_A_STORM: Final = 4
STORY: Final = Counter(
    application_registered=1, equipment_reserved=1, contract_drawn_up=1, invoice_issued=1, payment_received=2,
    prepayment_complete=1, task_opened=3, visit_booked=1, visit_moved=1, equipment_mounted=1, act_drawn_up=1,
    act_signed=1, service_activated=1, connection_closed=1,
)  # fmt: skip
PURCHASE: Final = Counter(equipment_missing=1, task_opened=1, task_completed=1)
SMS_OF_THE_STORY: Final = Counter(
    [Template.CONNECTION_INVOICE, Template.VISIT_BOOKED, Template.VISIT_MOVED, Template.CONNECTED]
)


class Town:
    """The running product, and everybody who applied in it."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.applicants: list[Applicant] = []
        self._premises = [premises["id"] for premises in product.read("/v1/premises", limit="100")["items"]]
        self._slots = iter(product.free_slots(100))

    def applicant(self, *equipment: str) -> Applicant:
        """Somebody who wants to be connected."""
        one = Applicant(
            self.product,
            premises_id=self._premises[len(self.applicants) % len(self._premises)],
            slots=list(islice(self._slots, 2)),
            equipment=list(equipment) or ["ont-gpon"],
        )
        self.applicants.append(one)
        return one


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running_product() as product:
        yield Town(product)


def is_told(story: Applicant) -> None:
    """A connection reached its goal, and each thing in it happened once."""
    product, facts = story.product, {"id": story.process_id}
    eventually(story.is_completed, f"{story.process_id} is completed")
    with_purchase = OUT_OF_STOCK in story.equipment
    assert story.events() == (STORY + PURCHASE if with_purchase else STORY)
    kinds = ["purchase"] * with_purchase + ["assign_crew", "install", "sign_act"]
    tasks = product.rows("SELECT kind, status FROM task WHERE process_id = :id", **facts)
    assert Counter(map(tuple, tasks)) == Counter((kind, "done") for kind in kinds)
    assert product.rows("SELECT total_minor FROM invoice WHERE process_id = :id", **facts) == [(story.total_minor,)]
    documents = product.rows("SELECT kind, signed_at IS NOT NULL FROM document WHERE process_id = :id", **facts)
    assert sorted(map(tuple, documents)) == [("contract", False), ("handover_act", True)]
    ((visit_at,),) = product.rows("SELECT lower(during) FROM visit WHERE process_id = :id", **facts)
    assert visit_at == datetime.fromisoformat(story.slots[1]["starts_at"])
    pieces = product.rows(
        "SELECT sku, state FROM stock_item JOIN process USING (subscription_id) WHERE process.id = :id", **facts
    )
    assert Counter(map(tuple, pieces)) == Counter((sku, "installed") for sku in story.equipment)
    assert posted(product, story.account_no) == reported(story.payments)
    messages = product.rows("SELECT template FROM message WHERE process_id = :id", **facts)
    assert Counter(template for (template,) in messages) == SMS_OF_THE_STORY


def reported(payments: Sequence[dict[str, Any]]) -> Counter[tuple[str, int]]:
    """What banks say that they sent."""
    return Counter((payment["txn_id"], payment["amount"]["amount_minor"]) for payment in payments)


def posted(product: Product, account_no: str) -> Counter[tuple[str, int]]:
    """What the ledger has received for an account."""
    return Counter(
        map(
            tuple,
            product.rows(
                "SELECT txn_id, sum(transfer.amount_minor)::bigint FROM payment "
                "JOIN account ON account.id = payment.account_id "
                "JOIN transfer ON transfer.document_id = payment.id AND transfer.debit = '1020' "
                "WHERE account_no = :account_no GROUP BY txn_id",
                account_no=account_no,
            ),
        )
    )


def stands_before(story: Applicant, act: int) -> bool:
    """Whether the process has done all that it does before this act, by what it wrote down."""
    if not story.process_id:
        return False
    events = story.events()
    opened = story.product.rows("SELECT kind FROM task WHERE process_id = :id AND status = 'open'", id=story.process_id)
    return [
        False,
        ("purchase",) in opened,
        events["invoice_issued"] > 0,
        events["payment_received"] == 1,
        ("assign_crew",) in opened,
        ("install",) in opened,
        events["visit_moved"] > 0,
        ("sign_act",) in opened,
    ][act]


def is_committed(story: Applicant, act: int) -> bool:
    """Whether the steps that follow an act are in the database, as far as they go without the engine."""
    if act in {0, 3}:
        return stands_before(story, {0: 2, 3: 4}[act])
    event = {
        1: "task_completed", 2: "payment_received", 4: "visit_booked", 5: "visit_moved", 6: "equipment_mounted",
        7: "act_signed",
    }[act]  # fmt: skip
    return story.events()[event] > 0


# -- the worker -------------------------------------------------------------------------------------------------------


def test_a_worker_killed_while_each_stage_waits_leaves_everything_as_it_was_until_it_is_back(town: Town) -> None:
    product, stories = town.product, at_every_stage(town)
    newcomer, part_payer, payer, actor = stories[0], stories[2], stories[3], stories[4]
    path = f"/v1/tasks/{actor.open_task('assign_crew')}/complete"
    completion = {"outcome": "assigned", "data": actor.slots[0]}
    kill(product.worker)

    newcomer.apply()
    part_payer.pay_a_part()
    part_payer.pay_the_rest()
    payer.pay_the_rest()
    waiting = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
    assert product.one(waiting) >= 4, "nobody runs who would tell the engine"
    refusal = product.ask("dispatcher", "POST", path, json=completion)
    assert refusal is not None
    assert (refusal.status_code, refusal.json()["type"]) == (503, "engine_away")
    assert int(refusal.headers["Retry-After"]) > 0

    product.start_worker()
    eventually(partial(stands_before, newcomer, 2), "the new process runs by itself")
    for story in (part_payer, payer):
        eventually(partial(stands_before, story, 4), "the paid process moves on by itself")
    eventually(lambda: product.one(waiting) == 0, "nothing is left to tell")
    for _ in range(2):
        answer = product.insist("dispatcher", "POST", path, json=completion)
        assert (answer.status_code, answer.json()["status"]) == (200, "done"), answer.text
    done = {0: 1, 2: 4, 3: 4, 4: 5}
    with ThreadPoolExecutor(len(stories)) as pool:
        all_of([pool.submit(story.go, past=done.get(act, act)) for act, story in stories.items()])
    for story in stories.values():
        is_told(story)


def test_a_worker_killed_inside_each_step_loses_and_doubles_nothing(town: Town) -> None:
    crash_inside_every_step(town.product, at_every_stage(town), worker_dies)


def test_a_power_cut_inside_each_step_loses_and_doubles_nothing(town: Town) -> None:
    """What was committed is known to the database alone, and who asked for it to nobody."""
    crash_inside_every_step(town.product, at_every_stage(town), power_is_cut)


def at_every_stage(town: Town) -> dict[int, Applicant]:
    """A connection that waits for each act, by the act's place in their order; the first has yet to be applied for."""
    stories = {act: town.applicant(*(["ont-gpon", OUT_OF_STOCK] if act == 1 else [])) for act in range(8)}
    with ThreadPoolExecutor(len(stories)) as pool:
        all_of([pool.submit(story.go, until=act) for act, story in stories.items()])
    for act, story in stories.items():
        if act > 0:
            eventually(partial(stands_before, story, act), f"act {act} is awaited")
    return stories


def crash_inside_every_step(product: Product, stories: dict[int, Applicant], crash: Callable[[Product], None]) -> None:
    """Do all acts; crash when each step that follows was committed, and the engine could not be told any more."""
    with ThreadPoolExecutor(len(stories)) as pool:
        with ExitStack() as held:
            held.enter_context(steps_held_up(product, "stock_item"))
            acting = [pool.submit(stories[act].acts[act]) for act in (0, 1)]
            eventually(lambda: held_up(product) >= 2, "reservation and delivery are in the middle of their steps")
            held.enter_context(steps_held_up(product, "process"))
            acting += [pool.submit(stories[act].acts[act]) for act in range(2, len(stories))]
            eventually(lambda: held_up(product) >= len(stories), "every step is in its middle")
            freeze(product.temporal)
        try:
            for act, story in stories.items():
                eventually(partial(is_committed, story, act), f"what follows act {act} is committed")
            crash(product)
        finally:
            thaw(product.temporal)
        all_of(acting)
        all_of([pool.submit(story.go, past=act + 1) for act, story in stories.items()])
    for story in stories.values():
        is_told(story)


def test_a_worker_killed_again_and_again_while_acts_are_completed_loses_and_doubles_nothing(town: Town) -> None:
    product = town.product
    stories = [town.applicant() for _ in range(IN_A_STORM)]
    moments = random.Random(0)
    with ThreadPoolExecutor(IN_A_STORM) as pool:
        driving = [pool.submit(story.go) for story in stories]
        for _ in range(KILLS_OF_A_STORM):
            # Not a wait for anything: any moment of the work may be the one.
            wait(driving, timeout=moments.uniform(0.05, 1.0))
            kill(product.worker)
            product.start_worker()
        all_of(driving)
    for story in stories:
        is_told(story)


# -- Temporal ---------------------------------------------------------------------------------------------------------

WRITTEN_BY_AN_APPLICATION: Final = """
    SELECT (SELECT count(*) FROM process), (SELECT count(*) FROM subscriber), (SELECT count(*) FROM account),
           (SELECT count(*) FROM subscription), (SELECT count(*) FROM connection_application),
           (SELECT count(*) FROM timeline_entry), (SELECT count(*) FROM outbox),
           (SELECT count(*) FROM network_port WHERE state <> 'free')
"""


def test_the_bank_pays_while_the_engine_is_away_and_the_process_moves_on_by_itself_when_it_is_back(
    town: Town,
) -> None:
    product, story, newcomer = town.product, town.applicant(), town.applicant()
    story.go(until=3)
    eventually(partial(stands_before, story, 3), "the first payment is in the timeline")
    kill(product.temporal)

    before = product.rows(WRITTEN_BY_AN_APPLICATION)
    headers = {"Idempotency-Key": newcomer.key}
    refusal = product.ask("operator", "POST", "/v1/connections", json=newcomer.order, headers=headers)
    assert refusal is not None
    assert (refusal.status_code, refusal.json()["type"]) == (503, "engine_away")
    assert int(refusal.headers["Retry-After"]) > 0
    assert product.rows(WRITTEN_BY_AN_APPLICATION) == before

    rest_minor = story.total_minor - story.payments[0]["amount"]["amount_minor"]
    for is_repetition in (False, True):
        debt = product.ask("bank", "GET", f"/bank/v1/customers/{story.iin}")
        assert debt is not None
        assert debt.status_code == 200
        assert debt.json()["debt"]["amount_minor"] == (0 if is_repetition else rest_minor)
        payment = story.payments[-1] if is_repetition else story.payment(rest_minor)
        answer = product.ask("bank", "POST", "/bank/v1/payments", json=payment)
        assert answer is not None
        assert answer.status_code == (200 if is_repetition else 201)

    product.start_temporal()
    eventually(partial(stands_before, story, 4), "the process goes on without anybody doing anything")
    newcomer.go()
    story.go(past=4)
    is_told(story)
    is_told(newcomer)


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_each_payment_acknowledged_while_the_database_is_killed_is_posted_once_and_no_other_is(town: Town) -> None:
    product = town.product
    accounts = [new_account(product) for _ in range(4)]
    payments = [notice(accounts[turn % 4], 100_00 + turn) for turn in range(200)]
    first: dict[str, Any] = {}

    def report(payment: dict[str, Any]) -> None:
        answer = product.insist("bank", "POST", "/bank/v1/payments", json=payment)
        assert answer.status_code in {200, 201}, answer.text
        first[payment["txn_id"]] = answer.json()

    story = town.applicant()
    story.go(until=4)
    with ThreadPoolExecutor(8) as pool:
        reporting = [pool.submit(report, payment) for payment in payments]
        eventually(lambda: len(first) >= 20, "payments come in")
        kill(product.postgres)
        acknowledged = set(first)
        assert len(acknowledged) < len(payments), "the server was killed under load"
        product.start_postgres()
        known = {txn_id for (txn_id,) in product.rows("SELECT txn_id FROM payment")}
        assert acknowledged <= known
        all_of(reporting)
        all_of([pool.submit(report_again, product, payment, first) for payment in payments])
    for account_no in accounts:
        assert posted(product, account_no) == reported([p for p in payments if p["account_no"] == account_no])
    # The worker has found its way back as well.
    story.go(past=4)
    is_told(story)


def report_again(product: Product, payment: dict[str, Any], first: dict[str, Any]) -> None:
    answer = product.insist("bank", "POST", "/bank/v1/payments", json=payment)
    assert (answer.status_code, answer.json()) == (200, first[payment["txn_id"]])


# -- the API ----------------------------------------------------------------------------------------------------------


def test_an_application_recorded_by_an_api_that_was_killed_right_after_starts_its_process_by_itself(
    town: Town,
) -> None:
    product, stories = town.product, [town.applicant() for _ in range(6)]
    product.worker.stop()  # so that nobody has told the engine anything when the API dies
    headers = {"Idempotency-Key": stories[0].key}
    answer = product.ask("operator", "POST", "/v1/connections", json=stories[0].order, headers=headers)
    assert answer is not None
    assert answer.status_code == 201
    stories[0].process_id, stories[0].account_no = answer.json()["id"], answer.json()["account_no"]
    with ThreadPoolExecutor(len(stories)) as pool:
        # These are cut off anywhere: before, in or after their transaction. Whoever got no answer asks again.
        applying = [pool.submit(story.apply) for story in stories[1:]]
        wait(applying, timeout=0.05)
        kill(product.api)
        product.start_worker()
        eventually(partial(stands_before, stories[0], 2), "the process starts by itself, without an API")
        product.start_api()
        all_of(applying)
        all_of([pool.submit(story.go, past=1) for story in stories])
    for story in stories:
        assert product.one("SELECT count(*) FROM process WHERE idempotency_key = :key", key=story.key) == 1
        is_told(story)


# -- everything that happened above -----------------------------------------------------------------------------------


def test_after_all_these_crashes_numbers_run_without_gaps_sms_went_out_once_and_the_ledger_is_right(
    town: Town,
) -> None:
    product, last = town.product, town.applicant()
    last.go()
    is_told(last)
    for table, where in (("invoice", "true"), ("document", "kind = 'handover_act'")):
        numbers = [number for (number,) in product.rows(f"SELECT number FROM {table} WHERE {where} ORDER BY number")]
        assert [int(number[-6:]) for number in numbers] == list(range(1, len(numbers) + 1))
    assert product.one("SELECT count(*) FROM invoice") == len(town.applicants)
    assert product.one("SELECT count(*) FROM process WHERE status = 'completed'") == len(town.applicants)
    stuck = "SELECT count(*) FROM outbox WHERE last_error IS NOT NULL AND delivered_at IS NULL"
    eventually(lambda: product.one(stuck) == 0, "what could not be told at first is told")

    eventually(partial(everything_is_sent, product), "all SMS have gone out")
    sent = product.sent_sms()
    asked_for = {str(message_id) for (message_id,) in product.rows("SELECT id FROM message")}
    assert sent == Counter(asked_for)

    checked = subprocess.run(
        [sys.executable, "-m", "workers.cli", "ledger-check"],
        env={**os.environ, **product.environment()}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout) == (0, "The ledger is right: 0 findings.\n"), checked.stderr
    with product.database.transaction() as session:
        balance = trial_balance(session, from_on=date(2000, 1, 1), until_on=date(2100, 1, 1))
    assert sum(row.debit_minor for row in balance) == sum(row.credit_minor for row in balance) > 0
    assert sum(row.closing_minor for row in balance) == 0


def everything_is_sent(product: Product) -> bool:
    """Whether nothing is left to send. Of what was in the killed worker's hands the waiting is cut short."""
    with product.database.transaction() as session:
        in_doubt = session.execute(
            text(
                "UPDATE message SET attempted_at = attempted_at - interval '1 hour', not_before = clock_timestamp() "
                "WHERE status IN ('sending', 'unknown') "
                "AND attempted_at BETWEEN clock_timestamp() - interval '50 minutes' "
                "AND clock_timestamp() - interval '20 seconds' RETURNING id"
            )
        ).all()
        if in_doubt:
            wake_delivery(session)
    return bool(product.one("SELECT count(*) = 0 FROM message WHERE status IN ('queued', 'sending', 'unknown')"))
