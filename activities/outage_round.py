"""A round through everybody affected by an outage: what they have to know by now, they are told; dunning waits or not.

A round is begun whenever something has changed, and anew when something changes in its middle: what anybody is told
depends on what they know, so nobody is told twice and nobody is left out. What the round before it has queued and
nobody has begun to send is withdrawn, since it may be wrong by now. The list is gone through in the order of its
positions, a part in a transaction.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Uuid, bindparam, insert, text
from sqlalchemy.orm import Session

from activities import dunning_holds, outage_listing
from activities.message_queue import Notice, queue_notices, withdraw_unsent
from activities.outage_standings import (
    OUTDATED_REASON,
    Person,
    numbers,
    people,
    phase_of,
    withdraw_what_is_said_anew,
)
from activities.outbox import signal_workflow
from activities.processes import Told, tell_all
from models.contracts.dunning_words import HoldReason
from models.contracts.engine import ANOTHER_OUTAGE_CHANGED
from models.contracts.messaging import Urgency
from models.rules.outage_telling import Phase, Saying, Standing, Window, what_to_say
from models.rules.sms_texts import Template
from models.tables.outages import Outage, OutageNotice

# Outages of the same people are told one after the other: each round sees what the other has said.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('outage-round', 5))")
_OF_THE_SAME_PEOPLE = text("""
    SELECT process.workflow_id FROM outage JOIN process ON process.id = outage.process_id
    WHERE outage.closed_at IS NULL AND outage.process_id <> :outage_id AND EXISTS (
        SELECT FROM outage_affected AS own
        JOIN outage_affected AS other ON other.subscriber_id = own.subscriber_id
        WHERE own.outage_id = :outage_id AND other.outage_id = outage.process_id)
    ORDER BY process.workflow_id
""").bindparams(bindparam("outage_id", type_=Uuid))


def key_prefix(outage_id: UUID) -> str:
    """How the keys of an outage's SMS begin."""
    return f"outage:{outage_id}:"


def begin_round(session: Session, outage: Outage, *, at: datetime) -> None:
    """Begin a round for all that was wanted until now."""
    if outage.round_after is not None:
        # The round before it ends here: what it said was said.
        _end_round(session, outage, at=at)
    outage.round_no, outage.round_after, outage.told_in_round = outage.rounds_wanted, 0, {}
    withdraw_unsent(
        session, outage.process_id, at=at, reason=OUTDATED_REASON, key_prefix=key_prefix(outage.process_id)
    )  # fmt: skip
    if not outage.is_echo:
        # They may have left it to this outage to tell somebody, or the other way round.
        for workflow_id in session.scalars(_OF_THE_SAME_PEOPLE, {"outage_id": outage.process_id}).all():
            signal_workflow(session, workflow_id=workflow_id, signal=ANOTHER_OUTAGE_CHANGED)
    outage.is_echo = True


def tell_part(session: Session, outage: Outage, *, size: int, at: datetime, zone: ZoneInfo) -> int:
    """Go on with the round for the next services of the list; answers how many they were."""
    assert outage.round_after is not None, "a round is under way"
    after, until = outage.round_after, min(outage.round_after + size, outage.listed)
    # Tables that were empty a minute ago are taken for small ones, and would be read whole for each person.
    session.execute(text("SET LOCAL enable_seqscan = off"))
    _let_dunning_follow(session, outage, after=after, until=until, at=at)
    session.execute(_ONE_AT_A_TIME)
    _write(session, outage, _sayings(session, outage, after=after, until=until, at=at), at=at, zone=zone)
    session.execute(text("SET LOCAL enable_seqscan = on"))
    outage.round_after = until
    if until >= outage.listed:
        _end_round(session, outage, at=at)
    session.flush()
    return until - after


def _sayings(session: Session, outage: Outage, *, after: int, until: int, at: datetime) -> list[tuple[Person, Saying]]:
    """What the people at some positions are to be told now."""
    subscribers = numbers(session, outage, after=after, until=until)
    said = _said_to(people(session, outage, subscribers, at=at), at)
    # Two SMS that wait to be sent, the second of which corrects the first, are one too many.
    phones = withdraw_what_is_said_anew(session, said, at=at)
    if not phones:
        return said
    anew = {phone: subscribers[phone] for phone in phones}
    kept = [(person, saying) for person, saying in said if person.phone not in phones]
    return [*kept, *_said_to(people(session, outage, anew, at=at), at)]


