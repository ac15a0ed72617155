"""A wish for another tariff: what is accepted, what is refused and how, and what it needs of equipment and ports."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from activities import compatibility, services
from activities.connection_application import register_connection
from activities.processes import close
from activities.tariff_change_request import register_tariff_change
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.connection import NewConnection
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import Refusal
from models.contracts.stock import EquipmentKind
from models.contracts.tariff_change import NewTariffChange
from models.database import Database
from models.rules.effective_day import effective_day
from models.rules.fitting import to_mount
from models.tables.catalogue import Tariff
from models.tables.network import NetworkPort
from models.tables.outbox import Outbox
from models.tables.processes import Process
from models.tables.subscriptions import Subscription
from models.tables.tariff_changes import TariffChange
from tests import factories
from tests.billing_histories import serve

TODAY = factories.TODAY


class Place:
    """A service and a tariff that it may have."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.transaction() as session:
            self.old, self.new = factories.tariff(session), factories.tariff(session, fee_minor=990_000)
            self.account = factories.customer(session).account
            self.service_id = serve(session, self.account, self.old.id, since=date(2026, 10, 1))

    def ask(self, **wish: object) -> Process:
        """Ask for the new tariff now, unless said otherwise."""
        key = wish.pop("key", None)
        order = NewTariffChange.model_validate(
            {"subscription_id": self.service_id, "tariff_code": self.new.code, "effective": "now", **wish}
        )
        with self.database.transaction() as session:
            process, _ = register_tariff_change(
                session, order, actor="staff:operator", idempotency_key=None if key is None else str(key),
                at=factories.NOW, on=TODAY,
            )  # fmt: skip
            return process

    def refusal(self, **wish: object) -> Refusal:
        """Why a wish is refused, with nothing left behind."""
        before = self.count()
        with pytest.raises(Refusal) as refused:
            self.ask(**wish)
        assert self.count() == before
        return refused.value

    def count(self) -> tuple[int, ...]:
        is_own = Process.subscription_id == self.service_id
        own = select(Process.id).where(is_own)
        with self.database.transaction() as session:
            return tuple(
                session.scalars(statement).one()
                for statement in (
                    select(func.count()).select_from(Process).where(is_own),
                    select(func.count()).where(TariffChange.process_id.in_(own)),
                    select(func.count()).where(Outbox.workflow_id.in_(select(Process.workflow_id).where(is_own))),
                    select(func.count()).where(NetworkPort.kept_for.in_(own)),
                )
            )

    def change(self, **columns: object) -> None:
        """The service is otherwise."""
        with self.database.transaction() as session:
            session.execute(update(Subscription).where(Subscription.id == self.service_id).values(**columns))


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


def test_a_wish_starts_a_process_of_its_own_kind_with_the_policy_and_no_name_in_it(place: Place) -> None:
    process = place.ask()

    assert (process.kind, process.workflow_id) == ("tariff_change", f"tariff-change/{process.id}")
    with place.database.transaction() as session:
        start = session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)).one()
        assert start.start_input is not None
        assert (start.workflow_type, start.task_queue) == ("TariffChange", "processes")
        assert set(start.start_input) == {"process_id", "subscriber_id", "account_no", "policy"}


@pytest.mark.parametrize(
    ("effective", "planned_on"),
    [("now", TODAY), ("next_period", date(2026, 12, 1)), ("2026-11-24", TODAY), ("2026-12-15", date(2026, 12, 15))],
)
def test_the_day_that_is_meant_is_kept(place: Place, effective: str, planned_on: date) -> None:
    process = place.ask(effective=effective)

    with place.database.transaction() as session:
        assert session.get_one(TariffChange, process.id).planned_on == planned_on


def test_the_same_key_and_wish_are_the_same_process_and_another_wish_is_refused(place: Place) -> None:
    key = factories.unique("key")
    first = place.ask(key=key)

    assert place.ask(key=key).id == first.id
    assert place.refusal(key=key, effective="next_period").slug == "idempotency_key_reused"


def test_a_service_has_one_process_at_a_time_and_the_next_wish_is_told_so(place: Place) -> None:
    first = place.ask()

    refusal = place.refusal(effective="next_period")
    assert (refusal.slug, refusal.kind) == ("service_busy", "conflict")

    with place.database.transaction() as session:
        close(session, first.id, ProcessStatus.CANCELLED, at=factories.NOW)
    assert place.ask().id != first.id


@pytest.mark.parametrize("kind", [ProcessKind.CONNECTION, ProcessKind.DISCONNECTION])
def test_while_a_service_is_connected_or_disconnected_its_tariff_is_not_changed(
    place: Place, kind: ProcessKind
) -> None:
    with place.database.transaction() as session:
        factories.process(session, kind=kind, account=place.account, subscription_id=place.service_id)

    assert place.refusal().slug == "service_busy"


