"""Services suspended, resumed, put on another tariff and ended: their days, and what is refused."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from activities import services
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.catalogue import Tariff
from models.tables.subscriptions import Subscription
from tests import factories
from tests.billing_histories import bill, serve

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
TODAY = date(2026, 11, 20)

Days = list[tuple[date, date | None, str, str]]


class Place:
    """A service since October and another tariff."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.account = factories.customer(session).account
        self.tariff, self.other = factories.tariff(session), factories.tariff(session, fee_minor=990_000)
        self.service_id = serve(session, self.account, self.tariff.id, since=OCTOBER)

    @property
    def service(self) -> Subscription:
        return self.session.get_one(Subscription, self.service_id)

    def status(self) -> str:
        return self.service.status.value

    def days(self) -> Days:
        names = {self.tariff.code: "old", self.other.code: "new"}
        periods = services.days_of(self.session, self.service_id).periods
        return [(one.from_on, one.until_on, names[one.tariff_code], one.state) for one in periods]

    def change(self, on: date, *, tariff: Tariff | None = None, today: date = TODAY) -> object:
        return services.change_tariff(
            self.session, self.service_id, (tariff or self.other).id, on=on, today=today
        )  # fmt: skip

    def undo(self, on: date, *, today: date = TODAY) -> None:
        services.undo_tariff_change(
            self.session, self.service_id, from_tariff_id=self.tariff.id, to_tariff_id=self.other.id, on=on, today=today
        )


