"""1CClientBankExchange: what banks of Kazakhstan and Russia write is understood, and what we write is read again."""

import time
from datetime import date
from datetime import time as clock_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.client_bank_exchange import (
    AccountTurnover,
    Exchange,
    ExchangeDocument,
    ExchangeError,
    Party,
    ProblemKind,
)
from models.rules.client_bank_reading import MAX_BYTES, parse
from models.rules.client_bank_writing import Charset, render, rendered

OURS, THEIRS = "KZ698562203124676325", "KZ298561005127073713"
STATEMENT = f"""1CClientBankExchange
ВерсияФормата=2.0
Отправитель=АО "Банк"
Получатель=1C Предприятие, Бухгалтерия для Казахстана
ДатаСоздания=01.11.2026
ВремяСоздания=18:11:22
ДатаНачала=01.10.2026
ДатаКонца=31.10.2026
РасчСчет={OURS}
СекцияРасчСчет
ДатаНачала=01.10.2026
ДатаКонца=31.10.2026
РасчСчет={OURS}
НачальныйОстаток=202742.8
ВсегоПоступило=1597,19
ВсегоСписано=160000
КонечныйОстаток=44 339.99
КонецРасчСчет
СекцияДокумент="Выписка"
ВидДокумента=ПлатежноеПоручение
ДатаОперации=01.10.2026
СуммаРасход=160000
НомерДокумента=NT-475719
ДатаДокумента=01.10.2026
ПлательщикНаименование=ТОО "Абонент Телеком"
ПлательщикБИН_ИИН=990140000014
ПлательщикКБЕ=17
ПлательщикИИК={OURS}
ПлательщикБанкНаименование=АО "Банк"
ПлательщикБанкБИК=KCJBKZKX
ПолучательНаименование=ТОО "Кабель"
ПолучательИИК={THEIRS}
НазначениеПлатежа=За кабель
по накладной № 5, л/с=12
КодНазначенияПлатежа=710
ДатаВалютирования=01.10.2026
Сумма=160000
Валюта=KZT
КонецДокумента
СекцияДокумент="Выписка"
ВидДокумента=ПлатежноеПоручение
ДатаОперации=04.10.2026
СуммаПриход=1597.19
НомерДокумента=77
ДатаДокумента=03.10.2026
ПлательщикНаименование=АО "Платежи"
ПлательщикИИК={THEIRS}
ПолучательИИК={OURS}
НазначениеПлатежа=Возмещение за 03.10.2026
КонецДокумента
КонецФайла
"""
RUSSIAN = """1CClientBankExchange
ВерсияФормата=1.03
Кодировка=Windows
РасчСчет=40702810000000000001
СекцияРасчСчет
РасчСчет=40702810000000000001
ВсегоПоступило=100.50
ВсегоСписано=30-05
КонецРасчСчет
СекцияДокумент=Платежное поручение
Номер=1
Дата=15.01.2026
Сумма=100.50
ПлательщикСчет=40702810000000000002
Плательщик=ИНН 7701234567 Ромашка
Плательщик1=ООО "Ромашка"
ПлательщикИНН=7701234567
ПлательщикБИК=044525225
ПолучательСчет=40702810000000000001
ДатаПоступило=16.01.2026
НазначениеПлатежа=Оплата
КонецДокумента
СекцияДокумент=Платежное поручение
Номер=2
Дата=15.01.2026
Сумма=30.05
ДатаСписано=17.01.2026
НазначениеПлатежа1=первая
НазначениеПлатежа2=вторая
КонецДокумента
КонецФайла
"""


def kinds(exchange: Exchange) -> list[ProblemKind]:
    return [problem.kind for problem in exchange.problems]


