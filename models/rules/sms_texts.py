"""What is said by SMS, in three languages. No text names a person: an SMS is read by whoever holds the phone."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from string import Formatter

from models.contracts.people import Language
from models.rules.outage_texts import OUTAGE_TEXTS
from models.rules.request_texts import REQUEST_TEXTS


class Template(StrEnum):
    """The occasions on which an SMS is sent."""

    CONNECTION_INVOICE = "connection_invoice"
    PREPAYMENT_REMINDER = "prepayment_reminder"
    CONNECTION_EXPIRED = "connection_expired"
    CONNECTION_CANCELLED = "connection_cancelled"
    VISIT_BOOKED = "visit_booked"
    VISIT_MOVED = "visit_moved"
    CONNECTED = "connected"
    DISCONNECTION_INVOICE = "disconnection_invoice"
    """What is to be paid before a service is dismantled."""
    DISCONNECTION_REMINDER = "disconnection_reminder"
    DISCONNECTION_CANCELLED = "disconnection_cancelled"
    DISCONNECTION_STOPPED = "disconnection_stopped"
    """The debt was paid: the service is on again."""
    DISCONNECTED = "disconnected"
    DISCONNECTED_OWING = "disconnected_owing"
    """With what is still to be paid."""
    TARIFF_CHANGE_DEBT = "tariff_change_debt"
    """What is to be paid before the tariff changes."""
    TARIFF_CHANGE_DEBT_REMINDER = "tariff_change_debt_reminder"
    TARIFF_CHANGE_EXPIRED = "tariff_change_expired"
    TARIFF_CHANGE_CANCELLED = "tariff_change_cancelled"
    TARIFF_CHANGE_PLANNED = "tariff_change_planned"
    TARIFF_CHANGED = "tariff_changed"
    LOST_EQUIPMENT = "lost_equipment"
    """The invoice for pieces that were not given back when others were mounted."""
    INVOICE_ISSUED = "invoice_issued"
    """The monthly invoice, with what advances left to pay of it."""
    OUTAGE_ANNOUNCED = "outage_announced"
    OUTAGE_BEGUN = "outage_begun"
    OUTAGE_EMERGENCY = "outage_emergency"
    OUTAGE_MOVED = "outage_moved"
    OUTAGE_NEW_END = "outage_new_end"
    OUTAGE_OVERRUN = "outage_overrun"
    OUTAGE_CALLED_OFF = "outage_called_off"
    OUTAGE_RESTORED = "outage_restored"
    REQUEST_RECEIVED = "request_received"
    REQUEST_OUTAGE = "request_outage"
    """Whoever asks hears of the outage, and when it is expected to end."""
    REQUEST_OUTAGE_OVERRUN = "request_outage_overrun"
    REQUEST_RESTORED = "request_restored"
    REQUEST_QUESTION = "request_question"
    REQUEST_SOLVED = "request_solved"
    REQUEST_DECLINED = "request_declined"
    REQUEST_CANCELLED = "request_cancelled"
    REQUEST_WARNED = "request_warned"
    """For staff: the head of the department."""
    REQUEST_BREACHED = "request_breached"
    """Likewise."""
    TASK_ESCALATED = "task_escalated"
    """For staff: the head of the department."""


_TEXTS: dict[Template, dict[Language, str]] = {
    Template.CONNECTION_INVOICE: {
        Language.RU: "К оплате за подключение: {sum}, до {due_on}. Оплатите в приложении банка по ИИН или номеру "
        "лицевого счёта {account_no}.",
        Language.KK: "Қосылу ақысы: {sum}, төлеу мерзімі: {due_on}. Банк қосымшасында ЖСН немесе {account_no} дербес "
        "шот нөмірі бойынша төлеңіз.",
        Language.EN: "Connection charge: {sum}, due {due_on}. Pay in your bank's app by IIN or account number "
        "{account_no}.",
    },
    Template.PREPAYMENT_REMINDER: {
        Language.RU: "За подключение осталось оплатить {outstanding}. Если оплата не поступит до {expires_on}, заявка "
        "будет отменена. Оплата в приложении банка по ИИН или лицевому счёту {account_no}.",
        Language.KK: "Қосылу үшін тағы {outstanding} төлеу қажет. Төлем мерзімі: {expires_on}, одан кейін өтінім "
        "жойылады. Банк қосымшасында ЖСН немесе {account_no} дербес шоты бойынша төлеңіз.",
        Language.EN: "{outstanding} is still due for your connection. If it is not paid by {expires_on}, the "
        "application will be cancelled. Pay in your bank's app by IIN or account number {account_no}.",
    },
    Template.CONNECTION_EXPIRED: {
        Language.RU: "Заявка на подключение отменена: оплата не поступила в срок. Внесённые деньги, если они были, "
        "сохранены на вашем лицевом счёте. Вы можете подать новую заявку.",
        Language.KK: "Қосылуға өтінім жойылды: төлем мерзімінде түспеді. Төлеген ақшаңыз болса, ол дербес шотыңызда "
        "сақталды. Жаңа өтінім бере аласыз.",
        Language.EN: "Your connection application was cancelled: the payment did not arrive in time. Anything you paid "
        "is kept on your account. You are welcome to apply again.",
    },
    Template.CONNECTION_CANCELLED: {
        Language.RU: "Ваша заявка на подключение отменена. Внесённые деньги, если они были, сохранены на вашем "
        "лицевом счёте.",
        Language.KK: "Қосылуға берген өтініміңіз жойылды. Төлеген ақшаңыз болса, ол дербес шотыңызда сақталды.",
        Language.EN: "Your connection application was cancelled. Anything you paid is kept on your account.",
    },
    Template.VISIT_BOOKED: {
        Language.RU: "Монтажники приедут {date} с {from} до {to}. Пожалуйста, будьте дома.",
        Language.KK: "Монтаждаушылар {date} күні сағат {from} мен {to} аралығында келеді. Үйде болуыңызды сұраймыз.",
        Language.EN: "Our installers will come on {date} between {from} and {to}. Please be at home.",
    },
    Template.VISIT_MOVED: {
        Language.RU: "Визит монтажников перенесён: они приедут {date} с {from} до {to}. Пожалуйста, будьте дома.",
        Language.KK: "Монтаждаушылардың келу уақыты өзгерді: {date} күні сағат {from} мен {to} аралығында келеді. "
        "Үйде болуыңызды сұраймыз.",
        Language.EN: "The installers' visit was moved: they will come on {date} between {from} and {to}. Please be at "
        "home.",
    },
    Template.CONNECTED: {
        Language.RU: "Услуга подключена, тариф «{tariff}». Лицевой счёт для оплаты: {account_no}. Спасибо, что вы с "
        "нами!",
        Language.KK: "Қызмет қосылды, тариф: «{tariff}». Төлем жасауға арналған дербес шот: {account_no}. Бізбен бірге "
        "болғаныңызға рақмет!",
        Language.EN: "Your service is connected, tariff {tariff}. Account number for payments: {account_no}. Thank "
        "you!",
    },
    Template.DISCONNECTION_INVOICE: {
        Language.RU: "К оплате перед отключением: {sum}, до {due_on}. Оплатите в приложении банка по ИИН или номеру "
        "лицевого счёта {account_no}.",
        Language.KK: "Ажыратудың алдында төленуі тиіс: {sum}, төлеу мерзімі: {due_on}. Банк қосымшасында ЖСН немесе "
        "{account_no} дербес шот нөмірі бойынша төлеңіз.",
        Language.EN: "To be paid before disconnection: {sum}, due {due_on}. Pay in your bank's app by IIN or account "
        "number {account_no}.",
    },
    Template.DISCONNECTION_REMINDER: {
        Language.RU: "Перед отключением осталось оплатить {outstanding}, до {expires_on}. Оплата в приложении банка по "
        "ИИН или лицевому счёту {account_no}.",
        Language.KK: "Ажыратудың алдында тағы {outstanding} төлеу қажет, мерзімі: {expires_on}. Банк қосымшасында ЖСН "
        "немесе {account_no} дербес шоты бойынша төлеңіз.",
        Language.EN: "{outstanding} is still to be paid before disconnection, by {expires_on}. Pay in your bank's app "
        "by IIN or account number {account_no}.",
    },
    Template.DISCONNECTION_CANCELLED: {
        Language.RU: "Отключение отменено, услуга остаётся. Внесённые деньги, если они были, сохранены на вашем "
        "лицевом счёте {account_no}.",
        Language.KK: "Ажырату тоқтатылды, қызмет қалады. Төлеген ақшаңыз болса, ол {account_no} дербес шотыңызда "
        "сақталды.",
        Language.EN: "The disconnection was cancelled, your service stays. Anything you paid is kept on your account "
        "{account_no}.",
    },
    Template.DISCONNECTION_STOPPED: {
        Language.RU: "Долг оплачен, услуга снова включена. Лицевой счёт {account_no}. Спасибо!",
        Language.KK: "Берешек төленді, қызмет қайта қосылды. Дербес шот: {account_no}. Рақмет!",
        Language.EN: "Your debt is paid and your service is on again. Account {account_no}. Thank you!",
    },
    Template.DISCONNECTED: {
        Language.RU: "Услуга отключена, первый день без неё: {date}. Лицевой счёт {account_no}. Спасибо, что были "
        "с нами.",
        Language.KK: "Қызмет ажыратылды, қызметсіз бірінші күн: {date}. Дербес шот: {account_no}. Бізбен бірге "
        "болғаныңызға рақмет.",
        Language.EN: "Your service is disconnected, the first day without it is {date}. Account {account_no}. Thank "
        "you for having been with us.",
    },
    Template.DISCONNECTED_OWING: {
        Language.RU: "Услуга отключена, первый день без неё: {date}. Осталось оплатить {sum}, до {due_on}: в "
        "приложении банка по ИИН или номеру лицевого счёта {account_no}.",
        Language.KK: "Қызмет ажыратылды, қызметсіз бірінші күн: {date}. Төленуі тиіс: {sum}, мерзімі: {due_on}. Банк "
        "қосымшасында ЖСН немесе {account_no} дербес шот нөмірі бойынша төлеңіз.",
        Language.EN: "Your service is disconnected, the first day without it is {date}. {sum} is still to be paid by "
        "{due_on}, in your bank's app by IIN or account number {account_no}.",
    },
    Template.TARIFF_CHANGE_DEBT: {
        Language.RU: "Чтобы сменить тариф, оплатите {sum} до {due_on}. Оплата в приложении банка по ИИН или лицевому "
        "счёту {account_no}.",
        Language.KK: "Тарифті ауыстыру үшін {sum} төлеңіз, мерзімі: {due_on}. Банк қосымшасында ЖСН немесе "
        "{account_no} дербес шоты бойынша төлеңіз.",
        Language.EN: "To change your tariff, please pay {sum} by {due_on}, in your bank's app by IIN or account number "
        "{account_no}.",
    },
    Template.TARIFF_CHANGE_DEBT_REMINDER: {
        Language.RU: "Смена тарифа ждёт оплаты: {outstanding}. Если оплата не поступит до {expires_on}, заявка будет "
        "отменена. Оплата в приложении банка по ИИН или лицевому счёту {account_no}.",
        Language.KK: "Тариф ауыстыру төлемді күтуде: {outstanding}. Төлем мерзімі: {expires_on}, одан кейін өтінім "
        "жойылады. Банк қосымшасында ЖСН немесе {account_no} дербес шоты бойынша төлеңіз.",
        Language.EN: "Your change of tariff waits for {outstanding}. If it is not paid by {expires_on}, the request "
        "will be cancelled. Pay in your bank's app by IIN or account number {account_no}.",
    },
    Template.TARIFF_CHANGE_EXPIRED: {
        Language.RU: "Заявка на смену тарифа отменена: оплата не поступила в срок. Тариф остаётся прежним.",
        Language.KK: "Тариф ауыстыруға өтінім жойылды: төлем мерзімінде түспеді. Тариф бұрынғы күйінде қалады.",
        Language.EN: "Your request for another tariff was cancelled: the payment did not arrive in time. Your tariff "
        "stays as it is.",
    },
    Template.TARIFF_CHANGE_CANCELLED: {
        Language.RU: "Смена тарифа отменена. Тариф остаётся прежним.",
        Language.KK: "Тариф ауыстыру тоқтатылды. Тариф бұрынғы күйінде қалады.",
        Language.EN: "The change of your tariff was cancelled. Your tariff stays as it is.",
    },
    Template.TARIFF_CHANGE_PLANNED: {
        Language.RU: "Тариф «{tariff}» начнёт действовать {date}: {sum} в месяц. Отменить смену можно до этого дня.",
        Language.KK: "«{tariff}» тарифі {date} күнінен қолданылады: айына {sum}. Осы күнге дейін ауыстырудан "
        "бас тартуға болады.",
        Language.EN: "Tariff {tariff} takes effect on {date}: {sum} a month. Until then you may change your mind.",
    },
    Template.TARIFF_CHANGED: {
        Language.RU: "С {date} действует тариф «{tariff}»: {sum} в месяц. В следующем счёте за {month}: {next}.",
        Language.KK: "{date} бастап «{tariff}» тарифі қолданылады: айына {sum}. Келесі шотта {month} үшін: {next}.",
        Language.EN: "Tariff {tariff} applies from {date} on: {sum} a month. On the next invoice for {month}: {next}.",
    },
    Template.LOST_EQUIPMENT: {
        Language.RU: "К оплате за невозвращённое оборудование: {sum}, до {due_on}. Оплатите в приложении банка по ИИН "
        "или номеру лицевого счёта {account_no}.",
        Language.KK: "Қайтарылмаған жабдық үшін төлем: {sum}, төлеу мерзімі: {due_on}. Банк қосымшасында ЖСН немесе "
        "{account_no} дербес шот нөмірі бойынша төлеңіз.",
        Language.EN: "For equipment that was not returned: {sum}, due {due_on}. Pay in your bank's app by IIN or "
        "account number {account_no}.",
    },
    Template.INVOICE_ISSUED: {
        Language.RU: "К оплате за услуги связи: {sum}, до {due_on}. Оплатите в приложении банка по ИИН или номеру "
        "лицевого счёта {account_no}.",
        Language.KK: "Байланыс қызметінің ақысы: {sum}, төлеу мерзімі: {due_on}. Банк қосымшасында ЖСН немесе "
        "{account_no} дербес шот нөмірі бойынша төлеңіз.",
        Language.EN: "Your monthly charge: {sum}, due {due_on}. Pay in your bank's app by IIN or account number "
        "{account_no}.",
    },
    Template.TASK_ESCALATED: {
        Language.RU: "Просрочена задача «{task}», процесс {process}. Пожалуйста, займитесь ею.",
        Language.KK: "«{task}» тапсырмасының мерзімі өтті, процесс: {process}. Назар аударуыңызды сұраймыз.",
        Language.EN: "Overdue task: {task}, process {process}. Please see to it.",
    },
    **{Template(name): texts for name, texts in OUTAGE_TEXTS.items()},
    **{Template(name): texts for name, texts in REQUEST_TEXTS.items()},
}


@cache
def facts_of(template: Template, language: Language = Language.RU) -> frozenset[str]:
    """The names of the facts that a template is filled with."""
    fields = (name for _, name, _, _ in Formatter().parse(_TEXTS[template][language]))
    return frozenset(name for name in fields if name is not None)


def sms_text(template: Template, language: Language, facts: Mapping[str, str]) -> str:
    """The text of an SMS. Facts are written as they are, so sums and dates come ready for a person to read.

    Raises:
        ValueError: a fact is missing.
    """
    missing = facts_of(template, language) - facts.keys()
    if missing:
        raise ValueError(f"the SMS {template} needs the facts {', '.join(sorted(missing))}")
    return _TEXTS[template][language].format_map(facts)
