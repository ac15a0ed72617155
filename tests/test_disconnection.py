"""The disconnection process, from the wish to leave to closed, on a server in which days pass at once."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.tasks import checked_form
from api.process_views import process_view
from models.contracts.disconnection import DisconnectionPolicy
from models.contracts.engine import COMPLETE_TASK_SIGNAL
from models.contracts.people import Language
from models.contracts.processes import ProcessStatus, StageState, TaskKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.documents import Document
from models.tables.outbox import Outbox
from models.tables.processes import Process, Task
from tests import factories
from tests.connection_world import SETTINGS, connection_world, eventually
from tests.disconnection_world import REASON, LeavingWorld, leaving_world
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]
DAY = timedelta(days=1)
FIVE_DAYS = 5 * DAY


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[LeavingWorld]:
    with leaving_world(database, time_skipping()) as world:
        yield world


def refusal_of(act: Callable[[], object]) -> ApplicationError:
    """How the process refuses an act."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        act()
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause


def stages_of(world: LeavingWorld) -> dict[str, StageState]:
    with world.database.transaction() as session:
        process = session.get_one(Process, world.process_id)
        view = process_view(session, process, SETTINGS, Language.EN, world.now())
        return {stage.name: stage.state for stage in view.stages}


# -- the whole way ---------------------------------------------------------------------------------------------------


def test_a_subscriber_leaves_through_every_department(world: LeavingWorld) -> None:
    outcome = world.disconnected()

    assert outcome.status == "completed"
    assert world.process().status is ProcessStatus.COMPLETED
    assert world.events() == [
        "disconnection_requested", "account_owes", "task_opened", "task_completed", "invoice_issued",
        "payment_awaited", "payment_received", "account_settled", "task_opened", "visit_booked", "task_opened",
        "equipment_dismantled", "act_drawn_up", "task_opened", "act_signed", "service_terminated", "port_freed",
        "disconnection_closed",
    ]  # fmt: skip
    assert world.messages() == ["disconnection_invoice", "visit_booked", "disconnected"]
    assert not {"1210", "3510"} & world.balances().keys(), "the account is even"
    assert set(world.stock().values()) == {"in_stock"}
    assert world.residue()["ports"][0] == (1, "free", None)


def test_the_service_ends_on_the_wished_day_and_is_charged_up_to_the_day_before(world: LeavingWorld) -> None:
    world.connect()
    connected_on = world.today()
    world.leave(in_days=5)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")

    bill = world.invoice("final")

    world.pay(bill.total_minor)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=5))
    world.sleep(FIVE_DAYS)
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")
    world.outcome()
    service = world.subscription()
    assert (service.status, service.active_from) == ("terminated", connected_on)
    assert service.active_to == connected_on + FIVE_DAYS
    # Five days of a month of 28 to 31 days, at 6,500 tenge a month.
    assert 5 * 650_000 // 31 <= bill.total_minor <= 5 * 650_000 // 28 + 2


def test_the_stages_are_done_one_by_one(world: LeavingWorld) -> None:
    world.to_dismantling()

    assert stages_of(world) == {
        "request": "done", "control": "done", "settlement": "done", "scheduling": "done", "dismantling": "current",
        "return": "pending", "termination": "pending", "refund": "pending", "closed": "pending",
    }  # fmt: skip


# -- when it is time -------------------------------------------------------------------------------------------------


def test_a_wish_for_a_day_far_away_waits_until_it_is_time_to_act(world: LeavingWorld) -> None:
    world.connect()
    world.leave(in_days=40)
    eventually(lambda: world.state().waiting_for == "date")
    process = world.process()
    assert (process.stage, process.waiting_for) == ("request", "date")

    world.sleep(32 * DAY)
    assert world.open_task(TaskKind.SETTLE_ACCOUNT) is None

    world.sleep(2 * DAY)
    world.task(TaskKind.SETTLE_ACCOUNT)