def test_a_statement_of_kazakhstan_is_understood_and_adds_up() -> None:
    exchange = parse(STATEMENT.encode())
    assert exchange.problems == ()
    assert (exchange.sender, exchange.created_on, exchange.created_at) == (
        'АО "Банк"', date(2026, 11, 1), clock_time(18, 11, 22),
    )  # fmt: skip
    assert exchange.turnovers == (
        AccountTurnover(
            account=OURS, from_on=date(2026, 10, 1), to_on=date(2026, 10, 31), opening_minor=20_274_280,
            received_minor=159_719, paid_minor=16_000_000, closing_minor=4_433_999,
        ),
    )  # fmt: skip
    paid, received = exchange.documents
    assert (paid.amount_minor, paid.debited, paid.credited) == (16_000_000, OURS, "")
    assert (paid.form, paid.kind, paid.number, paid.purpose_code) == (
        "Выписка", "ПлатежноеПоручение", "NT-475719", "710",
    )  # fmt: skip
    assert paid.purpose == "За кабель по накладной № 5, л/с=12"
    assert paid.payer == Party(
        name='ТОО "Абонент Телеком"', id_no="990140000014", sector_code="17", account=OURS, bank_name='АО "Банк"',
        bank_bic="KCJBKZKX",
    )  # fmt: skip
    assert (received.amount_minor, received.credited, received.booked_on) == (159_719, OURS, date(2026, 10, 4))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "cp866", "utf-16"])
@pytest.mark.parametrize("said", ["Windows", "DOS", "UTF-8", "windows-1251", None])
@pytest.mark.parametrize("after_the_version", [False, True])
def test_the_encoding_is_found_out_whatever_the_file_says_of_it_and_wherever(
    encoding: str, said: str | None, after_the_version: bool
) -> None:
    lines = STATEMENT.replace("№", "N").splitlines()
    if said is not None:
        lines.insert(2 if after_the_version else 1, f"Кодировка={said}")
    exchange = parse("\r\n".join(lines).encode(encoding))
    assert exchange.problems == ()
    assert exchange.documents[0].payer.name == 'ТОО "Абонент Телеком"'


def test_keys_and_sections_are_known_in_any_case() -> None:
    keys = [line.partition("=") for line in STATEMENT.replace("\nпо накладной", " по накладной").splitlines()]
    shouted = "\n".join(key.upper() + sign + value for key, sign, value in keys)
    assert parse(shouted.encode()).documents == parse(STATEMENT.encode()).documents


def test_the_keys_of_russia_are_understood() -> None:
    exchange = parse(RUSSIAN.encode("cp1251"))
    assert exchange.problems == ()
    received, paid = exchange.documents
    assert (received.number, received.amount_minor, received.credited) == ("1", 10_050, "40702810000000000001")
    assert received.payer == Party(
        name='ООО "Ромашка"', id_no="7701234567", account="40702810000000000002", bank_bic="044525225"
    )
    assert (paid.amount_minor, paid.debited, paid.purpose) == (3_005, "40702810000000000001", "первая вторая")


def test_a_document_that_stands_there_in_two_forms_is_once_with_what_either_says() -> None:
    other = STATEMENT[STATEMENT.index("СекцияДокумент") : STATEMENT.index("КонецФайла")]
    other = other.replace('СекцияДокумент="Выписка"', "СекцияДокумент=ПлатежноеПоручение")
    other = other.replace("НазначениеПлатежа=Возмещение за 03.10.2026\n", "КодНазначенияПлатежа=853\n")
    exchange = parse(STATEMENT.replace("КонецФайла", other + "КонецФайла").encode())
    assert exchange.problems == ()
    assert len(exchange.documents) == 2
    assert exchange.documents[1].purpose == "Возмещение за 03.10.2026"
    assert exchange.documents[1].purpose_code == "853"


