"""What an SMS from outside says: STOP or START, what it is about, whether it comes again, and in which language.

People write in Russian, Kazakh and English, in the letters of any of them. A text that says nothing we know is about
something else, and a person reads it: a wrong guess costs more than none.
"""

import re
from enum import StrEnum

from models.contracts.people import Language


class Keyword(StrEnum):
    """What an incoming SMS of a single word asks for."""

    STOP = "stop"
    START = "start"


class Topic(StrEnum):
    """What an incoming SMS is about."""

    NO_INTERNET = "no_internet"
    SLOW = "slow"
    EQUIPMENT = "equipment"
    PAYMENT = "payment"
    TARIFF = "tariff"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    OTHER = "other"


# The provider itself blocks a number at the English words, so they are remembered alike.
_WORDS = {
    Keyword.STOP: {
        "stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout",
        "стоп", "отписаться", "тоқта", "токта", "тоқтату",
    },
    Keyword.START: {"start", "unstop", "yes", "старт", "баста", "бастау"},
}  # fmt: skip
_KEYWORD_OF_WORD = {word: keyword for keyword, words in _WORDS.items() for word in words}
_AROUND = " \t\r\n.,!?;:\"'«»“”()-"


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b(?:{pattern})" for pattern in patterns))


# Beginnings of words, of what `_plain` leaves of a text. The first topic that is found is the one.
_TOPICS: list[tuple[Topic, re.Pattern[str]]] = [
    (
        Topic.DISCONNECT,
        _any_of(
            r"отключите(?:сь)?\b", r"отключить(?:ся)?\b", r"расторг", r"отказ\w* от (?:услуг|интернет)",
            r"ажыратыңыз", r"ажыратып", r"ажыратқы", r"шартты бұз", r"бас тарт",
            r"disconnect (?:me|my|us|the)\b", r"terminat", r"cancel (?:my|the)\b", r"otklyuchite", r"otkluchite",
        ),
    ),
    (
        Topic.NO_INTERNET,
        _any_of(
            r"нету? (?:\w+ ){0,2}(?:интернет|инет|связ|сигнал|сет|тв\b|телевид)",
            r"(?:интернет|инет|связ\w+|сигнал\w*|сет\w+|тв|вай ?фай|wi ?fi) (?:\w+ ){0,3}(?:нету?\b|пропал|исчез)",
            r"(?:интернет|инет|тв|вай ?фай|wi ?fi|роутер|модем) (?:\w+ ){0,3}не (?:работа|груз|пашет|подключ)",
            r"не (?:работа|груз|пашет|подключ)\w* (?:\w+ ){0,3}(?:интернет|инет|тв\b|вай ?фай|wi ?fi|роутер|модем)",
            r"(?:про|вы)пал\w* (?:\w+ ){0,2}(?:интернет|инет|связ|сигнал)", r"обрыв", r"авари",
            r"отключили (?:\w+ ){0,2}интернет", r"интернет (?:\w+ ){0,2}отключили",
            r"(?:интернет\w*|байланыс|желі|сигнал|wi ?fi) (?:\w+ ){0,2}(?:жоқ|жок)\b",
            r"(?:интернет\w*|желі|wi ?fi|роутер) (?:\w+ ){0,2}(?:жұмыс )?істеме",
            r"(?:интернет\w*|байланыс) (?:\w+ ){0,2}(?:үзіл|өшіп|өшті)",
            r"no (?:\w+ )?(?:internet|connection|signal|network)",
            r"(?:internet|network|connection) (?:\w+ ){0,2}down",
            r"(?:internet|wi ?fi|router|connection) (?:\w+ ){0,2}not work", r"outage", r"offline",
            r"net (?:\w+ )?(?:interneta?|inet|svyazi|signala)",
            r"(?:internet|inet|svyaz) (?:\w+ ){0,2}(?:net|propal)\b",
            r"(?:internet|inet) (?:\w+ ){0,2}ne rabota", r"ne rabota\w* (?:\w+ ){0,2}(?:internet|inet)",
        ),
    ),
    (
        Topic.SLOW,
        _any_of(
            r"медлен", r"тормоз", r"лага", r"завис", r"виснет", r"пинг", r"скорост", r"баяу", r"жылдамды", r"slow",
            r"lag(?:s|gy|ging)?\b", r"speed", r"ping\b", r"medlen", r"tormoz", r"skorost",
        ),
    ),
    (Topic.TARIFF, _any_of(r"тариф", r"tariff?", r"plan\b", r"пакет")),
    (
        Topic.CONNECT,
        _any_of(
            r"подключ(?:ите|ить|иться)\b", r"хочу (?:\w+ )?(?:интернет|инет)", r"қосылғы", r"қосып бер", r"қосыңыз",
            r"connect (?:me|my|us)\b", r"new connection", r"podklyuchit",
        ),
    ),
    (
        Topic.PAYMENT,
        _any_of(
            r"оплат", r"плат[еи]", r"заплат", r"сч[её]т", r"баланс", r"долг", r"задолж", r"деньг", r"денег", r"списа",
            r"квитанц", r"тенге", r"төле", r"шот", r"қарыз", r"карыз", r"берешек", r"ақша", r"теңге",
            r"pay(?:ment|ing|s)?\b", r"paid\b", r"bill(?:s|ing|ed)?\b", r"invoice", r"balance", r"debt", r"charged?\b",
            r"oplat", r"plat[ei]", r"schet", r"dolg", r"balans",
        ),
    ),
    (
        Topic.EQUIPMENT,
        _any_of(
            r"роутер", r"модем", r"терминал", r"приставк", r"пульт", r"кабел", r"провод", r"router", r"modem", r"cable",
            r"set top",
        ),
    ),
    # Something does not work, and nothing else is said: here that is the service.
    (
        Topic.NO_INTERNET,
        _any_of(
            r"не (?:работа|груз|пашет|подключа)", r"ничего не откры", r"істеме", r"not work",
            r"(?:doesn|isn|don) ?t work", r"ne rabota",
        ),
    ),
]  # fmt: skip