def test_how_early_accounting_is_asked_is_the_policys(world: LeavingWorld) -> None:
    world.connect()
    world.leave(in_days=5, policy=DisconnectionPolicy(starts_ahead=timedelta(days=30)))

    world.task(TaskKind.SETTLE_ACCOUNT)


# -- accounting's control --------------------------------------------------------------------------------------------


def test_with_nothing_owed_and_nothing_to_bill_it_goes_on_by_itself_and_says_so(world: LeavingWorld) -> None:
    world.connect()
    world.leave(in_days=0)

    world.task(TaskKind.ASSIGN_CREW)

    assert world.events() == ["disconnection_requested", "account_settled", "task_opened"]
    assert stages_of(world)["settlement"] == "skipped"


def test_what_was_charged_in_advance_is_given_back_and_refunded(world: LeavingWorld) -> None:
    world.connect(upfront=True)
    world.leave(in_days=0)
    world.task(TaskKind.ASSIGN_CREW)
    assert "final_credit_issued" in world.events()
    assert world.balances()["3510"] == -650_000

    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.task(TaskKind.REFUND).facts == {"advance_minor": 650_000}
    assert (world.process().stage, world.process().status) == ("refund", "open")
    world.complete(TaskKind.REFUND, "refunded", {"payment_order": "PO-17"})
    world.outcome()
    assert not {"1210", "3510"} & world.balances().keys()
    assert world.messages()[-1] == "disconnected"


def test_an_advance_covers_the_final_invoice_by_itself(world: LeavingWorld) -> None:
    world.connect()
    world.pay(1_000_000)
    world.leave(in_days=5)

    world.task(TaskKind.ASSIGN_CREW)

    assert world.owed() == 0
    assert world.invoice("final").total_minor == 1_000_000 + world.balances()["3510"]


def test_an_older_debt_is_asked_for_as_well(world: LeavingWorld) -> None:
    world.connect()
    world.owe(400_000)
    world.leave(in_days=0)

    assert world.task(TaskKind.SETTLE_ACCOUNT).facts == {"outstanding_minor": 400_000, "final_minor": 0}


def test_what_is_not_due_yet_for_another_service_of_the_account_keeps_nobody(world: LeavingWorld) -> None:
    world.connect()
    world.owe(400_000, days_late=-8)
    world.leave(in_days=0)

    world.task(TaskKind.ASSIGN_CREW)
    assert world.owed() == 400_000


def test_a_payment_while_accounting_is_asked_takes_the_question_back(world: LeavingWorld) -> None:
    world.to_control()
    asked = world.task(TaskKind.SETTLE_ACCOUNT)
    owed = asked.facts["outstanding_minor"]

    world.pay(owed - 100)
    eventually(lambda: "payment_received" in world.events())
    assert world.open_task(TaskKind.SETTLE_ACCOUNT) is not None, "that was not all"
    world.pay(100)

    world.task(TaskKind.ASSIGN_CREW)
    with world.database.transaction() as session:
        assert session.get_one(Task, asked.id).status == "withdrawn"
    assert "account_settled" in world.events()


def test_partial_payments_add_up(world: LeavingWorld) -> None:
    world.to_settlement()
    world.pay(10_000)
    eventually(lambda: "payment_received" in world.events())
    assert world.state().stage == "settlement"

    world.pay(world.owed())

    world.task(TaskKind.ASSIGN_CREW)


def test_who_does_not_pay_is_reminded_and_then_accounting_decides_anew(world: LeavingWorld) -> None:
    world.to_settlement()
    world.sleep(10.5 * DAY)
    world.task(TaskKind.SETTLE_ACCOUNT)
    assert "settlement_expired" in world.events()

    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")
    world.sleep(4 * DAY)
    eventually(lambda: world.events().count("settlement_reminded") == 2)
    world.pay(world.owed())

    world.task(TaskKind.ASSIGN_CREW)
    assert world.messages() == [
        "disconnection_invoice", "disconnection_reminder", "disconnection_invoice", "disconnection_reminder",
    ]  # fmt: skip
    assert world.events().count("invoice_issued") == 1, "one final invoice, however often it is waited for"


