"""Sentences for a person, in their language: what happened in a process, and what a task asks for.

The database keeps an event and its facts; the sentence is made when somebody reads it. Facts are named by their unit:
`…_minor` is shown as a sum, `…_at` as local date and time, `…_on` as a date.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from models.rules.billing_sentences import BILLING_EVENTS
from models.rules.money import tenge

EVENTS: dict[str, dict[str, str]] = {
    **BILLING_EVENTS,
    "application_registered": {
        "en": "{who} registered the application: tariff {tariff}, equipment: {equipment}. Port {port} is kept for it.",
        "ru": "{who}: заявка зарегистрирована, тариф {tariff}, оборудование: {equipment}. Закреплён порт {port}.",
        "kk": "{who}: өтінім тіркелді, тариф {tariff}, жабдық: {equipment}. {port} порты бекітілді.",
    },
    "equipment_reserved": {
        "en": "Equipment is reserved in stock: {serials}.",
        "ru": "Оборудование зарезервировано на складе: {serials}.",
        "kk": "Жабдық қоймада резервке қойылды: {serials}.",
    },
    "equipment_missing": {
        "en": "Not in stock: {missing}. Procurement is asked to buy it.",
        "ru": "Нет на складе: {missing}. Снабжению поставлена задача на закупку.",
        "kk": "Қоймада жоқ: {missing}. Жабдықтау бөліміне сатып алу тапсырмасы берілді.",
    },
    "contract_drawn_up": {
        "en": "Contract {number} is drawn up.",
        "ru": "Составлен договор {number}.",
        "kk": "{number} шарты жасалды.",
    },
    "invoice_issued": {
        "en": "Invoice {number} for {total} is issued; {outstanding} is to be paid by {due_on}.",
        "ru": "Выставлен счёт {number} на {total}; к оплате {outstanding} до {due_on}.",
        "kk": "{number} шоты {total} сомасына жазылды; {due_on} дейін төленуі тиіс: {outstanding}.",
    },
    "payment_received": {
        "en": "{who} reported a payment of {amount}, receipt {receipt_no}.",
        "ru": "{who}: поступила оплата {amount}, квитанция {receipt_no}.",
        "kk": "{who}: {amount} төлем түсті, түбіртек {receipt_no}.",
    },
    "payment_reversed": {
        "en": "The payment of {amount} from {who}, receipt {receipt_no}, was taken back.",
        "ru": "{who}: оплата {amount} отозвана, квитанция {receipt_no}.",
        "kk": "{who}: {amount} төлемі кері қайтарылды, түбіртек {receipt_no}.",
    },
    "prepayment_complete": {
        "en": "The connection is paid in full.",
        "ru": "Подключение оплачено полностью.",
        "kk": "Қосылу толық төленді.",
    },
    "prepayment_reminded": {
        "en": "No full payment yet ({outstanding} missing): the subscriber is reminded by SMS.",
        "ru": "Оплата не поступила полностью (не хватает {outstanding}): абоненту отправлено напоминание.",
        "kk": "Төлем толық түскен жоқ ({outstanding} жетпейді): абонентке еске салу жіберілді.",
    },
    "task_opened": {
        "en": "Task for {department}: {title}. Due {due_at}.",
        "ru": "Задача отделу «{department}»: {title}. Срок {due_at}.",
        "kk": "«{department}» бөліміне тапсырма: {title}. Мерзімі {due_at}.",
    },
    "task_claimed": {
        "en": "{who} took the task on: {title}.",
        "ru": "{who}: задача взята в работу — {title}.",
        "kk": "{who}: тапсырма жұмысқа алынды — {title}.",
    },
    "task_completed": {
        "en": "{who} completed the task ({title}): {outcome}.{note}",
        "ru": "{who}: задача выполнена ({title}) — {outcome}.{note}",
        "kk": "{who}: тапсырма орындалды ({title}) — {outcome}.{note}",
    },
    "task_escalated": {
        "en": "Overdue since {due_at}: {title}. The head of {department} is told.",
        "ru": "Просрочено с {due_at}: {title}. Сообщено руководителю отдела «{department}».",
        "kk": "{due_at} бастап мерзімі өтті: {title}. «{department}» бөлімінің басшысына хабарланды.",
    },
    "task_withdrawn": {
        "en": "The task is no longer needed: {title}.",
        "ru": "Задача больше не нужна: {title}.",
        "kk": "Тапсырма енді қажет емес: {title}.",
    },
    "act_refused": {
        "en": "An act from the Temporal UI was refused: {detail}",
        "ru": "Действие из Temporal UI отклонено: {detail}",
        "kk": "Temporal UI арқылы жасалған әрекет қабылданбады: {detail}",
    },
    "visit_booked": {
        "en": "{who} assigned {crew} for {starts_at}.",
        "ru": "{who}: назначена {crew} на {starts_at}.",
        "kk": "{who}: {crew} тағайындалды, уақыты {starts_at}.",
    },
    "visit_moved": {
        "en": "{who} moved the visit: {crew}, {starts_at}.",
        "ru": "{who}: визит перенесён — {crew}, {starts_at}.",
        "kk": "{who}: келу уақыты ауыстырылды — {crew}, {starts_at}.",
    },
    "scheduling_postponed": {
        "en": "{who} postponed the scheduling until {until_at}: {reason}.",
        "ru": "{who}: назначение отложено до {until_at}: {reason}.",
        "kk": "{who}: тағайындау {until_at} дейін кейінге қалдырылды: {reason}.",
    },
    "subscriber_absent": {
        "en": "{who} found nobody at home: a new visit is needed.",
        "ru": "{who}: абонента не оказалось дома, нужен новый визит.",
        "kk": "{who}: абонент үйде болмады, қайта келу қажет.",
    },
    "equipment_mounted": {
        "en": "{who} mounted the equipment: {serials}.",
        "ru": "{who}: оборудование смонтировано: {serials}.",
        "kk": "{who}: жабдық орнатылды: {serials}.",
    },
    "act_drawn_up": {
        "en": "Hand-over act {number} is drawn up.",
        "ru": "Составлен акт приёма-передачи {number}.",
        "kk": "{number} қабылдау-тапсыру актісі жасалды.",
    },
    "act_signed": {
        "en": "{who}: act {number} is signed.",
        "ru": "{who}: акт {number} подписан.",
        "kk": "{who}: {number} актісіне қол қойылды.",
    },
    "service_activated": {
        "en": "The service is switched on; it is charged from {active_on}.",
        "ru": "Услуга включена, начисление с {active_on}.",
        "kk": "Қызмет қосылды, есептеу {active_on} бастап.",
    },
    "connection_closed": {
        "en": "The connection is complete. The subscriber is told by SMS.",
        "ru": "Подключение завершено. Абоненту отправлено SMS.",
        "kk": "Қосылу аяқталды. Абонентке SMS жіберілді.",
    },
    "cancel_requested": {
        "en": "{who} cancels the process: {reason}.",
        "ru": "{who} отменяет процесс: {reason}.",
        "kk": "{who} үдерісті тоқтатады: {reason}.",
    },
    "cancel_refused": {
        "en": "Not cancelled: {detail}",
        "ru": "Отмена отклонена: {detail}",
        "kk": "Тоқтату қабылданбады: {detail}",
    },
    "prepayment_expired": {
        "en": "The prepayment did not come in time: the application is cancelled.",
        "ru": "Предоплата не поступила в срок: заявка отменена.",
        "kk": "Алдын ала төлем мерзімінде түспеді: өтінім тоқтатылды.",
    },
    "task_made_impossible": {
        "en": "{who}: this can't be done ({reason}); the application is cancelled.",
        "ru": "{who}: выполнить невозможно ({reason}); заявка отменена.",
        "kk": "{who}: орындау мүмкін емес ({reason}); өтінім тоқтатылды.",
    },
    "service_switched_off": {
        "en": "Undone: the service is off, the port is passive.",
        "ru": "Возвращено: услуга выключена.",
        "kk": "Қайтарылды: қызмет өшірілді.",
    },
    "visit_freed": {
        "en": "Undone: the crew's slot is free again.",
        "ru": "Возвращено: время бригады освобождено.",
        "kk": "Қайтарылды: бригаданың уақыты босатылды.",
    },
    "invoice_credited": {
        "en": "Undone: invoice {number} is credited by {credit_note}.",
        "ru": "Возвращено: счёт {number} сторнирован, {credit_note}.",
        "kk": "Қайтарылды: {number} шоты сторноланды, {credit_note}.",
    },
    "equipment_released": {
        "en": "Undone: equipment is back in stock: {serials}.",
        "ru": "Возвращено: оборудование на складе: {serials}.",
        "kk": "Қайтарылды: жабдық қоймада: {serials}.",
    },
    "application_withdrawn": {
        "en": "Undone: the port is free, the subscription is cancelled.",
        "ru": "Возвращено: порт свободен, подписка отменена.",
        "kk": "Қайтарылды: порт бос, жазылым тоқтатылды.",
    },
    "connection_cancelled": {
        "en": "The connection is cancelled. The subscriber is told by SMS.",
        "ru": "Подключение отменено. Абоненту отправлено SMS.",
        "kk": "Қосылу тоқтатылды. Абонентке SMS жіберілді.",
    },
    "advance_left": {
        "en": "{advance} of the subscriber's money is on their balance: accounting decides about a refund.",
        "ru": "На балансе абонента осталось {advance}: решение о возврате за бухгалтерией.",
        "kk": "Абоненттің балансында {advance} қалды: қайтару туралы шешімді бухгалтерия қабылдайды.",
    },
    "advance_refunded": {
        "en": "{who} refunded {amount} by payment order {payment_order}.",
        "ru": "{who}: возвращено {amount}, платёжное поручение {payment_order}.",
        "kk": "{who}: {amount} қайтарылды, төлем тапсырмасы {payment_order}.",
    },
    "advance_kept": {
        "en": "{who}: the money stays on the subscriber's balance.",
        "ru": "{who}: деньги остаются на балансе абонента.",
        "kk": "{who}: ақша абоненттің балансында қалады.",
    },
}  # fmt: skip

TASK_TITLES: dict[str, dict[str, str]] = {
    "purchase": {
        "en": "Buy the missing equipment and enter the delivery",
        "ru": "Закупить недостающее оборудование и внести поставку",
        "kk": "Жетіспейтін жабдықты сатып алып, жеткізілімді енгізу",
    },
    "assign_crew": {
        "en": "Assign a crew and a time",
        "ru": "Назначить бригаду и время",
        "kk": "Бригада мен уақытты тағайындау",
    },
    "install": {
        "en": "Install the equipment at the subscriber's",
        "ru": "Смонтировать оборудование у абонента",
        "kk": "Жабдықты абонентте орнату",
    },
    "sign_act": {
        "en": "Have the hand-over act signed",
        "ru": "Подписать акт приёма-передачи",
        "kk": "Қабылдау-тапсыру актісіне қол қойғызу",
    },
    "refund": {
        "en": "Refund the subscriber's money or keep it as an advance",
        "ru": "Вернуть деньги абоненту или оставить авансом",
        "kk": "Абоненттің ақшасын қайтару немесе аванс ретінде қалдыру",
    },
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
            elif name == "department":
                self[name] = DEPARTMENTS[value][language]
            elif name == "task":
                self["title"] = TASK_TITLES[value][language]
            elif isinstance(value, list):
                self[name] = ", ".join(str(item) for item in value) or "—"
            else:
                self[name] = str(value)

    def __missing__(self, key: str) -> str:
        return "" if key == "note" else "—"