_AGAIN = _any_of(
    r"снова\b", r"опять\b", r"вновь\b", r"еще раз\b", r"не помог", r"не исправ", r"не решен", r"все еще\b",
    r"по прежнему\b", r"до сих пор\b", r"так и не\b", r"не работа", r"қайта", r"тағы", r"әлі", r"көмектеспе", r"істеме",
    r"again\b", r"still\b", r"not (?:fixed|solved|work|resolved)", r"(?:doesn|isn|don) ?t work", r"snova\b", r"opyat\b",
    r"ne pomog", r"ne rabota",
)  # fmt: skip

_THANKS = re.compile(
    r"(?:(?:спасибо|благодар\w+|большое|огромное|вам|ок|окей|хорошо|понятно|да|все работает|заработало|работает|"
    r"рахмет|рақмет|сізге|жақсы|иә|thanks|thank you|thank u|ok|okay|great|spasibo)(?: |$))+"
)
_KAZAKH_LETTERS = frozenset("әғқңөұүһі")
_KAZAKH_WORDS = _any_of(
    r"жок\b", r"баяу", r"карыз", r"жумыс", r"истемей", r"салем", r"рахмет", r"акша", r"тоқта", r"токта"
)
_ENGLISH_WORDS = _any_of(
    r"(?:the|is|my|no|not|please|internet is|hello|why|when|i|you|we|have|again|still|pay|bill|slow|down|work\w*)\b"
)
_NOT_A_WORD = re.compile(r"[^\w]+")


def keyword_of(body: str) -> Keyword | None:
    """The keyword, in any case and with punctuation around it; None where the text says more than that."""
    return _KEYWORD_OF_WORD.get(body.strip(_AROUND).casefold())


def topic_of(body: str) -> Topic:
    """What a text is about; `other` where it does not say, or not in words that are known."""
    plain = _plain(body)
    return next((topic for topic, pattern in _TOPICS if pattern.search(plain)), Topic.OTHER)


def comes_again(body: str) -> bool:
    """Whether a text says that something is the matter again, or still."""
    return _AGAIN.search(_plain(body)) is not None


def only_thanks(body: str) -> bool:
    """Whether a text says thanks or agrees, and nothing else."""
    return _THANKS.fullmatch(_plain(body)) is not None


def language_of(body: str) -> Language:
    """The language of a text by its letters and words; Russian, which most people here read, where that is unclear."""
    plain = _plain(body)
    if _KAZAKH_LETTERS & set(plain) or _KAZAKH_WORDS.search(plain):
        return Language.KK
    if not re.search("[а-я]", plain) and _ENGLISH_WORDS.search(plain):
        return Language.EN
    return Language.RU


def _plain(body: str) -> str:
    """Lower case, words with single blanks between them, and one way to write е."""
    return _NOT_A_WORD.sub(" ", body.casefold().replace("ё", "е")).strip()