def test_money_that_came_in_unnoticed_is_found_before_accounting_is_asked_again(world: LeavingWorld) -> None:
    world.to_settlement()
    world.pay(world.owed(), deliver=False)

    world.sleep(11 * DAY)

    world.task(TaskKind.ASSIGN_CREW)
    assert "settlement_expired" not in world.events()


# -- written off -----------------------------------------------------------------------------------------------------


def test_a_debt_is_written_off_with_a_reason_and_the_approval_of_a_head_of_accounting(world: LeavingWorld) -> None:
    world.to_approval()
    owed = world.task(TaskKind.APPROVE_WRITE_OFF).facts["outstanding_minor"]

    world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=world.accountant(is_head=True))

    world.task(TaskKind.ASSIGN_CREW)
    assert world.balances()["7440"] == owed
    assert world.owed() == 0
    assert [event for event in world.events() if "write" in event or "written" in event] == [
        "write_off_asked", "debt_written_off",
    ]  # fmt: skip


def test_a_declined_write_off_leads_back_to_accounting(world: LeavingWorld) -> None:
    world.to_approval()

    world.complete(TaskKind.APPROVE_WRITE_OFF, "declined", {"reason": "they will pay"})

    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")
    assert "7440" not in world.balances()


def test_whoever_asked_for_a_write_off_does_not_approve_it_even_as_a_head(world: LeavingWorld) -> None:
    world.to_control()
    head = world.accountant(is_head=True)
    world.complete(TaskKind.SETTLE_ACCOUNT, "written_off", {"reason": REASON}, actor=head)

    refusal = refusal_of(lambda: world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=head))

    assert refusal.type == "approval_of_another"
    assert world.open_task(TaskKind.APPROVE_WRITE_OFF) is not None


@pytest.mark.parametrize("actor", ["an accountant", "temporal-ui", "staff:somebody"])
def test_nobody_but_a_head_of_accounting_approves_a_write_off(world: LeavingWorld, actor: str) -> None:
    world.to_approval()
    who = world.accountant() if actor == "an accountant" else actor

    assert refusal_of(lambda: world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=who)).type == (
        "approval_of_another"
    )
    assert "7440" not in world.balances()


def test_a_payment_before_the_approval_leaves_nothing_to_be_written_off(world: LeavingWorld) -> None:
    world.to_approval()
    world.pay(world.task(TaskKind.APPROVE_WRITE_OFF).facts["outstanding_minor"])

    world.task(TaskKind.ASSIGN_CREW)

    assert "7440" not in world.balances()
    assert world.open_task(TaskKind.APPROVE_WRITE_OFF) is None


def test_a_payment_that_crosses_the_approval_stays_the_subscribers(world: LeavingWorld) -> None:
    world.to_approval()
    owed = world.task(TaskKind.APPROVE_WRITE_OFF).facts["outstanding_minor"]
    world.pay(owed, deliver=False)

    world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=world.accountant(is_head=True))
    world.deliver()

    world.task(TaskKind.ASSIGN_CREW)
    assert not {"7440", "1210", "3510"} & world.balances().keys(), "it covered the invoice that was to be written off"


# -- dismantling -----------------------------------------------------------------------------------------------------


def test_an_absent_subscriber_leads_back_to_scheduling(world: LeavingWorld) -> None:
    world.to_dismantling()
    world.complete(TaskKind.DISMANTLE, "absent")

    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=6))
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())

    world.task(TaskKind.SIGN_ACT)
    assert world.events().count("subscriber_absent") == 1


@pytest.mark.parametrize("mistake", ["foreign", "twice", "left out"])
def test_each_installed_serial_number_is_named_exactly_once(world: LeavingWorld, mistake: str) -> None:
    world.connect(equipment=2)
    world.leave(in_days=0)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    first, second = world.found()["equipment"]
    named = {
        "foreign": [first, second, {"serial": "SN-FOREIGN", "condition": "tested_ok"}],
        "twice": [first, first, second],
        "left out": [second],
    }[mistake]

    refusal = refusal_of(lambda: world.complete(TaskKind.DISMANTLE, "dismantled", {"equipment": named}))

    assert refusal.type == "serials_not_installed"
    assert world.open_task(TaskKind.DISMANTLE) is not None
    assert set(world.stock().values()) == {"installed"}


