"""The fibre cut of `abonent demo`: four neighbours, an excavator, five calls and two SMS, and what comes of it.

Данияр registers the emergency; everybody affected is told at once. Мадина takes calls, and SMS come in by the way that
they have where none are really sent. Each request is linked to the outage and answered with its expected end. When the
line is back, all are told, their requests are closed with the outage, and Гульнара's monthly run carries the credit:
on the next invoice of a neighbour, and by a credit note to the subscriber, whose month was paid for ahead.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from workers.demo_cast import Cast, Company, expect, say, scene, tenge

_NEIGHBOURS: Final = (
    ("Ахметова Динара Сериковна", "ru"),
    ("Қайратұлы Нұрлан", "kk"),
    ("Petrov Ivan", "en"),
    ("Оспанова Гүлнар", "kk"),
)
_BEGAN_BEFORE: Final = timedelta(hours=3)
_LASTS_YET: Final = timedelta(hours=2)
_CREDIT: Final = "Возврат за перерыв связи"


class Neighbour(Cast):
    """Somebody else in the house, with a router of their own."""

    def __init__(self, company: Company, full_name: str, language: str) -> None:
        super().__init__(company)
        self._who = {"iin": self.iin, "full_name": full_name, "language": language, "phone": self.phone}

    def moves_in(self, node: dict[str, Any]) -> None:
        """Be connected, in the same way as everybody."""
        order = {"subscriber": self._who, "premises_id": self.premises_at(node), "tariff_code": "home-50"}
        process = self.begins("/v1/connections", order, "connection")
        self.subscriber_id, self.account_no = process["subscriber_id"], process["account_no"]
        self.stands_in("prepayment")
        payment = self.payment(self.debt()["debt"]["amount_minor"])
        self.company.bank_asks("POST", "/bank/v1/payments", 201, json=payment)
        self.complete(self.task("assign_crew", "dispatcher"), "dispatcher", "assigned", self.free_slots()[0])
        self.complete(self.task("install", "installer"), "installer", "installed", {"serials": []})
        self.complete(self.task("sign_act", "installer"), "installer", "signed", {"signed_by": "subscriber"})
        self.closed()


class FibreCut(Cast):
    """An emergency at the node where the subscriber lives, scene by scene; its process is the outage."""

    def __init__(self, subscriber: Cast, node: dict[str, Any], zone: ZoneInfo) -> None:
        super().__init__(subscriber.company)
        self._subscriber = subscriber
        self._node = node
        self._zone = zone
        self._neighbours = [Neighbour(self.company, name, language) for name, language in _NEIGHBOURS]
        self._requests: list[str] = []

    def play(self) -> None:
        """From the cut to the credit on the bills."""
        self._neighbours_move_in()
        self._fibre_is_cut()
        self._calls_and_sms_come_in()
        self._line_is_back()
        self._credit_is_on_the_bills()
        scene("The timeline of the outage")
        self.tells_its_timeline("outage_credited")

    @property
    def _affected(self) -> Sequence[Cast]:
        return [self._subscriber, *self._neighbours]

    def _neighbours_move_in(self) -> None:
        scene("Four neighbours are connected as well, on home-50, with routers of their own")
        for neighbour in self._neighbours:
            neighbour.moves_in(self._node)
        say(f"accounts {', '.join(neighbour.account_no for neighbour in self._neighbours)}")

    # -- the outage -----------------------------------------------------------------------------------------------

    def _fibre_is_cut(self) -> None:
        scene(f"An excavator cuts the fibre of «{self._node['name']}»; Данияр registers an emergency")
        now = datetime.now(UTC)
        order = {
            "kind": "emergency", "node_ids": [self._node["id"]], "reason": "экскаватор порвал магистральный кабель",
            "starts_at": (now - _BEGAN_BEFORE).isoformat(), "ends_at": (now + _LASTS_YET).isoformat(),
        }  # fmt: skip
        self.begins("/v1/outages", order, "outage", role="dispatcher")
        say("the demo can't wait for hours: it began three hours ago, and is expected to end in two")
        self._all_are_told("outage_emergency")
        services = self._figures()["services"]
        expect(services >= len(self._affected), "it affects everybody at the node")
        say(f"{services} services affected; dunning waits for all of them")

    def _all_are_told(self, template: str) -> None:
        wanted = {one.subscriber_id for one in self._affected}

        def told() -> Any:
            gone = [message for message in self.sms_of(self.process_id) if message["template"] == template]
            return gone if {message["subscriber_id"] for message in gone} >= wanted else None

        for body, people in Counter(message["body"] for message in self.until(told)).items():
            say(f"SMS to {people}: {body}")

    def _figures(self) -> Any:
        return self.company.asks("dispatcher", "GET", f"/v1/outages/{self.process_id}")["figures"]

    def _line_is_back(self) -> None:
        scene("The fibre is spliced; Данияр says that the line is back")
        self.company.asks("dispatcher", "PATCH", f"/v1/outages/{self.process_id}", json={"ended": True})
        self._all_are_told("outage_restored")
        ended = [self.until(partial(self._closed, request_id)) for request_id in self._requests]
        say(f"{len(ended)} requests closed with it: {', '.join(f'{n} {how}' for how, n in Counter(ended).items())}")

    def _closed(self, request_id: str) -> str | None:
        request = self._request(request_id)
        return str(request["ended_as"]) if request["status"] == "completed" else None

    # -- requests -------------------------------------------------------------------------------------------------

    def _calls_and_sms_come_in(self) -> None:
        scene("Five calls come in to Мадина, support, and two SMS")
        subscriber, first, second, third, fourth = self._affected
        self._calls(subscriber, "Интернет пропал, лампочка горит красным", "outage")
        self._calls(first, "Нет интернета с утра", "outage")
        self._calls(second, "Интернет жоқ, телефон соғылмайды", "outage")
        self._calls(third, "No internet since the morning", "outage")
        self._calls(first, "Интернета всё ещё нет", "duplicate")
        self._writes(fourth, "Интернет жоқ")
        self._writes(third, "when is the internet back?")

    def _calls(self, who: Cast, text: str, follows: str) -> None:
        order = {"subscriber_id": who.subscriber_id, "channel": "call", "category": "no_internet", "text": text}
        process = self.company.asks("support", "POST", "/v1/requests", 201, json=order)
        self._is_linked_and_answered(process["id"], f"call «{text}»", follows)

    def _writes(self, who: Cast, text: str) -> None:
        taken = self.company.asks(
            "support", "POST", "/v1/local/inbound-sms", 201, json={"sender": who.phone, "body": text}
        )
        expect(taken["outcome"] == "registered", "an SMS becomes a request")
        self._is_linked_and_answered(taken["process_id"], f"SMS «{text}»", None)

    def _is_linked_and_answered(self, request_id: str, what: str, follows: str | None) -> None:
        self._requests.append(request_id)
        (link,) = self._request(request_id)["follows"]
        expect(follows in {None, link["kind"]}, f"the request follows {follows}")
        expect(link["process_id"] in {self.process_id, *self._requests}, "it follows what explains it")
        answer = self.until(lambda: next(iter(self.sms_of(request_id)), None))
        say(f"{what}: follows {'the outage' if link['kind'] == 'outage' else 'the earlier one'}")
        say(f"  SMS ({answer['status']}): {answer['body']}")

    def _request(self, request_id: str) -> Any:
        return self.company.asks("support", "GET", f"/v1/requests/{request_id}")

    # -- the credit -----------------------------------------------------------------------------------------------

    def _credit_is_on_the_bills(self) -> None:
        scene("Гульнара, accounting, starts the month's billing run")
        figures = self.until(self._all_are_credited)
        say(f"the outage gives {tenge(figures['credited_sum'])} back to {figures['credited']} services")
        period = f"{datetime.now(self._zone):%Y-%m}"
        run = self.company.asks("accounting", "POST", "/v1/billing-runs", 201, json={"period": period})
        done = self.until(lambda: self._run_when_done(run["id"]))
        credited, exceptions = done["subscribers_credited"], done["exceptions"]
        say(f"{done['invoices_issued']} invoices, {credited} credited by credit notes, {exceptions} exceptions")
        self._shows_the_invoice(self._neighbours[0], period)
        self._shows_the_credit_note(self._subscriber)

    def _all_are_credited(self) -> Any:
        figures = self._figures()
        return figures if figures["credited"] >= len(self._affected) else None

    def _run_when_done(self, run_id: str) -> Any:
        run = self.company.asks("accounting", "GET", f"/v1/billing-runs/{run_id}")
        return run if run["status"] == "completed" else None

    def _shows_the_invoice(self, who: Cast, period: str) -> None:
        asked = {"subscriber_id": who.subscriber_id, "period": period}
        (found,) = self.company.asks("accounting", "GET", "/v1/invoices", params=asked)["items"]
        invoice = self.company.asks("accounting", "GET", f"/v1/invoices/{found['id']}")
        pdf = self.company.asks("accounting", "GET", f"/v1/invoices/{found['id']}/pdf")
        expect(pdf.startswith(b"%PDF"), "invoices are PDFs")
        say(f"invoice {invoice['number']} of a neighbour, {len(pdf):,} bytes of PDF:")
        self._shows_lines(invoice["lines"])
        say(f"  {tenge(invoice['total'])} to be paid by {invoice['due_on']}")

    def _shows_the_credit_note(self, who: Cast) -> None:
        found = self.company.asks("accounting", "GET", "/v1/invoices", params={"subscriber_id": who.subscriber_id})
        invoices = [self.company.asks("accounting", "GET", f"/v1/invoices/{one['id']}") for one in found["items"]]
        (note,) = [note for invoice in invoices for note in invoice["credit_notes"]]
        say(f"credit note {note['number']} of the subscriber, whose month is paid already:")
        self._shows_lines(note["reckoning"])

    def _shows_lines(self, lines: Sequence[Any]) -> None:
        for line in lines:
            say(f"  {line['description']}: {line['formula']} = {tenge(line['total'])}")
        expect(any(line["description"].startswith(_CREDIT) for line in lines), "the credit is a line of its own")