def _said_to(persons: Sequence[Person], at: datetime) -> list[tuple[Person, Saying]]:
    """What each is to be told of this outage, or else of another one of theirs: it may have been withdrawn unsent."""
    # To nearly all of them the outages are the same, and so is what is to be said.
    of_standings = cache(partial(_saying_of, at=at))
    said = ((person, of_standings((person.own, *person.others))) for person in persons)
    return [(person, saying) for person, saying in said if saying is not None]


def _saying_of(every: tuple[Standing, ...], *, at: datetime) -> Saying | None:
    for own in every:
        saying = what_to_say(own, [one for one in every if one is not own], at)
        if saying is not None:
            return saying
    return None


def _let_dunning_follow(session: Session, outage: Outage, *, after: int, until: int, at: datetime) -> None:
    if phase_of(outage, at) is not Phase.ON:
        return
    held = outage_listing.accounts_to_hold(session, outage.process_id, after=after, until=until)
    if held:
        dunning_holds.place(
            session, held, HoldReason.OUTAGE, source_id=outage.process_id, at=at, until_at=None
        )  # fmt: skip
    released = outage_listing.accounts_to_release(session, outage.process_id, after=after, until=until)
    if released:
        dunning_holds.release(session, outage.process_id, at=at, account_ids=released)


def _write(
    session: Session, outage: Outage, sayings: Sequence[tuple[Person, Saying]], *, at: datetime, zone: ZoneInfo
) -> None:
    alike: dict[tuple[Template, Urgency], list[Notice]] = defaultdict(list)
    rows: list[dict[str, Any]] = []
    told: dict[str, int] = defaultdict(int, outage.told_in_round)
    for person, saying in sayings:
        subscriber_id = person.subscriber_id
        key = f"{key_prefix(outage.process_id)}{outage.round_no}:{subscriber_id}"
        template = Template(f"outage_{saying.occasion}")
        urgency = Urgency.EMERGENCY if saying.is_urgent else Urgency.NOTICE
        alike[template, urgency].append(Notice(key, subscriber_id, _facts(saying.window, zone)))
        rows += _notices(key, subscriber_id, saying, at)
        told[saying.occasion] += 1
    for (template, urgency), notices in alike.items():
        queue_notices(
            session, notices, template=template, process_id=outage.process_id, at=at, urgency=urgency
        )  # fmt: skip
    if rows:
        session.execute(insert(OutageNotice), rows)
    outage.told_in_round = dict(told)


def _notices(key: str, subscriber_id: UUID, saying: Saying, at: datetime) -> list[dict[str, Any]]:
    """What somebody knows from an SMS of each outage that it is about."""
    known = {
        "message_key": key, "subscriber_id": subscriber_id, "occasion": saying.occasion, "at": at,
        "starts_at": saying.window.starts_at, "ends_at": saying.window.ends_at, "overruns": saying.overruns,
    }  # fmt: skip
    return [
        *({**known, "outage_id": outage_id, "is_over": False} for outage_id in saying.about),
        *({**known, "outage_id": outage_id, "is_over": True} for outage_id in saying.settles),
    ]


@lru_cache(maxsize=256)
def _facts(window: Window, zone: ZoneInfo) -> Mapping[str, str]:
    """The window as a person reads it: to the minute, an end never before the real one."""
    ends_at = window.ends_at
    if ends_at.second or ends_at.microsecond:
        ends_at = ends_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return {"from": _local(window.starts_at, zone), "until": _local(ends_at, zone)}


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%d.%m %H:%M}"


def _end_round(session: Session, outage: Outage, *, at: datetime) -> None:
    outage.round_after = None
    told = [
        Told(f"outage_told_{occasion}", {"people": number}, key=f"outage_told_{occasion}:{outage.round_no}")
        for occasion, number in sorted(outage.told_in_round.items())
    ]
    if told:
        tell_all(session, outage.process_id, told, at=at)
