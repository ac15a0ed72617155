"""Reading 1CClientBankExchange as banks really write it.

Keys are those of Russia or of Kazakhstan, in any case; the encoding is found out from the bytes, wherever the file
names it. What can't be read is left out and told, and the sum of the documents is compared with the bank's own totals,
so that a file is never believed to be empty when it isn't.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from models.rules.client_bank_exchange import (
    FIRST_LINE,
    PAYMENT_ORDER,
    AccountTurnover,
    Exchange,
    ExchangeDocument,
    ExchangeError,
    Party,
    Problem,
    ProblemKind,
)
from models.rules.client_bank_totals import compared_with_totals, merged_twins
from models.rules.client_bank_values import Fields, decoded, plain

MAX_BYTES = 64 * 1024 * 1024
MAX_LINE = 4_000
"""A longer line is no requisite of a payment."""
MAX_PROBLEMS = 200
"""The last ones are kept: they say what does not add up."""

_SECTIONS = {"секциярасчсчет": "конецрасчсчет", "секциядокумент": "конецдокумента"}
_ENDS = frozenset(_SECTIONS.values())
_END_OF_FILE = "конецфайла"
_KEY = re.compile(r"\s*([A-Za-zА-Яа-яЁё_0-9]{1,60})\s*=(.*)", re.DOTALL)
_PURPOSE_PARTS = [f"назначениеплатежа{number}" for number in range(1, 7)]
_PARTY_KEYS: dict[str, tuple[str, ...]] = {
    "name": ("наименование", "1", ""),
    "id_no": ("биниин", "иинбин", "инн", "бин", "иин"),
    "sector_code": ("кбе", "код"),
    "account": ("иик", "счет", "расчсчет"),
    "bank_name": ("банкнаименование", "банк1", "банк"),
    "bank_id_no": ("банкбиниин",),
    "bank_bic": ("банкбик", "бик"),
}
"""What follows «Плательщик» or «Получатель», most telling first: Kazakhstan's key, then Russia's."""


def parse(data: bytes) -> Exchange:
    """What a file says, with the problems that a person has to know of.

    Raises:
        ExchangeError: it is no such file, or holds characters that no text has.
    """
    if len(data) > MAX_BYTES:
        raise ExchangeError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB: export a shorter range of days.")
    text, is_damaged = decoded(data)
    lines = re.split(r"\r\n|\r|\n", text)
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if plain(lines[start][:100]).replace("с", "c") != FIRST_LINE.lower():
        raise ExchangeError("This is no 1CClientBankExchange file: its first line says something else.")
    reading = _Reading()
    if is_damaged:
        reading.note(ProblemKind.DAMAGED_TEXT, "Some letters of the file are damaged: export it again as UTF-8.")
    for number, line in enumerate(lines[start + 1 :], start=start + 2):
        reading.take(line, number)
    return reading.finished()


@dataclass
class _Section:
    name: str
    word: str
    line: int
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class _Reading:
    """The state between two lines."""

    header: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, None] = field(default_factory=dict)
    sections: list[_Section] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _open: _Section | None = None
    _last_key: str | None = None
    _has_ended: bool = False

    def note(self, kind: ProblemKind, text: str, line: int | None = None) -> None:
        self.problems.append(Problem(kind, text, line))

    def take(self, line: str, number: int) -> None:
        if self._has_ended or not line.strip():
            return
        if len(line) > MAX_LINE:
            self.note(ProblemKind.TOO_LONG, f"Line {number} is longer than {MAX_LINE} characters: it was cut.", number)
            line = line[:MAX_LINE]
        match = _KEY.match(line)
        key, value = (plain(match[1]), match[2].strip()) if match else (plain(line[:100]), "")
        if key in _SECTIONS:
            self._begin(_Section(key, value.strip(' "«»'), number))
        elif key in _ENDS and (self._open is None or _SECTIONS[self._open.name] == key):
            self._end()
        elif key == _END_OF_FILE:
            self._has_ended = True
        elif match:
            self._keep(key, value)
        elif self._open is not None and self._last_key is not None:
            # A purpose that goes on in the next line.
            self._open.values[self._last_key] = f"{self._open.values[self._last_key]} {line.strip()}"[:MAX_LINE]

    def _begin(self, section: _Section) -> None:
        if self._open is not None:
            self._unclosed(self._open)
            self._end()
        self._open, self._last_key = section, None

    def _end(self) -> None:
        if self._open is not None:
            self.sections.append(self._open)
        self._open, self._last_key = None, None

    def _keep(self, key: str, value: str) -> None:
        if self._open is not None:
            # A purpose may hold a line that looks like a requisite: what was said first stands.
            self._open.values[key] = self._open.values.get(key) or value
            self._last_key = key
        elif key == "расчсчет" and value:
            self.accounts[value] = None
        elif not self.sections:
            self.header.setdefault(key, value)

    def _unclosed(self, section: _Section) -> None:
        self.note(ProblemKind.UNCLOSED, f"The section that begins at line {section.line} has no end.", section.line)

    def finished(self) -> Exchange:
        if self._open is not None:
            # Its last lines are missing, and nobody knows what they said.
            self._unclosed(self._open)
        if not self._has_ended:
            self.note(ProblemKind.NO_END, "The file has no last line КонецФайла: it may have been cut off.")
        turnovers = tuple(self._turnovers())
        for turnover in turnovers:
            self.accounts.setdefault(turnover.account, None)
        accounts = tuple(self.accounts)
        documents = merged_twins(self._documents(accounts))
        header = Fields(self.header, self.problems, None)
        exchange = Exchange(
            sender=header.text("отправитель"),
            receiver=header.text("получатель"),
            created_on=header.day("датасоздания"),
            created_at=header.time("времясоздания"),
            from_on=header.day("датаначала"),
            to_on=header.day("датаконца"),
            accounts=accounts,
            turnovers=turnovers,
            documents=tuple(documents),
        )
        self.problems.extend(compared_with_totals(exchange))
        return replace(exchange, problems=tuple(self.problems[-MAX_PROBLEMS:]))

    def _turnovers(self) -> Iterator[AccountTurnover]:
        only = next(iter(self.accounts)) if len(self.accounts) == 1 else ""
        for section in self.sections:
            if section.name == "секциярасчсчет":
                fields = Fields(section.values, self.problems, section.line)
                yield AccountTurnover(
                    account=fields.text("расчсчет") or only,
                    from_on=fields.day("датаначала"),
                    to_on=fields.day("датаконца"),
                    opening_minor=fields.sum("начальныйостаток"),
                    received_minor=fields.sum("всегопоступило"),
                    paid_minor=fields.sum("всегосписано"),
                    closing_minor=fields.sum("конечныйостаток"),
                )

    def _documents(self, accounts: tuple[str, ...]) -> Iterator[ExchangeDocument]:
        for section in self.sections:
            if section.name == "секциядокумент":
                document = self._document(section, accounts)
                if document is not None:
                    yield document

    def _document(self, section: _Section, accounts: tuple[str, ...]) -> ExchangeDocument | None:
        fields = Fields(section.values, self.problems, section.line)
        amount_minor, way = self._amount(fields, section.line)
        if amount_minor <= 0:
            return None
        payer, payee = _party(section.values, "плательщик"), _party(section.values, "получатель")
        credited, debited = _moved(accounts, payer.account, payee.account, way)
        if accounts and not credited and not debited:
            said = f"The document at line {section.line} touches none of the file's accounts."
            self.note(ProblemKind.NO_DIRECTION, said, section.line)
        form = section.word or PAYMENT_ORDER
        return ExchangeDocument(
            form=form,
            kind=fields.text("виддокумента") or form,
            number=fields.text("номердокумента", "номер"),
            issued_on=fields.day("датадокумента", "дата"),
            operated_on=fields.day("датаоперации", "датапоступило", "датасписано"),
            valued_on=fields.day("датавалютирования"),
            amount_minor=amount_minor,
            credited=credited,
            debited=debited,
            payer=payer,
            payee=payee,
            purpose=_purpose(section.values),
            purpose_code=fields.text("кодназначенияплатежа", "кнп"),
            currency=fields.text("валюта") or "KZT",
        )

    def _amount(self, fields: Fields, line: int) -> tuple[int, "_Way"]:
        """The sum, nothing where it can't be used, and which way it went by the name of its key."""
        received, paid = fields.sum("суммаприход") or 0, fields.sum("суммарасход") or 0
        if received and paid:
            self.note(ProblemKind.BAD_SUM, f"The document at line {line} is both received and paid.", line)
            return 0, _Way.UNSAID
        amount_minor = received or paid or fields.sum("сумма") or 0
        if amount_minor <= 0:
            self.note(ProblemKind.NO_SUM, f"The document at line {line} has no sum that can be read.", line)
        if received or paid:
            return amount_minor, _Way.RECEIVED if received else _Way.PAID
        is_in, is_out = bool(fields.text("датапоступило")), bool(fields.text("датасписано"))
        return amount_minor, _Way.UNSAID if is_in == is_out else _Way.BY_DATE_IN if is_in else _Way.BY_DATE_OUT


