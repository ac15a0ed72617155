"""`abonent demo`: the story of one subscriber, played over HTTP as each actor, against the running product.

Айгерим registers an application with a set-top box that is not in stock; Ерлан buys it (unless an earlier story gave
one back); the bank reports a partial payment three times over, then the rest; Данияр assigns a crew, and moves the
visit because the subscriber asks; Серик mounts the equipment and has the act signed; the service is switched on. A
fibre is cut, see `workers.demo_outage`. Then the subscriber wants another tariff, and in the end leaves: Серик takes
the equipment back, and Гульнара pays back what was paid in advance. Each step checks what it expects and ends the demo
where the product does otherwise. Names and IINs are invented; nothing is faked.
"""

import secrets
from datetime import datetime
from typing import Any, Final

from settings import Settings
from workers.demo_cast import Cast, Company, DemoFailed, expect, say, scene, tenge, when
from workers.demo_outage import FibreCut

OUT_OF_STOCK: Final = "stb-4k"
EQUIPMENT: Final = ["ont-gpon", OUT_OF_STOCK]


def play(settings: Settings) -> int:
    """Play the story against the product that runs with these settings; answers the exit code."""
    path = settings.local_dir / "credentials.json"
    if not path.exists():
        raise DemoFailed(f"there is no {path}: start the product first with `make run`, and leave it running")
    with Company(path) as company:
        Story(company, settings).play()
    return 0


