"""Whom an outage affects: all services below its nodes, written down once, and anew when the nodes change."""

from uuid import uuid4

import pytest

from activities.outage_changes import change_outage
from activities.outage_lookup import current_outage
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.messaging import MessageStatus
from models.contracts.network import NodeKind
from models.contracts.outage import OutageChange, OutageKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.network import NetworkPort
from models.tables.subscriptions import Subscription
from tests import factories
from tests.outage_world import HOUR, Town


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database)


def test_it_affects_all_services_below_its_nodes_and_no_others(town: Town) -> None:
    first, second = town.live(0), town.live(1)
    with town.database.transaction() as session:
        other_node = factories.node(session, kind=NodeKind.OLT).id
    elsewhere = Town(town.database).live(0)

    assert town.affected(town.register(OutageKind.EMERGENCY, town.site_id)) == {
        first.subscription_id, second.subscription_id
    }  # fmt: skip
    assert town.affected(town.register(OutageKind.EMERGENCY, town.houses[1])) == {second.subscription_id}
    assert town.affected(town.register(OutageKind.EMERGENCY, other_node)) == set()
    assert elsewhere.subscription_id not in town.affected(town.outages[0])


def test_a_service_hangs_below_the_node_of_its_port_as_well_as_below_its_building(town: Town) -> None:
    with town.database.transaction() as session:
        other_olt = factories.node(session, kind=NodeKind.OLT).id
    served = town.live(0, port_on=other_olt)

    assert town.affected(town.register(OutageKind.EMERGENCY, other_olt)) == {served.subscription_id}
    assert town.affected(town.register(OutageKind.EMERGENCY, town.houses[0])) == {served.subscription_id}


def test_a_port_that_is_only_kept_for_a_tariff_change_brings_nobody_under_an_outage(town: Town) -> None:
    with town.database.transaction() as session:
        other_olt = factories.node(session, kind=NodeKind.OLT).id
    served = town.live(0, port_on=town.olt_id)
    with town.database.transaction() as session:
        session.add(
            NetworkPort(
                node_id=other_olt, port_no=1, state="reserved", subscription_id=served.subscription_id,
                kept_for=factories.process(session).id,
            )
        )  # fmt: skip

    assert town.affected(town.register(OutageKind.EMERGENCY, other_olt)) == set()


@pytest.mark.parametrize("status", [SubscriptionStatus.PENDING, SubscriptionStatus.SUSPENDED])
def test_a_service_that_is_not_on_loses_nothing(town: Town, status: SubscriptionStatus) -> None:
    town.live(0, status=status)
    assert town.affected(town.register()) == set()


def test_the_list_is_frozen_while_the_outage_lasts(town: Town) -> None:
    first = town.live(0)
    outage_id = town.register()
    newcomer = town.live(0)
    town.sleep(2)

    assert town.affected(outage_id) == {first.subscription_id}
    assert town.heard(newcomer) == []


def test_who_comes_between_registration_and_announcement_is_told(town: Town) -> None:
    town.live(0)
    outage_id = town.planned(starts=100, ends=104)
    assert town.process(outage_id).stage == "waiting"
    newcomer = town.live(0)
    town.sleep(90)

    assert newcomer.subscription_id in town.affected(outage_id)
    assert town.heard(newcomer) == ["announced"]


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_a_list_is_the_same_in_whatever_parts_it_is_written(town: Town, piece: int) -> None:
    town.piece = piece
    people = {town.live(number % 2).subscription_id for number in range(7)}
    outage_id = town.register(OutageKind.EMERGENCY, town.site_id)
    rows = town.rows(outage_id)

    assert {row.subscription_id for row in rows} == people
    assert [row.position for row in rows] == list(range(1, 8))
    assert all(row.from_at is None and row.until_at is None for row in rows)


