"""A bank's day while everything around it is killed: each payment is posted once, and the books end right."""

import random
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from settings import Settings
from tests.reconciliation_world import new_iik, osmp, statement_file
from tests.running_product import Product, eventually, kill, new_account, running_product

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

ZONE: Final = Settings().zone
DAY: Final = datetime.now(ZONE).date() - timedelta(days=1)
OWN, BANK = new_iik(), new_iik()
OUTCOMES: Final = {"post_payment": "posted", "reverse_payment": "reversed", "correct_payment": "corrected"}
KILLS: Final = 4


def pay(product: Product, account_no: str, txn: str, amount: int) -> None:
    notice = {
        "txn_id": txn, "account_no": account_no, "amount": {"amount_minor": amount, "currency": "KZT"},
        "paid_at": datetime.combine(DAY, datetime.min.time(), ZONE).isoformat(),
    }  # fmt: skip
    assert product.insist("bank", "POST", "/bank/v1/payments", json=notice).status_code in {200, 201}


def complete(product: Product, task: dict[str, Any]) -> None:
    """An accountant completes a task, again and again until they are told that it is done."""

    def done() -> bool:
        completion = {"outcome": OUTCOMES[task["kind"]], "data": {}}
        answer = product.insist("accounting", "POST", f"/v1/tasks/{task['id']}/complete", json=completion)
        # A process whose worker was killed learns of its own task a moment later than the database.
        assert answer.status_code in {200, 404}, answer.text
        return answer.status_code == 200

    eventually(done, "the task is completed")


def wait_for_a_part(acting: list[Future[None]], part: float) -> None:
    """Until more of the tasks than this part are completed: however fast that goes, it is not at its end."""
    eventually(lambda: sum(act.done() for act in acting) > part * len(acting), "tasks are completed")


def kill_something(product: Product, turn: int) -> None:
    """Worker, database, engine, API in turn; each is started again, as a supervisor would."""
    if turn % 4 == 0:
        kill(product.worker)
        product.start_worker()
    elif turn % 4 == 1:
        kill(product.postgres)
        product.start_postgres()
    elif turn % 4 == 2:
        kill(product.temporal)
        product.start_temporal()
    else:
        kill(product.api)
        product.start_api()


def test_a_day_that_is_killed_again_and_again_ends_with_the_banks_figures() -> None:
    with running_product() as product:
        account = new_account(product)
        terms = {
            "starts_on": DAY.isoformat(), "registry_expected_at": "23:59", "fee": {"kind": "rule", "percent_bp": 100},
            "settlement": {"payer_accounts": [BANK]},
        }  # fmt: skip
        answer = product.insist("admin", "PUT", "/v1/banks/demo-bank/reconciliation", json=terms)
        assert answer.status_code == 200, answer.text
        for number in range(10):
            pay(product, account, f"right-{number}", 10_000)
            pay(product, account, f"extra-{number}", 20_000)
            pay(product, account, f"wrong-{number}", 30_000)
        right = {
            **{f"right-{number}": 10_000 for number in range(10)},
            **{f"wrong-{number}": 3_000 for number in range(10)},
            **{f"missing-{number}": 5_000 for number in range(10)},
        }
        gross = sum(right.values())

        process_id = send_registry(product, account, right)
        tasks = eventually(
            lambda: found if len(found := open_tasks(product, process_id)) == 30 else None, "all tasks are open"
        )
        moments, hits = random.Random(0), 0
        with ThreadPoolExecutor(6) as pool:
            acting = [pool.submit(complete, product, task) for task in tasks]
            for turn in range(KILLS):
                wait_for_a_part(acting, turn / KILLS)
                wait(acting, timeout=moments.uniform(0, 0.1))
                hits += not all(act.done() for act in acting)
                kill_something(product, turn)
            for act in acting:
                act.result()
        assert hits >= KILLS // 2, "it was killed where it hurts"
        eventually(lambda: stage(product, process_id) == "settlement", "the money is waited for")
        line = {"amount": gross - gross // 100, "on": DAY + timedelta(days=1), "payer_iik": BANK}
        bring_in(product, statement_file([line], account=OWN))
        kill(product.worker)
        product.start_worker()
        bring_in(product, statement_file([line], account=OWN))
        eventually(lambda: stage(product, process_id) == "closed", "the day is closed")

        standing = product.rows(
            "SELECT txn_id, sum(amount_minor)::bigint, count(*) FROM payment WHERE status <> 'reversed' GROUP BY txn_id"
        )
        assert {txn: (int(amount), parts) for txn, amount, parts in standing} == {
            txn: (amount, 1) for txn, amount in right.items()
        }
        assert {code: product.one(BALANCE, code=code) for code in ("1020", "1030", "7210")} == {
            "1020": 0, "1030": gross - gross // 100, "7210": gross // 100,
        }  # fmt: skip
        events = Counter(
            event for (event,) in product.rows("SELECT event FROM timeline_entry WHERE process_id = :id", id=process_id)
        )
        assert (events["task_opened"], events["bank_day_settled"], events["bank_day_closed"]) == (30, 1, 1)
        assert product.one("SELECT count(*) FROM task WHERE status = 'open' AND process_id = :id", id=process_id) == 0


BALANCE: Final = "SELECT coalesce(sum(balance_minor), 0)::bigint FROM ledger_balance WHERE chart_code = :code"


def send_registry(product: Product, account: str, right: dict[str, int]) -> str:
    content = osmp([(txn, account, amount) for txn, amount in right.items()], DAY)
    answer = product.insist(
        "bank", "POST", "/bank/v1/registries", params={"date": DAY.isoformat()}, content=content,
        headers={"content-type": "text/tab-separated-values"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return str(answer.json()["process_id"])


def bring_in(product: Product, content: bytes) -> None:
    answer = product.insist(
        "accounting", "POST", "/v1/bank-statements", content=content, headers={"content-type": "text/plain"}
    )
    assert answer.status_code in {200, 201}, answer.text


def open_tasks(product: Product, process_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.read("/v1/tasks", process_id=process_id, status="open", limit="100")["items"]
    return found


def stage(product: Product, process_id: str) -> str:
    return str(product.read(f"/v1/processes/{process_id}")["stage"])
