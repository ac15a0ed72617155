"""Requests survive crashes: whatever is killed at whatever moment, nothing is lost and nothing is done twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.crashing import CRASHES, Crash, all_of, held_up, steps_held_up
from tests.factories import new_phone
from tests.running_product import Product, eventually, freeze, kill, running_product, thaw

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

STORY: Final = Counter(
    request_registered=1, task_opened=4, request_asked=1, request_answered=1,
    request_handed_over=1, request_solved=2, request_reopened=1,
)  # fmt: skip
SMS: Final = Counter(request_question=1, request_solved=2)


class Caller:
    """Somebody unknown who wants something, and those who deal with it."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.phone, self.key, self.process_id = new_phone(), uuid4().hex, ""

    @property
    def acts(self) -> list[Callable[[], None]]:
        """What is done, in this order."""
        return [self.call, self.ask, self.answer, self.hand_over, self.solve, self.reopen, self.solve_again]

    def go(self, *, past: int = 0, until: int | None = None) -> None:
        """Do the acts from one on until another one, which is not done."""
        for act in self.acts[past:until]:
            act()

    def call(self) -> None:
        wish = {"phone": self.phone, "channel": "call", "category": "slow", "text": "медленно"}
        self.process_id = self._post("/v1/requests", wish, self.key)["id"]

    def ask(self) -> None:
        self._complete("support", "ask", {"question": "Насколько медленно?"}, 1)

    def answer(self) -> None:
        self._post(f"/v1/requests/{self.process_id}/answers", {"text": "Очень"}, f"answer-{self.key}")

    def hand_over(self) -> None:
        self._complete("support", "handed_over", {"owner": "ops", "reason": "порт занят"}, 2)

    def solve(self) -> None:
        self._complete("ops", "solved", {"solution": "Порт заменён"}, 3)

    def reopen(self) -> None:
        self._post(f"/v1/requests/{self.process_id}/reopen", {"text": "Опять медленно"}, f"reopen-{self.key}")

    def solve_again(self) -> None:
        self._complete("ops", "solved", {"solution": "Кабель заменён"}, 4)

    def _post(self, path: str, body: Any, key: str) -> Any:
        answer = self.product.insist("support", "POST", path, json=body, headers={"Idempotency-Key": key})
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def _complete(self, role: str, outcome: str, data: Any, number: int) -> None:
        """Complete the task of this number, again and again, until the product says that it is done."""
        task_id = eventually(lambda: self._task_ids()[number - 1 :], f"task {number} of {self.process_id}")[0]
        body = {"outcome": outcome, "data": data}
        answer = self.product.insist(role, "POST", f"/v1/tasks/{task_id}/complete", json=body)
        assert answer.status_code == 200, answer.text

    def _task_ids(self) -> list[str]:
        rows = self.product.rows("SELECT id FROM task WHERE process_id = :id ORDER BY id", id=self.process_id)
        return [str(task_id) for (task_id,) in rows]

    def events(self) -> Counter[str]:
        rows = self.product.rows("SELECT event FROM timeline_entry WHERE process_id = :id", id=self.process_id)
        return Counter(event for (event,) in rows)

    def stands_before(self, act: int) -> bool:
        """Whether the product waits for an act."""
        opened = len(self._task_ids())
        waits_for_answer = self.events()["request_asked"] > 0
        is_closed = bool(
            self.product.rows("SELECT 1 FROM process WHERE id = :id AND status = 'completed'", id=self.process_id)
        )
        return [True, opened == 1, waits_for_answer, opened == 2, opened == 3, is_closed, opened == 4][act]

    def is_committed(self, act: int) -> bool:
        """Whether what an act does is in the database."""
        event, times = [
            ("request_registered", 1), ("request_asked", 1), ("request_answered", 1), ("request_handed_over", 1),
            ("request_solved", 1), ("request_reopened", 1), ("request_solved", 2),
        ][act]  # fmt: skip
        return self.events()[event] >= times

    def is_told(self) -> None:
        """The request reached its end, and each thing in it happened once."""
        eventually(partial(self.stands_before, 5), f"{self.process_id} is closed")
        assert self.events() == STORY
        facts = {"id": self.process_id}
        said = self.product.rows("SELECT kind FROM request_text WHERE process_id = :id ORDER BY id", **facts)
        assert [kind for (kind,) in said] == ["wish", "question", "answer", "solution", "reopening", "solution"]
        messages = self.product.rows("SELECT template FROM message WHERE process_id = :id", **facts)
        assert Counter(template for (template,) in messages) == SMS
        pauses = self.product.rows(
            "SELECT reason, ended_at IS NOT NULL FROM request_pause WHERE process_id = :id ORDER BY number", **facts
        )
        assert list(map(tuple, pauses)) == [("question", True), ("closed", True)]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running_product() as product:
        yield product


INSIDE_OF_STEPS: Final = (1, 3, 4, 6)
"""The acts that the process does; the others are done without it, and it is told."""


def callers_before(product: Product, acts: range) -> dict[int, Caller]:
    """Somebody who waits for each of these acts."""
    callers = {act: Caller(product) for act in acts}

    def prepare(act: int) -> None:
        callers[act].go(until=act)
        if act > 0:
            eventually(partial(callers[act].stands_before, act), f"act {act} is awaited")

    with ThreadPoolExecutor(len(callers)) as pool:
        all_of([pool.submit(prepare, act) for act in acts])
    return callers


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_inside_each_step_loses_and_doubles_nothing(product: Product, crash: Crash) -> None:
    """Each step is committed, and the engine can't be told any more; what was said meanwhile waits in the outbox."""
    callers = callers_before(product, range(7))
    with ThreadPoolExecutor(len(callers)) as pool:
        with steps_held_up(product, "request"):
            acting = [pool.submit(callers[act].acts[act]) for act in INSIDE_OF_STEPS]
            eventually(lambda: held_up(product) >= len(INSIDE_OF_STEPS), "every step is in its middle")
            freeze(product.temporal)
        try:
            for act in INSIDE_OF_STEPS:
                eventually(partial(callers[act].is_committed, act), f"what act {act} does is committed")
            crash(product)
        finally:
            thaw(product.temporal)
        all_of(acting)
        done = {act: act + 1 for act in INSIDE_OF_STEPS}
        all_of([pool.submit(caller.go, past=done.get(act, act)) for act, caller in callers.items()])
    for caller in callers.values():
        caller.is_told()


def test_what_is_said_while_no_worker_lives_is_found_when_one_does(product: Product) -> None:
    callers = callers_before(product, range(7))
    kill(product.worker)
    for act in (0, 2, 5):
        callers[act].acts[act]()
    product.start_worker()

    done = {0: 1, 2: 3, 5: 6}
    with ThreadPoolExecutor(len(callers)) as pool:
        all_of([pool.submit(caller.go, past=done.get(act, act)) for act, caller in callers.items()])
    for caller in callers.values():
        caller.is_told()
    assert set(product.sent_sms().values()) <= {1}, "no SMS goes twice"
