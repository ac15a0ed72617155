"""Who acts in `abonent demo`, and how: over HTTP, each with their own credentials, and checked at every step."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx

from models.rules.iin import check_digit
from workers.failures import PersonMustAct

PATIENCE_SECONDS: Final = 60.0
Answer = TypeVar("Answer")


class DemoFailed(PersonMustAct):
    """The product did something else than the story says."""


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


class Cast:
    """Everybody who acts in one process after the other of one subscriber."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.process_id = ""
        self.iin = invented_iin()
        self.phone = f"+7701{secrets.randbelow(10**7):07d}"
        self.subscriber_id = ""
        self.account_no = ""

    def begins(self, path: str, order: dict[str, Any], name: str, *, role: str = "operator") -> Any:
        """Somebody starts a process, twice with one key: it is one process, which is the one that acts from here on."""
        key = {"Idempotency-Key": f"demo-{name}-{self.iin}"}
        process = self.company.asks(role, "POST", path, 201, json=order, headers=key)
        again = self.company.asks(role, "POST", path, 200, json=order, headers=key)
        expect(again["id"] == process["id"], "the same key and body are the same process")
        self.process_id = process["id"]
        return process

    def task(self, kind: str, role: str) -> Any:
        """The open task of a department, with its form."""

        def found() -> Any:
            wanted = {"process_id": self.process_id, "status": "open", "department": role}
            tasks = self.company.asks(role, "GET", "/v1/tasks", params=wanted)["items"]
            return next((task for task in tasks if task["kind"] == kind), None)

        return self.company.asks(role, "GET", f"/v1/tasks/{self.until(found)['id']}")

    def complete(self, task: Any, role: str, outcome: str, data: dict[str, Any]) -> None:
        """Somebody completes a task."""
        done = self.company.asks(
            role, "POST", f"/v1/tasks/{task['id']}/complete", json={"outcome": outcome, "data": data}
        )
        expect(done["status"] == "done", f"the task {task['kind']} is done")

    def stands_in(self, stage: str) -> None:
        """Wait until the process stands in a stage."""
        self.until(lambda: self.process_when(stage=stage))

    def process_when(self, **facts: str) -> Any:
        """The process, if these facts are true of it."""
        process = self.company.asks("operator", "GET", f"/v1/processes/{self.process_id}")
        return process if all(process[name] == value for name, value in facts.items()) else None

    def closed(self) -> Any:
        """The process, once it has reached its end."""
        return self.until(lambda: self.process_when(status="completed"))

    def tells_its_sms(self, *templates: str) -> None:
        """Print the SMS of the process, once all of these have been sent."""

        def sent() -> Any:
            gone = self.sms_of(self.process_id)
            return gone if {message["template"] for message in gone} >= set(templates) else None

        for message in self.until(sent):
            say(f"SMS ({message['status']}): {message['body']}")

    def sms_of(self, process_id: str) -> list[Any]:
        """The SMS of a process that have been sent, oldest first."""
        pages = self.pages("/v1/messages", process_id=process_id)
        gone = [message for message in pages if message["status"] in {"sent", "delivered"}]
        return sorted(gone, key=lambda one: str(one["id"]))

    def tells_its_timeline(self, ends_with: str) -> None:
        """Print what happened, as everybody can read it."""
        path = f"/v1/processes/{self.process_id}/timeline"
        entries = self.company.asks("operator", "GET", path, params={"lang": "en"})["items"]
        for entry in entries:
            say(f"{datetime.fromisoformat(entry['at']):%H:%M:%S}  {entry['text']}")
        expect(entries[-1]["event"] == ends_with, f"the timeline ends with {ends_with}")

    def shows_its_documents(self) -> None:
        """Print which documents there are, each a PDF."""
        documents = self.company.asks("operator", "GET", "/v1/documents", params={"process_id": self.process_id})
        for document in documents["items"]:
            pdf = self.company.asks("operator", "GET", f"/v1/documents/{document['id']}")
            expect(pdf.startswith(b"%PDF"), "documents are PDFs")
            say(f"{document['kind']} {document['number']}: {len(pdf):,} bytes, sha256 {document['sha256'][:16]}…")

    def events(self) -> list[str]:
        """What happened in the process."""
        timeline = self.company.asks("operator", "GET", f"/v1/processes/{self.process_id}/timeline")
        return [entry["event"] for entry in timeline["items"]]

    def subscriber(self) -> Any:
        """The subscriber, with their services and balance."""
        return self.company.asks("operator", "GET", f"/v1/subscribers/{self.subscriber_id}")

    def service(self) -> Any:
        """Their one service."""
        (service,) = self.subscriber()["subscriptions"]
        return service

    def debt(self) -> Any:
        """What the bank shows them."""
        return self.company.bank_asks("GET", f"/bank/v1/customers/{self.iin}")

    def payment(self, amount_minor: int) -> dict[str, Any]:
        """A payment for the bank to report."""
        return {
            "txn_id": f"demo-{secrets.token_hex(8)}",
            "iin": self.iin,
            "amount": {"amount_minor": amount_minor, "currency": "KZT"},
            "paid_at": datetime.now(UTC).isoformat(),
        }

    def stock(self, sku: str) -> dict[str, str]:
        """Where each piece is, by its serial number."""
        return {piece["serial"]: piece["state"] for piece in self.pages("/v1/stock", sku=sku)}

    def premises_at(self, node: dict[str, Any]) -> str:
        """Somewhere to live at a node."""
        found = self.company.asks("operator", "GET", "/v1/premises", params={"node_id": node["id"]})["items"]
        return str(secrets.choice(found)["id"])

    def pages(self, path: str, **wanted: str) -> Iterator[Any]:
        """A whole list, page by page."""
        cursor = None
        while True:
            asked = {**wanted, "limit": "100", **({"cursor": cursor} if cursor else {})}
            page = self.company.asks("operator", "GET", path, params=asked)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def free_slots(self) -> list[dict[str, Any]]:
        """The next slots that no crew is booked for."""
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

    def until(self, look: Callable[[], Answer | None]) -> Answer:
        """The first answer that is one; the processes act by themselves, so the cast looks until they have."""
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


def invented_iin() -> str:
    """A number whose check digit is right, of nobody in particular."""
    while True:
        first = f"9{secrets.randbelow(10)}0101{secrets.randbelow(10**5):05d}"
        last = check_digit(first)
        if last is not None:
            return f"{first}{last}"


def scene(title: str) -> None:
    """Begin a scene."""
    print(f"\n{title}")


def say(text: str) -> None:
    """Say what happens."""
    print(f"  {text}")


def expect(fact: bool, what: str) -> None:
    """Go on if the fact is true.

    Raises:
        DemoFailed: it is not.
    """
    if not fact:
        raise DemoFailed(f"expected that {what}")


def tenge(money: Any) -> str:
    """Money as it is printed here."""
    return f"{money['amount_minor'] / 100:,.2f} ₸"


def when(slot: dict[str, Any]) -> str:
    """The beginning of a slot, as it is printed here."""
    return f"{datetime.fromisoformat(slot['starts_at']):%d.%m. %H:%M}"