def test_two_equal_documents_of_one_form_stay_two_and_the_totals_tell_of_it() -> None:
    again = STATEMENT[STATEMENT.rindex("СекцияДокумент") : STATEMENT.index("КонецФайла")]
    exchange = parse(STATEMENT.replace("КонецФайла", again + "КонецФайла").encode())
    assert len(exchange.documents) == 3
    assert kinds(exchange) == [ProblemKind.RECEIVED_DIFFERS]
    assert (
        "1\u00a0597,19\u00a0₸ were received, its documents add up to 3\u00a0194,38\u00a0₸" in exchange.problems[0].text
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("КонецФайла\n", "", [ProblemKind.NO_END]),
        ("Сумма=160000\n", "", []),
        ("СуммаРасход=160000", "СуммаРасход=160001", [ProblemKind.PAID_DIFFERS]),
        ("СуммаРасход=160000", "СуммаРасход=много", [ProblemKind.BAD_SUM]),
        (
            "СуммаПриход=1597.19", "СуммаПриход=1e9",
            [ProblemKind.BAD_SUM, ProblemKind.NO_SUM, ProblemKind.RECEIVED_DIFFERS],
        ),
        ("СуммаПриход=1597.19", "СуммаПриход=-1597.19", [ProblemKind.NO_SUM, ProblemKind.RECEIVED_DIFFERS]),
        (
            "СуммаПриход=1597.19", "СуммаПриход=1597.19\nСуммаРасход=1",
            [ProblemKind.BAD_SUM, ProblemKind.RECEIVED_DIFFERS],
        ),
        ("КонечныйОстаток=44 339.99", "КонечныйОстаток=1", [ProblemKind.CLOSING_DIFFERS]),
        ("ДатаДокумента=03.10.2026", "ДатаДокумента=31.02.2026", [ProblemKind.BAD_DATE]),
        ("КонецДокумента\nСекцияДокумент", "СекцияДокумент", [ProblemKind.UNCLOSED]),
        ("КонецДокумента\nКонецФайла\n", "", [ProblemKind.UNCLOSED, ProblemKind.NO_END, ProblemKind.RECEIVED_DIFFERS]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told(before: str, after: str, expected: list[ProblemKind]) -> None:
    assert before in STATEMENT
    assert kinds(parse(STATEMENT.replace(before, after).encode())) == expected


def test_a_document_that_concerns_none_of_the_accounts_is_told() -> None:
    stray = STATEMENT.replace(f"ПлательщикИИК={OURS}", "ПлательщикИИК=KZ00").replace("СуммаРасход=160000\n", "")
    assert kinds(parse(stray.encode())) == [ProblemKind.NO_DIRECTION, ProblemKind.PAID_DIFFERS]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no 1CClientBankExchange"),
        (b"PK\x03\x04 a spreadsheet", "no 1CClientBankExchange"),
        (b"<?xml version='1.0'?>", "no 1CClientBankExchange"),
        (b"\xff\xfe\xfd" * 100, "no 1CClientBankExchange"),
        (STATEMENT.replace("кабель", "ка\0бель").encode(), "NUL"),
        (b"1CClientBankExchange\n" + b"x" * MAX_BYTES, "larger than"),
    ],
    ids=["empty", "spreadsheet", "xml", "noise", "nul", "too large"],
)
def test_what_is_no_such_file_is_said_in_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(ExchangeError, match=said):
        parse(data)


