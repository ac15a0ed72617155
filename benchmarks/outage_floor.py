"""The floor of outage notices: a bare loop that sends, by the product's Twilio client with as many calls at once.

`outage_floor.py URL NUMBER` sends so many SMS as fast as it can and prints a `Floor`. It is a process of its own, as
the worker is; texts and numbers are ready before the time begins.
"""

import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from uuid import uuid4

from outage_sms_server import ACCOUNT_SID, AUTH_TOKEN

from activities.gateways.sms import Accepted, OutgoingSms
from activities.gateways.twilio_sms import TwilioSmsGateway
from activities.sms_calls import CALLS_AT_ONCE
from models.contracts.people import Language
from models.rules.sms_texts import Template, sms_text


@dataclass(frozen=True)
class Floor:
    """What the loop came to."""

    per_second: float
    cpu_ms: float
    """Processor time of the loop for each SMS."""


def measure(url: str, number: int) -> Floor:
    """Send so many."""
    gateway = TwilioSmsGateway(
        account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, sender="Abonent", public_url="https://abonent.example",
        api_url=url,
    )  # fmt: skip
    facts = {"from": "25.11 10:00", "until": "25.11 14:00"}
    texts = [sms_text(Template.OUTAGE_EMERGENCY, language, facts) for language in Language]
    sms = [
        OutgoingSms(uuid4(), 1, f"+7702{place:07d}", texts[place % len(texts)]) for place in range(number)
    ]  # fmt: skip

    def send(part: Iterable[OutgoingSms]) -> None:
        for one in part:
            assert isinstance(gateway.send(one), Accepted), "the server takes all"

    began, began_cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        list(pool.map(send, [sms[place::CALLS_AT_ONCE] for place in range(CALLS_AT_ONCE)]))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    return Floor(number / seconds, cpu_seconds * 1000 / number)


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1], int(sys.argv[2])))))