class Story(Cast):
    """One subscriber, scene by scene."""

    def __init__(self, company: Company, settings: Settings) -> None:
        super().__init__(company)
        self._zone = settings.zone
        self._serials: list[str] = []
        self._node: dict[str, Any] = {}

    def play(self) -> None:
        """From the application to the end."""
        for chapter in (self._connection, self._fibre_cut, self._tariff_change, self._disconnection):
            chapter()
        print("\nThe story went as it should.")

    # -- connection -----------------------------------------------------------------------------------------------

    def _connection(self) -> None:
        is_missing = "in_stock" not in self.stock(OUT_OF_STOCK).values()
        self._application()
        if is_missing:
            self._purchase()
        else:
            say(f"an {OUT_OF_STOCK} that somebody gave back is in stock: nothing has to be bought this time")
        self._invoice_is_out()
        self._prepayment()
        self._scheduling()
        self._installation()
        self._handover()
        self._connected()
        scene("The timeline of the connection, as everybody can read it afterwards")
        self.tells_its_timeline("connection_closed")

    def _application(self) -> None:
        scene("Айгерим, operator, registers an application")
        nodes = self.company.asks("operator", "GET", "/v1/network-nodes")["items"]
        self._node = max(nodes, key=lambda one: int(one["ports_free"]))
        order = {
            "subscriber": {
                "iin": self.iin, "full_name": "Сейткали Арман Болатович", "language": "ru", "phone": self.phone,
            },
            "premises_id": self.premises_at(self._node),
            "tariff_code": "home-100",
            "equipment": EQUIPMENT,
        }  # fmt: skip
        process = self.begins("/v1/connections", order, "connection")
        self.subscriber_id, self.account_no = process["subscriber_id"], process["account_no"]
        say(f"process {self.process_id}, account {self.account_no}; sent twice with one key, registered once")

    def _purchase(self) -> None:
        scene("Ерлан, procurement, buys what is missing")
        task = self.task("purchase", "procurement")
        missing = task["facts"]["missing"]
        expect(missing == [OUT_OF_STOCK], f"only {OUT_OF_STOCK} is missing")
        serial = f"STB-{secrets.token_hex(4).upper()}"
        say(f"{task['title']}: {', '.join(missing)}; it arrives with the serial number {serial}")
        self.complete(task, "procurement", "delivered", {"deliveries": [{"sku": OUT_OF_STOCK, "serials": [serial]}]})

    def _invoice_is_out(self) -> None:
        self.stands_in("prepayment")
        say("reserved by itself; contract and invoice are out, and an SMS with the sum")

    def _prepayment(self) -> None:
        scene("The subscriber pays in the bank's app, in two parts")
        debt = self.debt()
        say(f"GetCustomerInfo: {debt['name_masked']} owes {tenge(debt['debt'])}")
        part = debt["debt"]["amount_minor"] // 2
        first = self.payment(part)
        answers = [self.company.bank_asks("POST", "/bank/v1/payments", 201, json=first)]
        answers += [self.company.bank_asks("POST", "/bank/v1/payments", 200, json=first) for _ in range(2)]
        expect(answers[0] == answers[1] == answers[2], "a repeated transaction gets the first answer")
        rest = self.debt()["debt"]["amount_minor"]
        expect(rest == debt["debt"]["amount_minor"] - part, "three reports of one transaction are one payment")
        say(f"a part, reported three times: receipt {answers[0]['receipt_no']} each time; {rest / 100:,.2f} ₸ left")
        self.until(lambda: "payment_received" in self.events() or None)
        self.company.bank_asks("POST", "/bank/v1/payments", 201, json=self.payment(rest))
        say("the rest: paid in full")

    def _scheduling(self) -> None:
        scene("Данияр, dispatcher, sends a crew, and moves the visit when the subscriber asks")
        task = self.task("assign_crew", "dispatcher")
        first, second = self.free_slots()[:2]
        self.complete(task, "dispatcher", "assigned", first)
        self.stands_in("installation")
        path = f"/v1/processes/{self.process_id}/reschedule"
        self.company.asks("dispatcher", "POST", path, json=second)
        say(f"first {when(first)}, then {when(second)}; the subscriber gets an SMS each time")

    def _installation(self) -> None:
        scene("Серик, installer of «Бригада 1», mounts the equipment")
        task = self.task("install", "installer")
        (self._serials,) = task["form"]["properties"]["serials"]["examples"]
        path = f"/v1/tasks/{task['id']}/complete"
        wrong = {"outcome": "installed", "data": {"serials": ["SOMETHING-ELSE"]}}
        refusal = self.company.asks("installer", "POST", path, 422, json=wrong)
        say(f"another serial number is refused: {refusal['detail']}")
        readings = {"optical_power_dbm": -19.5, "download_mbps": 98.7}
        self.complete(task, "installer", "installed", {"serials": self._serials, "readings": readings})
        say(f"mounted: {', '.join(self._serials)}")

    def _handover(self) -> None:
        scene("Серик has the hand-over act signed")
        task = self.task("sign_act", "installer")
        self.complete(task, "installer", "signed", {"signed_by": "subscriber"})
        self.shows_its_documents()

    def _connected(self) -> None:
        scene("The service is on")
        process = self.closed()
        service = self.service()
        expect(service["status"] == "active", "the service is active")
        expect(self.subscriber()["debt"]["amount_minor"] == 0, "nothing is owed")
        expect(all(stage["state"] == "done" for stage in process["stages"]), "every stage is done")
        say(f"{service['tariff_code']} is charged from {service['active_from']}; nothing is owed")
        self.tells_its_sms("connection_invoice", "visit_booked", "visit_moved", "connected")
        if process["temporal_url"]:
            say(f"its history: {process['temporal_url']}")

    # -- outage ---------------------------------------------------------------------------------------------------

    def _fibre_cut(self) -> None:
        FibreCut(self, self._node, self._zone).play()

    # -- tariff change --------------------------------------------------------------------------------------------

    def _tariff_change(self) -> None:
        scene("The subscriber wants home-500; Айгерим enters the wish, and nobody has to go there")
        order = {"subscription_id": self.service()["id"], "tariff_code": "home-500", "effective": "now"}
        self.begins("/v1/tariff-changes", order, "tariff-change")
        self.closed()
        expect(self.service()["tariff_code"] == "home-500", "the service is on the new tariff")
        self.tells_its_sms("tariff_changed")
        scene("The timeline of the tariff change")
        self.tells_its_timeline("tariff_change_closed")

    # -- disconnection --------------------------------------------------------------------------------------------

    def _disconnection(self) -> None:
        scene("The subscriber moves away; Айгерим registers the wish to leave, from today on")
        today = datetime.now(self._zone).date().isoformat()
        order = {"subscription_id": self.service()["id"], "reason": "moves to another town", "requested_on": today}
        self.begins("/v1/disconnections", order, "disconnection")
        self._equipment_returns()
        self._balance_is_settled()
        self._everything_is_as_before()
        scene("The timeline of the disconnection")
        self.tells_its_timeline("disconnection_closed")

    def _equipment_returns(self) -> None:
        scene("Accounting's control passes by itself; Данияр sends a crew, and Серик takes the equipment back")
        slot = self.free_slots()[0]
        self.complete(self.task("assign_crew", "dispatcher"), "dispatcher", "assigned", slot)
        task = self.task("dismantle", "installer")
        (equipment,) = task["form"]["properties"]["equipment"]["examples"]
        expect({piece["serial"] for piece in equipment} == set(self._serials), "the form names what was mounted")
        path = f"/v1/tasks/{task['id']}/complete"
        partly = {"outcome": "dismantled", "data": {"equipment": equipment[:1]}}
        refusal = self.company.asks("installer", "POST", path, 422, json=partly)
        say(f"a piece that is left out is missed: {refusal['detail']}")
        self.complete(task, "installer", "dismantled", {"equipment": equipment})
        say(f"taken back and tested: {', '.join(self._serials)}")
        self.complete(self.task("sign_act", "installer"), "installer", "signed", {"signed_by": "subscriber"})
        self.shows_its_documents()

    def _balance_is_settled(self) -> None:
        scene("Гульнара, accounting, pays back what was paid for days that will not be served")
        task = self.task("refund", "accounting")
        left_minor = task["facts"]["advance_minor"]
        expect(left_minor == self.subscriber()["balance"]["amount_minor"], "it is what is on the balance")
        self.complete(task, "accounting", "refunded", {"payment_order": "1024"})
        say(f"{task['title']}: {left_minor / 100:,.2f} ₸ by payment order 1024")

    def _everything_is_as_before(self) -> None:
        scene("The service has ended")
        self.closed()
        subscriber, service = self.subscriber(), self.service()
        expect(service["status"] == "terminated", "the service is terminated")
        expect(subscriber["balance"]["amount_minor"] == 0, "the balance is zero")
        expect(subscriber["debt"]["amount_minor"] == 0, "nothing is owed")
        states = {serial: state for sku in EQUIPMENT for serial, state in self.stock(sku).items()}
        expect(all(states[serial] == "in_stock" for serial in self._serials), "the equipment is back in stock")
        say(f"balance {tenge(subscriber['balance'])}; back in stock: {', '.join(self._serials)}")
        self.tells_its_sms("disconnected")
