"""How the simulated bank says things in each dialect, and what it makes of the answers. Of the bank's side alone.

It is written from the protocols, not from our adapters: where the two disagree, one of them is wrong.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from xml.etree.ElementTree import ParseError, fromstring
from zoneinfo import ZoneInfo

import httpx

from workers.bank_sim_book import Paid, tenge

IIN_LENGTH: Final = 12


@dataclass(frozen=True)
class Said:
    """A request of the bank."""

    method: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Understood:
    """What the bank makes of an answer."""

    is_accepted: bool
    is_final: bool
    """Whether it would repeat the request otherwise."""
    sentence: str
    receipt: str | None = None


class Dialect(Protocol):
    """One way to speak with an operator."""

    def check(self, number: str) -> Said:
        """What is due."""

    def pay(self, payment: Paid) -> Said:
        """A payment; said again, it is the same one."""

    def reverse(self, payment: Paid) -> Said | None:
        """Take a payment back; None where the dialect can't say so."""

    def understand(self, answer: httpx.Response) -> Understood:
        """What an answer to any of these means."""


class JsonV1:
    """GetCustomerInfo and PostCustomersInfo."""

    def check(self, number: str) -> Said:
        """By IIN alone."""
        return Said("GET", f"/bank/v1/customers/{number}")

    def pay(self, payment: Paid) -> Said:
        """By IIN or account number."""
        body = {
            "txn_id": payment.txn_id,
            "iin" if len(payment.number) == IIN_LENGTH else "account_no": payment.number,
            "amount": {"amount_minor": payment.amount_minor, "currency": "KZT"},
            "paid_at": payment.paid_at.isoformat(),
        }
        return Said("POST", "/bank/v1/payments", body=body)

    def reverse(self, payment: Paid) -> Said:
        """The bank takes its own payment back."""
        return Said("POST", f"/bank/v1/payments/{payment.txn_id}/cancel")

    def understand(self, answer: httpx.Response) -> Understood:
        """Statuses say nearly all."""
        if not answer.is_success:
            is_final = answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS
            told = _json(answer).get("detail") or answer.reason_phrase
            return Understood(is_accepted=False, is_final=is_final, sentence=f"Not accepted: {told}")
        said = _json(answer)
        if "debt" in said:
            return _accepted(f"{said['name_masked']} owes {tenge(said['debt']['amount_minor'])} ₸.")
        if "reversed_at" in said:
            return _accepted(f"Taken back: the payment is {said['status']}.")
        again = "" if answer.status_code == httpx.codes.CREATED else " (reported before: the first answer again)"
        balance = tenge(said["balance"]["amount_minor"])
        return _accepted(f"Taken: receipt {said['receipt_no']}, balance {balance} ₸{again}.", said["receipt_no"])


class Osmp:
    """The dialect of payment terminals."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def check(self, number: str) -> Said:
        """`getInfo` registers nothing."""
        return Said("GET", "/bank/osmp", {"command": "getInfo", "account": number})

    def pay(self, payment: Paid) -> Said:
        """With the bank's own time."""
        return Said("GET", "/bank/osmp", {"command": "pay", **_paid(payment, self._zone)})

    def reverse(self, payment: Paid) -> Said:
        """By the operator's number of the payment."""
        return Said("GET", "/bank/osmp", {"command": "cancel", "prv_txn": payment.receipt or ""})

    def understand(self, answer: httpx.Response) -> Understood:
        """By the result; an answer that is none is a lost connection."""
        try:
            said = fromstring(answer.content)  # noqa: S314 - of the operator that is being tried, on this machine
        except ParseError:
            return Understood(is_accepted=False, is_final=False, sentence="Not understood: to be repeated.")
        result, comment = said.findtext("result"), said.findtext("comment")
        if result != "0":
            is_final = result not in {"1", "90"}
            return Understood(is_accepted=False, is_final=is_final, sentence=f"Result {result}: {comment}.")
        fields = [f"{one.get('name')}: {one.text}" for one in said.iterfind("fields/*")]
        receipt = said.findtext("prv_txn")
        return _accepted("; ".join(fields) or f"Result 0: the operator's number is {receipt}.", receipt)


class Kaspi:
    """The biller dialect: whatever is not 200 is a lost connection."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def check(self, number: str) -> Said:
        """The sum is a dummy."""
        return Said("GET", "/bank/kaspi", {"command": "check", "txn_id": "1", "account": number, "sum": "0.00"})

    def pay(self, payment: Paid) -> Said:
        """With the bank's accounting date."""
        return Said("GET", "/bank/kaspi", {"command": "pay", **_paid(payment, self._zone)})

    def reverse(self, payment: Paid) -> None:
        """Refunds are made in the bank's cabinet, and reach the operator by registry."""
        del payment

    def understand(self, answer: httpx.Response) -> Understood:
        """By the result."""
        if answer.status_code != httpx.codes.OK:
            return Understood(is_accepted=False, is_final=False, sentence="A lost connection: to be repeated.")
        said = _json(answer)
        if said.get("result") != 0:
            is_final = said.get("result") in {1, 2, 3}
            return Understood(
                is_accepted=False, is_final=is_final, sentence=f"Result {said.get('result')}: {said.get('comment')}."
            )
        fields = [f"{one['@name']}: {one['#text']}" for one in said.get("fields", {}).values()]
        receipt = said.get("prv_txn_id") or said.get("prv_txn")
        return _accepted("; ".join(fields) or f"Result 0: the operator's number is {receipt}.", receipt)


def dialect_of(name: str, zone: ZoneInfo) -> Dialect:
    """The dialect of this name."""
    known: dict[str, Dialect] = {"v1": JsonV1(), "osmp": Osmp(zone), "kaspi": Kaspi(zone)}
    return known[name]


def _paid(payment: Paid, zone: ZoneInfo) -> dict[str, str]:
    return {
        "txn_id": payment.txn_id,
        "txn_date": f"{payment.paid_at.astimezone(zone):%Y%m%d%H%M%S}",
        "account": payment.number,
        "sum": tenge(payment.amount_minor),
    }


def _accepted(sentence: str, receipt: str | None = None) -> Understood:
    return Understood(is_accepted=True, is_final=True, sentence=sentence, receipt=receipt)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except json.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
