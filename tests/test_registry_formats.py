"""Registries of banks: what is read, and that whatever is wrong becomes a sentence with its line."""

import random
import time
from collections.abc import Callable
from datetime import date
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.reconciliation import CsvMapping, CsvTotal, DateFormat, Delimiter, Encoding, SumUnit
from models.rules import registry_csv, registry_osmp
from models.rules.registry_text import MOST_PROBLEMS, Registry, RegistryError, RegistryRow, RegistryTotal, sum_minor

DAY = date(2026, 11, 24)
GOOD = (
    "20261124000001\t24.11.2026\t10:15:00\t1000018\t5000.00\n"
    "20261124000002\t24.11.2026\t11:00:30\t880101300014\t1250.50\n"
    "Total: 2 6250.50\n"
)
MAPPING = CsvMapping(
    txn_id="Номер", paid_on="Дата", subscriber="Лицевой счёт", amount="Сумма", decimal_comma=True,
    kind="Статус", refund_words=["Возврат"], ignored_words=["Ошибка"], total=CsvTotal(word="Итого", count=2),
)  # fmt: skip
CSV = (
    "Номер;Дата;Лицевой счёт;Сумма;Статус\n"
    "A-1;24.11.2026 10:15:00;1000018;5 000,00;Успешно\n"
    "A-2;24.11.2026;1000026;1250,5;Успешно\n"
    "A-3;24.11.2026 12:00;1000026;77,00;Ошибка\n"
    "A-2;24.11.2026 18:00:00;1000026;250,50;Возврат\n"
    "Итого;3;;6000,00;\n"
)


def osmp(text: str, **other: Any) -> Registry:
    return registry_osmp.parse(text.encode(), on=DAY, **other)


def from_csv(text: str, mapping: CsvMapping = MAPPING) -> Registry:
    return registry_csv.parse(text.encode(), mapping, on=DAY)


def reasons(registry: Registry) -> list[str]:
    return [f"{problem.line}: {problem.reason}" for problem in registry.problems]


def line(**changed: str) -> str:
    fields = {"txn": "1", "date": "24.11.2026", "time": "10:00:00", "who": "1000018", "sum": "10.00", **changed}
    return "\t".join(fields.values())


def test_an_osmp_registry_is_its_lines_and_its_total() -> None:
    registry = osmp(GOOD)

    assert registry.problems == ()
    assert registry.rows[1] == RegistryRow(2, "20261124000002", DAY, clock(11, 0, 30), "880101300014", 125_050)
    assert registry.amount_minor == 625_050


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(GOOD.encode("utf-8-sig"), id="byte-order-mark"),
        pytest.param(GOOD.encode("utf-16"), id="utf-16"),
        pytest.param(GOOD.replace("1000018", "Счёт18").encode("cp1251"), id="windows-1251"),
        pytest.param(GOOD.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(GOOD.replace("\n", "\n\n  \n").encode(), id="empty lines"),
        pytest.param(GOOD.rstrip().encode(), id="no newline at the end"),
        pytest.param(GOOD.replace("Total: 2 ", "TOTAL:\t2\t").encode(), id="total with tabs"),
        pytest.param(GOOD.replace("24.11.2026", "2026-11-24").encode(), id="iso dates"),
        pytest.param(GOOD.replace(".00", ",00").replace(".50", ",50").encode(), id="commas"),
    ],
)
def test_the_same_registry_in_other_clothes_is_the_same(encoded: bytes) -> None:
    registry = registry_osmp.parse(encoded, on=DAY)

    assert registry.problems == ()
    assert [row.amount_minor for row in registry.rows] == [500_000, 125_050]


