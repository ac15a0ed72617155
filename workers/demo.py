"""`abonent demo`: the story of one connection, played over HTTP as each of its actors, against the running product.

Айгерим registers an application with a set-top box that is not in stock; Ерлан buys it; the bank reports a partial
payment three times over, then the rest; Данияр assigns a crew, and moves the visit because the subscriber asks;
Серик mounts the equipment and has the act signed; the service is switched on. Each step checks what it expects and
ends the demo where the product does otherwise. Names and IINs are invented; nothing is faked.
"""

import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx

from models.rules.iin import check_digit
from settings import Settings
from workers.failures import PersonMustAct

PATIENCE_SECONDS: Final = 60.0
OUT_OF_STOCK: Final = "stb-4k"
Answer = TypeVar("Answer")


class DemoFailed(PersonMustAct):
    """The product did something else than the story says."""


def play(settings: Settings) -> int:
    """Play the story against the product that runs with these settings; answers the exit code."""
    path = settings.local_dir / "credentials.json"
    if not path.exists():
        raise DemoFailed(f"there is no {path}: start the product first with `make run`, and leave it running")
    with Company(path) as company:
        Story(company).play()
    return 0


class Company:
    """Everybody who acts, each with their own credentials."""

    def __init__(self, credentials: Path) -> None:
        known = json.loads(credentials.read_text())
        self._tokens: dict[str, str] = known["staff"]
        bank = known["banks"]["demo-bank"]
        self._bank = (bank["user"], bank["password"])
        self._http = httpx.Client(base_url=known["api_url"], timeout=30)

    def __enter__(self) -> Self:
        """Check that the product runs."""
        try:
            self._http.get("/healthz").raise_for_status()
        except httpx.HTTPError:
            raise DemoFailed("the product does not answer: start it with `make run`, and leave it running") from None
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._http.close()

    def asks(self, role: str, method: str, path: str, expect: int = 200, **request: Any) -> Any:
        """A member of the staff makes a request."""
        headers = {"Authorization": f"Bearer {self._tokens[role]}", **request.pop("headers", {})}
        return self._checked(self._http.request(method, path, headers=headers, **request), expect)

    def bank_asks(self, method: str, path: str, expect: int = 200, **request: Any) -> Any:
        """The bank makes a request."""
        return self._checked(self._http.request(method, path, auth=self._bank, **request), expect)

    def _checked(self, answer: httpx.Response, expect: int) -> Any:
        if answer.status_code != expect:
            raise DemoFailed(
                f"{answer.request.method} {answer.request.url.path}: {answer.status_code} instead of {expect}: "
                f"{answer.text[:500]}"
            )
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content


