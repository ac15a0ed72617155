"""A wish to leave: what is accepted, what is refused and how, and who else is at work on the service."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import ledger, services
from activities.disconnection_control import ControlActivities
from activities.disconnection_request import register_disconnection
from activities.leaving_account import leaving, settlement_of
from activities.tariff_change_request import register_tariff_change
from models.contracts.catalogue import Charging, SubscriptionStatus
from models.contracts.disconnection import DisconnectionInput, NewDisconnection
from models.contracts.refusals import Refusal
from models.contracts.steps import InvoiceStep
from models.contracts.tariff_change import NewTariffChange
from models.database import Database
from models.rules.money import rounded_share
from models.tables.disconnection import DisconnectionRequest
from models.tables.outbox import Outbox
from models.tables.people import Account
from models.tables.processes import Process
from settings import Settings
from tests import factories
from tests.billing_histories import bill, serve

SETTINGS = Settings(environment="local")
TODAY = factories.TODAY
SINCE = date(2026, 10, 1)
WEEK = timedelta(days=7)


class Service:
    """Somebody's service, and the wish to have it no more."""

    def __init__(self, database: Database, *, charging: Charging = Charging.ADVANCE) -> None:
        self.database = database
        with database.transaction() as session:
            tariff = factories.tariff(session, fee_minor=600_000, charging=charging)
            self.account: Account = factories.customer(session).account
            self.id: UUID = serve(session, self.account, tariff.id, since=SINCE)

    def ask(self, *, key: str | None = None, **wish: object) -> tuple[Process, bool]:
        """Ask to be disconnected today, unless said otherwise."""
        order = NewDisconnection.model_validate(
            {"subscription_id": self.id, "reason": "moves away", "requested_on": TODAY, **wish}
        )
        with self.database.transaction() as session:
            return register_disconnection(
                session, order, actor="staff:operator", idempotency_key=key, at=factories.NOW, zone=SETTINGS.zone
            )

    def refusal(self, **wish: object) -> Refusal:
        """Why it is refused, with nothing left behind."""
        before = self.count()
        with pytest.raises(Refusal) as refused:
            self.ask(**wish)  # type: ignore[arg-type]  # wrong on purpose
        assert self.count() == before
        return refused.value

    def count(self) -> tuple[int, ...]:
        """What a request leaves behind."""
        with self.database.transaction() as session:
            processes = select(Process.id).where(Process.account_id == self.account.id)
            return (
                session.execute(select(func.count()).select_from(processes.subquery())).scalar_one(),
                session.execute(
                    select(func.count()).where(DisconnectionRequest.process_id.in_(processes))
                ).scalar_one(),
            )

    def change(self, change: Callable[[Session], object]) -> None:
        with self.database.transaction() as session:
            change(session)


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


# -- accepted --------------------------------------------------------------------------------------------------------


def test_a_wish_is_registered_together_with_the_order_to_start_its_process(service: Service) -> None:
    process, is_new = service.ask(requested_on=TODAY + timedelta(days=30))

    assert is_new
    assert (process.kind, process.subscription_id, process.account_id) == (
        "disconnection", service.id, service.account.id,
    )  # fmt: skip
    with service.database.transaction() as session:
        order = session.scalars(select(Outbox).where(Outbox.workflow_id == f"disconnection/{process.id}")).one()
        assert (order.workflow_type, order.task_queue) == ("Disconnection", "processes")
        told = DisconnectionInput.model_validate(order.start_input)
    assert told.ends_at.astimezone(SETTINGS.zone).date() == TODAY + timedelta(days=30)
    assert told.ends_at - told.starts_at == WEEK
    assert not told.for_debt