def test_a_day_without_payments_is_a_total_of_nothing() -> None:
    assert osmp("Total: 0 0.00\n") == Registry((), (), RegistryTotal(0, 0))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (line(sum="ten"), "The sum has to be written like 4500.00."),
        (line(sum="10.005"), "The sum has to be written like 4500.00."),
        (line(sum="0.00"), "The sum is nothing."),
        (line(sum="1e5"), "The sum has to be written like 4500.00."),
        (line(sum="١٠"), "The sum has to be written like 4500.00."),
        (line(sum="9" * 15), "The sum is larger than any payment."),
        (line(sum="9" * 300), "The sum has to be written like 4500.00."),
        (line(date="31.02.2026"), "The date has to be written as DD.MM.YYYY or YYYY-MM-DD or YYYYMMDD."),
        (line(date="24.11.0026"), "The date has to be written as DD.MM.YYYY or YYYY-MM-DD or YYYYMMDD."),
        (line(date="23.11.2026"), "It is of 23.11.2026, the registry of 24.11.2026."),
        (line(time="25:00:00"), "The time has to be written as HH:MM:SS."),
        (line(txn="=1+1"), "The transaction id has to be 1 to 64 Latin letters, digits or . _ : -."),
        (line(txn=""), "The transaction id has to be 1 to 64 Latin letters, digits or . _ : -."),
        (line(who="=HYPERLINK(1)"), "The subscriber has to be an account number or an IIN, up to 40 characters."),
        (line(who="1" * 41), "The subscriber has to be an account number or an IIN, up to 40 characters."),
        (line() + "\textra", "A line has five parts with TABs between: transaction, date, time, subscriber, sum."),
        ("x" * 100_000, "A line has five parts with TABs between: transaction, date, time, subscriber, sum."),
        (line(txn="20261124000001"), "Its transaction is that of line 1, with other facts."),
        (GOOD.splitlines()[0], "It repeats line 1."),
    ],
)
def test_a_line_that_can_not_be_taken_is_named_with_its_reason(broken: str, reason: str) -> None:
    lines = GOOD.splitlines()
    registry = osmp("\n".join([*lines[:2], broken, lines[2]]))

    assert f"3: {reason}" in reasons(registry)
    assert {row.txn_id for row in registry.rows} >= {"20261124000001", "20261124000002"}


@pytest.mark.parametrize(
    ("total", "reason"),
    [
        (
            "Total: 3 6250.50",
            "None: The total says 3 lines of 6\u00a0250,50\u00a0₸; the lines that can be taken are 2 of ",
        ),
        (
            "Total: 2 6250.51",
            "None: The total says 2 lines of 6\u00a0250,51\u00a0₸; the lines that can be taken are 2 of ",
        ),
        ("Total: many", "3: The total has to be written as `Total: <count> <amount>`."),
        ("", "None: The last line has to be `Total: <count> <amount>`: without it the file may be cut off."),
        ("Total: 2 6250.50\n" + line(), "4: Something stands behind the total of line 3."),
    ],
)
def test_a_file_whose_total_does_not_agree_is_not_believed(total: str, reason: str) -> None:
    registry = osmp("\n".join([*GOOD.splitlines()[:2], total]))

    assert any(one.startswith(reason) for one in reasons(registry)), reasons(registry)
    assert len(registry.rows) == 2


def test_a_refund_is_a_line_with_a_negative_sum_and_is_taken_off_the_total() -> None:
    registry = osmp(f"{line()}\n{line(sum='-4.00', time='12:00:00')}\nTotal: 2 6.00")

    assert registry.problems == ()
    assert [row.amount_minor for row in registry.rows] == [1000, -400]


def test_a_bank_whose_day_ends_in_the_afternoon_may_have_lines_of_the_day_before() -> None:
    text = f"{line(date='23.11.2026')}\nTotal: 1 10.00"

    assert osmp(text).problems
    assert osmp(text, other_dates_within_days=1).problems == ()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<html><body>Not found</body></html>", "Nothing in this file is a line of a registry. Line 1: "),
        (b"\x89PNG\r\n\x1a\n\0\0", "This is no text: it holds the character NUL."),
        (GOOD.encode().replace(b"1000018", b"10\x00018"), "This is no text: it holds the character NUL."),
        ("\u0098".encode("latin-1") + b"\xff", "The letters of this file can't be read"),
        (b"", "Nothing in this file is a line of a registry."),
        (b"\xff\xfe\x00", "The letters of this file can't be read"),
    ],
)
def test_what_is_no_registry_at_all_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(RegistryError) as refused:
        registry_osmp.parse(data, on=DAY)
    assert str(refused.value).startswith(sentence)


def test_ten_megabytes_of_nonsense_are_a_few_sentences() -> None:
    nonsense = random.Random(0).randbytes(10_000_000).replace(b"\0", b"\t").replace(b"\x98", b"\n")
    started = time.process_time()
    with pytest.raises(RegistryError, match="Nothing in this file"):
        registry_osmp.parse(nonsense, on=DAY, encoding=Encoding.WINDOWS_1251)

    mixed = osmp(GOOD.replace("Total", "nonsense\n" * 1000 + "Total"))
    assert len(mixed.problems) == MOST_PROBLEMS + 1
    assert mixed.problems[-1].reason == f"{1000 - MOST_PROBLEMS} more lines have something wrong."
    assert time.process_time() - started < 60, "linear, not quadratic"


