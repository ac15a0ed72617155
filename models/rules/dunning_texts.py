"""What dunning says by SMS: texts of a policy, in three languages, with places for sums and dates.

A text names no person: an SMS is read by whoever holds the phone.
"""

from collections.abc import Mapping
from string import Formatter

from models.contracts.dunning_words import StepKind
from models.rules.sms_segments import segment_count

MOST_SEGMENTS = 4
"""A longer SMS is not read, and costs what five cost."""
LONGEST_FACTS = {
    "debt": "1\u00a0000\u00a0000,00\u00a0₸",
    "due_on": "31.12.2026",
    "cut_on": "31.12.2026",
    "account_no": "100000018",
}
"""Facts as long as they get; a text has to fit with them."""
PLACES: Mapping[StepKind | None, tuple[frozenset[str], frozenset[str]]] = {
    StepKind.NOTICE: (frozenset({"debt", "account_no"}), frozenset({"due_on"})),
    StepKind.REMINDER: (frozenset({"debt", "account_no"}), frozenset({"due_on"})),
    StepKind.FINAL_WARNING: (frozenset({"debt", "account_no", "cut_on"}), frozenset({"due_on"})),
    StepKind.THROTTLE: (frozenset({"debt", "account_no"}), frozenset({"due_on"})),
    StepKind.SUSPEND: (frozenset({"debt", "account_no"}), frozenset({"due_on"})),
    StepKind.DISCONNECT: (frozenset({"debt", "account_no"}), frozenset({"due_on"})),
    None: (frozenset(), frozenset({"account_no"})),
}
"""For each step the places that its text must have, and those that it may have besides; None: service is back."""


def problem_of(text: str, kind: StepKind | None) -> str | None:
    """What is wrong with a text of a step, as a phrase for the person who edits it; nothing where all is well."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return "has a brace without its partner"
    names = [name for _, name, _, _ in parts if name is not None]
    if any(spec or conversion for _, name, spec, conversion in parts if name is not None):
        return "a place is a name in braces and nothing else, such as {debt}"
    needed, allowed = PLACES[kind]
    unknown = sorted(set(names) - needed - allowed)
    if unknown:
        return f"there is no place {{{unknown[0]}}}; there are {_listed(needed | allowed)}"
    missing = sorted(needed - set(names))
    if missing:
        return f"must tell {_listed(missing)}"
    segments = segment_count(text.format_map(LONGEST_FACTS))
    if segments > MOST_SEGMENTS:
        return f"takes {segments} SMS; at most {MOST_SEGMENTS} are allowed"
    return None


def _listed(names: object) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))  # type: ignore[call-overload]  # a set or a list of names


RESTORED = {
    "ru": "Спасибо, оплата получена. Услуга снова включена. Лицевой счёт {account_no}.",
    "kk": "Рақмет, төлем түсті. Қызмет қайта қосылды. Дербес шот {account_no}.",
    "en": "Thank you, your payment has arrived. The service is on again. Account {account_no}.",
}
DEFAULT_TEXTS: dict[StepKind, dict[str, str]] = {
    StepKind.NOTICE: {
        "ru": "Срок оплаты услуг связи прошёл {due_on}. К оплате {debt}. Оплатите в приложении банка по ИИН или "
        "лицевому счёту {account_no}.",
        "kk": "Байланыс қызметін төлеу мерзімі {due_on} аяқталды. Төлеуге {debt}. Банк қосымшасында ЖСН немесе "
        "{account_no} дербес шоты бойынша төлеңіз.",
        "en": "Your payment was due on {due_on}. Amount due: {debt}. Pay in your bank's app by IIN or account number "
        "{account_no}.",
    },
    StepKind.REMINDER: {
        "ru": "Напоминаем о задолженности за услуги связи: {debt}. Оплатите в приложении банка по ИИН или лицевому "
        "счёту {account_no}. Не можете сейчас? Позвоните нам.",
        "kk": "Байланыс қызметі бойынша берешегіңізді еске саламыз: {debt}. Банк қосымшасында ЖСН немесе {account_no} "
        "дербес шоты бойынша төлеңіз. Қазір төлей алмасаңыз, бізге қоңырау шалыңыз.",
        "en": "A reminder: {debt} is overdue. Pay in your bank's app by IIN or account number {account_no}. If you "
        "can't pay now, please call us.",
    },
    StepKind.FINAL_WARNING: {
        "ru": "Последнее предупреждение: долг {debt}. Без оплаты услуга будет ограничена с {cut_on}. Оплата в "
        "приложении банка по ИИН или лицевому счёту {account_no}.",
        "kk": "Соңғы ескерту: берешек {debt}. Төленбесе, қызмет {cut_on} бастап шектеледі. Банк қосымшасында ЖСН "
        "немесе {account_no} дербес шоты бойынша төлеңіз.",
        "en": "Final warning: {debt} is overdue. Without payment your service will be restricted from {cut_on}. Pay by "
        "IIN or account number {account_no}.",
    },
    StepKind.THROTTLE: {
        "ru": "Скорость снижена из-за долга {debt}. После оплаты она восстановится сразу. Лицевой счёт {account_no}.",
        "kk": "{debt} берешек үшін жылдамдық төмендетілді. Төлегеннен кейін бірден қалпына келеді. Дербес шот "
        "{account_no}.",
        "en": "Your speed is reduced because {debt} is overdue. It is restored as soon as you pay. Account "
        "{account_no}.",
    },
    StepKind.SUSPEND: {
        "ru": "Услуга приостановлена из-за долга {debt}. После оплаты она включится сразу. Лицевой счёт {account_no}.",
        "kk": "{debt} берешек үшін қызмет тоқтатыла тұрды. Төлегеннен кейін бірден қосылады. Дербес шот {account_no}.",
        "en": "Your service is suspended because {debt} is overdue. It is on again as soon as you pay. Account "
        "{account_no}.",
    },
    StepKind.DISCONNECT: {
        "ru": "Начато отключение услуги из-за долга {debt}. Оплата по лицевому счёту {account_no} остановит его, пока "
        "оборудование не снято.",
        "kk": "{debt} берешек үшін қызметті ажырату басталды. Жабдық алынбайынша {account_no} дербес шотына төлем оны "
        "тоқтатады.",
        "en": "Disconnection has begun because {debt} is overdue. Paying to account {account_no} stops it until the "
        "equipment is removed.",
    },
}
"""What the first version of the policy says; the operator's own texts are in later versions."""
