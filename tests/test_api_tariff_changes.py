"""A tariff change over HTTP, and what the admin says of the equipment that tariffs work with."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from models.contracts.people import Role
from models.contracts.tariff_change import TariffChangeStage
from tests import factories
from tests.api_world import ApiStack, Case, Json, is_problem
from tests.tariff_change_world import TariffWorld

pytest_plugins = ("tests.api_stack",)


class Change(Case):
    """A tariff change as staff drives it over HTTP; the place is a service that runs."""

    place: TariffWorld

    def wish(self, **other: Any) -> Json:
        """What the operator enters."""
        return {
            "subscription_id": str(self.place.subscription_id), "tariff_code": self.place.to_code, "effective": "now",
            **other,
        }  # fmt: skip

    def send_wish(self, wish: Json | None = None, *, key: str | None = None) -> httpx.Response:
        """The operator sends it in."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.api.post("/v1/tariff-changes", Role.OPERATOR, wish or self.wish(), headers=headers)

    def begin(self, **other: Any) -> Json:
        """The wish is accepted."""
        answer = self.send_wish(self.wish(**other))
        assert answer.status_code == 201, answer.text
        process: Json = answer.json()
        self.process_id, self.account_no = process["id"], process["account_no"]
        return process


def a_change(api: ApiStack, **furniture: Any) -> Change:
    world = TariffWorld(api.database, api.server, queue="processes")
    world.serve(**furniture)
    return Change(api, world)


@pytest.fixture
def change(api: ApiStack) -> Change:
    return a_change(api)


@pytest.fixture
def visited(api: ApiStack) -> Change:
    return a_change(api, needs_equipment=True)


def test_a_change_at_a_distance_goes_to_its_end_by_itself(change: Change) -> None:
    process = change.begin()
    assert (process["kind"], process["stage"], process["status"]) == ("tariff_change", "request", "open")
    assert [stage["name"] for stage in process["stages"]] == list(TariffChangeStage)

    closed = change.wait_for(status="completed")

    assert {stage["name"]: stage["state"] for stage in closed["stages"]} == {
        "request": "done", "debt_control": "done", "stock": "skipped", "scheduling": "skipped",
        "replacement": "skipped", "act": "skipped", "effective_day": "skipped", "switching": "done", "closed": "done",
    }  # fmt: skip
    told = change.api.get(f"/v1/processes/{change.process_id}/timeline")["items"]
    sentences = " ".join(entry["text"] for entry in told)
    assert "nothing is owed" in sentences
    assert "9\u00a0900,00\u00a0₸ a month" in sentences
    answer = change.cancel()
    assert is_problem(answer, 409)["type"] == "process_ended"


def test_a_change_with_a_visit_is_driven_by_the_forms_that_the_tasks_show(visited: Change) -> None:
    visited.begin()
    visited.done("assign_crew", "assigned", visited.slot())
    task = visited.api.get(f"/v1/tasks/{visited.task('replace')['id']}", Role.INSTALLER)
    assert task["department"] == "installer"
    form = {name: field["examples"][0] for name, field in task["form"]["properties"].items() if "examples" in field}
    assert list(Draft202012Validator(task["form"]).iter_errors(form)) == []

    refused = visited.complete(task, "replaced", {**form, "equipment": []})
    assert is_problem(refused, 422)["type"] == "serials_not_installed"
    visited.done("replace", "replaced", form)
    visited.done("sign_act", "signed")

    visited.wait_for(status="completed")
    (document,) = visited.api.get("/v1/documents", process_id=visited.process_id)["items"]
    assert document["kind"] == "replacement_act"
    pdf = visited.api.call("GET", f"/v1/documents/{document['id']}", Role.OPERATOR)
    assert pdf.content.startswith(b"%PDF")