def test_a_csv_registry_is_read_by_its_mapping() -> None:
    registry = from_csv(CSV)

    assert reasons(registry) == []
    assert [row[1:] for row in registry.rows] == [
        ("A-1", DAY, clock(10, 15), "1000018", 500_000),
        ("A-2", DAY, None, "1000026", 125_050),
        ("A-2", DAY, clock(18), "1000026", -25_050),
    ]


def test_columns_may_be_places_and_dates_and_sums_other_ones() -> None:
    mapping = CsvMapping(
        delimiter=Delimiter.COMMA, lines_before_header=1, has_header=False, txn_id=4, paid_on=2, paid_at=3,
        subscriber=1, amount=5, date_format=DateFormat.DIGITS, unit=SumUnit.TIYN, encoding=Encoding.CP_866,
    )  # fmt: skip
    text = 'Выгрузка,,,,\n"1000018",20261124,101500,"A-1",500000\n'
    registry = registry_csv.parse(text.encode("cp866"), mapping, on=DAY)

    assert reasons(registry) == []
    assert registry.rows == (RegistryRow(2, "A-1", DAY, clock(10, 15), "1000018", 500_000),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("Итого;3;;6000,00;\n", ""), "None: No line begins with «Итого»: without its total the file may be cut off."),
        (
            ("6000,00", "6000,01"),
            "None: The total says 3 lines of 6\u00a0000,01\u00a0₸; the lines that can be taken are",
        ),
        (("Итого;3", "Итого;x"), "6: The total can't be read: it needs its sum, and its count where one was agreed."),
        (("1250,5;", "1250.5;"), "3: The sum has to be written like 4500,00."),
        (("A-1;", '"=cmd|calc";'), "2: The transaction id has to be 1 to 64 Latin letters, digits or . _ : -."),
        (("A-1;24.11.2026 10:15:00;1000018;5 000,00", "A-1"), "2: The sum has to be written like 4500,00."),
    ],
)
def test_what_is_wrong_with_a_csv_registry_is_named(change: tuple[str, str], reason: str) -> None:
    assert any(one.startswith(reason) for one in reasons(from_csv(CSV.replace(*change))))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("Сумма", "Суммо"), "The header has no column «Сумма»: compare it with the bank's mapping."),
        (("A-1", '"A-1'), "The quotes in line "),
        (("A-1", '"A"-1'), "The quotes in line 2 are broken"),
        ((CSV, "  \n"), "The file is empty: a registry has at least a header."),
        (("A-1", "A" * 200_000), "The quotes in line 2 are broken"),
    ],
)
def test_a_csv_file_that_does_not_fit_its_mapping_is_refused(change: tuple[str, str], sentence: str) -> None:
    with pytest.raises(RegistryError) as refused:
        from_csv(CSV.replace(*change))
    assert str(refused.value).startswith(sentence)


def test_a_csv_registry_with_a_header_alone_is_a_day_without_payments() -> None:
    registry = from_csv(CSV.splitlines()[0] + "\nИтого;0;;0,00;\n")
    assert (registry.rows, registry.problems) == ((), ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"has_header": False},
        {"kind": None},
        {"delimiter": "#"},
        {"amount": 0},
        {"unknown": 1},
    ],
)
def test_a_mapping_that_can_not_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        CsvMapping.model_validate({**MAPPING.model_dump(), **wrong})


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused_with_a_sentence(data: bytes) -> None:
    parses: list[Callable[[], Registry]] = [
        lambda: registry_osmp.parse(data, on=DAY),
        lambda: registry_csv.parse(data, MAPPING, on=DAY),
        lambda: registry_csv.parse(CSV.encode() + data, MAPPING, on=DAY),
    ]
    for parse in parses:
        try:
            said = [problem.reason for problem in parse().problems]
        except RegistryError as refused:
            said = [str(refused)]
        assert all(len(sentence.split()) > 3 for sentence in said)


@given(st.integers(min_value=1, max_value=10**13).flatmap(lambda amount: st.sampled_from([amount, -amount])))
def test_a_sum_is_read_to_the_tiyn(amount_minor: int) -> None:
    sign, (whole, tiyn) = "-" if amount_minor < 0 else "", divmod(abs(amount_minor), 100)

    assert sum_minor(f"{sign}{whole}.{tiyn:02d}") == amount_minor
    assert sum_minor(f"{sign}{whole:,}".replace(",", "\u00a0") + f",{tiyn:02d}", decimal_comma=True) == amount_minor
    assert sum_minor(str(amount_minor), in_tiyn=True) == amount_minor
