"""On which occasions those affected by an outage are written to, over the database: once each, and nobody else."""

from datetime import timedelta

import pytest

from activities import opt_outs
from activities.outage_registration import register_outage
from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.outage import NewOutage, OutageKind
from models.contracts.people import Language
from models.contracts.processes import ProcessStatus
from models.contracts.refusals import Refusal
from models.database import Database
from tests import factories
from tests.outage_world import HOUR, ZONE, Town


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database)


def test_an_emergency_is_told_at_once_by_night_too_and_its_end_to_those_who_were_told(town: Town) -> None:
    served = town.live(0)
    town.pass_until(town.now + 14 * HOUR)
    outage_id = town.register(ends=4)
    assert [(one.template, one.urgency) for one in town.messages()] == [("outage_emergency", Urgency.EMERGENCY)]
    assert town.held() == {served.account_id}
    town.deliver_sms()
    town.sleep(2)
    town.change(outage_id, ended=True)

    assert town.heard() == ["emergency", "restored"]
    assert town.held() == set()
    town.deliver_sms()
    town.sleep(1)
    process = town.process(outage_id)
    assert (process.status, process.stage) == (ProcessStatus.COMPLETED, "closed")
    assert {"outage_began", "outage_told_emergency", "outage_told_restored", "outage_closed"} <= set(
        town.events(outage_id)
    )


def test_planned_works_are_announced_a_day_before_within_the_hours_in_which_one_may_write(town: Town) -> None:
    served = town.live(0)
    outage_id = town.planned(starts=96, ends=100)
    town.sleep(40)
    assert town.heard() == []
    assert town.process(outage_id).waiting_for == "announcement"
    town.sleep(40)

    (message,) = town.messages()
    assert message.urgency is Urgency.NOTICE
    assert town.outage(outage_id).starts_at - message.created_at >= timedelta(hours=24)
    assert 9 <= message.created_at.astimezone(ZONE).hour < 21
    assert message.created_at.astimezone(ZONE).minute <= 45, "it goes before the quiet hours begin"
    assert town.held() == set()
    town.deliver_sms()
    town.sleep(16.5)
    assert town.process(outage_id).stage == "under_way"
    assert town.held() == {served.account_id}
    town.sleep(2)
    town.change(outage_id, ended=True)
    assert town.heard() == ["announced", "restored"]


def test_works_that_are_moved_before_anybody_was_told_are_announced_once(town: Town) -> None:
    town.live(0)
    outage_id = town.planned(starts=96, ends=100)
    town.change(outage_id, starts_at=town.now + 120 * HOUR, ends_at=town.now + 124 * HOUR)
    town.sleep(119)
    assert town.heard() == ["announced"]


def test_works_that_are_moved_are_told_to_those_who_know_of_them(town: Town) -> None:
    told = town.live(0)
    outage_id = town.planned(starts=20, ends=22)
    town.deliver_sms()
    town.change(outage_id, starts_at=town.now + 50 * HOUR, ends_at=town.now + 53 * HOUR)
    assert town.heard(told) == ["announced", "moved"]
    town.deliver_sms()
    town.change(outage_id, ends_at=town.now + 53 * HOUR)
    assert town.heard(told) == ["announced", "moved"], "the same window again is no news"


def test_a_notice_that_has_not_gone_is_replaced_by_the_new_one(town: Town) -> None:
    town.live(0)
    outage_id = town.planned(starts=20, ends=22)
    town.change(outage_id, starts_at=town.now + 50 * HOUR, ends_at=town.now + 53 * HOUR)

    assert [(one.template, one.status) for one in town.messages(all_of_them=True)] == [
        ("outage_announced", MessageStatus.WITHDRAWN),
        ("outage_announced", MessageStatus.QUEUED),
    ]
    assert f"{(town.now + 50 * HOUR).astimezone(ZONE):%d.%m %H:%M}" in town.messages()[0].body


def test_works_that_end_before_their_start_do_not_take_place(town: Town) -> None:
    town.live(0)
    outage_id = town.planned(starts=20, ends=22)
    town.deliver_sms()
    town.change(outage_id, ended=True)
    assert town.heard() == ["announced", "called_off"]
    town.deliver_sms()
    town.sleep(1)
    assert town.process(outage_id).status is ProcessStatus.CANCELLED