def test_the_same_key_and_wish_again_are_the_same_process(change: Change) -> None:
    key = factories.unique("key")
    first = change.send_wish(key=key)
    again = change.send_wish(key=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = change.send_wish(change.wish(effective="next_period"), key=key)
    assert is_problem(other, 409)["type"] == "idempotency_key_reused"


def test_of_two_wishes_at_once_one_is_told_that_the_service_is_busy(change: Change) -> None:
    together = Barrier(3)

    def send() -> httpx.Response:
        together.wait()
        return change.send_wish(change.wish(effective="next_period"))

    with ThreadPoolExecutor(3) as pool:
        answers = [future.result() for future in [pool.submit(send) for _ in range(3)]]

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {"service_busy"}


@pytest.mark.parametrize(
    ("other", "status", "slug"),
    [
        ({"effective": "someday"}, 422, "invalid_input"),
        ({"effective": "2020-01-01"}, 422, "effective_in_past"),
        ({"effective": "2090-01-01"}, 422, "effective_too_far"),
        ({"tariff_code": "no-such"}, 422, "tariff_unknown"),
        ({"subscription_id": "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071"}, 404, "subscription_unknown"),
        ({"extra": 1}, 422, "invalid_input"),
    ],
)
def test_a_wish_that_can_not_be_is_answered_with_what_to_do(
    change: Change, other: Json, status: int, slug: str
) -> None:
    body = is_problem(change.send_wish(change.wish(**other)), status)
    assert body["type"] == slug


def test_a_change_that_waits_for_its_day_is_cancelled_and_leaves_the_tariff(change: Change) -> None:
    day = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    change.begin(effective=day)
    assert change.wait_for(stage="effective_day")["waiting_for"] == f"date:{day}"

    assert change.cancel().status_code == 200

    assert change.wait_for(status="cancelled")["close_reason"] == "changed their mind"
    assert change.place.tariff_code_of_service() == change.place.tariff_code


def test_the_debt_is_shown_to_accounting_alone_as_a_task(change: Change) -> None:
    change.place.owe()
    change.begin()
    task = change.task("control_debt")
    assert task["department"] == "accounting"

    other = change.complete(task, "allowed", {"reason": "pays on the fifth"}, Role.OPERATOR)
    assert is_problem(other, 403)
    change.done("control_debt", "allowed", {"reason": "pays on the fifth"})

    change.wait_for(status="completed")


# -- what tariffs work with ------------------------------------------------------------------------------------------


def test_the_admin_adds_a_model_and_says_which_tariff_works_with_it(change: Change) -> None:
    api, code = change.api, change.place.to_code
    sku = factories.unique("ont")
    model = {"sku": sku, "title": "Терминал", "kind": "ont", "price": {"amount_minor": 100, "currency": "KZT"}}
    assert api.post("/v1/equipment-models", Role.ADMIN, model).json() == model
    assert is_problem(api.post("/v1/equipment-models", Role.ADMIN, model), 409)["type"] == "sku_taken"
    assert model in api.get("/v1/equipment-models")["items"]

    path = f"/v1/tariffs/{code}/equipment"
    assert api.get(path) == {"equipment": []}
    assert api.call("PUT", path, Role.ADMIN, json={"equipment": [sku]}).json() == {"equipment": [sku]}
    assert api.get(path) == {"equipment": [sku]}
    unknown = api.call("PUT", path, Role.ADMIN, json={"equipment": ["no-such"]})
    assert is_problem(unknown, 422)["type"] == "sku_unknown"
    nowhere = api.call("PUT", "/v1/tariffs/no-such/equipment", Role.ADMIN, json={"equipment": []})
    assert is_problem(nowhere, 404)["type"] == "tariff_unknown"

    change.begin()
    assert change.task("purchase")["facts"] == {"missing": [sku]}


def test_a_tariff_and_the_ports_of_a_node_say_what_speed_they_are_for(api: ApiStack) -> None:
    tariff = {
        "code": factories.unique("giga"), "title": "Гига", "charging": "advance", "connection_fee_minor": 0,
        "monthly_fee_minor": 100, "valid_from": "2026-01-01", "network_profile": "1G", "speed_mbps": 1000,
    }  # fmt: skip
    assert api.post("/v1/tariffs", Role.ADMIN, tariff).json()["speed_mbps"] == 1000
    node = {"code": factories.unique("node"), "name": "Дом", "kind": "building", "ports": 2, "port_mbps": 500}
    node_id = api.post("/v1/network-nodes", Role.ADMIN, node).json()["id"]
    place = {"address": factories.unique("Дом"), "node_id": node_id}
    premises_id = api.post("/v1/premises", Role.ADMIN, place).json()["id"]
    person = {"iin": factories.new_iin(), "full_name": "Тестова Жанар", "phone": factories.new_phone()}
    order = {"subscriber": person, "premises_id": premises_id, "tariff_code": tariff["code"]}

    assert is_problem(api.post("/v1/connections", Role.OPERATOR, order), 409)["type"] == "no_free_port"
