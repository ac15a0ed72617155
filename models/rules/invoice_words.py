"""The words that billing writes into invoice lines, in the reader's language.

Lines are kept in Russian, as they were issued. Only the fixed words around a title, a sum or a number are translated;
titles of tariffs, discounts and equipment stay as they are.
"""

import re
from datetime import date
from typing import Final

MONTHS: Final = {
    "январь": ("қаңтар", "January"),
    "февраль": ("ақпан", "February"),
    "март": ("наурыз", "March"),
    "апрель": ("сәуір", "April"),
    "май": ("мамыр", "May"),
    "июнь": ("маусым", "June"),
    "июль": ("шілде", "July"),
    "август": ("тамыз", "August"),
    "сентябрь": ("қыркүйек", "September"),
    "октябрь": ("қазан", "October"),
    "ноябрь": ("қараша", "November"),
    "декабрь": ("желтоқсан", "December"),
}
_LANGUAGES: Final = ("kk", "en")
_BEGINNINGS: Final = {
    "Абонентская плата за первый месяц, тариф ": (
        "Бірінші айдың абоненттік төлемі, тариф ",
        "Monthly fee for the first month, tariff ",
    ),
    "Абонентская плата, ": ("Абоненттік төлем, ", "Monthly fee, "),
    "Подключение, тариф ": ("Қосу, тариф ", "Connection, tariff "),
    "Невозвращённое оборудование: ": ("Қайтарылмаған жабдық: ", "Equipment not returned: "),
    "Перерасчёт, ": ("Қайта есептеу, ", "Recalculation, "),
    "Скидка «": ("Жеңілдік «", "Discount «"),
    "Возврат за перерыв связи, ": ("Байланыс үзілісі үшін қайтарым, ", "Credit for an outage, "),
    "выставлено ранее: ": ("бұрын шот берілген: ", "invoiced before: "),
}
_MONTH: Final = re.compile(rf", ({'|'.join(MONTHS)}) (\d{{4}}(?: \([\d–]+\))?)$")
_DAYS: Final = re.compile(r"(?<=\d) дней$")
_MINUTES: Final = re.compile(r"(?<=\d) минут(?:(, не больше )(?=[\d\u00a0,]+\u00a0₸$)|$)")
_MINUTES_WORDS: Final = ((" минут", ", ең көбі "), (" minutes", ", at most "))
_RESIDUAL: Final = {
    " мес. службы": (" ай қызмет мерзімі", " months of use"),
    ", наименьшая стоимость": (", ең төменгі құны", ", the least that is left"),
}
_VAT: Final = re.compile(r", (в том числе|плюс) НДС (?=[\d,]+\u00a0%$)")
_VAT_WORDS: Final = {
    "в том числе": (", оның ішінде ҚҚС ", ", including VAT "),
    "плюс": (", қосымша ҚҚС ", ", plus VAT "),
}


def month_in_words(month_on: date) -> str:
    """A month in Russian, as lines name it: ноябрь 2026."""
    return f"{list(MONTHS)[month_on.month - 1]} {month_on.year}"


def in_language(text: str, language: str) -> str:
    """A line's description or formula in Russian (as it is kept), Kazakh or English."""
    if language not in _LANGUAGES:
        return text
    index = _LANGUAGES.index(language)
    for beginning, translated in _BEGINNINGS.items():
        if text.startswith(beginning):
            text = translated[index] + text.removeprefix(beginning)
            break
    text = _MONTH.sub(lambda found: f", {MONTHS[found[1]][index]} {found[2]}", text)
    text = _DAYS.sub((" күн", " days")[index], text)
    minutes, at_most = _MINUTES_WORDS[index]
    text = _MINUTES.sub(lambda found: minutes + (at_most if found[1] else ""), text)
    for words, translated in _RESIDUAL.items():
        text = text.replace(words, translated[index])
    return _VAT.sub(lambda found: _VAT_WORDS[found[1]][index], text)