@pytest.mark.parametrize("piece", [1, 1000])
def test_who_leaves_and_who_joins_with_other_nodes_is_told_accordingly_and_nobody_else(town: Town, piece: int) -> None:
    town.piece = piece
    stays, leaves = town.live(0), town.live(1)
    with town.database.transaction() as session:
        third = factories.node(session, parent_id=town.site_id).id
    town.houses.append(third)
    joins = town.live(2)
    outage_id = town.register(OutageKind.EMERGENCY, town.houses[0], town.houses[1], ends=6)
    town.deliver_sms()
    town.sleep(1)
    town.change(outage_id, node_ids=[town.houses[0], third])

    assert town.affected(outage_id) == {stays.subscription_id, joins.subscription_id}
    assert town.heard(stays) == ["emergency"]
    assert town.heard(leaves) == ["emergency", "restored"]
    assert town.heard(joins) == ["emergency"]
    spans = {row.subscription_id: (row.from_at, row.until_at) for row in town.rows(outage_id)}
    assert spans == {
        stays.subscription_id: (None, None),
        leaves.subscription_id: (None, town.now),
        joins.subscription_id: (town.now, None),
    }
    assert town.held() == {stays.account_id, joins.account_id}


def test_who_comes_back_is_as_if_they_had_never_left(town: Town) -> None:
    town.live(0)
    back = town.live(1)
    outage_id = town.register(OutageKind.EMERGENCY, *town.houses, ends=6)
    town.deliver_sms()
    town.change(outage_id, node_ids=[town.houses[0]])
    town.deliver_sms()
    town.change(outage_id, node_ids=town.houses)

    assert [(row.from_at, row.until_at) for row in town.rows(outage_id)] == [(None, None)] * 2
    assert town.heard(back) == ["emergency", "restored", "emergency"]


def test_nodes_that_change_in_the_middle_of_a_listing_begin_it_again(town: Town) -> None:
    people = [town.live(number % 2) for number in range(8)]
    outage_id = town.register(OutageKind.EMERGENCY, town.houses[0])
    with town.database.transaction() as session:
        change_outage(session, outage_id, OutageChange(node_ids=[town.olt_id]), actor="staff:x", at=town.now)
    town.piece = 1
    for _ in range(2):
        town.one_piece(outage_id)
    with town.database.transaction() as session:
        change_outage(session, outage_id, OutageChange(node_ids=[town.houses[1]]), actor="staff:x", at=town.now)
    town.go_on()

    assert town.affected(outage_id) == {one.subscription_id for one in people[1::2]}


def test_a_service_that_has_ended_leaves_the_list_when_it_is_written_anew(town: Town) -> None:
    stays, ended = town.live(0), town.live(0)
    outage_id = town.planned(starts=100, ends=104)
    with town.database.transaction() as session:
        service = session.get_one(Subscription, ended.subscription_id)
        service.status, service.active_to = SubscriptionStatus.TERMINATED, factories.TODAY
    town.sleep(90)

    assert town.affected(outage_id) == {stays.subscription_id}
    assert town.heard(ended) == []


def test_the_present_outage_of_a_subscriber_is_the_one_that_ends_last(town: Town) -> None:
    served, other = town.live(0), town.live(1)
    town.register(ends=3)
    longest = town.register(OutageKind.EMERGENCY, town.houses[0], ends=5)
    town.planned(town.houses[0], starts=1, ends=9)

    with town.database.transaction() as session:
        found = current_outage(session, served.subscriber_id, at=town.now)
        assert found is not None
        assert (found.process_id, found.ends_at) == (longest, town.now + 5 * HOUR)
        assert current_outage(session, other.subscriber_id, at=town.now) is not None
    town.change(longest, ended=True)
    town.change(town.outages[0], ended=True)
    with town.database.transaction() as session:
        assert current_outage(session, served.subscriber_id, at=town.now) is None
        assert current_outage(session, other.subscriber_id, at=town.now) is None


def test_unknown_nodes_are_refused(town: Town) -> None:
    with pytest.raises(Refusal, match="network-nodes"):
        town.register(OutageKind.EMERGENCY, uuid4())


def test_withdrawn_notices_were_told_to_nobody(town: Town) -> None:
    served = town.live(0)
    outage_id = town.planned(starts=20, ends=22)
    town.sleep(3)
    assert [one.status for one in town.messages(served)] == [MessageStatus.QUEUED]
    town.change(outage_id, ended=True)
    assert town.heard(served) == []
    assert [one.error_code for one in town.messages(served, all_of_them=True)] == ["outdated"]
