"""Sentences for a person, in their language: what happened in a process, and what a task asks for.

The database keeps an event and its facts; the sentence is made when somebody reads it. Facts are named by their unit:
`…_minor` is shown as a sum, `…_at` as local date and time, `…_on` as a date.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from models.rules.accounting_sentences import ACCOUNTING_EVENTS
from models.rules.billing_sentences import BILLING_EVENTS
from models.rules.connection_sentences import CONNECTION_EVENTS
from models.rules.disconnection_sentences import DISCONNECTION_EVENTS
from models.rules.dunning_sentences import DUNNING_EVENTS
from models.rules.inbound_sentences import INBOUND_EVENTS
from models.rules.money import tenge
from models.rules.outage_sentences import OUTAGE_EVENTS
from models.rules.process_sentences import PROCESS_EVENTS
from models.rules.reconciliation_sentences import RECONCILIATION_EVENTS
from models.rules.request_sentences import PRIORITIES, REQUEST_EVENTS, STARTED
from models.rules.tariff_change_sentences import TARIFF_CHANGE_EVENTS
from models.rules.task_titles import TASK_TITLES

EVENTS: dict[str, dict[str, str]] = {
    **PROCESS_EVENTS,
    **CONNECTION_EVENTS,
    **DISCONNECTION_EVENTS,
    **TARIFF_CHANGE_EVENTS,
    **BILLING_EVENTS,
    **ACCOUNTING_EVENTS,
    **DUNNING_EVENTS,
    **OUTAGE_EVENTS,
    **RECONCILIATION_EVENTS,
    **REQUEST_EVENTS,
    **INBOUND_EVENTS,
}

DEPARTMENTS: dict[str, dict[str, str]] = {
    "operator": {"en": "subscriber service", "ru": "Абонентский отдел", "kk": "Абонент бөлімі"},
    "procurement": {"en": "procurement", "ru": "Снабжение", "kk": "Жабдықтау"},
    "accounting": {"en": "accounting", "ru": "Бухгалтерия", "kk": "Бухгалтерия"},
    "dispatcher": {"en": "dispatching", "ru": "Диспетчерская", "kk": "Диспетчерлік"},
    "installer": {"en": "installation", "ru": "Монтаж", "kk": "Монтаж"},
    "support": {"en": "support", "ru": "Техподдержка", "kk": "Техқолдау"},
    "ops": {"en": "operations", "ru": "Эксплуатация", "kk": "Пайдалану"},
    "admin": {"en": "administration", "ru": "Администрация", "kk": "Әкімшілік"},
}


_NAMED = {"department": DEPARTMENTS, "priority": PRIORITIES, "started": STARTED}
"""Facts whose words have names in each language."""


def sentence(event: str, facts: Mapping[str, Any], *, who: str, language: str, zone: ZoneInfo) -> str:
    """The sentence of an event. An unknown event, from a newer version, is shown by its name."""
    texts = EVENTS.get(event)
    if texts is None:
        return event
    return texts[language].format_map(_Shown(facts, who, language, zone))


class _Shown(dict[str, str]):
    """The facts of one event, each formatted by its unit; one that is missing is shown as a dash."""

    def __init__(self, facts: Mapping[str, Any], who: str, language: str, zone: ZoneInfo) -> None:
        super().__init__(who=who)
        for name, value in facts.items():
            if name.endswith("_minor"):
                self[name.removesuffix("_minor")] = tenge(value)
            elif name.endswith("_at"):
                self[name] = datetime.fromisoformat(value).astimezone(zone).strftime("%d.%m.%Y %H:%M")
            elif name.endswith("_on"):
                self[name] = date.fromisoformat(value).strftime("%d.%m.%Y")
            elif name in _NAMED:
                self[name] = _NAMED[name][value][language]
            elif name == "task":
                self["title"] = TASK_TITLES[value][language]
            elif isinstance(value, list):
                self[name] = ", ".join(str(item) for item in value) or "—"
            else:
                self[name] = str(value)

    def __missing__(self, key: str) -> str:
        return "" if key == "note" else "—"
