"""`abonent bank-sim` against the running API: what a person types, what they are told, and what has come of it."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from models.contracts.people import Role
from models.tables.payments import Payment
from tests import factories
from tests.api_world import ApiStack
from workers import cli
from workers.bank_sim_book import Paid, registry

pytest_plugins = ("tests.api_stack",)
ALMATY = ZoneInfo("Asia/Almaty")
Simulator = Callable[..., tuple[int, str]]


@pytest.fixture
def simulator(
    api: ApiStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Simulator:
    """`simulator("--dialect", "osmp", "pay", …)` answers the exit code and what was printed."""
    factories.not_at_midnight(api.settings.zone)  # a registry is that of one day
    banks = {"demo-bank": {"user": api.bank.row.username, "password": api.bank.password}}
    known = {"api_url": api.url, "staff": dict.fromkeys(Role, "unused"), "banks": banks}
    (tmp_path / "credentials.json").write_text(json.dumps(known))
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main(["bank-sim", *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def debtor(api: ApiStack) -> factories.Customer:
    with api.database.transaction() as session:
        customer = factories.customer(session)
        factories.connection_invoice(session, customer.account, 1_000_000)
    return customer


def txn_id_in(text: str) -> str:
    found = re.search(r"The bank's id of it: ([0-9]+)", text)
    assert found is not None, text
    return found.group(1)


def payments_of(api: ApiStack, customer: factories.Customer) -> list[tuple[int, str]]:
    with api.database.transaction() as session:
        mine = select(Payment).where(Payment.account_id == customer.account.id).order_by(Payment.id)
        return [(payment.amount_minor, payment.status) for payment in session.scalars(mine)]


@pytest.mark.parametrize("dialect", ["v1", "osmp", "kaspi"])
def test_a_payer_is_looked_up_pays_and_pays_again_only_once(
    api: ApiStack, simulator: Simulator, debtor: factories.Customer, dialect: str
) -> None:
    number = debtor.subscriber.iin
    code, said = simulator("--dialect", dialect, "check", number)
    assert code == 0
    assert "10000.00" in said
    code, said = simulator("--dialect", dialect, "pay", number, "4500.50")
    assert code == 0, said
    assert "→ " in said
    assert "← 20" in said
    txn_id = txn_id_in(said)
    code, again = simulator("--dialect", dialect, "repeat", txn_id)
    assert code == 0, again
    assert payments_of(api, debtor) == [(450_050, "posted")]
    _, said = simulator("--dialect", dialect, "check", number)
    assert "5499.50" in said


@pytest.mark.parametrize("dialect", ["v1", "osmp"])
def test_a_payment_is_taken_back_and_no_part_of_its_day_any_more(
    api: ApiStack, simulator: Simulator, debtor: factories.Customer, dialect: str
) -> None:
    _, said = simulator("--dialect", dialect, "pay", debtor.account.account_no, "100")
    txn_id = txn_id_in(said)
    assert txn_id in simulator("registry")[1]
    code, said = simulator("--dialect", dialect, "reverse", txn_id)
    assert code == 0, said
    assert payments_of(api, debtor) == [(10_000, "reversed")]
    assert simulator("registry") == (0, "Total: 0 0.00\n")


def test_a_dialect_without_a_word_for_reversals_leaves_them_to_the_registry(
    api: ApiStack, simulator: Simulator, debtor: factories.Customer
) -> None:
    _, said = simulator("--dialect", "kaspi", "pay", debtor.account.account_no, "100")
    code, said = simulator("--dialect", "kaspi", "reverse", txn_id_in(said))
    assert code == 0
    assert "registry" in said
    assert payments_of(api, debtor) == [(10_000, "posted")]
    assert simulator("registry") == (0, "Total: 0 0.00\n")


def test_what_the_operator_refuses_is_an_exit_code_with_a_sentence(simulator: Simulator) -> None:
    for dialect in ("v1", "osmp", "kaspi"):
        code, said = simulator("--dialect", dialect, "check", factories.new_iin())
        assert code == 1
        assert re.search("Not accepted|Result [1-9]", said), said
    code, said = simulator("repeat", "1")
    assert code == 1
    assert "paid nothing under 1" in said


def test_a_storm_is_paid_once_each_in_every_dialect(api: ApiStack, simulator: Simulator) -> None:
    with api.database.transaction() as session:
        payees = [factories.customer(session) for _ in range(3)]
    numbers = [payee.account.account_no for payee in payees]
    for dialect in ("v1", "osmp", "kaspi"):
        storm = ("storm", *numbers, "--payments", "30", "--parallel", "15", "--sum", "2")
        code, said = simulator("--dialect", dialect, *storm)
        assert code == 0, said
        assert "30 accepted" in said
    for payee in payees:
        assert payments_of(api, payee) == [(200, "posted")] * 30
    assert "\nTotal: 90 180.00\n" in simulator("registry")[1]


def test_the_registry_lists_the_bank_s_payments_of_the_day_and_earlier_ones_that_were_refunded() -> None:
    def paid(txn_id: str, at: datetime, **more: Any) -> Paid:
        facts = {"receipt": "R-1", **more}
        return Paid(
            bank="b", dialect="v1", txn_id=txn_id, number="1000018", amount_minor=500_050, paid_at=at, **facts
        )  # fmt: skip

    # In Almaty the day begins at 19:00 UTC.
    before, first = datetime(2026, 11, 23, 18, 59, tzinfo=UTC), datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
    last = datetime(2026, 11, 24, 18, 59, tzinfo=UTC)
    payments = [
        paid("yesterday", before),
        paid("last", last),
        paid("first", first),
        paid("unanswered", first, receipt=None),
        paid("left-out", first),
        paid("refunded", before, reversed_at=first),
        paid("not-after-all", first, reversed_at=last),
    ]
    assert registry(payments, date(2026, 11, 24), ALMATY, without=["left-out"]) == (
        "first\t24.11.2026\t00:00:00\t1000018\t5000.50\n"
        "refunded\t24.11.2026\t00:00:00\t1000018\t-5000.50\n"
        "last\t24.11.2026\t23:59:00\t1000018\t5000.50\n"
        "Total: 3 5000.50\n"
    )
    assert registry([], date(2026, 11, 24), ALMATY) == "Total: 0 0.00\n"


@pytest.mark.parametrize("text", ["0", "-1", "1.005", "NaN", "many"])
def test_a_sum_that_no_bank_could_take_is_refused_before_anything_is_sent(simulator: Simulator, text: str) -> None:
    with pytest.raises(SystemExit) as refused:
        simulator("pay", "1000018", text)
    assert refused.value.code == 2


def test_without_a_running_product_a_person_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    assert cli.main(["bank-sim", "check", "880101300014"]) == 1
    assert "make run" in capsys.readouterr().err


def test_a_registry_that_is_sent_is_compared_with_what_was_posted(
    simulator: Simulator, debtor: factories.Customer
) -> None:
    txn_ids = [txn_id_in(simulator("pay", debtor.account.account_no, "100")[1]) for _ in range(2)]
    code, said = simulator("registry", "--without", txn_ids[1], "--send")
    assert code == 0, said
    assert "\nTotal: 1 100.00\n" in said
    assert "← 201" in said
    assert '"rows": 1' in said