class Story:
    """One connection, scene by scene."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.process_id = ""
        self.iin = _invented_iin()
        self.subscriber_id = ""
        self.account_no = ""

    def play(self) -> None:
        """From application to closed."""
        self._application()
        self._purchase()
        self._prepayment()
        self._scheduling()
        self._installation()
        self._handover()
        self._connected()
        self._timeline()

    def _application(self) -> None:
        _scene("Айгерим, operator, registers an application")
        nodes = self.company.asks("operator", "GET", "/v1/network-nodes")["items"]
        node = max(nodes, key=lambda one: int(one["ports_free"]))
        premises = self.company.asks("operator", "GET", "/v1/premises", params={"node_id": node["id"]})["items"]
        order = {
            "subscriber": {
                "iin": self.iin, "full_name": "Сейткали Арман Болатович", "language": "ru",
                "phone": f"+7701{secrets.randbelow(10**7):07d}",
            },
            "premises_id": secrets.choice(premises)["id"],
            "tariff_code": "home-100",
            "equipment": ["ont-gpon", OUT_OF_STOCK],
        }  # fmt: skip
        key = {"Idempotency-Key": f"demo-{self.iin}"}
        process = self.company.asks("operator", "POST", "/v1/connections", 201, json=order, headers=key)
        again = self.company.asks("operator", "POST", "/v1/connections", 200, json=order, headers=key)
        _expect(again["id"] == process["id"], "the same key and body are the same process")
        self.process_id, self.subscriber_id = process["id"], process["subscriber_id"]
        self.account_no = process["account_no"]
        _say(f"process {self.process_id}, account {self.account_no}; sent twice with one key, registered once")

    def _purchase(self) -> None:
        _scene("Ерлан, procurement, buys what is missing")
        task = self._task("purchase", "procurement")
        missing = task["facts"]["missing"]
        _expect(missing == [OUT_OF_STOCK], f"only {OUT_OF_STOCK} is missing")
        serial = f"STB-{secrets.token_hex(4).upper()}"
        _say(f"{task['title']}: {', '.join(missing)}; it arrives with the serial number {serial}")
        self._complete(task, "procurement", "delivered", {"deliveries": [{"sku": OUT_OF_STOCK, "serials": [serial]}]})
        self._stage("prepayment")
        _say("reserved by itself; contract and invoice are out, and an SMS with the sum")

    def _prepayment(self) -> None:
        _scene("The subscriber pays in the bank's app, in two parts")
        debt = self._debt()
        _say(f"GetCustomerInfo: {debt['name_masked']} owes {_tenge(debt['debt'])}")
        part = debt["debt"]["amount_minor"] // 2
        first = self._payment(part)
        answers = [self.company.bank_asks("POST", "/bank/v1/payments", 201, json=first)]
        answers += [self.company.bank_asks("POST", "/bank/v1/payments", 200, json=first) for _ in range(2)]
        _expect(answers[0] == answers[1] == answers[2], "a repeated transaction gets the first answer")
        rest = self._debt()["debt"]["amount_minor"]
        _expect(rest == debt["debt"]["amount_minor"] - part, "three reports of one transaction are one payment")
        _say(f"a part, reported three times: receipt {answers[0]['receipt_no']} each time; {rest / 100:,.2f} ₸ left")
        self._until(lambda: "payment_received" in self._events() or None)
        self.company.bank_asks("POST", "/bank/v1/payments", 201, json=self._payment(rest))
        _say("the rest: paid in full")

    def _scheduling(self) -> None:
        _scene("Данияр, dispatcher, sends a crew, and moves the visit when the subscriber asks")
        task = self._task("assign_crew", "dispatcher")
        first, second = self._free_slots()[:2]
        self._complete(task, "dispatcher", "assigned", first)
        self._stage("installation")
        path = f"/v1/processes/{self.process_id}/reschedule"
        self.company.asks("dispatcher", "POST", path, json=second)
        _say(f"first {_when(first)}, then {_when(second)}; the subscriber gets an SMS each time")

    def _installation(self) -> None:
        _scene("Серик, installer of «Бригада 1», mounts the equipment")
        task = self._task("install", "installer")
        (serials,) = task["form"]["properties"]["serials"]["examples"]
        path = f"/v1/tasks/{task['id']}/complete"
        wrong = {"outcome": "installed", "data": {"serials": ["SOMETHING-ELSE"]}}
        refusal = self.company.asks("installer", "POST", path, 422, json=wrong)
        _say(f"another serial number is refused: {refusal['detail']}")
        readings = {"optical_power_dbm": -19.5, "download_mbps": 98.7}
        self._complete(task, "installer", "installed", {"serials": serials, "readings": readings})
        _say(f"mounted: {', '.join(serials)}")

    def _handover(self) -> None:
        _scene("Серик has the hand-over act signed")
        task = self._task("sign_act", "installer")
        self._complete(task, "installer", "signed", {"signed_by": "subscriber"})
        documents = self.company.asks("operator", "GET", "/v1/documents", params={"process_id": self.process_id})
        for document in documents["items"]:
            pdf = self.company.asks("operator", "GET", f"/v1/documents/{document['id']}")
            _expect(pdf.startswith(b"%PDF"), "documents are PDFs")
            _say(f"{document['kind']} {document['number']}: {len(pdf):,} bytes, sha256 {document['sha256'][:16]}…")

    def _connected(self) -> None:
        _scene("The service is on")
        process = self._until(lambda: self._process_when(status="completed"))
        subscriber = self.company.asks("operator", "GET", f"/v1/subscribers/{self.subscriber_id}")
        (subscription,) = subscriber["subscriptions"]
        _expect(subscription["status"] == "active", "the subscription is active")
        _expect(subscriber["debt"]["amount_minor"] == 0, "nothing is owed")
        _expect(all(stage["state"] == "done" for stage in process["stages"]), "every stage is done")
        _say(f"{subscription['tariff_code']} is charged from {subscription['active_from']}; nothing is owed")
        wanted = {"connection_invoice", "visit_booked", "visit_moved", "connected"}
        sent = self._until(lambda: self._messages_when_sent(wanted))
        for message in sorted(sent, key=lambda one: str(one["id"])):
            _say(f"SMS ({message['status']}): {message['body']}")
        if process["temporal_url"]:
            _say(f"its history: {process['temporal_url']}")

    def _timeline(self) -> None:
        _scene("The timeline, as everybody can read it afterwards")
        path = f"/v1/processes/{self.process_id}/timeline"
        entries = self.company.asks("operator", "GET", path, params={"lang": "en"})["items"]
        for entry in entries:
            _say(f"{datetime.fromisoformat(entry['at']):%H:%M:%S}  {entry['text']}")
        _expect(entries[-1]["event"] == "connection_closed", "the timeline ends with the connection closed")
        print("\nThe story went as it should.")

    # -- how the actors act ---------------------------------------------------------------------------------------

    def _task(self, kind: str, role: str) -> Any:
        def found() -> Any:
            wanted = {"process_id": self.process_id, "status": "open", "department": role}
            tasks = self.company.asks(role, "GET", "/v1/tasks", params=wanted)["items"]
            return next((task for task in tasks if task["kind"] == kind), None)

        return self.company.asks(role, "GET", f"/v1/tasks/{self._until(found)['id']}")

    def _complete(self, task: Any, role: str, outcome: str, data: dict[str, Any]) -> None:
        done = self.company.asks(
            role, "POST", f"/v1/tasks/{task['id']}/complete", json={"outcome": outcome, "data": data}
        )
        _expect(done["status"] == "done", f"the task {task['kind']} is done")

    def _stage(self, stage: str) -> None:
        self._until(lambda: self._process_when(stage=stage))

    def _process_when(self, **facts: str) -> Any:
        process = self.company.asks("operator", "GET", f"/v1/processes/{self.process_id}")
        return process if all(process[name] == value for name, value in facts.items()) else None

    def _messages_when_sent(self, templates: set[str]) -> Any:
        messages = self.company.asks("operator", "GET", "/v1/messages", params={"process_id": self.process_id})["items"]
        sent = [message for message in messages if message["status"] in {"sent", "delivered"}]
        return sent if {message["template"] for message in sent} >= templates else None

    def _events(self) -> list[str]:
        timeline = self.company.asks("operator", "GET", f"/v1/processes/{self.process_id}/timeline")
        return [entry["event"] for entry in timeline["items"]]

    def _debt(self) -> Any:
        return self.company.bank_asks("GET", f"/bank/v1/customers/{self.iin}")

    def _payment(self, amount_minor: int) -> dict[str, Any]:
        return {
            "txn_id": f"demo-{secrets.token_hex(8)}",
            "iin": self.iin,
            "amount": {"amount_minor": amount_minor, "currency": "KZT"},
            "paid_at": datetime.now(UTC).isoformat(),
        }

    def _free_slots(self) -> list[dict[str, Any]]:
        crews = self.company.asks("dispatcher", "GET", "/v1/crews")["items"]
        days = [(datetime.now(UTC) + timedelta(days=ahead)).date() for ahead in range(1, 60)]
        found: list[dict[str, Any]] = []
        for day in days:
            for crew in crews:
                path = f"/v1/crews/{crew['id']}/slots"
                slots = self.company.asks("dispatcher", "GET", path, params={"on": day.isoformat()})["items"]
                found += [
                    {"crew_id": slot["crew_id"], "starts_at": slot["starts_at"]} for slot in slots if slot["free"]
                ]
            if len(found) > 1:
                return found
        raise DemoFailed("all crews are booked for two months: start with fresh data")

    def _until(self, look: Callable[[], Answer | None]) -> Answer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                process = self.company.asks("operator", "GET", f"/v1/processes/{self.process_id}")
                raise DemoFailed(
                    f"nothing happened for {PATIENCE_SECONDS:.0f} s: the process stands in {process['stage']} "
                    f"and waits for {process['waiting_for']}; is a worker running?"
                )
            time.sleep(0.1)


def _invented_iin() -> str:
    """A number whose check digit is right, of nobody in particular."""
    while True:
        first = f"9{secrets.randbelow(10)}0101{secrets.randbelow(10**5):05d}"
        last = check_digit(first)
        if last is not None:
            return f"{first}{last}"


def _scene(title: str) -> None:
    print(f"\n{title}")


def _say(text: str) -> None:
    print(f"  {text}")


def _expect(fact: bool, what: str) -> None:
    if not fact:
        raise DemoFailed(f"expected that {what}")


def _tenge(money: Any) -> str:
    return f"{money['amount_minor'] / 100:,.2f} ₸"


def _when(slot: dict[str, Any]) -> str:
    return f"{datetime.fromisoformat(slot['starts_at']):%d.%m. %H:%M}"