def test_a_dismantling_that_names_no_piece_is_a_bad_form() -> None:
    with pytest.raises(Refusal) as refusal:
        checked_form(TaskKind.DISMANTLE, "dismantled", {"equipment": []})

    assert set(refusal.value.errors) == {"data.equipment"}


def test_a_broken_piece_is_scrapped_and_a_lost_one_is_billed_at_its_residual_price(world: LeavingWorld) -> None:
    world.connect(equipment=2)
    world.leave(in_days=0)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    broken, lost = world.serials()

    world.complete(
        TaskKind.DISMANTLE,
        "dismantled",
        {"equipment": [{"serial": broken, "condition": "broken"}, {"serial": lost, "condition": "lost"}]},
    )
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.outcome().status == "completed", "nobody waits for that payment"
    assert (world.stock()[broken], world.stock()[lost]) == ("scrapped", "lost")
    invoice = world.invoice("equipment")
    assert 0 < invoice.total_minor <= 1_500_000
    assert world.owed() == invoice.total_minor
    assert world.messages()[-1] == "disconnected_owing"
    assert "debt_remains" in world.events()


def test_what_a_leaving_subscriber_has_in_advance_pays_for_a_lost_piece_first(world: LeavingWorld) -> None:
    world.connect()
    world.pay(2_000_000)
    world.leave(in_days=0)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found("lost"))
    world.complete(TaskKind.SIGN_ACT, "signed")

    left = 2_000_000 - world.invoice("equipment").total_minor
    assert world.task(TaskKind.REFUND).facts == {"advance_minor": left}


def test_a_piece_that_comes_back_is_what_somebody_waits_for(
    database: Database, world: LeavingWorld, temporal: TemporalServer
) -> None:
    world.connect(equipment=2)
    with connection_world(database, temporal, pieces=0) as other:
        other.sku = world.sku
        other.apply()
        other.task(TaskKind.PURCHASE)
        world.leave(in_days=0)
        world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())

        world.complete(TaskKind.DISMANTLE, "dismantled", world.found())

        def told() -> list[str | None]:
            with database.transaction() as session:
                rows = select(Outbox.signal).where(Outbox.workflow_id == other.workflow_id).order_by(Outbox.id)
                return list(session.scalars(rows))

        eventually(lambda: told() == [None, "stock_arrived"])


def test_a_crew_that_comes_before_the_wished_day_ends_the_charging_earlier(world: LeavingWorld) -> None:
    world.to_leaving_visit()
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=1))
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")

    given_back = world.task(TaskKind.REFUND).facts["advance_minor"]
    world.complete(TaskKind.REFUND, "kept")
    world.outcome()

    assert given_back == world.invoice("final").total_minor, "it was dismantled on the day of the wish"
    assert world.subscription().active_to == world.today()


def test_a_crew_that_comes_late_costs_the_subscriber_nothing(world: LeavingWorld) -> None:
    world.connect()
    wished_on = world.today() + FIVE_DAYS
    world.leave(in_days=5)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")
    world.pay(world.owed())
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=9))
    world.sleep(9 * DAY)
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")
    world.outcome()

    assert world.subscription().active_to == wished_on
    assert not {"1210", "3510"} & world.balances().keys()


# -- the act ---------------------------------------------------------------------------------------------------------


def test_the_return_act_is_drawn_up_and_signed(world: LeavingWorld) -> None:
    world.disconnected()

    with world.database.transaction() as session:
        act = session.scalars(select(Document).where(Document.process_id == world.process_id)).one()
        assert (act.kind, act.number[:4]) == ("return_act", "АКТ-")
        assert act.signed_at is not None
        assert act.sha256 is not None