def test_of_two_wishes_at_once_one_is_taken(place: Place) -> None:
    together = threading.Barrier(4)

    def ask() -> UUID | str:
        together.wait()
        try:
            return place.ask().id
        except Refusal as refusal:
            return refusal.slug

    with ThreadPoolExecutor(4) as pool:
        answers = [future.result() for future in [pool.submit(ask) for _ in range(4)]]

    assert sorted(str(answer) for answer in answers if isinstance(answer, str)) == ["service_busy"] * 3


@pytest.mark.parametrize(
    ("wish", "slug"),
    [
        ({"tariff_code": "no-such-tariff"}, "tariff_unknown"),
        ({"subscription_id": uuid4()}, "subscription_unknown"),
        ({"effective": "2026-11-23"}, "effective_in_past"),
        ({"effective": "2027-06-01"}, "effective_too_far"),
    ],
)
def test_a_wish_that_can_not_be_is_refused(place: Place, wish: dict[str, object], slug: str) -> None:
    assert place.refusal(**wish).slug == slug


def test_the_tariff_that_the_service_is_on_is_refused(place: Place) -> None:
    assert place.refusal(tariff_code=place.old.code).slug == "tariff_same"


def test_a_tariff_that_is_sold_no_more_is_refused(place: Place) -> None:
    with place.database.transaction() as session:
        session.execute(update(Tariff).where(Tariff.id == place.new.id).values(active=False))

    assert place.refusal().slug == "tariff_unknown"


def test_a_tariff_without_a_price_on_the_day_is_refused(place: Place) -> None:
    with place.database.transaction() as session:
        late = factories.tariff(session, priced_from=date(2027, 1, 1))

    assert place.refusal(tariff_code=late.code).slug == "tariff_unknown"
    assert place.ask(tariff_code=late.code, effective="2027-01-01").stage == "request"


@pytest.mark.parametrize(
    "columns",
    [
        {"status": SubscriptionStatus.PENDING, "active_from": None},
        {"status": SubscriptionStatus.TERMINATED, "active_to": date(2026, 11, 1)},
    ],
)
def test_a_service_that_has_not_begun_or_has_ended_has_no_other_tariff(
    place: Place, columns: dict[str, object]
) -> None:
    place.change(**columns)

    assert place.refusal().slug == "service_not_active"


def test_a_suspended_or_frozen_service_may_have_another_tariff(place: Place) -> None:
    with place.database.transaction() as session:
        services.freeze(session, place.service_id, from_on=TODAY, until_on=None, today=TODAY)
        services.suspend(session, place.service_id, on=TODAY, today=TODAY)

    assert place.ask().status == "open"


def test_an_account_has_no_tariff_twice_at_one_place(place: Place) -> None:
    with place.database.transaction() as session:
        premises_id = session.get_one(Subscription, place.service_id).premises_id
        factories.subscription(
            session, place.account, tariff_id=place.new.id, premises_id=premises_id,
            status=SubscriptionStatus.ACTIVE, active_from=TODAY,
        )  # fmt: skip

    assert place.refusal().slug == "tariff_at_place"


# -- ports -----------------------------------------------------------------------------------------------------------


def lay_ports(place: Place, *speeds: int | None) -> None:
    """Ports of the node, the first of which is the service's; the new tariff needs a thousand."""
    with place.database.transaction() as session:
        session.execute(update(Tariff).where(Tariff.id == place.new.id).values(speed_mbps=1000))
        node = factories.node(session)
        for number, max_mbps in enumerate(speeds, start=1):
            own = number == 1
            session.add(
                NetworkPort(
                    node_id=node.id, port_no=number, max_mbps=max_mbps, state="active" if own else "free",
                    subscription_id=place.service_id if own else None, profile="100M" if own else None,
                )
            )  # fmt: skip


@pytest.mark.parametrize("speed", [None, 1000, 2500])
def test_a_port_that_carries_the_tariff_is_stayed_on(place: Place, speed: int | None) -> None:
    lay_ports(place, speed, None)
    place.ask()

    assert place.count()[3] == 0


def test_a_port_to_move_to_is_kept_from_the_wish_on(place: Place) -> None:
    lay_ports(place, 500, 500, 1000)
    process = place.ask()

    with place.database.transaction() as session:
        kept = session.scalars(select(NetworkPort).where(NetworkPort.kept_for == process.id)).one()
    assert (kept.port_no, kept.state, kept.subscription_id) == (3, "reserved", place.service_id)
    with place.database.transaction() as session:
        session.execute(
            update(NetworkPort)
            .where(NetworkPort.id == kept.id)
            .values(kept_for=None, state="free", subscription_id=None)
        )


def test_where_no_port_carries_the_tariff_the_wish_is_refused_at_once(place: Place) -> None:
    lay_ports(place, 500, 500)

    assert place.refusal().slug == "no_port_carries_tariff"