class _Way(Enum):
    """Which way the money went, by the name of the key that says how much, or else when."""

    RECEIVED = auto()
    PAID = auto()
    BY_DATE_IN = auto()
    BY_DATE_OUT = auto()
    UNSAID = auto()


def _moved(accounts: tuple[str, ...], payer: str, payee: str, way: _Way) -> tuple[str, str]:
    """Which of the file's accounts got the money and which paid: by the key of the sum, else by who the parties are."""
    only = accounts[0] if len(accounts) == 1 else ""
    credited, debited = (payee if payee in accounts else ""), (payer if payer in accounts else "")
    if way is _Way.RECEIVED:
        return credited or only, ""
    if way is _Way.PAID:
        return "", debited or only
    if credited or debited or way is _Way.UNSAID:
        return credited, debited
    return (only, "") if way is _Way.BY_DATE_IN else ("", only)


def _party(values: Mapping[str, str], prefix: str) -> Party:
    return Party(**{name: _first(values, prefix, suffixes) for name, suffixes in _PARTY_KEYS.items()})


def _first(values: Mapping[str, str], prefix: str, suffixes: tuple[str, ...]) -> str:
    for suffix in suffixes:
        value = " ".join(values.get(prefix + suffix, "").split())
        if value:
            return value
    return ""


def _purpose(values: Mapping[str, str]) -> str:
    whole = values.get("назначениеплатежа", "")
    return " ".join((whole or " ".join(values.get(part, "") for part in _PURPOSE_PARTS)).split())
