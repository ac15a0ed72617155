"""Writing 1CClientBankExchange in the dialect of Kazakhstan (version 2.00)."""

from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum

from models.rules.client_bank_exchange import FIRST_LINE, AccountTurnover, Exchange, ExchangeDocument, Party

VERSION = "2.00"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEAREST = str.maketrans({
    **dict(zip("әғқңөұүһӘҒҚҢӨҰҮҺ", "агкноуухАГКНОУУХ", strict=True)), "₸": "тг",
})  # fmt: skip
"""How the letters of Kazakh are spelled where only Russian ones exist."""
_PARTY_KEYS = (
    ("Наименование", "name"),
    ("БИН_ИИН", "id_no"),
    ("КБЕ", "sector_code"),
    ("ИИК", "account"),
    ("БанкНаименование", "bank_name"),
    ("БанкБИН_ИИН", "bank_id_no"),
    ("БанкБИК", "bank_bic"),
)


WINDOWS_LETTERS = bytes(range(32, 256)).decode("cp1251", errors="ignore")
"""All letters that Windows-1251 has."""


class Charset(StrEnum):
    """How a file is encoded; the file says so itself, by this word."""

    WINDOWS = "Windows"
    UTF8 = "UTF8"


def render(exchange: Exchange) -> bytes:
    """The file: in Windows-1251 where that holds all of its letters, otherwise in UTF-8 with a byte-order mark.

    Windows-1251 is what 1C for Windows reads without being told. It has none of ә ғ қ ң ө ұ ү һ, and a name is a fact
    of a payment order: it is not spelled otherwise unless somebody asks for that.
    """
    text = "".join([*_head(exchange, Charset.WINDOWS), *map(_document, exchange.documents)])
    charset = Charset.WINDOWS if fits_windows(text) else Charset.UTF8
    return b"".join(rendered(exchange, exchange.documents, charset))


def rendered(head: Exchange, documents: Iterable[ExchangeDocument], charset: Charset) -> Iterator[bytes]:
    """The file part by part, for documents that are read while it is sent; `head.documents` are not looked at.

    Letters that the charset lacks are replaced by the nearest Russian ones, and by question marks at last.
    """
    if charset is Charset.UTF8:
        yield _BYTE_ORDER_MARK
    yield _encoded("".join(_head(head, charset)), charset)
    for document in documents:
        yield _encoded(_document(document), charset)
    yield _encoded("КонецФайла\r\n", charset)


def _encoded(text: str, charset: Charset) -> bytes:
    if charset is Charset.UTF8:
        return text.encode()
    return text.translate(_NEAREST).encode("cp1251", errors="replace")


def fits_windows(text: str) -> bool:
    """Whether Windows-1251 has all letters of a text."""
    try:
        text.encode("cp1251")
    except UnicodeEncodeError:
        return False
    return True


def _head(exchange: Exchange, charset: Charset) -> list[str]:
    created_at = "" if exchange.created_at is None else f"{exchange.created_at:%H:%M:%S}"
    return [
        f"{FIRST_LINE}\r\n",
        _line("ВерсияФормата", VERSION),
        _line("Кодировка", charset),
        _line("Отправитель", exchange.sender),
        _line("Получатель", exchange.receiver),
        _line("ДатаСоздания", _day(exchange.created_on)),
        _line("ВремяСоздания", created_at),
        _line("ДатаНачала", _day(exchange.from_on)),
        _line("ДатаКонца", _day(exchange.to_on)),
        *(_line("РасчСчет", account) for account in exchange.accounts),
        *map(_turnover, exchange.turnovers),
    ]


def _turnover(turnover: AccountTurnover) -> str:
    return "".join([
        "СекцияРасчСчет\r\n",
        _line("ДатаНачала", _day(turnover.from_on)),
        _line("ДатаКонца", _day(turnover.to_on)),
        _line("РасчСчет", turnover.account),
        _sum("НачальныйОстаток", turnover.opening_minor),
        _sum("ВсегоПоступило", turnover.received_minor),
        _sum("ВсегоСписано", turnover.paid_minor),
        _sum("КонечныйОстаток", turnover.closing_minor),
        "КонецРасчСчет\r\n",
    ])  # fmt: skip


def _document(document: ExchangeDocument) -> str:
    """Сумма always; beside it the key that says which way the money went, unless it went between own accounts."""
    one_way = bool(document.credited) != bool(document.debited)
    return "".join([
        f"СекцияДокумент={_clean(document.form)}\r\n",
        _line("ВидДокумента", "" if document.kind == document.form else document.kind),
        _line("НомерДокумента", document.number),
        _line("ДатаДокумента", _day(document.issued_on)),
        _line("ДатаОперации", _day(document.operated_on)),
        _sum("СуммаПриход", document.amount_minor if one_way and document.credited else None),
        _sum("СуммаРасход", document.amount_minor if one_way and document.debited else None),
        _sum("Сумма", document.amount_minor),
        *_party("Плательщик", document.payer),
        *_party("Получатель", document.payee),
        _line("НазначениеПлатежа", document.purpose),
        _line("КодНазначенияПлатежа", document.purpose_code),
        _line("ДатаВалютирования", _day(document.valued_on)),
        _line("Валюта", document.currency),
        "КонецДокумента\r\n",
    ])  # fmt: skip


def _party(prefix: str, party: Party) -> Iterator[str]:
    for key, name in _PARTY_KEYS:
        yield _line(f"{prefix}{key}", getattr(party, name))


def _line(key: str, value: str) -> str:
    """A line, or none where there is nothing to say."""
    cleaned = _clean(value)
    return f"{key}={cleaned}\r\n" if cleaned else ""


def _sum(key: str, amount_minor: int | None) -> str:
    if amount_minor is None:
        return ""
    whole, tiyn = divmod(abs(amount_minor), 100)
    return f"{key}={'-' if amount_minor < 0 else ''}{whole}.{tiyn:02d}\r\n"


def _day(day: date | None) -> str:
    return "" if day is None else f"{day:%d.%m.%Y}"


def _clean(value: str) -> str:
    """A value keeps to its line."""
    return " ".join(value.split())