@pytest.mark.parametrize(
    "line",
    ["СекцияДокумент=x\n", "СекцияРасчСчет\n", "Сумма=1\n", "=\n", "(" * 200 + "\n", "Сумма=" + "1" * 5000 + "\n"],
)
def test_ten_megabytes_of_nonsense_are_read_in_a_moment(line: str) -> None:
    hostile = ("1CClientBankExchange\n" + line * (10 * 1024 * 1024 // len(line.encode()))).encode()
    begin = time.process_time()
    exchange = parse(hostile)
    assert exchange.problems
    assert time.process_time() - begin < 60


def test_damaged_letters_are_told() -> None:
    exchange = parse(STATEMENT.encode().replace("кабель".encode(), b"\xd0\xba\xd0", 1))
    assert kinds(exchange) == [ProblemKind.DAMAGED_TEXT]


# -- what we write ---------------------------------------------------------------------------------------------------

LETTERS = st.characters(categories=["L", "N", "P"], exclude_characters="=\x85")
texts = st.lists(st.text(LETTERS, min_size=1, max_size=12), max_size=3).map(" ".join)
days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
sums = st.integers(1, 10**13)
ibans = st.from_regex(r"KZ[0-9]{18}", fullmatch=True)


@st.composite
def parties(draw: st.DrawFn, account: str) -> Party:
    return Party(
        name=draw(texts), id_no=draw(st.from_regex(r"([0-9]{12})?", fullmatch=True)),
        sector_code=draw(st.sampled_from(["", "19", "17"])), account=account, bank_name=draw(texts),
        bank_id_no=draw(st.sampled_from(["", "971240001315"])), bank_bic=draw(st.sampled_from(["", "CASPKZKA"])),
    )  # fmt: skip


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """What a program may have to write: its documents move money to or from one of its accounts."""
    accounts = draw(st.lists(ibans, min_size=1, max_size=3, unique=True))
    documents = []
    for number in range(draw(st.integers(0, 4))):
        own, other = draw(st.sampled_from(accounts)), draw(ibans.filter(lambda iban: iban not in accounts))
        is_received = draw(st.booleans())
        documents.append(
            ExchangeDocument(
                form=draw(st.sampled_from(["ПлатежноеПоручение", "выписка"])), kind="ПлатежноеПоручение",
                number=f"R-{number:08d}", issued_on=draw(st.none() | days), operated_on=draw(st.none() | days),
                valued_on=draw(st.none() | days), amount_minor=draw(sums), credited=own if is_received else "",
                debited="" if is_received else own, payer=draw(parties(other if is_received else own)),
                payee=draw(parties(own if is_received else other)), purpose=draw(texts),
                purpose_code=draw(st.sampled_from(["", "853"])),
            )
        )  # fmt: skip
    paid = {own: sum(one.amount_minor for one in documents if one.debited == own) for own in accounts}
    turnovers = [
        AccountTurnover(
            account=account, from_on=draw(st.none() | days), to_on=draw(st.none() | days),
            received_minor=sum(one.amount_minor for one in documents if one.credited == account),
            paid_minor=draw(st.sampled_from([None, paid[account]])),
        )
        for account in accounts
    ]  # fmt: skip
    return Exchange(
        sender=draw(texts), receiver=draw(texts), created_on=draw(st.none() | days),
        created_at=draw(st.none() | st.times().map(lambda moment: moment.replace(microsecond=0))),
        from_on=draw(st.none() | days), to_on=draw(st.none() | days), accounts=tuple(accounts),
        turnovers=tuple(turnovers), documents=tuple(documents),
    )  # fmt: skip


@given(exchanges())
def test_what_we_write_is_read_as_it_was_meant(exchange: Exchange) -> None:
    assert parse(render(exchange)) == exchange


def test_windows_is_used_where_it_has_all_letters_and_utf8_otherwise() -> None:
    party = Party(name="Сейткали Арман")
    russian = Exchange(documents=(ExchangeDocument(amount_minor=100, payer=party),))
    assert render(russian).decode("cp1251").splitlines()[2] == "Кодировка=Windows"
    kazakh = Exchange(documents=(ExchangeDocument(amount_minor=100, payer=Party(name="Нұрпейісов Әділ")),))
    assert render(kazakh).startswith(b"\xef\xbb\xbf1CClientBankExchange\r\n")
    assert "Кодировка=UTF8" in render(kazakh).decode()
    spelled = b"".join(rendered(kazakh, kazakh.documents, Charset.WINDOWS)).decode("cp1251")
    assert "ПлательщикНаименование=Нурпейісов Аділ" in spelled


def test_a_value_can_not_smuggle_a_line_in() -> None:
    wicked = ExchangeDocument(amount_minor=100, purpose="Оплата\r\nКонецДокумента\nСекцияДокумент=x")
    (read,) = parse(render(Exchange(documents=(wicked,)))).documents
    assert read.purpose == "Оплата КонецДокумента СекцияДокумент=x"