def test_a_suspension_lasts_until_the_service_is_resumed(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        for day in (TODAY, date(2026, 11, 21)):
            services.suspend(session, place.service_id, on=day, today=day)
        assert place.status() == "suspended"
        assert place.days() == [(OCTOBER, TODAY, "old", "active"), (TODAY, None, "old", "suspended")]
        back_on = date(2026, 11, 27)
        for _ in range(2):
            services.resume(session, place.service_id, on=back_on, today=back_on)
        assert place.status() == "active"
        assert place.days() == [
            (OCTOBER, TODAY, "old", "active"), (TODAY, back_on, "old", "suspended"), (back_on, None, "old", "active"),
        ]  # fmt: skip


def test_a_service_resumed_on_the_day_of_its_suspension_was_never_suspended(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        before = place.days()
        services.suspend(session, place.service_id, on=TODAY, today=TODAY)
        services.resume(session, place.service_id, on=TODAY, today=TODAY)
        assert place.days() == before


def test_a_suspension_leaves_frozen_days_frozen_and_a_freeze_given_up_in_it_leaves_them_suspended(
    database: Database,
) -> None:
    with database.transaction() as session:
        place = Place(session)
        thaw, ends = date(2026, 11, 25), date(2026, 12, 5)
        services.freeze(session, place.service_id, from_on=date(2026, 11, 22), until_on=ends, today=TODAY)
        services.suspend(session, place.service_id, on=TODAY, today=TODAY)
        assert [state for *_, state in place.days()] == ["active", "suspended", "frozen", "suspended"]
        services.unfreeze(session, place.service_id, on=thaw, today=TODAY)
        assert place.days()[-1] == (thaw, None, "old", "suspended")
        services.resume(session, place.service_id, on=date(2026, 11, 23), today=date(2026, 11, 23))
        assert place.days() == [
            (OCTOBER, TODAY, "old", "active"), (TODAY, date(2026, 11, 22), "old", "suspended"),
            (date(2026, 11, 22), thaw, "old", "frozen"), (thaw, None, "old", "active"),
        ]  # fmt: skip


@pytest.mark.parametrize("status", ["pending", "terminated", "cancelled"])
def test_only_a_service_that_lasts_is_suspended_or_resumed(database: Database, status: str) -> None:
    with database.transaction() as session:
        place = Place(session)
        service_id = factories.subscription(session, place.account).id
        if status == "terminated":
            service_id = place.service_id
            services.terminate(session, service_id, on=TODAY, today=TODAY)
        elif status == "cancelled":
            session.get_one(Subscription, service_id).status = SubscriptionStatus.CANCELLED
        for what, slug in ((services.suspend, "service_not_active"), (services.resume, "service_not_suspended")):
            with pytest.raises(Refusal) as refused:
                what(session, service_id, on=TODAY, today=TODAY)
            assert refused.value.slug == slug


# --- Another tariff ---------------------------------------------------------------------------------------------------


def test_a_tariff_changes_from_a_day_on_and_the_days_keep_their_states(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        services.freeze(session, place.service_id, from_on=date(2026, 11, 24), until_on=DECEMBER, today=TODAY)
        assert place.change(TODAY) == place.tariff.id
        assert place.change(TODAY) == place.tariff.id, "twice is once"
        assert place.service.tariff_id == place.other.id
        assert place.days() == [
            (OCTOBER, TODAY, "old", "active"), (TODAY, date(2026, 11, 24), "new", "active"),
            (date(2026, 11, 24), DECEMBER, "new", "frozen"), (DECEMBER, None, "new", "active"),
        ]  # fmt: skip


def test_a_suspended_service_changes_its_tariff_and_stays_suspended(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        services.suspend(session, place.service_id, on=TODAY, today=TODAY)
        place.change(date(2026, 11, 25))
        assert place.days()[1:] == [
            (TODAY, date(2026, 11, 25), "old", "suspended"), (date(2026, 11, 25), None, "new", "suspended"),
        ]  # fmt: skip


def test_the_service_follows_a_change_written_ahead_when_its_day_has_come(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        place.change(DECEMBER)
        assert place.service.tariff_id == place.tariff.id
        days = place.days()
        assert place.change(DECEMBER, today=DECEMBER) == place.tariff.id
        assert place.service.tariff_id == place.other.id
        assert place.days() == days


@pytest.mark.parametrize("on", [TODAY, DECEMBER])
def test_a_change_that_is_taken_back_leaves_the_days_as_they_were(database: Database, on: date) -> None:
    with database.transaction() as session:
        place = Place(session)
        services.freeze(session, place.service_id, from_on=date(2026, 11, 24), until_on=date(2026, 12, 9), today=TODAY)
        before = place.days()
        place.change(on)
        for _ in range(2):
            place.undo(on)
        assert place.days() == before
        assert place.service.tariff_id == place.tariff.id


def test_what_happens_to_a_service_under_a_change_ahead_stays_when_that_is_taken_back(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        place.change(DECEMBER)
        services.suspend(session, place.service_id, on=date(2026, 11, 25), today=TODAY)
        place.undo(DECEMBER)
        assert place.days() == [
            (OCTOBER, date(2026, 11, 25), "old", "active"), (date(2026, 11, 25), None, "old", "suspended"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    "case", ["month_closed", "tariff_change_ahead", "tariff_at_place", "tariff_closed", "tariff_price_missing",
             "tariff_unknown", "service_ending", "service_not_active"],
)  # fmt: skip
def test_a_change_that_cant_be_is_refused_and_leaves_the_days(database: Database, case: str) -> None:
    with database.transaction() as session:
        place, on, tariff = Place(session), TODAY, None
        if case == "month_closed":
            on = date(2026, 9, 30)
        elif case == "tariff_change_ahead":
            place.change(DECEMBER)
            tariff = factories.tariff(session)
        elif case == "tariff_at_place":
            factories.subscription(
                session, place.account, tariff_id=place.other.id, premises_id=place.service.premises_id
            )
        elif case == "tariff_closed":
            place.other.active = False
        elif case == "tariff_price_missing":
            tariff = factories.tariff(session, priced_from=DECEMBER)
        elif case == "tariff_unknown":
            tariff = Tariff(id=factories.process(session).id)
        elif case == "service_ending":
            place.service.ending_on = DECEMBER
        else:
            services.terminate(session, place.service_id, on=TODAY, today=TODAY)
        session.flush()
        before = place.days()
        with pytest.raises(Refusal) as refused:
            place.change(on, tariff=tariff)
        assert refused.value.slug == case
        assert place.days() == before


def test_a_change_ahead_finds_its_place_taken_when_its_day_has_come(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        place.change(DECEMBER)
        factories.subscription(session, place.account, tariff_id=place.other.id, premises_id=place.service.premises_id)
        with pytest.raises(Refusal) as refused:
            place.change(DECEMBER, today=DECEMBER)
        assert refused.value.slug == "tariff_at_place"


# --- The end ----------------------------------------------------------------------------------------------------------


def test_a_service_that_has_ended_has_no_later_days_and_ends_once(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        services.freeze(session, place.service_id, from_on=date(2026, 11, 15), until_on=DECEMBER, today=TODAY)
        services.suspend(session, place.service_id, on=TODAY, today=TODAY)
        for day in (TODAY, date(2026, 11, 25)):
            services.terminate(session, place.service_id, on=day, today=day)
        assert (place.service.status, place.service.active_to) == (SubscriptionStatus.TERMINATED, TODAY)
        assert place.days() == [
            (OCTOBER, date(2026, 11, 15), "old", "active"), (date(2026, 11, 15), TODAY, "old", "frozen"),
        ]  # fmt: skip


def test_a_service_ends_no_earlier_than_it_began(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        services.terminate(session, place.service_id, on=date(2026, 9, 1), today=TODAY)
        assert (place.service.active_to, place.days()) == (OCTOBER, [])


@pytest.mark.parametrize(("case", "slug"), [("pending", "service_not_active"), ("later", "end_in_future")])
def test_an_end_that_cant_be_is_refused(database: Database, case: str, slug: str) -> None:
    with database.transaction() as session:
        place = Place(session)
        service_id = factories.subscription(session, place.account).id if case == "pending" else place.service_id
        with pytest.raises(Refusal) as refused:
            services.terminate(session, service_id, on=date(2026, 11, 22), today=TODAY)
        assert refused.value.slug == slug


def test_a_month_whose_run_found_nothing_due_is_closed_as_well(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        bill(session, [place.account], NOVEMBER)
        services.freeze(session, place.service_id, from_on=TODAY, until_on=None, today=TODAY)
        bill(session, [place.account], DECEMBER)
        assert bill(session, [place.account], date(2027, 1, 1)).nothing_due == 1
        with pytest.raises(Refusal) as refused:
            services.unfreeze(session, place.service_id, on=date(2026, 12, 20), today=date(2027, 1, 10))
        assert refused.value.slug == "month_closed"


def test_the_month_of_an_exception_stays_open(database: Database) -> None:
    with database.transaction() as session:
        place = Place(session)
        unpriced = factories.tariff(session, fee_minor=None)
        serve(session, place.account, unpriced.id, since=NOVEMBER)
        assert bill(session, [place.account], DECEMBER).exceptions == 1
        services.suspend(session, place.service_id, on=date(2026, 11, 3), today=date(2026, 12, 2))