def test_nobody_is_told_that_works_are_off_of_which_nobody_was_told(town: Town) -> None:
    town.live(0)
    outage_id = town.planned(starts=96, ends=100)
    town.change(outage_id, ended=True)
    assert town.messages(all_of_them=True) == []
    assert town.process(outage_id).status is ProcessStatus.CANCELLED


@pytest.mark.parametrize("status", [MessageStatus.FAILED, MessageStatus.UNDELIVERED])
def test_who_was_not_reached_was_not_told(town: Town, status: MessageStatus) -> None:
    served = town.live(0)
    outage_id = town.planned(starts=20, ends=22)
    with town.database.transaction() as session:
        for message in town.messages(served):
            session.merge(message).status = status
    town.change(outage_id, ended=True)
    assert town.heard(served) == ["announced"]
    town.sleep(1)
    assert town.process(outage_id).stage == "closed", "it waits for nobody who was not told"


def test_one_number_gets_one_sms_whoever_has_it_and_however_many_services(town: Town) -> None:
    phone = factories.new_phone()
    one, other = town.live(0, phone=phone), town.live(1, phone=phone)
    town.piece = 1
    outage_id = town.register()
    town.deliver_sms()
    town.change(outage_id, ended=True)
    assert sorted(town.heard(one, other)) == ["emergency", "restored"]


def test_whoever_wants_no_sms_gets_none(town: Town) -> None:
    served = town.live(0)
    with town.database.transaction() as session:
        opt_outs.remember(session, served.phone, at=town.now)
    outage_id = town.register()
    assert town.messages(served) == []
    town.change(outage_id, ended=True)
    assert town.messages(served) == []
    town.sleep(1)
    assert town.process(outage_id).status is ProcessStatus.COMPLETED


def test_an_end_that_passes_without_news_is_told_after_a_while_and_again_but_not_for_ever(town: Town) -> None:
    town.live(0)
    outage_id = town.register(ends=4)
    town.deliver_sms()
    town.sleep(4.25)
    assert town.heard() == ["emergency"]
    look = town.step(outage_id)
    assert look.end_wanted is not None
    town.sleep(0.5)
    assert town.heard() == ["emergency", "overrun"]
    town.deliver_sms()
    town.sleep(48)
    assert town.heard() == ["emergency", "overrun", "overrun"]


def test_a_new_end_is_told_and_may_pass_as_well(town: Town) -> None:
    town.live(0)
    outage_id = town.register(ends=4)
    town.deliver_sms()
    town.sleep(5)
    town.deliver_sms()
    town.change(outage_id, ends_at=town.now + 2 * HOUR)
    look = town.step(outage_id)
    assert look.end_wanted is None
    town.deliver_sms()
    town.sleep(3)
    assert town.heard() == ["emergency", "overrun", "new_end", "overrun"]


def test_a_policy_says_when_an_overrun_is_told(town: Town) -> None:
    town.live(0)
    outage_id = town.register(ends=4)
    town.pin(outage_id, overruns_at_most=0)
    town.sleep(72)
    assert town.heard() == ["emergency"]


def test_each_is_told_in_their_language_with_local_times(town: Town) -> None:
    kk, en = town.live(0, language=Language.KK), town.live(0, language=Language.EN)
    town.planned(starts=20, ends=22)
    starts_at = f"{(town.now + 20 * HOUR).astimezone(ZONE):%d.%m %H:%M}"
    assert [one.body.startswith("Жоспарлы") and starts_at in one.body for one in town.messages(kk)] == [True]
    assert [one.body.startswith("Planned") and starts_at in one.body for one in town.messages(en)] == [True]


def test_a_notice_that_the_night_held_up_gives_way_to_what_is_true_by_then(town: Town) -> None:
    served = town.live(0)
    town.pass_until(town.now + 12 * HOUR)
    outage_id = town.planned(starts=2, ends=8)
    assert [one.template for one in town.messages()] == ["outage_announced"]
    town.sleep(3)
    assert [one.template for one in town.messages()] == ["outage_begun"]
    town.change(outage_id, ended=True)
    assert town.messages(served) == []


def test_cancelled_in_the_middle_it_leaves_nothing_behind(town: Town) -> None:
    told, untold = town.live(0), town.live(0)
    outage_id = town.register()
    with town.database.transaction() as session:
        (message,) = town.messages(told)
        session.merge(message).status = MessageStatus.SENT
    town.cancel(outage_id)

    assert town.heard(told) == ["emergency", "called_off"]
    assert town.messages(untold) == []
    assert town.held() == set()
    town.deliver_sms()
    town.sleep(1)
    process = town.process(outage_id)
    assert (process.status, process.stage) == (ProcessStatus.CANCELLED, "closed")
    assert town.outage(outage_id).credited == 0