def test_a_subscriber_who_does_not_sign_has_given_the_equipment_back_all_the_same(world: LeavingWorld) -> None:
    world.to_return()

    world.complete(TaskKind.SIGN_ACT, "refused", {"reason": "disputes a scratch"})

    assert world.outcome().status == "completed"
    assert "act_not_signed" in world.events()
    with world.database.transaction() as session:
        act = session.scalars(select(Document).where(Document.process_id == world.process_id)).one()
        assert (act.signed_at, act.withdrawn_at) == (None, None)


# -- without equipment -----------------------------------------------------------------------------------------------


def test_without_equipment_nobody_goes_there_and_nothing_is_signed(world: LeavingWorld) -> None:
    world.connect(equipment=0)
    world.leave(in_days=0)

    assert world.outcome().status == "completed"
    assert world.events() == [
        "disconnection_requested", "account_settled", "nothing_to_dismantle", "service_terminated", "port_freed",
        "disconnection_closed",
    ]  # fmt: skip
    states = stages_of(world)
    assert {states[stage] for stage in ("scheduling", "dismantling", "return", "refund")} == {"skipped"}
    assert world.messages() == ["disconnected"]


def test_without_equipment_the_service_stays_until_the_wished_day(world: LeavingWorld) -> None:
    world.connect(equipment=0)
    wished_on = world.today() + FIVE_DAYS
    world.leave(in_days=5)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")
    world.pay(world.owed())
    eventually(lambda: world.state().stage == "termination")
    assert (world.process().stage, world.process().waiting_for) == ("termination", "date")
    assert world.subscription().status == "active"

    world.sleep(6 * DAY)

    world.outcome()
    assert world.subscription().active_to == wished_on


# -- what is left ----------------------------------------------------------------------------------------------------


def to_refund(world: LeavingWorld) -> int:
    """Left with money on the balance; answers how much."""
    world.connect(equipment=0)
    world.pay(300_000)
    world.leave(in_days=0)
    return int(world.task(TaskKind.REFUND).facts["advance_minor"])


def test_money_that_is_left_can_stay_on_the_balance(world: LeavingWorld) -> None:
    assert to_refund(world) == 300_000

    world.complete(TaskKind.REFUND, "kept")

    assert world.outcome().status == "completed"
    assert world.balances()["3510"] == -300_000


def test_money_that_is_left_is_moved_to_another_account_of_the_subscriber(world: LeavingWorld) -> None:
    to_refund(world)
    other_no = world.another_account_no()

    world.complete(TaskKind.REFUND, "moved", {"account_no": other_no})

    assert world.outcome().status == "completed"
    assert "3510" not in world.balances()
    world.account_no = other_no
    assert world.balances()["3510"] == -300_000


@pytest.mark.parametrize("whose", ["nobody", "somebody else"])
def test_money_is_moved_to_no_account_of_anybody_else(world: LeavingWorld, whose: str) -> None:
    to_refund(world)
    with world.database.transaction() as session:
        number = factories.customer(session).account.account_no if whose == "somebody else" else "0"

    refusal = refusal_of(lambda: world.complete(TaskKind.REFUND, "moved", {"account_no": number}))

    assert refusal.type in {"account_unknown", "not_the_same_subscriber"}
    assert world.balances()["3510"] == -300_000


def test_a_refund_takes_as_long_as_it_takes_and_the_service_is_off_meanwhile(world: LeavingWorld) -> None:
    to_refund(world)

    assert world.subscription().status == "terminated"
    assert world.residue()["ports"][0] == (1, "free", None)
    assert world.state().stage == "refund"


# -- from the Temporal UI --------------------------------------------------------------------------------------------


def test_a_dismantling_reported_in_the_temporal_ui_counts_as_well(world: LeavingWorld) -> None:
    world.to_dismantling()
    task = world.task(TaskKind.DISMANTLE)
    act = {"task_id": str(task.id), "outcome": "dismantled", "data": world.found()}

    world.server.run(world.handle.signal(COMPLETE_TASK_SIGNAL, act))

    world.task(TaskKind.SIGN_ACT)