def test_a_connection_gets_a_port_that_carries_its_tariff(database: Database) -> None:
    with database.transaction() as session:
        premises = factories.premises(session, ports=3)
        tariff = factories.tariff(session)
        tariff.speed_mbps = 1000
        session.execute(
            update(NetworkPort)
            .where(NetworkPort.node_id == premises.node_id, NetworkPort.port_no < 3)
            .values(max_mbps=500)
        )
        process = connect(session, premises.id, tariff.code)
        port = session.scalars(select(NetworkPort).where(NetworkPort.subscription_id == process.subscription_id)).one()

    assert port.port_no == 3
    with pytest.raises(Refusal) as refused, database.transaction() as session:
        connect(session, premises.id, tariff.code)
    assert refused.value.slug == "no_free_port"


def connect(session: Session, premises_id: UUID, code: str, *equipment: str) -> Process:
    """Somebody applies for a connection."""
    order = NewConnection.model_validate({
        "subscriber": {
            "iin": factories.new_iin(), "full_name": "Сейткали Арман Болатович", "phone": factories.new_phone(),
        },
        "equipment": equipment, "premises_id": premises_id, "tariff_code": code,
    })  # fmt: skip
    return register_connection(session, order, actor="test", idempotency_key=None, at=factories.NOW, on=TODAY)[0]


# -- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "whole_months", "day"),
    [
        (date(2026, 11, 24), False, date(2026, 12, 1)),
        (date(2026, 12, 1), True, date(2026, 12, 1)),
        (date(2026, 12, 3), False, date(2026, 12, 3)),
        (date(2026, 12, 3), True, date(2027, 1, 1)),
        (date(2027, 1, 1), True, date(2027, 1, 1)),
        (date(2027, 1, 31), True, date(2027, 2, 1)),
    ],
)
def test_a_day_that_has_passed_before_all_was_ready_becomes_the_first_that_will_do(
    today: date, whole_months: bool, day: date
) -> None:
    assert effective_day(date(2026, 12, 1), today, whole_months=whole_months) == day


@pytest.mark.parametrize(
    ("works_with", "mounted", "mount"),
    [
        ([], ["ont-gpon"], []),
        ([("ont", "ont-xgs")], ["ont-xgs"], []),
        ([("ont", "ont-xgs")], ["ont-gpon"], ["ont-xgs"]),
        ([("ont", "ont-xgs"), ("ont", "ont-gpon")], ["ont-gpon"], []),
        ([("ont", "ont-xgs"), ("router", "router-be")], ["ont-gpon", "router-ax"], ["ont-xgs", "router-be"]),
        ([("router", "router-be"), ("ont", "ont-xgs"), ("router", "router-ax")], ["router-ax"], ["ont-xgs"]),
        ([("ont", "ont-xgs")], [], ["ont-xgs"]),
    ],
)
def test_of_each_kind_that_a_tariff_names_one_of_its_models_is_needed(
    works_with: list[tuple[str, str]], mounted: list[str], mount: list[str]
) -> None:
    assert to_mount(works_with, mounted) == mount


def test_what_a_tariff_works_with_is_said_anew_as_a_whole(place: Place) -> None:
    with place.database.transaction() as session:
        models = [factories.equipment(session).sku for _ in range(3)]
        for sku in models:
            assert compatibility.set_equipment(session, place.new.code, [sku]) == [sku]
        compatibility.set_equipment(session, place.new.code, models[::-1])
        assert compatibility.equipment_of(session, place.new.code) == models[::-1]
        for wrong, slug in (([models[0]] * 2, "sku_twice"), (["no-such-sku"], "sku_unknown")):
            with pytest.raises(Refusal) as refused:
                compatibility.set_equipment(session, place.new.code, wrong)
            assert refused.value.slug == slug
        compatibility.set_equipment(session, place.new.code, [])
        assert compatibility.equipment_of(session, place.new.code) == []


def test_a_connection_is_ordered_with_what_its_tariff_works_with(database: Database) -> None:
    with database.transaction() as session:
        tariff, premises = factories.tariff(session), factories.premises(session)
        ont, better = factories.equipment(session), factories.equipment(session)
        ont.kind = better.kind = EquipmentKind.ONT
        session.flush()
        compatibility.set_equipment(session, tariff.code, [better.sku])
        with pytest.raises(Refusal) as refused:
            connect(session, premises.id, tariff.code, ont.sku)
        assert refused.value.slug == "equipment_unfit"
        assert better.sku in refused.value.detail
        connect(session, premises.id, tariff.code, better.sku)


def test_pieces_of_no_particular_kind_make_room_for_nothing(place: Place) -> None:
    with place.database.transaction() as session:
        one, another = factories.equipment(session), factories.equipment(session)
        assert {one.kind, another.kind} <= {EquipmentKind.OTHER, None}
        assert compatibility.in_place_of(session, place.service_id, [another.sku]) == []