def test_the_same_key_with_the_same_wish_is_the_same_process_even_at_once(service: Service) -> None:
    key = uuid4().hex
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: service.ask(key=key), range(4)))

    assert len({process.id for process, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False, False, False, True]
    assert service.refusal(key=key, reason="another reason").slug == "idempotency_key_reused"


def test_a_suspended_or_frozen_service_may_be_left_too(database: Database) -> None:
    suspended, frozen = Service(database), Service(database)
    suspended.change(lambda session: services.suspend(session, suspended.id, on=TODAY, today=TODAY))
    frozen.change(
        lambda session: services.freeze(session, frozen.id, from_on=TODAY, until_on=TODAY + WEEK, today=TODAY)
    )

    for one in (suspended, frozen):
        assert one.ask(requested_on=TODAY + 2 * WEEK)[1]


# -- refused ---------------------------------------------------------------------------------------------------------


def test_a_service_that_nobody_knows_is_not_found(service: Service) -> None:
    assert service.refusal(subscription_id=uuid4()).slug == "subscription_unknown"


def test_a_service_that_is_being_connected_is_cancelled_and_not_disconnected(service: Service) -> None:
    with service.database.transaction() as session:
        pending = factories.subscription(session, service.account).id

    assert service.refusal(subscription_id=pending).slug == "service_not_connected"


def test_a_service_that_has_ended_does_not_end_again(service: Service) -> None:
    service.change(lambda session: services.terminate(session, service.id, on=TODAY, today=TODAY))

    assert service.refusal().slug == "service_ended"


def test_an_application_that_was_withdrawn_has_nothing_to_end(service: Service) -> None:
    with service.database.transaction() as session:
        withdrawn = factories.subscription(session, service.account, status=SubscriptionStatus.CANCELLED).id

    assert service.refusal(subscription_id=withdrawn).slug == "service_ended"


@pytest.mark.parametrize("days", [-1, -400, 367])
def test_the_wished_day_is_today_or_later_and_within_a_year(service: Service, days: int) -> None:
    refusal = service.refusal(requested_on=TODAY + timedelta(days=days))

    assert refusal.slug == "requested_on_impossible"
    assert set(refusal.errors) == {"requested_on"}


def test_today_is_the_operators_day(service: Service) -> None:
    """At 20:00 UTC it is tomorrow already in Kazakhstan."""
    late = factories.NOW.replace(hour=20)
    order = NewDisconnection(subscription_id=service.id, reason="moves away", requested_on=TODAY)
    with service.database.transaction() as session, pytest.raises(Refusal) as refusal:
        register_disconnection(
            session, order, actor="staff:operator", idempotency_key=None, at=late, zone=SETTINGS.zone
        )
    assert refusal.value.slug == "requested_on_impossible"


def test_what_would_stop_the_final_billing_is_told_at_once(database: Database) -> None:
    service = Service(database)
    with database.transaction() as session:
        unpriced = factories.tariff(session, fee_minor=None)
        service_id = serve(session, service.account, unpriced.id, since=SINCE)

    assert service.refusal(subscription_id=service_id).slug == "tariff_price_missing"


def test_only_one_process_at_a_time_is_at_work_on_a_service(service: Service) -> None:
    service.ask()

    assert service.refusal().slug == "service_busy"
    with service.database.transaction() as session:
        wish = NewTariffChange(subscription_id=service.id, tariff_code=factories.tariff(session).code, effective="now")
        with pytest.raises(Refusal) as refusal:
            register_tariff_change(
                session, wish, actor="staff:operator", idempotency_key=None, at=factories.NOW, on=TODAY
            )
    assert refusal.value.slug == "service_busy"


def test_of_two_wishes_at_once_one_is_registered(service: Service) -> None:
    def ask(_: int) -> str:
        try:
            service.ask()
        except Refusal as refusal:
            return refusal.slug
        return "registered"

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, range(6))) == ["registered"] + ["service_busy"] * 5


# -- beside the monthly billing --------------------------------------------------------------------------------------


DECEMBER = date(2026, 12, 1)
AT = factories.NOW.replace(month=12, day=1)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("charging", Charging)
def test_with_a_billing_run_on_the_same_day_the_days_up_to_the_end_are_billed_and_no_others(
    database: Database, charging: Charging, turn: int
) -> None:
    """Whoever of the two is first."""
    service = Service(database, charging=charging)
    for month in (date(2026, 10, 1), date(2026, 11, 1)):
        service.change(partial(bill, accounts=[service.account], period_on=month))
    process, _ = service.ask(requested_on=date(2026, 12, 11))
    step = InvoiceStep(process_id=process.id, at=AT, pay_within=timedelta(days=10))
    acts: list[Callable[[], object]] = [
        partial(ControlActivities(database, SETTINGS).send_final_invoice, step),
        partial(service.change, partial(bill, accounts=[service.account], period_on=DECEMBER)),
    ]

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(act) for act in (reversed(acts) if turn % 2 else acts)]:
            done.result()

    with database.transaction() as session:
        # Nothing was paid: what is owed is what was billed.
        owed_minor = ledger.debt_minor(session, service.account.id)
        assert owed_minor == 2 * 600_000 + rounded_share(600_000, 10, 31)
        assert settlement_of(session, leaving(session, process.id), on=DECEMBER).outstanding_minor == owed_minor