def test_what_is_over_can_not_be_changed_but_be_ended_again(town: Town) -> None:
    outage_id = town.register()
    town.change(outage_id, ended=True)
    town.change(outage_id, ended=True)
    with pytest.raises(Refusal, match="is over"):
        town.change(outage_id, ends_at=town.now + HOUR)
    with pytest.raises(Refusal, match="another time"):
        town.change(outage_id, ended_at=town.now + 3 * timedelta(minutes=1))


# --- several outages of the same people -------------------------------------------------------------------------------


def test_two_faults_at_one_time_are_one_message_and_one_end(town: Town) -> None:
    town.live(0)
    first = town.register(ends=6)
    town.deliver_sms()
    second = town.register(OutageKind.EMERGENCY, town.houses[0], ends=4)
    assert town.heard() == ["emergency"]
    town.sleep(1)
    town.change(second, ended=True)
    assert town.heard() == ["emergency"]
    town.change(first, ended=True)
    assert town.heard() == ["emergency", "restored"]


def test_nobody_hears_restored_while_another_outage_still_affects_them(town: Town) -> None:
    both, one = town.live(0), town.live(1)
    first = town.register(ends=6)
    second = town.register(OutageKind.EMERGENCY, town.houses[0], ends=4)
    town.deliver_sms()
    town.sleep(1)
    town.change(first, ended=True)

    assert town.heard(one) == ["emergency", "restored"]
    assert town.heard(both) == ["emergency", "new_end"]
    assert town.held() == {both.account_id}
    town.deliver_sms()
    town.change(second, ended=True)
    assert town.heard(both) == ["emergency", "new_end", "restored"]
    assert town.held() == set()


def test_works_of_two_outages_at_one_time_are_announced_together_and_change_together(town: Town) -> None:
    town.live(0)
    first = town.planned(starts=60, ends=62)
    second = town.planned(town.houses[0], starts=61, ends=64)
    town.sleep(36)
    assert town.heard() == ["announced"]
    until = f"{town.outage(second).ends_at.astimezone(ZONE):%d.%m %H:%M}"
    assert until in town.messages()[0].body
    town.deliver_sms()
    town.change(second, ended=True)
    assert town.heard() == ["announced", "moved"]
    town.deliver_sms()
    town.change(first, ended=True)
    assert town.heard() == ["announced", "moved", "called_off"]


def test_an_unsent_word_about_two_outages_is_said_anew_when_one_of_them_is_off(town: Town) -> None:
    town.live(0)
    first = town.planned(starts=20, ends=22)
    town.planned(town.houses[0], starts=21, ends=24)
    assert town.heard() == ["announced"]
    town.change(first, ended=True)

    (message,) = town.messages()
    assert message.template == "outage_announced"
    assert f"{(town.now + 21 * HOUR).astimezone(ZONE):%d.%m %H:%M}" in message.body


def test_the_same_is_never_said_twice_however_often_a_process_looks(town: Town) -> None:
    town.live(0)
    outages = [town.register(ends=4), town.register(OutageKind.EMERGENCY, town.houses[0], ends=5)]
    town.deliver_sms()
    before = town.heard()
    for outage_id in outages * 2:
        town.step(outage_id, is_news=True)
    town.go_on()
    assert town.heard() == before


def test_a_change_in_the_middle_of_a_round_leaves_nobody_out_and_tells_nobody_twice(town: Town) -> None:
    people = [town.live(number % 2) for number in range(6)]
    order = NewOutage(kind=OutageKind.EMERGENCY, node_ids=[town.olt_id], reason="обрыв кабеля")
    with town.database.transaction() as session:
        process, _ = register_outage(session, order, actor="staff:dispatcher", idempotency_key=None, at=town.now)
    town.outages.append(process.id)
    town.piece = 1
    while len(town.heard()) < 3:
        town.one_piece(process.id)
        town.deliver_sms()
    town.change(process.id, ends_at=town.now + 9 * HOUR)

    heard = sorted(town.heard(one) for one in people)
    assert heard == [["emergency"]] * 3 + [["emergency", "new_end"]] * 3
    assert town.events(process.id).count("outage_told_emergency") == 2
